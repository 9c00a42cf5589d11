"""A line's client apart from the gateway: a service, or a container, of its own.

The walls around it are those of the service or the container, so it has none of ours.
The gateway finds its bus in the client's folder and, where it may be in the page, its
display with the cookie.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import signal
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from skypechan.clock import Clock
from skypechan.desktop.relay import relayed
from skypechan.desktop.settings import ClientSettings
from skypechan.desktop.supervisor import Supervisor
from skypechan.links.systemd import ServiceManager

_log = logging.getLogger(__name__)

# Who is in the client's group, as the gateway may be, gets to its bus and display.
_GROUP_ENTERS = 0o750
_GROUP_READS = 0o640


async def run(
    line: str,
    settings: ClientSettings,
    folder: Path,
    clock: Clock,
    seeds: Mapping[str, str],
) -> None:
    """Keep the client running until SIGTERM or SIGINT; `seeds` as of `Supervisor`.

    The service manager hears that all is ready when the client has been started, and
    in its status line what became of it.
    """
    (folder / "bus").mkdir(_GROUP_ENTERS, parents=True, exist_ok=True)
    unwalled = dataclasses.replace(settings, isolation="none")
    supervisor = Supervisor(line, unwalled, folder, clock, seeds)
    manager = ServiceManager.of(os.environ)

    def tell(text: str) -> None:
        manager.status(text)
        if supervisor.client is not None:
            if settings.screen_in_page:
                with suppress(OSError):  # the client may do in there what it likes
                    supervisor.place.xauthority.chmod(_GROUP_READS)
            manager.ready()

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        _shared_display(supervisor, settings, folder, clock),
        supervisor.supervising(tell),
    ):
        await stop.wait()
        manager.stopping()


@asynccontextmanager
async def _shared_display(
    supervisor: Supervisor, settings: ClientSettings, folder: Path, clock: Clock
) -> AsyncIterator[None]:
    """Let the group reach the display too, where it may be in the page."""
    if not settings.screen_in_page:
        yield
        return
    way = folder / "screen" / "display"
    async with AsyncExitStack() as shared:
        try:
            way.parent.mkdir(exist_ok=True)
            for entered in (folder, folder / "bus", way.parent):
                entered.chmod(stat.S_IMODE(entered.stat().st_mode) | _GROUP_ENTERS)
            await shared.enter_async_context(
                relayed(way, lambda: supervisor.place.display, clock)
            )
        except OSError as error:  # its calls go on without a picture
            _log.warning("! nobody can look at the display: %s", error)
        yield
