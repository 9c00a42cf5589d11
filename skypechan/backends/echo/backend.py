"""A line with nobody but an echo at its far end; it keeps the seam honest."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from skypechan.backends.base import (
    AudioPort,
    Capabilities,
    LineObserver,
    LineState,
    Offer,
    Pacing,
)
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    EventSink,
    LineAnswered,
    LineDigit,
    LineReleased,
    LineRinging,
)
from skypechan.errors import CallError, LinkDownError

ACCOUNT: Final = "echo"

_DIGITS: Final = Capabilities().digits_out


class EchoLeg:
    """One call with the echo. `press` and `hang_up` are its far end's doing."""

    def __init__(self, number: int, on_over: Callable[[EchoLeg], None]) -> None:
        self.sink: EventSink | None = None
        self._number = number
        self._on_over = on_over
        self._answered = False
        self._over = False
        self._audio: socket.socket | None = None

    @property
    def leg_id(self) -> str:
        """The echo's number of the call."""
        return str(self._number)

    async def answer(self) -> None:
        """Answer the offered call."""
        self._require_life()
        self.accept()

    async def release(self, _: HangupCause = HangupCause.NORMAL_CLEARING, /) -> None:
        """End the leg; harmless when it has ended."""
        self.hang_up()

    async def send_digit(self, digit: str) -> None:
        """Send a digit, which comes back."""
        self._require_life()
        if digit not in _DIGITS:
            raise CallError(HangupCause.INTERWORKING, f"no digit: {digit!r}")
        self.press(digit)

    async def open_audio(self) -> AudioPort:
        """Return both ends of one connection: what is written is what is read."""
        self._require_life()
        if self._audio is not None:
            raise CallError(HangupCause.INTERWORKING, "the audio is open already")
        to_line, from_line = socket.socketpair()
        to_line.setblocking(False)
        from_line.setblocking(False)
        self._audio = to_line
        return AudioPort(from_line, to_line, pacing=Pacing.RETURNED)

    def accept(self) -> None:
        """Bring the call up."""
        if not self._answered:
            self._answered = True
            self._report(LineAnswered())

    def press(self, digit: str) -> None:
        """Press a key at the far end."""
        self._report(LineDigit(digit))

    def hang_up(self) -> None:
        """End the call at the far end."""
        if self._over:
            return
        self._over = True
        if self._audio is not None:
            with suppress(OSError):  # closed by whoever had it
                self._audio.shutdown(socket.SHUT_WR)
        self._report(LineReleased(HangupCause.NORMAL_CLEARING))
        self._on_over(self)

    def _require_life(self) -> None:
        if self._over:
            raise CallError(HangupCause.NORMAL_CLEARING, "the call has ended")

    def _report(self, event: LineAnswered | LineDigit | LineReleased) -> None:
        if self.sink is not None:
            self.sink(event)


class EchoBackend:
    """A line that is always ready; every address is the echo."""

    def __init__(self) -> None:
        self._observer: LineObserver | None = None
        self._legs: set[EchoLeg] = set()
        self._calls = 0

    @property
    def capabilities(self) -> Capabilities:
        """What the echo can do."""
        return Capabilities()

    async def run(self, observer: LineObserver) -> None:
        """Be ready until cancelled; then end every call."""
        self._observer = observer
        observer.line_changed(LineState.READY, "", ACCOUNT)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._observer = None
            for leg in tuple(self._legs):
                leg.hang_up()

    async def place(self, address: str, sink: EventSink) -> EchoLeg:
        """Start a call, which rings and is answered at once."""
        self._present_observer()
        if not address:
            raise CallError(HangupCause.INVALID_NUMBER, "no address")
        leg = self._new_leg()
        leg.sink = sink
        sink(LineRinging())
        leg.accept()
        return leg

    def call_in(self, caller: str, caller_name: str = "", kind: str = "p2p") -> EchoLeg:
        """Have somebody call the line."""
        observer = self._present_observer()
        leg = self._new_leg()
        leg.sink = observer.offered(Offer(leg, caller, caller_name or caller, kind))
        return leg

    def _present_observer(self) -> LineObserver:
        if self._observer is None:
            raise LinkDownError("the echo does not run")
        return self._observer

    def _new_leg(self) -> EchoLeg:
        self._calls += 1
        leg = EchoLeg(self._calls, self._legs.discard)
        self._legs.add(leg)
        return leg
