"""The gateway's Asterisk half alone, its calls driven by a test."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.audiosocket.server import AudioSocketServer, Connection
from skypechan.asterisk.audiosocket.wire import Decoder
from skypechan.asterisk.channel import PbxLeg
from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.dialplan import Origination
from skypechan.asterisk.pbx import Pbx, PbxRequest, PbxState
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.audio.audiosocket import KIND_OF_RATE_HZ, RATE_HZ_OF_KIND
from skypechan.call.events import Event
from skypechan.call.routes import Target
from skypechan.clock import Clock, SystemClock
from skypechan.demo.parts.asterisk import LocalAsterisk
from tests.doubles.waiting import Changes


class LegLog:
    """Takes the events of one leg."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.times_s: list[float] = []
        self._changes = Changes()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self.times_s.append(asyncio.get_running_loop().time())
        self._changes.notify()

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    async def until(
        self, kind: type[Event], seconds: float = 3, count: int = 1
    ) -> Event:
        """The nth event of a kind; raises TimeoutError."""
        await self._changes.until(
            lambda: len(self.of(kind)) >= count, seconds, kind.__name__
        )
        return self.of(kind)[count - 1]


class PbxDriver:
    """`Pbx` with what it stands on, and the requests that came."""

    def __init__(
        self,
        settings: AsteriskSettings,
        contacts: Mapping[str, Contact] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.clock = clock = clock or SystemClock()
        self.link = AmiLink(settings, clock)
        self.server = AudioSocketServer(settings, clock)
        self.pbx = Pbx(self.link, self.server, clock, contacts, alone=settings.alone)
        self.pbx.on_request = self._requested
        self.pbx.on_state = self._state_changed
        self._requests: asyncio.Queue[tuple[PbxRequest, LegLog]] = asyncio.Queue()
        self._changes = Changes()

    def _requested(self, request: PbxRequest) -> None:
        log = LegLog()
        request.leg.report_to(log)
        self._requests.put_nowait((request, log))

    def _state_changed(self) -> None:
        self._changes.notify()

    async def state(self, state: PbxState, seconds: float = 5) -> None:
        await self._changes.until(
            lambda: self.pbx.state is state, seconds, f"state {state}"
        )

    async def request(self, seconds: float = 3) -> tuple[PbxRequest, LegLog]:
        async with asyncio.timeout(seconds):
            return await self._requests.get()

    @property
    def has_request(self) -> bool:
        return not self._requests.empty()

    async def originate(self, **changes: object) -> tuple[PbxLeg, LegLog]:
        log = LegLog()
        leg = await self.pbx.originate(origination(**changes), log)
        return leg, log


def origination(**changes: object) -> Origination:
    """A call from echo123 to 555."""
    values: dict[str, object] = {
        "target": Target("555", "from-skypechan"),
        "call": "c-1",
        "line": "skypeclient",
        "account": "skypet123",
        "caller": "echo123",
        "caller_name": "Echo Service",
        "kind": "p2p",
        "language": "en",
        "ring_seconds": 10.0,
    }
    return Origination(**(values | changes))  # type: ignore[arg-type]


def settings_for(asterisk: LocalAsterisk, **changes: object) -> AsteriskSettings:
    values: dict[str, object] = {
        "ami": f"{asterisk.host}:{asterisk.settings.ami_port}",
        "ami_secret": asterisk.settings.ami_secret,
        "audiosocket_listen": "127.0.0.1:0",
    }
    return AsteriskSettings(**(values | changes))  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def running(driver: PbxDriver) -> AsyncIterator[PbxDriver]:
    """Run a driver; the legs that a test left are its own fault."""
    task = asyncio.create_task(driver.pbx.run())
    try:
        await driver.state(PbxState.READY)
        yield driver
    finally:
        for leg in driver.pbx.legs:
            await leg.release(16)  # type: ignore[arg-type]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


_PTIME_S = 0.02


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of Asterisk's."""

    kind: int
    payload: bytes

    @property
    def rate_hz(self) -> int:
        return RATE_HZ_OF_KIND[self.kind]


class AudioEnd:
    """The gateway's end of an audio connection; it sends silence until closed.

    Asterisk measures the length of a digit by the audio that comes with it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.socket: socket.socket = connection.socket
        self._decoder = Decoder()
        self._messages: list[Heard] = []
        self._take(connection.pending)
        silence = bytes(2 * round(connection.rate_hz * _PTIME_S))
        kind = KIND_OF_RATE_HZ[connection.rate_hz]
        self._silence = bytes([kind, *len(silence).to_bytes(2, "big")]) + silence
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_soon(self._send_silence)

    def _send_silence(self) -> None:
        with contextlib.suppress(OSError):  # Asterisk may have closed
            self.socket.send(self._silence)
        self._timer = self._loop.call_later(_PTIME_S, self._send_silence)

    def _take(self, piece: bytes) -> None:
        messages = self._decoder.feed(piece)
        self._messages += [Heard(one.kind, one.payload) for one in messages]

    async def next(self, seconds: float = 3) -> Heard | None:
        """The next message; None when Asterisk has closed; raises TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds):
            while not self._messages:
                piece = await loop.sock_recv(self.socket, 65536)
                if not piece:
                    return None
                self._take(piece)
        return self._messages.pop(0)

    async def digits(self, count: int, seconds: float = 10) -> str:
        """The next digits that Asterisk tells, audio left out."""
        found = ""
        async with asyncio.timeout(seconds):
            while len(found) < count:
                message = await self.next(seconds)
                assert message is not None, f"closed after {found!r}"
                if message.kind == 0x03:
                    found += message.payload.decode("ascii")
        return found

    def close(self) -> None:
        self._timer.cancel()
        self.socket.close()
