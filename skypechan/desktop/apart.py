"""A line's client apart from the gateway: a service, or a container, of its own.

The walls around it are those of the service or the container, so it has none of ours.
The gateway finds its bus in the client's folder and, where it may be in the page, its
display with the cookie.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from skypechan.clock import Clock
from skypechan.desktop.relay import relayed
from skypechan.desktop.settings import ClientSettings
from skypechan.desktop.supervisor import Supervisor
from skypechan.links.systemd import ServiceManager

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
                supervisor.place.xauthority.chmod(_GROUP_READS)
            manager.ready()

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _unchanged)
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
    screen = folder / "screen"
    screen.mkdir(exist_ok=True)
    screen.chmod(_GROUP_ENTERS)  # it was closed if it was not shown before
    way = screen / "display"
    async with relayed(way, lambda: supervisor.place.display, clock):
        yield


def _unchanged() -> None:
    """Go on: there is nothing here that a hangup could have read again."""
