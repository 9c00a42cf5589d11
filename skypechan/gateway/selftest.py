"""The self-test: a call through the whole gateway, with a chirp for a voice.

It stands at the place of a line's client: it offers a call, which the gateway brings
to an echo in Asterisk's dialplan, and measures what comes back. So everything takes
part but the lines and their clients.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skypechan.asterisk import dialplan
from skypechan.audio import probe
from skypechan.audio.probe import Found, TimedSound
from skypechan.backends.base import AudioPort, Capabilities, LineObserver, Offer
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink, LineAnswered, LineReleased
from skypechan.call.machine import CallState
from skypechan.call.record import CallRecord, Side
from skypechan.call.routes import Target
from skypechan.clock import Clock
from skypechan.errors import CallError
from skypechan.gateway.line import Line
from skypechan.gateway.runner import CallRunner
from skypechan.gateway.settings import LineSettings

NAME = "self-test"
COVERS = (
    "the AMI link, skypechan.conf (inbound and audio), AudioSocket both ways, the call"
    " table and the media engine; no line and no client takes part"
)

RATE_HZ = 16_000
CHIRPS = 5
_FRAME_S = 0.020
_FRAME = round(RATE_HZ * _FRAME_S)
# A chirp begins in the middle of a frame: at its border a sample more or less would
# time it by another frame.
_LEAD_S, _EVERY_S, _TAIL_S = 0.31, 0.4, 0.5
_LEVEL_DBFS = -12.0
_READ_BYTES = 1 << 16
_RING_S = 10.0
_RELEASED_S = 6.0
_SAMPLE_BYTES = 2

MOST_ROUND_TRIP_MS = 300.0
"""Beyond 150 ms one way a conversation suffers (ITU-T G.114)."""
MOST_LEVEL_CHANGE_DB = 3.0

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a self-test found; the figures' names end in their units."""

    passed: bool
    reason: str
    covers: str = COVERS
    figures: Mapping[str, float | int] = field(default_factory=dict)


class _FarEnd:
    """The far end of the test's line leg: it speaks chirps and listens."""

    def __init__(self, clock: Clock) -> None:
        self.sink: EventSink | None = None
        self.over = False
        self.settled = asyncio.Event()  # it is over, or there is audio
        self._clock = clock
        self._far: socket.socket | None = None

    @property
    def leg_id(self) -> str:
        """The test's name for it."""
        return NAME

    async def answer(self) -> None:
        """Be answered."""
        self._report(LineAnswered())

    async def release(self, _: HangupCause = HangupCause.NORMAL_CLEARING, /) -> None:
        """End the leg; harmless when it has ended."""
        if not self.over:
            self.over = True
            self.settled.set()
            self._report(LineReleased(HangupCause.NORMAL_CLEARING, "the test is over"))

    async def send_digit(self, digit: str) -> None:
        """Take no digits."""
        raise CallError(HangupCause.INTERWORKING, f"the self-test has no key {digit}")

    async def open_audio(self) -> AudioPort:
        """Return one end of the wire; the test has the other."""
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        self._far = far
        self.settled.set()
        return AudioPort(from_line=near, to_line=near, rate_hz=RATE_HZ)

    async def talk(self) -> tuple[TimedSound, TimedSound]:
        """Speak the chirps; return what was sent and what was heard meanwhile."""
        far = self._far
        if far is None:
            raise CallError(HangupCause.TEMPORARY_FAILURE, "there is no audio")
        ear = _Ear(self._clock)
        listening = asyncio.create_task(ear.listen(far), name="self-test listens")
        try:
            sent = await self._speak(far)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return sent, ear.heard()

    async def _speak(self, far: socket.socket) -> TimedSound:
        loop = asyncio.get_running_loop()
        pieces = np.split(_speech(), range(_FRAME, len(_speech()), _FRAME))
        times_ns = []
        begun_s = self._clock.monotonic_s()
        for number, piece in enumerate(pieces):
            due_s = begun_s + number * _FRAME_S
            await self._clock.sleep(max(due_s - self._clock.monotonic_s(), 0))
            times_ns.append(round(self._clock.monotonic_s() * 1e9))
            with suppress(OSError):  # that the call has ended is told otherwise
                await loop.sock_sendall(far, piece.astype("<i2").tobytes())
        return TimedSound.of(pieces, times_ns, RATE_HZ)

    def close(self) -> None:
        """Close the test's end of the wire."""
        if self._far is not None:
            self._far.close()

    def _report(self, event: LineAnswered | LineReleased) -> None:
        if self.sink is not None:
            self.sink(event)


