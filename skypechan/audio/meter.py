"""Level meters: what passed, how loud it is and was, what was limited or saturated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skypechan.audio.pcm import FULL_SCALE, Float32, Rows

_BALLISTICS_S = 0.3  # the integration time of a volume unit meter
FLOOR_DBFS = -100.0  # what digital silence reads


@dataclass(frozen=True, slots=True)
class Level:
    """One call in one direction; dBFS, 0 is a square wave at full scale.

    `level_dbfs` is the root mean square of the last 0.3 s, `average_dbfs` that of the
    whole call, `peak_dbfs` the largest sample so far; all read -100 in digital
    silence. `clipped` counts samples saturated on the way out, `limited` samples
    that the limiter turned down.
    """

    level_dbfs: float
    average_dbfs: float
    peak_dbfs: float
    clipped: int
    limited: int


class Meter:
    """Meters at `rate_hz` for `capacity` calls."""

    def __init__(self, capacity: int, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._power = np.zeros(capacity)
        self._energy = np.zeros(capacity)
        self._samples = np.zeros(capacity, np.int64)
        self._peak = np.zeros(capacity, np.float32)
        self._clipped = np.zeros(capacity, np.int64)
        self._limited = np.zeros(capacity, np.int64)

    def reset(self, row: int) -> None:
        """Start a call at nothing."""
        for table in (self._power, self._energy, self._samples, self._peak):
            table[row] = 0
        self._clipped[row] = self._limited[row] = 0

    def measure(
        self, rows: Rows, samples: Float32, limited: npt.NDArray[np.intp] | None
    ) -> None:
        """Take `[k, n]` of calls `rows`, and what the limiter said of them."""
        length = samples.shape[1]
        energy = np.einsum("ij,ij->i", samples, samples)
        share = 1 - math.exp(-length / (self._rate_hz * _BALLISTICS_S))
        power = self._power[rows]
        self._power[rows] = power + (energy / length - power) * share
        self._energy[rows] += energy
        self._samples[rows] += length
        peak = np.maximum(samples.max(axis=1), -samples.min(axis=1))
        self._peak[rows] = np.maximum(self._peak[rows], peak)
        if limited is not None:
            self._limited[rows] += limited

    def count_clipped(self, rows: Rows, samples: Float32) -> None:
        """Count what will saturate in `[k, n]`, the samples that leave."""
        if samples.max() > 1 - 0.5 / FULL_SCALE or samples.min() < -1:
            over = (samples > 1 - 0.5 / FULL_SCALE) | (samples < -1)
            self._clipped[rows] += np.count_nonzero(over, axis=1)

    def read(self, row: int) -> Level:
        """Read the meters of one call."""
        mean = self._energy[row] / max(self._samples[row], 1)
        return Level(
            level_dbfs=_dbfs(float(np.sqrt(self._power[row]))),
            average_dbfs=_dbfs(float(np.sqrt(mean))),
            peak_dbfs=_dbfs(float(self._peak[row])),
            clipped=int(self._clipped[row]),
            limited=int(self._limited[row]),
        )


def _dbfs(amplitude: float) -> float:
    """dB of full scale of an amplitude whose full scale is 1.0."""
    if amplitude <= 10 ** (FLOOR_DBFS / 20):
        return FLOOR_DBFS
    return round(float(20 * np.log10(amplitude)), 1)
