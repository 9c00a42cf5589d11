"""Who may call, how often, and which telephone numbers may be called on a line."""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import lru_cache

from skypechan.call.address import telephone_numbers
from skypechan.call.routes import matches_pattern
from skypechan.clock import Clock
from skypechan.gateway.settings import LineSettings

_MINUTE_S = 60.0
_MOST_CALLERS = 10_000  # remembered at a time; strangers can have any number of names


def objection_to_address(settings: LineSettings, address: str) -> str:
    """Return why a line may not call an address; empty if it may.

    Calls to telephones cost money, so each number must be allowed.
    """
    for number in _numbers(address):
        if not any(matches_pattern(number, one) for one in settings.numbers_allowed):
            return f"numbers_allowed of the line does not allow {number or address}"
    return ""


_numbers = lru_cache(maxsize=16)(telephone_numbers)  # every line asks for the same


class Callers:
    """What a line's settings say of those who call it, and who called of late."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def objection(self, line: str, settings: LineSettings, caller: str) -> str:
        """Return why somebody may not call now; empty if they may, which counts."""
        allowed = settings.callers_allowed
        if allowed and not any(matches_pattern(caller, one) for one in allowed):
            return "callers_allowed of the line does not allow this caller"
        most = settings.calls_per_minute
        if most and not self._counts(line, caller.lower(), most):
            return f"more than {most} calls a minute from this caller"
        return ""

    def _counts(self, line: str, caller: str, most: int) -> bool:
        """Count a call, unless as many have been made within the last minute."""
        now_s = self._clock.monotonic_s()
        calls = self._calls.setdefault((line, caller), deque())
        self._calls.move_to_end((line, caller))
        if len(self._calls) > _MOST_CALLERS:
            self._calls.popitem(last=False)
        while calls and calls[0] <= now_s - _MINUTE_S:
            calls.popleft()
        if len(calls) >= most:
            return False
        calls.append(now_s)
        return True
