"""Which line takes a call."""

from __future__ import annotations

import pytest

from skypechan.backends.base import LineState
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.causes import HangupCause
from skypechan.errors import CallError
from skypechan.gateway.lines import Line, Lines, LineSettings
from tests.doubles.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lines(clock: FakeClock) -> Lines:
    made = [
        Line(name, LineSettings(backend="echo"), EchoBackend(), clock)
        for name in ("a", "b", "c")
    ]
    for line in made:
        line.line_changed(LineState.READY, "", f"account-{line.name}")
    return Lines(made)


def refused(lines: Lines, selector: str) -> CallError:
    with pytest.raises(CallError) as caught:
        lines.select(selector)
    return caught.value


def test_a_line_is_chosen_by_its_name(lines: Lines) -> None:
    assert lines.select("b").name == "b"


def test_any_is_the_first_idle_line(lines: Lines) -> None:
    lines["a"].seize("call")
    assert lines.select("ANY").name == "b"
    lines["a"].free("call")
    assert lines.select("ANY").name == "a"


def test_round_robin_takes_the_lines_in_turn_and_skips_busy_ones(lines: Lines) -> None:
    taken = []
    for _ in range(4):
        line = lines.select("RR")
        assert lines.select("RR") is line  # looking takes no turn
        lines.took(line)
        taken.append(line.name)
    assert taken == ["a", "b", "c", "a"]
    lines["b"].seize("call")
    assert lines.select("RR").name == "c"


async def test_least_recently_used_is_the_longest_unused(
    lines: Lines, clock: FakeClock
) -> None:
    for name in ("b", "a", "c"):
        await clock.advance(1)
        lines[name].seize("call")
        lines[name].free("call")
    assert lines.select("LRU").name == "b"


def test_why_there_is_no_line_is_told_by_the_cause(lines: Lines) -> None:
    assert refused(lines, "x").cause == HangupCause.NO_ROUTE
    lines["a"].seize("call")
    assert refused(lines, "a").cause == HangupCause.CONGESTION
    lines["b"].line_changed(LineState.SIGNED_OUT, "nobody is signed in", "")
    error = refused(lines, "b")
    assert error.cause == HangupCause.REQUESTED_CHANNEL_UNAVAILABLE
    assert "signed_out" in error.reason
    lines["c"].seize("call")
    assert refused(lines, "ANY").cause == HangupCause.CONGESTION
    for line in lines:
        line.line_changed(LineState.PAUSED, "", "")
    assert refused(lines, "RR").cause == HangupCause.REQUESTED_CHANNEL_UNAVAILABLE


def test_only_the_call_that_has_a_line_frees_it(lines: Lines) -> None:
    lines["a"].seize("one")
    lines["a"].free("another")
    assert lines["a"].call_id == "one"


async def test_since_moves_with_the_state_and_not_with_the_reason(
    lines: Lines, clock: FakeClock
) -> None:
    line, before = lines["a"], lines["a"].since
    await clock.advance(5)
    line.line_changed(LineState.READY, "another reason", "")
    assert line.since == before
    line.line_changed(LineState.DEGRADED, "no answer to PING", "")
    assert line.since == clock.wall()
    assert line.account == "account-a"
