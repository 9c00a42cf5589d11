"""One direction of a call: when audio came and its pauses, and when it goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from skypechan.audio.chain import LINE_RATE_HZ
from skypechan.audio.gain import fade_in, fade_out
from skypechan.audio.meter import Level
from skypechan.audio.pcm import Int16
from skypechan.media.timing import Timing
from skypechan.media.values import DirectionFigures

_FRAME_MS = 20


class Flow:
    """The audio that one side of a call hears of the other; begins at `now_s`.

    A source is quiet when nothing came for `gap_s`, and before its first frame.
    Audio fades out into the silence that bridges a pause, and in behind it.
    `rate_hz` is expected of it.
    """

    def __init__(
        self, timing: Timing, rate_hz: int, gap_s: float, now_s: float
    ) -> None:
        self.timing = timing
        self.rate_hz = rate_hz
        """At which the source spoke last."""
        self.last = 0
        """The last sample that came."""
        self._gap_s = gap_s
        self._arrived_s = now_s
        self._is_quiet = True  # silence goes in its place
        self._is_paused = True  # and its timing was told
        self._heard_ms = 0.0
        self._gaps = 0
        self._filled = 0

    def admit(self, pcm: Int16, rate_hz: int, now_s: float, overdue_s: float) -> bool:
        """Whether `[n]` that has come goes on now; see `Timing.admit`."""
        if self.timing.admit(pcm, rate_hz, now_s, overdue_s):
            self.arrived(pcm, rate_hz, now_s)
            return True
        if self.timing.is_skipping:
            self._arrived_s = now_s  # it speaks: no silence in its place
            self._is_paused = False
        return False

    def arrived(self, pcm: Int16, rate_hz: int, now_s: float) -> None:
        """Take note of `[n]` that goes on; fades in what follows a pause."""
        if self._is_quiet:
            fade_in(pcm[None], rate_hz)
            self._is_quiet = self._is_paused = False
        self.last = int(pcm[-1])
        self.rate_hz = rate_hz
        self._arrived_s = now_s
        self._heard_ms += len(pcm) * 1000 / rate_hz

    def due(self, now_s: float) -> Iterator[tuple[int, Int16]]:
        """Rate and `[1, n]` of each frame that a playout buffer has due."""
        for rate_hz, frame in self.timing.due(now_s):
            pcm = frame[None].copy()
            self.arrived(pcm[0], rate_hz, now_s)
            yield rate_hz, pcm

    def falls_quiet(self, now_s: float) -> bool:
        """Whether silence is needed from now on; counts each pause once."""
        if now_s - self._arrived_s <= self._gap_s:
            return False
        if not self._is_paused:
            self.timing.paused()
        self._gaps += not self._is_quiet
        self._is_quiet = self._is_paused = True
        return True

    def filled(self) -> None:
        """Take note that silence was sent in its place."""
        self._filled += 1
        self.last = 0

    def figures(self, dropped: int, queue_ms: float, level: Level) -> DirectionFigures:
        """The figures of the call, with what only others know."""
        time = self.timing.timeliness()
        return DirectionFigures(
            frames=int(self._heard_ms / _FRAME_MS),
            dropped=dropped,
            gaps=self._gaps,
            filled=self._filled,
            queue_ms=queue_ms,
            level=level,
            delay_ms=time.delay_ms,
            drift_ppm=time.drift_ppm,
            late=time.late,
            concealed_ms=time.concealed_ms,
            skipped_ms=time.skipped_ms,
            smoothed=time.smoothed,
        )


def silence(flows: Sequence[Flow], length: int, rate_hz: int) -> Int16:
    """`[k, length]` that brings each flow from its last sample to zero."""
    last = np.array([flow.last for flow in flows], np.int16)
    for flow in flows:
        flow.filled()
    return fade_out(last, length, rate_hz)


def begin_with(begun: Int16, frame: Int16) -> None:
    """Let a silent frame of the line begin with audio that stopped coming, faded."""
    if begun.size:
        room = len(frame) - len(begun)
        frame[: len(begun)] = begun
        frame[len(begun) :] = fade_out(begun[-1:], room, LINE_RATE_HZ)[0]
