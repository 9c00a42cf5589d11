"""All lines, and which one takes a call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from skypechan.backends.base import LineState
from skypechan.call.causes import HangupCause
from skypechan.errors import CallError
from skypechan.gateway.line import Line
from skypechan.gateway.permissions import objection_to_address

ANY, ROUND_ROBIN, LEAST_RECENT = "ANY", "RR", "LRU"
SELECTORS = (ANY, ROUND_ROBIN, LEAST_RECENT)


class Lines:
    """All lines, in the order of the configuration."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = {line.name: line for line in lines}
        self._turn = 0

    def __iter__(self) -> Iterator[Line]:
        return iter(tuple(self._lines.values()))

    def __getitem__(self, name: str) -> Line:
        return self._lines[name]

    def get(self, name: str) -> Line | None:
        """Return the line of a name, if there is one."""
        return self._lines.get(name)

    def put(self, line: Line) -> None:
        """Have a line, in the place of the one of its name if there is one."""
        self._lines[line.name] = line

    def drop(self, line: Line) -> None:
        """Have a line no longer."""
        del self._lines[line.name]

    def arrange(self, names: Iterable[str]) -> None:
        """Have the lines in this order; what is not named is behind the others."""
        first = {name: self._lines[name] for name in names if name in self._lines}
        self._lines = first | self._lines

    def can_take(self, line: Line) -> bool:
        """Tell whether a line can take a call now, and its account one more."""
        return line.is_open and self.can_take_offered(line)

    def can_take_offered(self, line: Line) -> bool:
        """Tell the same of a call that its client offers, which then must be well."""
        free = line.wants_calls and line.call_id is None
        return free and not self._is_full(line)

    def siblings(self, line: Line) -> list[Line]:
        """Return the other lines whose clients have the same account signed in."""
        return [
            other
            for other in self._lines.values()
            if other is not line and same_account(other, line)
        ]

    def _is_full(self, line: Line) -> bool:
        most = line.settings.max_calls_per_account
        if not most:
            return False
        calls = {
            one.call_id
            for one in self._lines.values()
            if one.call_id is not None and (one is line or same_account(one, line))
        }
        return len(calls) >= most

    def why_not(self, line: Line) -> tuple[HangupCause, str]:
        """Return the cause and the reason why a line cannot take a call now."""
        unavailable = HangupCause.REQUESTED_CHANNEL_UNAVAILABLE
        if line.state is not LineState.READY:
            why = line.reason and f": {line.reason}"
            return unavailable, f"line {line.name} is {line.state}{why}"
        if not line.wants_calls:
            return unavailable, f"line {line.name} {line.reason}"
        if line.call_id is not None:
            return HangupCause.CONGESTION, f"line {line.name} is in use"
        most = line.settings.max_calls_per_account
        reason = f"{line.account} has its {most} calls, all that are allowed"
        return HangupCause.CONGESTION, reason

    def select(
        self, selector: str, address: str = "", besides: Collection[Line] = ()
    ) -> Line:
        """Return the line that a selector means for a call to an address.

        The selector is a name, ANY (first idle), RR (in turn) or LRU (longest
        unused); it is none of `besides`. Raises CallError with the cause why there is
        none.
        """
        if selector in SELECTORS:
            named = list(self._lines.values())
        elif selector in self._lines:
            named = [self._lines[selector]]
        else:
            raise CallError(HangupCause.NO_ROUTE, f"there is no line {selector!r}")
        allowed = _that_may_call(named, address)
        for line in self._in_order(selector, allowed):
            if line not in besides and self.can_take(line):
                return line
        if selector not in SELECTORS:
            raise CallError(*self.why_not(allowed[0]))
        if any(line.is_open for line in allowed if line not in besides):
            raise CallError(HangupCause.CONGESTION, "all lines are in use")
        raise CallError(HangupCause.REQUESTED_CHANNEL_UNAVAILABLE, "no line is ready")

    def _in_order(self, selector: str, lines: list[Line]) -> list[Line]:
        """Return lines in the order in which a selector asks them."""
        if selector == LEAST_RECENT:
            return sorted(lines, key=lambda line: line.last_used_s)
        if selector == ROUND_ROBIN:
            every, wanted = list(self._lines.values()), set(lines)
            in_turn = every[self._turn :] + every[: self._turn]
            return [line for line in in_turn if line in wanted]
        return lines

    def took(self, line: Line) -> None:
        """Take note that a call went to a line: the next in turn is another."""
        lines = list(self._lines.values())
        self._turn = (lines.index(line) + 1) % len(lines)


def same_account(line: Line, other: Line) -> bool:
    """Tell whether two lines have the same account, of the same kind of client."""
    return (
        bool(line.account)
        and line.account.lower() == other.account.lower()
        and line.settings.backend == other.settings.backend
    )


def _that_may_call(lines: list[Line], address: str) -> list[Line]:
    """Return the lines that may call an address. Raises CallError if none may."""
    objections = {line: objection_to_address(line.settings, address) for line in lines}
    allowed = [line for line, objection in objections.items() if not objection]
    if lines and not allowed:
        raise CallError(HangupCause.CALL_REJECTED, objections[lines[0]])
    return allowed
