"""Every backend with a far end that a test can play, behind one interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from skypechan.backends.base import Backend, LineLeg, LineState
from skypechan.backends.echo.backend import EchoBackend, EchoLeg
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.clock import SystemClock
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from tests.doubles.line_observer import RecordingObserver
from tests.doubles.skype_emulator import ACCOUNT, SkypeEmulator
from tests.doubles.waiting import Changes


class FarEnd(Protocol):
    """Whoever is at the other end of the line."""

    address: str  # answers by itself, and echoes what it hears
    account: str

    async def call(self, caller: str, name: str) -> None: ...
    async def press(self, leg: LineLeg, digits: str) -> None: ...
    async def hang_up(self, leg: LineLeg) -> None: ...
    async def digits_heard(self, leg: LineLeg, count: int) -> str: ...


class EchoFarEnd:
    address = "anybody"
    account = "echo"

    def __init__(self, backend: EchoBackend, observer: RecordingObserver) -> None:
        self._backend = backend
        self._digits: dict[str, str] = {}

    async def call(self, caller: str, name: str) -> None:
        self._backend.call_in(caller, name)

    async def press(self, leg: LineLeg, digits: str) -> None:
        assert isinstance(leg, EchoLeg)
        for digit in digits:
            leg.press(digit)

    async def hang_up(self, leg: LineLeg) -> None:
        assert isinstance(leg, EchoLeg)
        leg.hang_up()

    async def digits_heard(self, leg: LineLeg, count: int) -> str:
        """What the echo hears it presses, so it stands in the leg's events."""
        assert isinstance(leg, EchoLeg)
        return "".join(event.digit for event in leg.sink.all[-count:])


class SkypeFarEnd(Changes):
    address = "echo"
    account = ACCOUNT

    def __init__(self, emulator: SkypeEmulator) -> None:
        super().__init__()
        self._emulator = emulator

    async def call(self, caller: str, name: str) -> None:
        who = {"from": caller, "display_name": name, "voice": "echo"}
        await self._emulator.control("POST", "/calls", **who)

    async def press(self, leg: LineLeg, digits: str) -> None:
        await self._emulator.call(leg.leg_id, until="INPROGRESS")
        path = f"/calls/{leg.leg_id}/digits"
        await self._emulator.control("POST", path, digits=digits, gap_s=0.05)

    async def hang_up(self, leg: LineLeg) -> None:
        await self._emulator.control("POST", f"/calls/{leg.leg_id}/hang_up")

    async def digits_heard(self, leg: LineLeg, count: int) -> str:
        call = await self._emulator.call(leg.leg_id)
        return str(call["digits_heard"])


FarEndMaker = Callable[[RecordingObserver], FarEnd]


class Bench:
    """A backend that runs, who watches it, and who is at its far end."""

    def __init__(self, backend: Backend, observer: RecordingObserver) -> None:
        self.backend = backend
        self.observer = observer
        self.far: FarEnd
        self._task = asyncio.create_task(backend.run(observer))

    async def stop(self) -> None:
        assert self._task.cancelled() or not self._task.done()
        self._task.cancel()
        await asyncio.wait([self._task], timeout=10)
        assert self._task.cancelled()


@asynccontextmanager
async def _echo(_: Path) -> AsyncIterator[tuple[EchoBackend, FarEndMaker]]:
    backend = EchoBackend()
    yield backend, lambda observer: EchoFarEnd(backend, observer)


@asynccontextmanager
async def _skype(
    settings: SkypeSettings, emulator: SkypeEmulator
) -> AsyncIterator[tuple[SkypeBackend, FarEndMaker]]:
    try:
        await emulator.start()
        yield SkypeBackend(settings, SystemClock()), lambda _: SkypeFarEnd(emulator)
    finally:
        await emulator.kill()


@asynccontextmanager
async def _skype_on_dbus(folder: Path) -> AsyncIterator[tuple[Backend, FarEndMaker]]:
    daemon = PrivateBus(folder)
    await daemon.start()
    settings = SkypeSettings(account=ACCOUNT, dbus_address=daemon.address)
    try:
        async with _skype(settings, SkypeEmulator(daemon.address)) as made:
            yield made
    finally:
        await daemon.stop()


@asynccontextmanager
async def _skype_on_x11(folder: Path) -> AsyncIterator[tuple[Backend, FarEndMaker]]:
    async with PrivateScreen(folder / "screen", screen="640x480x8") as screen:
        display, cookie = screen.display, str(screen.xauthority)
        settings = SkypeSettings(
            account=ACCOUNT, transport="x11", display=display, xauthority=cookie
        )
        emulator = SkypeEmulator(display=display, xauthority=cookie)
        async with _skype(settings, emulator) as made:
            yield made


BACKENDS = {"echo": _echo, "skype-dbus": _skype_on_dbus, "skype-x11": _skype_on_x11}


@pytest.fixture(params=BACKENDS)
async def bench(request: pytest.FixtureRequest, tmp_path) -> AsyncIterator[Bench]:
    observer = RecordingObserver()
    async with BACKENDS[request.param](tmp_path) as (backend, make_far_end):
        bench = Bench(backend, observer)
        bench.far = make_far_end(observer)
        yield bench
        await bench.stop()


@pytest.fixture
async def line(bench: Bench) -> Bench:
    """The bench, once its line is ready."""
    await bench.observer.reach(LineState.READY)
    return bench
