"""Which line takes a call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from skypechan.backends.base import Capabilities, LineLeg, LineObserver, LineState
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.errors import CallError
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.settings import LineSettings
from tests.doubles.clock import FakeClock, settle


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
        line.line_changed(LineState.DEGRADED, "no answer to PING", "")
    assert refused(lines, "RR").cause == HangupCause.REQUESTED_CHANNEL_UNAVAILABLE


def test_a_paused_line_takes_no_calls_until_it_is_resumed(lines: Lines) -> None:
    lines["a"].pause()
    assert (lines["a"].state, lines["a"].is_idle) == (LineState.PAUSED, False)
    error = refused(lines, "a")
    assert error.cause == HangupCause.REQUESTED_CHANNEL_UNAVAILABLE
    assert error.reason == "line a is paused: by the operator"
    assert lines.select("ANY").name == "b"
    lines["a"].resume()
    assert lines.select("a").is_idle


def test_a_line_in_use_is_paused_when_its_call_has_ended(lines: Lines) -> None:
    line = lines["a"]
    line.seize("call")
    line.pause()
    assert line.state is LineState.READY
    assert line.reason == "will pause when its call has ended"
    error = refused(lines, "a")
    assert error.cause == HangupCause.REQUESTED_CHANNEL_UNAVAILABLE
    assert error.reason == "line a will pause when its call has ended"
    line.free("call")
    assert line.state is LineState.PAUSED


def test_a_pause_that_is_taken_back_in_time_never_comes(lines: Lines) -> None:
    line = lines["a"]
    line.seize("call")
    line.pause()
    line.resume()
    line.free("call")
    assert line.is_idle


def test_a_paused_line_tells_what_its_client_does(lines: Lines) -> None:
    line = lines["a"]
    line.pause()
    line.line_changed(LineState.SIGNED_OUT, "nobody is signed in", "")
    assert line.state is LineState.PAUSED
    assert line.reason == "by the operator; its client is signed_out"
    line.resume()
    assert (line.state, line.reason) == (LineState.SIGNED_OUT, "nobody is signed in")


class CountingBackend:
    """A backend that counts how often it was run and how often it was left."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        self.runs = self.ends = 0

    async def run(self, observer: LineObserver) -> None:
        self.runs += 1
        observer.line_changed(LineState.READY, "", "")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.ends += 1

    async def place(self, address: str, sink: EventSink) -> LineLeg:
        raise AssertionError(address)


@pytest.fixture
async def served(clock: FakeClock) -> AsyncIterator[Line]:
    line = Line("a", LineSettings(), CountingBackend(), clock)
    serving = asyncio.create_task(line.serve())
    await settle()
    yield line
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_restart_attaches_anew_at_once_where_no_call_is(served: Line) -> None:
    backend = served.backend
    assert isinstance(backend, CountingBackend)
    served.restart()
    await settle()
    assert (backend.runs, backend.ends) == (2, 1)
    assert served.is_idle


class FaultyBackend(CountingBackend):
    async def run(self, observer: LineObserver) -> None:
        self.runs += 1
        raise ZeroDivisionError


async def test_a_restart_does_not_wait_until_a_fault_is_tried_again(
    clock: FakeClock,
) -> None:
    backend = FaultyBackend()
    line = Line("a", LineSettings(), backend, clock)
    serving = asyncio.create_task(line.serve())
    await settle()
    assert (backend.runs, line.state) == (1, LineState.DEGRADED)
    line.restart()
    await settle()
    assert backend.runs == 2
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_restart_waits_for_the_end_of_the_call(served: Line) -> None:
    backend = served.backend
    assert isinstance(backend, CountingBackend)
    served.seize("call")
    served.restart()
    served.pause()
    await settle()
    assert backend.runs == 1
    assert served.reason == "will pause and restart when its call has ended"
    served.free("call")
    await settle()
    assert backend.runs == 2
    assert served.state is LineState.PAUSED


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