class _Ear:
    """Takes down what comes, and when."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pieces: list[Samples] = []
        self._times_ns: list[int] = []

    async def listen(self, far: socket.socket) -> None:
        loop, rest = asyncio.get_running_loop(), b""
        while piece := await loop.sock_recv(far, _READ_BYTES):
            self._times_ns.append(round(self._clock.monotonic_s() * 1e9))
            whole = rest + piece
            length = len(whole) - len(whole) % _SAMPLE_BYTES
            rest = whole[length:]
            self._pieces.append(np.frombuffer(whole[:length], "<i2").astype(np.int16))

    def heard(self) -> TimedSound:
        return TimedSound.of(self._pieces, self._times_ns, RATE_HZ)


class _NoClient:
    """The kind of client that the test's line has: none."""

    capabilities = Capabilities(digits_out="")

    async def run(self, observer: LineObserver) -> None:
        """Have nothing to run."""

    async def place(self, address: str, sink: EventSink) -> _FarEnd:  # noqa: ARG002
        """Place no calls."""
        raise CallError(HangupCause.TEMPORARY_FAILURE, f"nobody calls {address} here")


class SelfTest:
    """Makes one test call at a time; `offer` brings it into the gateway."""

    def __init__(
        self, clock: Clock, offer: Callable[[Line, Offer, Target], CallRunner]
    ) -> None:
        self.running = False
        self.last: Verdict | None = None
        self._clock = clock
        self._offer = offer

    async def run(self) -> Verdict:
        """Make a call and judge it."""
        self.running = True
        try:
            with closing(_FarEnd(self._clock)) as far:
                self.last = await self._run(far)
        finally:
            self.running = False
        return self.last

    async def _run(self, far: _FarEnd) -> Verdict:
        settings = LineSettings(ring_seconds=_RING_S)
        line = Line(NAME, settings, _NoClient(), self._clock)
        begun_s = self._clock.monotonic_s()
        offer = Offer(far, NAME, NAME, dialplan.SELF_TEST)
        call = self._offer(line, offer, dialplan.ECHO)
        far.sink = call.post
        try:
            await far.settled.wait()
            set_up_s = self._clock.monotonic_s() - begun_s
            sent_heard = None if far.over else await far.talk()
            ended_early = far.over
        finally:
            await far.release()
            await self._over(call)
        if ended_early or sent_heard is None:
            return failed(call.record)
        found = await asyncio.to_thread(measured, *sent_heard)
        figures = {"set_up_ms": round(set_up_s * 1000), **found}
        return judged(figures, call.record)

    async def _over(self, call: CallRunner) -> None:
        """Wait until the record of a call is complete."""
        until_s = self._clock.monotonic_s() + _RELEASED_S
        while call.state is not CallState.RELEASED:
            if self._clock.monotonic_s() > until_s:
                return
            await self._clock.sleep(_FRAME_S)


def _speech() -> Samples:
    chirp = probe.chirp(RATE_HZ, level_dbfs=_LEVEL_DBFS)
    speech = np.zeros(
        round((_LEAD_S + CHIRPS * _EVERY_S + _TAIL_S) * RATE_HZ), np.int16
    )
    for number in range(CHIRPS):
        begin = round((_LEAD_S + number * _EVERY_S) * RATE_HZ)
        speech[begin : begin + len(chirp)] = chirp
    return speech


