"""What keeps two clocks together, over a long call: ours beside the usual buffers.

All get the same arrivals: a frame of the phone each 20 ms, late by a rule, in order. A
client whose sound clock is off by some ppm plays them. Ours is the live engine in time
of our own making (tests/doubles/virtual_call.py). Beside it: a buffer that is filled
with 40 ms and then left alone, and one that drops a frame beyond 80 ms; both insert 20
ms of silence where nothing is there to play.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.cuts import between_chirps, scores
from benchmarks.parts.rows import Row, at_least, at_most
from benchmarks.parts.speech import RATE_HZ, Clip
from tests.doubles.virtual_call import VirtualCall

Int16 = NDArray[np.int16]
Lateness = Callable[[np.random.Generator, float], float]

PPM = 200.0
MOST_GROWN_MS = 1.0
MOST_CONCEALED, MOST_DELAY_MS = 0.01, 85.0
LEAST_STALLED, LEAST_WORST_STALLED = 4.4, 3.0
CAP_S = 0.080

_FRAME_S, _FRAME = 0.020, 320
_PREFILL = 2
_WINDOW_S = 60.0
_STALL_EVERY_S = 60.0
_JOINED_S = 0.200
_SETTLED_S = 3.0


def well(rng: np.random.Generator, _: float) -> float:
    """A source on a quiet machine."""
    return 0.0005 + min(rng.exponential(0.0003), 0.001)


def burst(rng: np.random.Generator, at_s: float) -> float:
    """5 % late by 0 to 40 ms."""
    return well(rng, at_s) + (rng.uniform(0, 0.040) if rng.random() < 0.05 else 0.0)


def stall(rng: np.random.Generator, at_s: float) -> float:
    """Once a minute what was sent in 100 to 500 ms comes all at once."""
    held_s = 0.1 + 0.4 * (at_s // _STALL_EVERY_S * 0.618 % 1)
    return well(rng, at_s) + max(0.0, held_s - (at_s - 20) % _STALL_EVERY_S)


def joined(rng: np.random.Generator, at_s: float) -> float:
    """What was sent while the call was being joined comes all at once."""
    return well(rng, at_s) + max(0.0, _JOINED_S - at_s)


@dataclass(slots=True)
class Buffer:
    """A usual buffer after a call: delays (s) of frames played, events, what it gave.

    `cap_s` None leaves it alone.
    """

    cap_s: float | None
    delays_s: list[tuple[float, float]] = field(default_factory=list)
    dropped: int = 0
    inserted: int = 0
    played: list[int | None] = field(default_factory=list)

    def run(self, ppm: float, late: Lateness, seconds: float) -> Buffer:
        """Play a whole call by a clock that is fast by `ppm`."""
        rng = np.random.default_rng(1)
        waiting: deque[tuple[int, float]] = deque()
        step_s = _FRAME_S / (1 + ppm * 1e-6)
        pull_s, came_s = np.inf, 0.0
        for index in range(int(seconds / _FRAME_S)):
            due_s = (index + 1) * _FRAME_S
            came_s = max(due_s + late(rng, due_s), came_s)
            while pull_s <= came_s:
                self._pull(waiting, pull_s)
                pull_s += step_s
            if self.cap_s is not None and len(waiting) * _FRAME_S >= self.cap_s:
                self.dropped += 1
            else:
                waiting.append((index, due_s))
            if np.isinf(pull_s) and len(waiting) == _PREFILL:
                pull_s = came_s
        return self

    def _pull(self, waiting: deque[tuple[int, float]], now_s: float) -> None:
        if not waiting:
            self.inserted += 1
            self.played.append(None)
            return
        index, said_s = waiting.popleft()
        self.played.append(index)
        self.delays_s.append((now_s, now_s - said_s))

    @property
    def grown_ms(self) -> float:
        """The least delay of the last minute less that of the first."""
        return _grown_ms(self.delays_s)

    @property
    def events(self) -> int:
        """How often something was cut out or put in."""
        return self.dropped + self.inserted


def _grown_ms(delays_s: list[tuple[float, float]]) -> float:
    times, delays = np.array(delays_s).T
    span_s = min(_WINDOW_S, (times[-1] - times[0]) / 3)
    first = delays[(times > times[0] + span_s) & (times <= times[0] + 2 * span_s)]
    return float(delays[times >= times[-1] - span_s].min() - first.min()) * 1000


def rows(seconds: float, clips: list[Clip] | None) -> list[Row]:
    """Measure; without `clips` what stalls do to speech is left out."""
    found = [_start()]
    for ppm in (PPM, -PPM):
        found += _drift(ppm, seconds)
        found += _bursts(ppm, seconds)
    return found + (_stalls(clips) if clips else [])


def _start() -> Row:
    """The least delay of the third second of a call, the frame itself included."""
    call = VirtualCall(0, joined, joined)
    try:
        call.run(_SETTLED_S)
        ours_ms = 1000 * (call.least_queue_s(_SETTLED_S - 1, _SETTLED_S) + _FRAME_S)
    finally:
        call.close()
    others_ms = {
        name: 1000 * min(d for t, d in buffer.delays_s if t > _SETTLED_S - 1)
        for name, buffer in (
            ("left alone", Buffer(None).run(0, joined, _SETTLED_S)),
            ("drop/insert", Buffer(CAP_S).run(0, joined, _SETTLED_S)),
        )
    }
    what = f"{1000 * _JOINED_S:g} ms come at once when a call is joined: delay"
    return Row(what, "ms", "-", ours_ms, None, others_ms)


def _drift(ppm: float, seconds: float) -> list[Row]:
    call = _call(ppm, well, seconds)
    left = Buffer(None).run(ppm, well, seconds)
    capped = Buffer(CAP_S).run(ppm, well, seconds)
    what = f"{seconds / 60:g} min at {ppm:+g} ppm"
    grown = {"left alone": left.grown_ms, "drop/insert": capped.grown_ms}
    events = {"left alone": left.events, "drop/insert": capped.events}
    return [
        at_most(f"{what}: growth of delay", "ms", MOST_GROWN_MS, call.grown_ms, grown),
        at_most(f"{what}: cuts and inserts", "", 0, call.events, events),
    ]


def _bursts(ppm: float, seconds: float) -> list[Row]:
    call = _call(ppm, burst, seconds)
    capped = Buffer(CAP_S).run(ppm, burst, seconds)
    what = f"5 % late by up to 40 ms, {seconds / 60:g} min at {ppm:+g} ppm"
    inserted = capped.inserted * _FRAME_S / seconds * 100
    concealed = 100 * call.concealed_s / seconds
    return [
        at_most(
            f"{what}: concealed",
            "%",
            MOST_CONCEALED,
            concealed,
            {"drop/insert": inserted, "its frames dropped": capped.dropped},
        ),
        at_most(f"{what}: delay", "ms", MOST_DELAY_MS, call.delay_ms, {}),
    ]


@dataclass(frozen=True, slots=True)
class _Call:
    grown_ms: float
    events: int
    concealed_s: float
    delay_ms: float
    heard: Int16


def _call(
    ppm: float,
    late: Lateness,
    seconds: float,
    audio: Callable[[int], Int16] | None = None,
) -> _Call:
    """A call through the live engine; its delay is that to the client, and a frame."""
    call = VirtualCall(ppm, late, late, audio=audio)
    try:
        call.run(seconds)
        figures = call.media.figures()
        to_line = figures.to_line
        cut_s = (to_line.concealed_ms + to_line.skipped_ms) / 1000
        return _Call(
            grown_ms=_grown_ms(call.queues_s),
            events=round(cut_s / _FRAME_S) + to_line.dropped,
            concealed_s=to_line.concealed_ms / 1000,
            delay_ms=to_line.delay_ms + _FRAME_S * 1000,
            heard=_played(call, ppm) if audio else np.zeros(0, np.int16),
        )
    finally:
        call.close()


def _played(call: VirtualCall, ppm: float) -> Int16:
    """What the client's sound device plays: silence where it had nothing."""
    parts: list[Int16] = []
    before_s, left_s = call.queues_s[0][0], 0.0
    for (now_s, _), data in zip(call.queues_s, call.heard_by_line, strict=True):
        left_s -= (now_s - before_s) * (1 + ppm * 1e-6)
        before_s = now_s
        if left_s < 0:
            parts.append(np.zeros(round(-left_s * RATE_HZ), np.int16))
            left_s = 0.0
        parts.append(np.frombuffer(data, "<i2").astype(np.int16))
        left_s += len(parts[-1]) / RATE_HZ
    return np.concatenate(parts)


