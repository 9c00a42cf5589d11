"""What waits at a receiver that plays what we send by a clock that we know.

The receiver does not tell, so its queue is modelled: what we write goes in, what its
clock plays comes out, and an empty queue waits. The least that was left before each
write, over some seconds, is delay that serves nothing. It is held at 1 ms by playing
a little faster or slower, at most 1000 ppm, so delay neither grows nor runs out.

A receiver whose program stands still takes nothing, while its clock plays on: what was
written in the meantime is in its queue all at once when it goes on, and would be delay
for good if the model did not know.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from skypechan.audio.pcm import Rows

Float64 = npt.NDArray[np.float64]

_REFERENCE_S = 0.001
_SECONDS = 4  # of which the least counts
_TIME_CONSTANT_S = 6.0
_MOST_CORRECTION = 1000e-6
_SLEW = 60e-6  # a frame
_RISE_S = 0.010
_MOST_STARVED_S = 0.200


class QueueModel:
    """The queues of `capacity` receivers."""

    def __init__(self, capacity: int) -> None:
        self._level_s = np.zeros(capacity)
        self._clock_s = np.zeros(capacity)
        self._untaken_s = np.zeros(capacity)
        self._least_s = np.full((capacity, _SECONDS), np.inf)
        self.starved_s = np.zeros(capacity)
        """How long they had nothing to play lately."""
        self.recent_s = np.zeros(capacity)
        """What was left before the last writes: falls at once, rises in some frames."""
        self.ratio = np.ones(capacity)
        """Samples to write for each that comes."""

    def reset(self, row: int, clock_s: float) -> None:
        """Start a receiver that has got nothing."""
        self._level_s[row] = self._untaken_s[row] = 0
        self._clock_s[row] = clock_s
        self._least_s[row] = np.inf
        self.recent_s[row] = self.starved_s[row] = 0
        self.ratio[row] = 1

    def release(self, row: int) -> None:
        """Know of no receiver any more that could stand still."""
        self._untaken_s[row] = 0

    def begin(self, rows: Rows, clock_s: Float64) -> None:
        """The sources begin to speak: what was before is not missed any more."""
        self._level_s[rows] = self.level_s(rows, clock_s)
        self._clock_s[rows] = clock_s
        self.starved_s[rows] = 0

    def level_s(self, rows: Rows, clock_s: Float64) -> Float64:
        """What is left to play when the receivers' clocks show `clock_s`."""
        left_s: Float64 = np.maximum(
            self._level_s[rows] - (clock_s - self._clock_s[rows]), 0
        )
        return left_s

    def written(self, rows: Rows, seconds: Float64 | float, clock_s: Float64) -> None:
        """Take note that so much was written to each."""
        left_s = self._played(rows, clock_s)
        self._level_s[rows] += seconds
        self._least_s[rows, 0] = np.minimum(self._least_s[rows, 0], left_s)
        self.recent_s[rows] = np.minimum(self.recent_s[rows] + _RISE_S, left_s)

    def _played(self, rows: Rows, clock_s: Float64) -> Float64:
        """Go on to `clock_s`; what is left."""
        owed_s = clock_s - self._clock_s[rows] - self._level_s[rows]
        left_s: Float64 = np.maximum(-owed_s, 0)
        starved_s = self.starved_s[rows] + np.maximum(owed_s, 0)
        self.starved_s[rows] = np.minimum(starved_s, _MOST_STARVED_S)
        self._level_s[rows] = left_s
        self._clock_s[rows] = clock_s
        return left_s

    def standing(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which have not taken all that was written."""
        standing: npt.NDArray[np.bool_] = self._untaken_s[rows] > 0
        return standing

    def any_stands(self) -> bool:
        """Whether there is one that has not."""
        return bool(self._untaken_s.any())

    def untaken(self, rows: Rows, seconds: Float64, clock_s: Float64) -> None:
        """So much of all that was written is not taken when they show `clock_s`.

        When they show less than they did, it is what is known by now.
        """
        self._played(rows, np.maximum(clock_s, self._clock_s[rows]))
        level_s = self._level_s[rows] + self._untaken_s[rows] - seconds
        self._level_s[rows] = np.maximum(level_s, 0)
        self._untaken_s[rows] = seconds

    def least_s(self, rows: Rows) -> Float64:
        """The least that was left before a write in the last seconds, or nothing."""
        least_s = self._least_s[rows].min(axis=1)
        return np.where(np.isfinite(least_s), least_s, 0)

    def steady(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Of which at least a second is known."""
        known: npt.NDArray[np.bool_] = np.isfinite(self._least_s[rows, 1])
        return known

    def removed(self, rows: Rows, seconds: Float64) -> None:
        """So much was cut out before it was written: the least has shrunk by it."""
        self._least_s[rows] = np.maximum(self._least_s[rows] - seconds[:, None], 0)
        self.recent_s[rows] = np.maximum(self.recent_s[rows] - seconds, 0)

    def refit(self, rows: Rows, forgotten_s: float = 0) -> None:
        """Close the second that has passed. To be called once a second.

        A receiver that rids itself of delay does so by `forgotten_s` a second.
        """
        self._level_s[rows] = np.maximum(self._level_s[rows] - forgotten_s, 0)
        self.starved_s[rows] /= 2
        self._least_s[rows] = np.roll(self._least_s[rows], 1, axis=1)
        self._least_s[rows, 0] = np.inf

    def steer(self, rows: Rows, drift: Float64) -> None:
        """Choose `ratio`: the clocks' own and the correction. For each frame's time.

        `drift` is how much faster the receivers play than their sources speak.
        """
        surplus_s = np.where(self.steady(rows), self.least_s(rows) - _REFERENCE_S, 0)
        correction = np.clip(
            surplus_s / _TIME_CONSTANT_S, -_MOST_CORRECTION, _MOST_CORRECTION
        )
        before = self.ratio[rows]
        wanted = 1 + drift - correction
        self.ratio[rows] = np.clip(wanted, before - _SLEW, before + _SLEW)
