"""Where an emulator appears: on a bus, on a display, or on both at once."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from skypechan.emulator.host import DbusHost
from skypechan.emulator.host_x11 import ATOMS, X11Host
from skypechan.emulator.program import Program
from skypechan.errors import LinkDownError, LinkRefusedError
from skypechan.links.dbus import DbusLink
from skypechan.links.x11.link import X11Link

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Hosts:
    """The open transports; a name is None where there is none."""

    dbus: str | None = None
    display: str | None = None
    x11: X11Host | None = None
    bus: DbusHost | None = None
    links: list[DbusLink | X11Link] = field(default_factory=list)

    async def wait_lost(self) -> None:
        """Return when one of them is lost: a client does not outlive its desktop."""
        losses = [asyncio.ensure_future(link.wait_lost()) for link in self.links]
        try:
            await asyncio.wait(losses, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for loss in losses:
                loss.cancel()
            await asyncio.gather(*losses, return_exceptions=True)


async def open_hosts(
    program: Program, stack: AsyncExitStack, *, dbus: str | None, display: str | None
) -> Hosts:
    """Appear where it is asked; if nothing is, on the session's bus and display.

    Of those two one will do. Raises LinkError, and ConfigError for what is no
    display's name. The stack takes them down again.
    """
    hosts = Hosts()
    if dbus is not None:
        await _appear_on_bus(program, stack, hosts, dbus)
    if display is not None:
        await _appear_on_display(program, stack, hosts, display)
    if dbus is display is None:
        await _appear_in_session(program, stack, hosts)
    return hosts


async def _appear_in_session(
    program: Program, stack: AsyncExitStack, hosts: Hosts
) -> None:
    bus = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    screen = os.environ.get("DISPLAY", "")
    faults: list[str] = []
    # Several clients of one session have a display each, and one of them the bus.
    await _try(lambda: _appear_on_bus(program, stack, hosts, bus), faults)
    await _try(lambda: _appear_on_display(program, stack, hosts, screen), faults)
    if not hosts.links:
        raise LinkDownError("; ".join(faults))
    for fault in faults:
        logger.info("! %s", fault)


async def _try(appear: Callable[[], Awaitable[None]], faults: list[str]) -> None:
    try:
        await appear()
    except (LinkDownError, LinkRefusedError) as error:
        faults.append(str(error))


async def _appear_on_bus(
    program: Program, stack: AsyncExitStack, hosts: Hosts, address: str
) -> None:
    link = await DbusLink.connect(address)
    stack.callback(link.close)
    hosts.bus = DbusHost(program, link)
    await hosts.bus.start()
    hosts.dbus = address or os.environ["DBUS_SESSION_BUS_ADDRESS"]
    hosts.links.append(link)


async def _appear_on_display(
    program: Program, stack: AsyncExitStack, hosts: Hosts, display: str
) -> None:
    link = await X11Link.connect(display, atoms=ATOMS)
    stack.callback(link.close)
    hosts.x11 = X11Host(program, link)
    stack.push_async_callback(hosts.x11.stop)
    await hosts.x11.start()
    hosts.display = display or os.environ["DISPLAY"]
    hosts.links.append(link)
