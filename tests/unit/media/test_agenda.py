"""What is due is served in order, once, and not for a call that has ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from skypechan.media.agenda import Agenda


class Due:
    """A flow that has something due, and stands for its call as well."""

    def __init__(self, due_s: float | None) -> None:
        self.timing = SimpleNamespace(due_s=due_s)
        self.final: object = None


def agenda_of(*flows: Any) -> Agenda:
    agenda = Agenda()
    for flow in flows:
        agenda.add(flow, flow)
    return agenda


def taken(agenda: Agenda, now_s: float) -> list[Any]:
    return [flow for _, flow in agenda.take(now_s)]


def test_what_is_due_comes_in_order_and_the_rest_waits() -> None:
    late, soon, idle = Due(3.0), Due(1.0), Due(None)
    agenda = agenda_of(late, idle, soon)
    assert agenda.next_s == 1.0
    assert taken(agenda, 0.9) == []
    assert taken(agenda, 1.0) == [soon]
    assert agenda.next_s == 3.0
    assert taken(agenda, 4.0) == [late]
    assert agenda.next_s is None


def test_a_flow_is_there_once_until_it_is_taken() -> None:
    flow: Any = Due(1.0)
    agenda = agenda_of(flow, flow)
    flow.timing.due_s = 1.5
    agenda.add(flow, flow)
    assert taken(agenda, 2.0) == [flow]
    agenda.add(flow, flow)
    assert agenda.next_s == 1.5


def test_a_call_that_has_ended_is_not_served() -> None:
    over, live = Due(1.0), Due(1.1)
    agenda = agenda_of(over, live)
    over.final = object()
    assert taken(agenda, 2.0) == [live]
