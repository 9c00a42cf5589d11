"""Each digit once, where the line tells digits and their tones are listened for too."""

from __future__ import annotations

from collections import deque

from skypechan.call.events import LineDigit
from skypechan.clock import Clock

_SAME_S = 0.6  # a tone is found, and a report comes, within this of the key press


class DigitPairs:
    """Finds which digit of the line is the other copy of one that was heard already."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._alone: deque[tuple[float, LineDigit]] = deque()

    def is_copy(self, heard: LineDigit) -> bool:
        """Tell whether the same key press has come the other way before."""
        now_s = self._clock.monotonic_s()
        while self._alone and now_s - self._alone[0][0] > _SAME_S:
            self._alone.popleft()
        other = LineDigit(heard.digit, in_band=not heard.in_band)
        for entry in self._alone:
            if entry[1] == other:
                self._alone.remove(entry)
                return True
        self._alone.append((now_s, heard))
        return False
