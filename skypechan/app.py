"""The composition root: the only place where objects are wired together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.audiosocket.server import AudioSocketServer
from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.devices import Devices
from skypechan.asterisk.pbx import Pbx
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.backends.base import Backend
from skypechan.backends.echo.backend import EchoBackend
from skypechan.backends.skype import profile
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.transport import Transport
from skypechan.backends.skype.transports import transport_factory
from skypechan.clock import Clock, SystemClock
from skypechan.config.reader import Config, LineConfig
from skypechan.config.reload import Reload
from skypechan.desktop.onlooker import Onlooker
from skypechan.desktop.supervisor import Supervisor
from skypechan.errors import CommandError, ConfigError
from skypechan.gateway.exchanges import Exchange
from skypechan.gateway.gateway import Gateway
from skypechan.gateway.housekeeping import housekeeping, settle
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.paused import PausedLines
from skypechan.gateway.records import RecordBook
from skypechan.gateway.reporting import reporting
from skypechan.links.systemd import ServiceManager
from skypechan.log import wire_log
from skypechan.media.engine import Engine
from skypechan.settings import state_folder
from skypechan.web.control import serve_control
from skypechan.web.server import serve

_log = logging.getLogger(__name__)

_DRAIN_S = 3.0


def make_line(line: LineConfig, clock: Clock, base: Path) -> Line:
    """Return a configured line; relative folders are below `base`.

    Raises ConfigError for settings that its backend cannot serve.
    """
    client, folder = line.client, line.client.folder_from(base, line.name)
    if not client.is_ours:
        backend, onlooker = _backend(line, clock), _onlooker(line, folder, clock)
        return Line(line.name, line.line, backend, clock, onlooker)
    seeds = profile.seeds(client.command, line.backend.account, client.login)
    supervisor = Supervisor(line.name, client, folder, clock, seeds)
    backend = _backend(line, clock, supervisor)
    return Line(line.name, line.line, backend, clock, supervisor)


def _onlooker(line: LineConfig, folder: Path, clock: Clock) -> Onlooker | None:
    """Return who looks at a client that is started elsewhere, if somebody shall."""
    if not line.client.screen_in_page:
        return None
    there = line.backend
    return Onlooker(line.name, there.display, there.xauthority, folder, clock)


def _backend(
    line: LineConfig, clock: Clock, supervisor: Supervisor | None = None
) -> Backend:
    if line.line.backend == "echo":
        return EchoBackend()
    way, wire = transport_factory(line.backend), wire_log(line.name)
    if supervisor is None:
        return SkypeBackend(line.backend, clock, way, wire=wire)
    beside = partial(_open_beside, supervisor, line.backend)
    return SkypeBackend(line.backend, clock, beside, wire=wire, loopback=supervisor)


async def _open_beside(supervisor: Supervisor, settings: SkypeSettings) -> Transport:
    """Reach the client on the desktop that it has been given."""
    place = supervisor.place
    there = replace(
        settings,
        dbus_address=place.dbus_address,
        display=place.display,
        xauthority=str(place.xauthority),
    )
    return await transport_factory(there)()


def make_exchange(
    name: str,
    settings: AsteriskSettings,
    server: AudioSocketServer,
    contacts: Mapping[str, Contact],
    clock: Clock,
) -> Exchange:
    """Return a configured Asterisk, whose audio is taken by `server`."""
    link = AmiLink(settings, clock)
    pbx = Pbx(link, server, clock, contacts, name=name, alone=settings.alone)
    return Exchange(pbx, Devices(link, clock))


async def run(config: Config) -> None:
    """Run the gateway until SIGTERM or SIGINT, then end its calls and leave.

    SIGHUP has it read the configuration again. Raises ConfigError for what only shows
    when it is tried, such as a taken port.
    """
    clock, hung_up = SystemClock(), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
    engine = Engine(asyncio.get_running_loop(), settings=config.media)
    asterisks = {"": config.asterisk, **config.asterisks}
    servers = [AudioSocketServer(settings, clock) for settings in asterisks.values()]
    exchanges = [
        make_exchange(name, settings, server, config.contacts, clock)
        for (name, settings), server in zip(asterisks.items(), servers, strict=True)
    ]
    base = state_folder(config.source, os.environ)
    lines = Lines(make_line(line, clock, base) for line in config.lines)
    records = RecordBook(config.records, base, clock)
    paused = PausedLines(config.state.path_from(base, os.environ), clock)
    gateway = Gateway(lines, exchanges, engine, config.routes, clock, records, paused)
    new_line = partial(make_line, clock=clock, base=base)
    gateway.on_reload = Reload(config, gateway, new_line).reload
    manager = ServiceManager.of(os.environ)
    with closing(engine), ExitStack() as sockets, gateway.feed.following_the_log():
        for server in servers:
            sockets.enter_context(closing(server))
            server.open()
        async with (
            serve_control(gateway, config.control, config.source),
            serve(gateway, config.web),
        ):
            settle()
            async with (
                reporting(manager, gateway.snapshot, engine.is_alive, clock),
                housekeeping(clock, lambda: gateway.is_idle),
            ):
                reloading = _reload_for_ever(gateway, hung_up, manager, clock)
                await _serve_calls(gateway, manager, reloading)


async def _serve_calls(
    gateway: Gateway, manager: ServiceManager, reloading: Coroutine[None, None, None]
) -> None:
    serving = asyncio.create_task(gateway.run(), name="gateway")
    listening = asyncio.create_task(reloading, name="reload")
    manager.ready()
    await _stop_requested(serving, gateway.stop_wanted)
    manager.stopping()
    listening.cancel()
    await gateway.release_all("the gateway stops", _DRAIN_S)
    serving.cancel()
    await asyncio.wait([serving, listening])
    if not serving.cancelled() and (error := serving.exception()) is not None:
        raise _config_error_in(error) or error
    _log.info("stopped")


async def _reload_for_ever(
    gateway: Gateway, wanted: asyncio.Event, manager: ServiceManager, clock: Clock
) -> None:
    """Read the configuration again whenever that is wanted; the log tells of it."""
    while True:
        await wanted.wait()
        wanted.clear()
        manager.reloading(clock.monotonic_s())
        try:
            await gateway.reload()
        except ConfigError:
            pass  # each of its faults is in the log
        except CommandError as error:
            _log.warning("! not reloaded: %s", error)
        except Exception:  # noqa: BLE001 - a fault of ours costs no call
            _log.exception("! not reloaded")
        manager.ready()


def _config_error_in(error: BaseException) -> ConfigError | None:
    """Return the fault of the operator's that task groups have wrapped, if any."""
    if isinstance(error, BaseExceptionGroup):
        found = (_config_error_in(one) for one in error.exceptions)
        return next((one for one in found if one), None)
    return error if isinstance(error, ConfigError) else None


async def _stop_requested(serving: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Return when a signal or the operator wants it, or when serving has failed."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([waiting, serving], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
