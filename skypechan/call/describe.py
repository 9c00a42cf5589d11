"""The transition table as text, for people."""

from __future__ import annotations

from collections.abc import Iterator

from skypechan.call.machine import IGNORED, TIMERS, TRANSITIONS, CallState


def table() -> str:
    """Return every row of the table, and what is ignored why."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield f"{'state':16} {'event':18} {'next state':16} actions"
    for state in CallState:
        timer = TIMERS.get(state)
        yield f"\n{state.value}" + (f" (runs the {timer} timer)" if timer else "")
        for (here, event), row in TRANSITIONS.items():
            if here is state:
                actions = "; ".join(row.actions) or "-"
                yield f"{'':16} {event.__name__:18} {row.state.value:16} {actions}"
        for reason, events in _ignored(state).items():
            yield f"{'':16} ignored, {reason}: {', '.join(events)}"


def _ignored(state: CallState) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for (here, event), reason in IGNORED.items():
        if here is state:
            reasons.setdefault(reason, []).append(event.__name__)
    return reasons
