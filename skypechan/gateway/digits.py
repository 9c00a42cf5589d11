"""Each digit once, where the line tells digits and their tones are listened for too."""

from __future__ import annotations

from collections import deque

from skypechan.call.events import LineDigit
from skypechan.clock import Clock

_SAME_S = 2.0  # the client's word comes this soon behind a tone, or is of another key


class OneDigitEach:
    """Tells which digits of a line are copies.

    A client that tells digits tells all of them: tones count until it has told one,
    and what it tells then may have been heard as a tone just before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tones: deque[tuple[float, str]] = deque(maxlen=16)
        self._told = False

    def is_copy(self, heard: LineDigit) -> bool:
        """Tell whether the same key press has come the other way, or will."""
        now_s = self._clock.monotonic_s()
        if heard.in_band:
            if not self._told:
                self._tones.append((now_s, heard.digit))
            return self._told
        self._told = True
        for tone in self._tones:
            if tone[1] == heard.digit and now_s - tone[0] < _SAME_S:
                self._tones.remove(tone)
                return True
        return False
