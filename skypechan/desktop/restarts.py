"""When a client that has ended is started again."""

from __future__ import annotations

from collections import deque

from skypechan.clock import Backoff, Clock
from skypechan.desktop.settings import ClientSettings

_FIRST_S, _MOST_S = 0.5, 30.0


class Restarts:
    """Waits that grow from end to end, and a long one when there are too many."""

    def __init__(self, settings: ClientSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._backoff = Backoff(_FIRST_S, _MOST_S)
        self._ends_s: deque[float] = deque()

    def ended(self) -> float:
        """Take note of an end; return how long to wait, in seconds."""
        now_s = self._clock.monotonic_s()
        oldest_s = now_s - self._settings.crash_window_seconds
        while self._ends_s and self._ends_s[0] < oldest_s:
            self._ends_s.popleft()
        if not self._ends_s:
            self._backoff.reset()
        self._ends_s.append(now_s)
        if self.is_loop:
            return self._settings.crash_pause_seconds
        return self._backoff.next_s()

    @property
    def is_loop(self) -> bool:
        """Tell whether it has ended more often than is borne."""
        return len(self._ends_s) > self._settings.crashes_most

    def forget(self) -> None:
        """Start over: whoever knows better wants it started."""
        self._ends_s.clear()
