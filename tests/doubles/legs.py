"""Legs that write down what a call asks of them and report what a test says."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from uuid import uuid4

from skypechan.asterisk.audiosocket.server import Connection
from skypechan.backends.base import AudioPort, Capabilities, LineObserver, Money, Pacing
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.errors import SkypechanError


@dataclass
class Script:
    """What was asked, in order, and which requests shall fail with what."""

    asked: list[str] = field(default_factory=list)
    failures: dict[str, SkypechanError] = field(default_factory=dict)

    def ask(self, request: str) -> None:
        self.asked.append(request)
        if error := self.failures.get(request.split(" ", 1)[0]):
            raise error


class ScriptedLineLeg:
    """A line leg; its far audio end is `far`, opened only once `slow` is set."""

    def __init__(self, script: Script) -> None:
        self.leg_id = "42"
        self.told_price: Money | None = None
        self.far: socket.socket | None = None
        self.slow: asyncio.Event | None = None
        self.pacing = Pacing.PACED
        self.released_with: HangupCause | None = None
        self._script = script

    async def answer(self) -> None:
        self._script.ask("line.answer")

    async def release(
        self, cause: HangupCause = HangupCause.NORMAL_CLEARING, /
    ) -> None:
        self._script.ask("line.release")
        self.released_with = cause

    async def send_digit(self, digit: str) -> None:
        self._script.ask(f"line.digit {digit}")

    async def hold(self) -> None:
        self._script.ask("line.hold")

    async def resume(self) -> None:
        self._script.ask("line.resume")

    @property
    def price(self) -> Money | None:
        return self.told_price

    async def open_audio(self) -> AudioPort:
        self._script.ask("line.audio")
        if self.slow is not None:
            await self.slow.wait()
        near, self.far = socket.socketpair()
        near.setblocking(False)
        return AudioPort(near, near, pacing=self.pacing)


class ScriptedBackend:
    """A line backend whose one leg is `leg`; it dials only once `slow` is set."""

    def __init__(self, script: Script) -> None:
        self.capabilities = Capabilities()
        self.leg = ScriptedLineLeg(script)
        self.sink: EventSink | None = None
        self.slow: asyncio.Event | None = None
        self.cancelled = False
        self._script = script

    async def run(self, observer: LineObserver) -> None:
        self._script.ask("line.run")

    async def place(self, address: str, sink: EventSink) -> ScriptedLineLeg:
        self._script.ask(f"line.place {address}")
        self.sink = sink
        if self.slow is not None:
            try:
                await self.slow.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
        return self.leg


class ScriptedPbxLeg:
    """A PBX leg; its far audio end is `far`."""

    def __init__(self, script: Script) -> None:
        self.uuid = str(uuid4())
        self.far: socket.socket | None = None
        self.new_audio = True  # there is a connection that nobody has taken
        self._script = script

    async def take(self) -> None:
        self._script.ask("pbx.take")

    async def ring(self) -> None:
        self._script.ask("pbx.ring")

    async def play_early(self) -> None:
        self._script.ask("pbx.early")

    async def answer(self) -> None:
        self._script.ask("pbx.answer")

    async def release(self, cause: HangupCause, reason: str = "") -> None:
        self._script.ask(f"pbx.release {cause.name}")

    async def send_digit(self, digit: str) -> None:
        self._script.ask(f"pbx.digit {digit}")

    @property
    def has_audio(self) -> bool:
        return self.new_audio

    async def audio(self) -> Connection:
        self._script.ask("pbx.audio")
        self.new_audio = False
        if self.far is not None:
            self.far.close()
        near, self.far = socket.socketpair()
        near.setblocking(False)
        return Connection(near, uuid4(), b"", 16_000)