def _stalls(clips: list[Clip]) -> list[Row]:
    """Speech through stalls, the clip in which each lies and those in which none does.

    The clips are repeated so that a stall meets several places of them.
    """
    said = [clip.samples for clip in clips]
    spoken = between_chirps(said, RATE_HZ)
    frames = spoken[: len(spoken) // _FRAME * _FRAME].reshape(-1, _FRAME).astype("<i2")
    seconds = len(frames) * _FRAME_S

    def audio(index: int) -> Int16:
        return frames[index % len(frames)]

    heard = _call(-PPM, stall, seconds, audio).heard
    ours = scores(heard, said, RATE_HZ, ratio=1 - PPM * 1e-6)
    capped = Buffer(CAP_S).run(-PPM, stall, seconds)
    silence = np.zeros(_FRAME, "<i2")
    given = [silence if i is None else frames[i] for i in capped.played]
    theirs = scores(np.concatenate(given), said, RATE_HZ, ratio=1.0)
    what = f"stall of 100 to 500 ms each minute, {len(clips)} clips"
    return [
        at_least(
            f"PESQ {what}: mean",
            "WB",
            LEAST_STALLED,
            float(np.mean(ours)),
            {"drop/insert": float(np.mean(theirs))},
        ),
        at_least(
            f"PESQ {what}: worst clip",
            "WB",
            LEAST_WORST_STALLED,
            min(ours),
            {"drop/insert": min(theirs)},
        ),
    ]
