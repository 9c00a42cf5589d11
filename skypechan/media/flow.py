"""What one direction remembers of each call: when audio came, and its pauses."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from skypechan.audio.chain import LINE_RATE_HZ
from skypechan.audio.gain import fade_in, fade_out
from skypechan.audio.meter import Level
from skypechan.audio.pcm import Int16, Rows
from skypechan.media.timing import Timeliness
from skypechan.media.values import DirectionFigures

_FRAME_MS = 20


class Flow:
    """Arrival, pauses and counts of one direction for `capacity` calls.

    A source is quiet when nothing came for `gap_s`, and before its first frame.
    Audio fades out into the silence that bridges a pause, and in behind it.
    """

    def __init__(self, capacity: int, gap_s: float) -> None:
        self._heard_ms = np.zeros(capacity)
        self._gaps = np.zeros(capacity, np.int64)
        self._filled = np.zeros(capacity, np.int64)
        self._rate_hz = np.zeros(capacity, np.int64)
        self._gap_s = gap_s
        self._arrived_s = np.zeros(capacity)
        self._quiet = np.zeros(capacity, np.bool_)
        self._last = np.zeros(capacity, np.int16)

    def reset(self, row: int, rate_hz: int, now_s: float) -> None:
        """Start a call, of which nothing has come; `rate_hz` is expected."""
        self._heard_ms[row] = self._gaps[row] = self._filled[row] = self._last[row] = 0
        self._rate_hz[row] = rate_hz
        self._arrived_s[row] = now_s
        self._quiet[row] = True

    def arrived(self, rows: Rows, pcm: Int16, rate_hz: int, now_s: float) -> None:
        """Take note of `[k, n]` that came for `rows`; fades in what follows a pause."""
        quiet = self._quiet[rows]
        if np.count_nonzero(quiet):
            returning = pcm[quiet]
            fade_in(returning, rate_hz)
            pcm[quiet] = returning
            self._quiet[rows] = False
        self._last[rows] = pcm[:, -1]
        self._arrived_s[rows] = now_s
        self._rate_hz[rows] = rate_hz
        self._heard_ms[rows] += pcm.shape[1] * 1000 / rate_hz

    def touch(self, rows: Collection[int], now_s: float) -> None:
        """The sources speak, though what they said was skipped: no silence for them."""
        if rows:
            self._arrived_s[list(rows)] = now_s

    def pausing(self, rows: Rows, now_s: float) -> Rows:
        """Return which of `rows` need silence now, and count each pause once."""
        return self.fall_quiet(rows[now_s - self._arrived_s[rows] > self._gap_s])

    def fall_quiet(self, pausing: Rows) -> Rows:
        """Take `pausing` for quiet from now on."""
        self._gaps[pausing] += ~self._quiet[pausing]
        self._quiet[pausing] = True
        return pausing

    def by_rate(self, rows: Rows) -> Iterator[tuple[int, Rows]]:
        """Sort `rows` by the rate at which they spoke last."""
        rates_hz = self._rate_hz[rows]
        for rate_hz in np.unique(rates_hz).tolist():
            yield rate_hz, rows[rates_hz == rate_hz]

    def silence(self, rows: Rows, length: int, rate_hz: int) -> Int16:
        """`[k, length]` that brings `rows` from their last sample to zero."""
        self._filled[rows] += 1
        pcm = fade_out(self._last[rows], length, rate_hz)
        self._last[rows] = 0
        return pcm

    def figures(
        self, row: int, dropped: int, queue_ms: float, level: Level, time: Timeliness
    ) -> DirectionFigures:
        """The figures of one call, with what only others know."""
        return DirectionFigures(
            frames=int(self._heard_ms[row] / _FRAME_MS),
            dropped=dropped,
            gaps=int(self._gaps[row]),
            filled=int(self._filled[row]),
            queue_ms=queue_ms,
            level=level,
            delay_ms=time.delay_ms,
            drift_ppm=time.drift_ppm,
            late=time.late,
            concealed_ms=time.concealed_ms,
            skipped_ms=time.skipped_ms,
            smoothed=time.smoothed,
        )


def begin_with(begun: Int16, frame: Int16) -> None:
    """Let a silent frame of the line begin with audio that stopped coming, faded."""
    if begun.size:
        room = len(frame) - len(begun)
        frame[: len(begun)] = begun
        frame[len(begun) :] = fade_out(begun[-1:], room, LINE_RATE_HZ)[0]
