"""How the gateway is, told to the service manager for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from skypechan.clock import Clock
from skypechan.gateway.snapshot import GatewaySnapshot
from skypechan.links.systemd import ServiceManager

_EVERY_S = 2.0


@asynccontextmanager
async def reporting(
    manager: ServiceManager,
    look: Callable[[], Awaitable[GatewaySnapshot]],
    is_alive: Callable[[], bool],
    clock: Clock,
) -> AsyncIterator[None]:
    """Keep the manager's watchdog and its status line up to date meanwhile.

    The watchdog hears of us while this task gets its turn, so while the event loop
    lives, and while `is_alive` says that the audio does too.
    """
    if not manager.address:
        yield
        return
    telling = asyncio.create_task(_tell(manager, look, is_alive, clock))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.wait([telling])


async def _tell(
    manager: ServiceManager,
    look: Callable[[], Awaitable[GatewaySnapshot]],
    is_alive: Callable[[], bool],
    clock: Clock,
) -> None:
    told = ""
    # Several in the watchdog's time: one that comes late is no reason to be killed.
    every_s = min(_EVERY_S, (manager.watchdog_s or _EVERY_S) / 4)
    while True:
        if is_alive():
            manager.alive()
        if (text := status_line(await look())) != told:
            manager.status(text)
            told = text
        await clock.sleep(every_s)


def status_line(shown: GatewaySnapshot) -> str:
    """Return one line about links, lines and calls."""
    links = [f"{link.name} is {link.state}" for link in shown.links]
    ready = sum(line.state == "ready" for line in shown.lines)
    lines = f"{ready} of {len(shown.lines)} lines ready"
    return ", ".join([*links, lines, f"{len(shown.calls)} calls"])
