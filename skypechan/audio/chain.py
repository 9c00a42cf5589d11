"""What the engine runs over the rows of each direction.

TO_PBX: line rate, gain and limiter, meter, rate of the PBX, int16.
TO_LINE: rate of the PBX, rate of the line, gain and limiter, meter, drift, int16.

A line speaks 16 kHz, the PBX side 8 or 16 kHz. Lateness is dealt with before, drift
only towards the line: a phone follows the clock of whoever sends to it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from skypechan.audio.gain import Gain
from skypechan.audio.meter import Meter
from skypechan.audio.pcm import (
    Float32,
    Int16,
    Rows,
    peaks_of,
    saturates,
    to_float,
    to_int16,
)
from skypechan.audio.ratematch import Counts, Float64, RateMatcher
from skypechan.audio.resampler import (
    NARROW_RATE_HZ,
    WIDE_RATE_HZ,
    Downsampler,
    Upsampler,
)

LINE_RATE_HZ = WIDE_RATE_HZ
PBX_RATES_HZ = (NARROW_RATE_HZ, WIDE_RATE_HZ)


class ToPbx:
    """The direction from the line to the PBX, for `capacity` calls."""

    def __init__(self, capacity: int) -> None:
        self.gain = Gain(capacity, LINE_RATE_HZ)
        self.meter = Meter(capacity, LINE_RATE_HZ)
        self._down = Downsampler(capacity)

    def reset(self, row: int, gain_db: float) -> None:
        """Start a call."""
        self.gain.reset(row, gain_db)
        self.meter.reset(row)
        self._down.reset(row)

    def process(
        self, rows: Rows, pcm: Int16, rate_hz: int, out: npt.NDArray[Any]
    ) -> None:
        """`[k, n]` at 16 kHz of calls `rows` into int16 `out` at `rate_hz`.

        `out` is `[k, n]` for 16 kHz and `[k, n / 2]` for 8 kHz.
        """
        samples = to_float(pcm)
        _amplify(self.gain, self.meter, rows, samples)
        if rate_hz == NARROW_RATE_HZ:
            samples = self._down.process(rows, samples)
        _leave(self.meter, rows, samples, out)


class ToLine:
    """The direction from the PBX to the line, for `capacity` calls."""

    def __init__(self, capacity: int) -> None:
        self.gain = Gain(capacity, LINE_RATE_HZ)
        self.meter = Meter(capacity, LINE_RATE_HZ)
        self._up = Upsampler(capacity)
        self._matcher = RateMatcher(capacity)

    def reset(self, row: int, gain_db: float) -> None:
        """Start a call."""
        self.gain.reset(row, gain_db)
        self.meter.reset(row)
        self._up.reset(row)
        self._matcher.reset(row)

    def process(
        self,
        rows: Rows,
        pcm: Int16,
        rate_hz: int,
        out: npt.NDArray[Any],
        ratio: Float64 | None = None,
    ) -> Counts:
        """`[k, n]` at `rate_hz` of calls `rows` into int16 `out` at 16 kHz.

        With `ratio`, samples out for each sample in, a row's number of samples is
        only known afterwards: `out` is wider than need be, and how much of each row
        counts is returned.
        """
        samples = to_float(pcm)
        if rate_hz == NARROW_RATE_HZ:
            samples = self._up.process(rows, samples)
        # Before the rows' lengths differ by what their clocks do.
        _amplify(self.gain, self.meter, rows, samples)
        if ratio is None:
            counts = np.full(len(rows), samples.shape[1])
        else:  # above 4 kHz narrow audio has only what a limiter adds, far below speech
            narrow = rate_hz == NARROW_RATE_HZ
            samples, counts = self._matcher.process(rows, samples, ratio, narrow=narrow)
        _leave(self.meter, rows, samples, out[:, : samples.shape[1]])
        return counts


def _amplify(gain: Gain, meter: Meter, rows: Rows, samples: Float32) -> None:
    peaks = peaks_of(samples)  # once for gain, limiter and meter
    limited = gain.process(rows, samples, peaks)
    meter.measure(rows, samples, peaks, limited)


def _leave(meter: Meter, rows: Rows, samples: Float32, out: npt.NDArray[Any]) -> None:
    saturate = saturates(samples)
    if saturate:
        meter.count_clipped(rows, samples)
    to_int16(samples, out, saturate=saturate)
