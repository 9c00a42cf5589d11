"""Each digit once, where a leg's digits come two ways."""

from __future__ import annotations

from collections import deque

from skypechan.clock import Clock

_SAME_S = 2.0  # the better way's word comes this soon behind, or is of another key


class OneDigitEach:
    """Tells which digits of a leg are copies.

    A client, or an audio connection of Asterisk's, that tells digits tells all of
    them: what comes the other way (tones that were found, AMI) counts until it has
    told one, and what it tells then may have come that way just before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second_best: deque[tuple[float, str]] = deque(maxlen=16)
        self._told = False

    def is_copy(self, digit: str, *, second_best: bool) -> bool:
        """Tell whether the same key press has come the other way, or will."""
        now_s = self._clock.monotonic_s()
        if second_best:
            if not self._told:
                self._second_best.append((now_s, digit))
            return self._told
        self._told = True
        for earlier in self._second_best:
            if earlier[1] == digit and now_s - earlier[0] < _SAME_S:
                self._second_best.remove(earlier)
                return True
        return False