def measured(sent: TimedSound, heard: TimedSound) -> dict[str, float | int]:
    """Return delays, levels and losses of the chirps. Takes some 10 ms.

    The round trip counts from the sending of a frame to the arrival of the same
    samples: what a client and a phone buffer comes on top.
    """
    delays_ms = probe.delays_ms(sent, heard)
    figures: dict[str, float | int] = {
        "chirps_sent": CHIRPS,
        "chirps_heard": len(delays_ms),
    }
    if delays_ms:
        figures["round_trip_min_ms"] = round(min(delays_ms), 1)
        figures["round_trip_median_ms"] = round(statistics.median(delays_ms), 1)
        figures["round_trip_max_ms"] = round(max(delays_ms), 1)
        found = probe.found_chirps(heard.samples, heard.rate_hz)
        level = statistics.median(_level_db(heard.samples, found))
        figures["level_change_db"] = round(level, 1)
    return figures


def _level_db(samples: Samples, found: Sequence[Found]) -> list[float]:
    """Return by how much louder each chirp came than it was sent, dB."""
    chirp = probe.chirp(RATE_HZ, level_dbfs=_LEVEL_DBFS).astype(np.float64)
    sent = float(np.mean(chirp**2))
    levels = []
    for one in found:
        begin = round(one.position)
        heard = samples[begin : begin + len(chirp)].astype(np.float64)
        power = max(float(np.mean(heard**2)), 1e-9)
        levels.append(10 * float(np.log10(power / sent)))
    return levels


def judged(figures: Mapping[str, float | int], record: CallRecord) -> Verdict:
    """Return the verdict on a call that was answered."""
    kept = ("to_pbx_gaps", "to_line_gaps", "to_pbx_dropped", "to_line_dropped")
    # The pause before the first frame counts as one.
    audio = {name: record.audio[name] for name in kept if name in record.audio}
    figures = {**figures, **audio}
    return Verdict(not (faults := _faults(figures)), "; ".join(faults), figures=figures)


def _faults(figures: Mapping[str, float | int]) -> list[str]:
    faults = []
    heard = figures["chirps_heard"]
    if not heard:
        return ["nothing of what was sent came back"]
    if heard < CHIRPS:
        faults.append(f"{CHIRPS - heard} of {CHIRPS} chirps were lost")
    if (delay_ms := figures["round_trip_median_ms"]) > MOST_ROUND_TRIP_MS:
        faults.append(f"{delay_ms:g} ms round trip is more than {MOST_ROUND_TRIP_MS:g}")
    if abs(change_db := figures["level_change_db"]) > MOST_LEVEL_CHANGE_DB:
        faults.append(f"the level changed by {change_db:+g} dB")
    return faults


_UNREACHED = (
    "Asterisk's audio did not reach the gateway: look at audiosocket_advertise,"
    " audiosocket_allow and the firewall between them"
)
_OLD_DIALPLAN = (
    "Asterisk has no echo@skypechan-test: its skypechan.conf is older than this"
    " gateway; install the one that came with it"
)
# What these causes mean for this call, in which nobody is there to hang up.
_MEANINGS = {
    HangupCause.UNALLOCATED: _OLD_DIALPLAN,
    HangupCause.NO_ROUTE: _OLD_DIALPLAN,  # a call that fails at once may say so
    HangupCause.NETWORK_OUT_OF_ORDER: _UNREACHED,
    HangupCause.NORMAL_CLEARING: _UNREACHED,
}


def failed(record: CallRecord) -> Verdict:
    """Return the verdict on a call that was never answered, or ended too early."""
    reason = record.reason or "the call did not come up in time"
    by_asterisk = record.released_by is Side.PBX and record.answered is None
    if by_asterisk and record.cause in _MEANINGS:
        reason = _MEANINGS[record.cause]
    return Verdict(False, reason)
