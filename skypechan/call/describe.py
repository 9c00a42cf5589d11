"""The transition table as text, for people."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from skypechan.call.machine import IGNORED, TIMERS, TRANSITIONS, CallState

_WIDTH = 100
_INDENT = " " * 4


def table() -> str:
    """Return every row of the table, and what is ignored why."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "state"
    yield f"{_INDENT}{'event':16} {'next state':16} actions"
    for state in CallState:
        timer = TIMERS.get(state)
        yield f"\n{state.value}" + (f" (runs the {timer} timer)" if timer else "")
        for (here, event), row in TRANSITIONS.items():
            if here is state:
                actions = "; ".join(row.actions) or "-"
                yield from _wrapped(
                    f"{_INDENT}{event.__name__:16} {row.state.value:16} ", actions
                )
        for reason, events in _ignored(state).items():
            yield from _wrapped(f"{_INDENT}ignored, {reason}: ", ", ".join(events))


def _wrapped(head: str, text: str) -> list[str]:
    indent = _INDENT * 2 if head.startswith(f"{_INDENT}ignored") else " " * len(head)
    return textwrap.wrap(
        text, _WIDTH, initial_indent=head, subsequent_indent=indent
    ) or [head.rstrip()]


def _ignored(state: CallState) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for (here, event), reason in IGNORED.items():
        if here is state:
            reasons.setdefault(reason, []).append(event.__name__)
    return reasons
