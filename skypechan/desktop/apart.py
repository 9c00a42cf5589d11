"""A line's client apart from the gateway: a service, or a container, of its own.

The walls around it are those of the service or the container, so it has none of ours.
The gateway finds its bus, and its display by the cookie, in the client's folder.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from skypechan.clock import Clock
from skypechan.desktop.settings import ClientSettings
from skypechan.desktop.supervisor import Supervisor
from skypechan.links.systemd import ServiceManager

_GROUP = 0o750
"""Who is in the client's group, as the gateway may be, gets as far as its bus."""


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
    (folder / "bus").mkdir(_GROUP, parents=True, exist_ok=True)
    unwalled = dataclasses.replace(settings, isolation="none")
    supervisor = Supervisor(line, unwalled, folder, clock, seeds)
    manager = ServiceManager.of(os.environ)

    def tell(text: str) -> None:
        manager.status(text)
        if supervisor.client is not None:
            manager.ready()

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with supervisor.supervising(tell):
        await stop.wait()
        manager.stopping()
