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

import math

_REFERENCE_S = 0.001
_SECONDS = 4  # of which the least counts
_TIME_CONSTANT_S = 6.0
_MOST_CORRECTION = 1000e-6
_SLEW = 60e-6  # a frame
_RISE_S = 0.010
_MOST_STARVED_S = 0.200


class ReceiverQueue:
    """The queue of one receiver, which has got nothing when its clock shows `clock_s`.

    Clocks are those of the receiver.
    """

    def __init__(self, clock_s: float) -> None:
        self.starved_s = 0.0
        """How long it had nothing to play lately."""
        self.recent_s = 0.0
        """What was left before the last writes: falls at once, rises in some frames."""
        self.ratio = 1.0
        """Samples to write for each that comes."""
        self._level_s = 0.0
        self._clock_s = clock_s
        self._untaken_s = 0.0
        self._least_s = [math.inf] * _SECONDS

    def begin(self, clock_s: float) -> None:
        """The source begins to speak: what was before is not missed any more."""
        self._level_s = self.level_s(clock_s)
        self._clock_s = clock_s
        self.starved_s = 0.0

    def level_s(self, clock_s: float) -> float:
        """What is left to play at `clock_s`."""
        left_s = self._level_s - (clock_s - self._clock_s)
        return left_s if left_s > 0 else 0.0

    def written(self, seconds: float, clock_s: float) -> None:
        """Take note that so much was written."""
        left_s = self._played(clock_s)
        self._level_s = left_s + seconds
        if left_s < self._least_s[0]:
            self._least_s[0] = left_s
        self.recent_s += _RISE_S
        if left_s < self.recent_s:
            self.recent_s = left_s

    def _played(self, clock_s: float) -> float:
        """Go on to `clock_s`; what is left."""
        left_s = self._level_s - (clock_s - self._clock_s)
        if left_s < 0:
            self.starved_s = min(self.starved_s - left_s, _MOST_STARVED_S)
            left_s = 0.0
        self._level_s, self._clock_s = left_s, clock_s
        return left_s

    @property
    def is_standing(self) -> bool:
        """Whether the receiver has not taken all that was written."""
        return self._untaken_s > 0

    def untaken(self, seconds: float, clock_s: float) -> None:
        """So much of all that was written is not taken at `clock_s`.

        At an earlier time than is known of, it is what is known by now.
        """
        left_s = self._played(max(clock_s, self._clock_s))
        self._level_s = max(left_s + self._untaken_s - seconds, 0.0)
        self._untaken_s = seconds

    @property
    def least_s(self) -> float:
        """The least that was left before a write in the last seconds, or nothing."""
        least_s = min(self._least_s)
        return least_s if least_s < math.inf else 0.0

    def removed(self, seconds: float) -> None:
        """So much was cut out before it was written: the least has shrunk by it."""
        self._least_s = [max(least_s - seconds, 0.0) for least_s in self._least_s]
        self.recent_s = max(self.recent_s - seconds, 0.0)

    def close_second(self, forgotten_s: float = 0.0) -> None:
        """Begin another second. To be called once a second.

        A receiver that rids itself of delay does so by `forgotten_s` a second.
        """
        self._level_s = max(self._level_s - forgotten_s, 0.0)
        self.starved_s /= 2
        self._least_s = [math.inf, *self._least_s[:-1]]

    def steer(self, drift: float) -> None:
        """Choose `ratio`: the clocks' own and the correction. For each frame's time.

        `drift` is how much faster the receiver plays than its source speaks. Without
        a whole second of writes there is nothing to correct.
        """
        wanted = 1 + drift
        if self._least_s[1] < math.inf:
            correction = (self.least_s - _REFERENCE_S) / _TIME_CONSTANT_S
            wanted -= min(max(correction, -_MOST_CORRECTION), _MOST_CORRECTION)
        self.ratio = min(max(wanted, self.ratio - _SLEW), self.ratio + _SLEW)
