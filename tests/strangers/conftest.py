"""The programs that the strangers meet, and the strangers' connections to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from skypechan.demo.parts.bus import PrivateBus
from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.demo.parts.users import workspace
from tests.doubles.loop_thread import LoopThread
from tests.strangers.application import Application
from tests.strangers.dbus_wire import Bus, DbusWire

ACCOUNT = "alice"
Join = Callable[[], Awaitable[Application]]


@pytest.fixture(scope="session")
def stranger_house() -> Iterator[LoopThread]:
    """The loop that the long-lived programs run in."""
    with LoopThread() as thread:
        yield thread


@pytest.fixture(scope="session")
def stranger_place() -> Iterator[Path]:
    """A private folder for every program's files."""
    with workspace() as path:
        yield path


@pytest.fixture(scope="session")
def skype_bus(stranger_house: LoopThread, stranger_place: Path) -> PrivateBus:
    """The session bus of the emulated client."""
    return stranger_house.enter(PrivateBus(stranger_place / "bus"))


@pytest.fixture(scope="session")
def emulated(
    stranger_house: LoopThread, stranger_place: Path, skype_bus: PrivateBus
) -> Emulator:
    """The client emulator, signed in."""
    options = ["--dbus", skype_bus.address, "--account", ACCOUNT]
    return stranger_house.enter(emulator(stranger_place / "emulator", options))


@pytest.fixture
async def skype(emulated: Emulator) -> AsyncIterator[Emulator]:
    """The emulator; as it was at first, and without a call, afterwards."""
    yield emulated
    for call in await emulated.live():
        await emulated.hang_up(call["call"])
    await emulated.post("/authorise", {"mode": "yes"})
    assert await emulated.live() == []


@pytest.fixture
async def over_dbus(
    skype: Emulator, skype_bus: PrivateBus
) -> AsyncIterator[Callable[..., Awaitable[Application]]]:
    """Join the bus as an application, each time on a connection of its own."""
    async with AsyncExitStack() as open_ones:

        async def join(*, named: bool = True, answers: bool = True) -> Application:
            bus = await Bus.open(skype_bus.address)
            wire = DbusWire(bus, named=named, answers=answers)
            return await open_ones.enter_async_context(Application(wire))

        yield join
