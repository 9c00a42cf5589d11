"""In whatever order offers, ends and pauses come: none is lost, none doubled."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.errors import CallError
from skypechan.media.engine import Engine, EngineSettings
from tests.doubles.clock import FakeClock, settle
from tests.doubles.reception import Leg, Reception, reception_with

LINES = {"one": "sales", "two": "sales", "three": "support", "four": "home"}

_line = st.sampled_from(sorted(LINES))
STEPS = st.one_of(
    st.tuples(st.just("offer"), _line, st.sampled_from(["alice", "bob", "carol"])),
    st.tuples(st.just("call out"), _line),
    st.tuples(st.just("pause"), _line),
    st.tuples(st.just("resume"), _line),
    st.tuples(st.just("end the oldest call")),
    st.tuples(st.just("the newest caller gives up")),
    st.tuples(st.just("wait"), st.sampled_from([0.05, 0.5, 1.5])),
)


@settings(deadline=None, max_examples=60)  # other jobs share the machine
@given(st.lists(STEPS, max_size=25))
def test_every_offer_comes_to_one_end_and_every_line_is_free_at_last(
    steps: list[tuple[str, ...]],
) -> None:
    asyncio.run(_play(steps))


async def _play(steps: list[tuple[str, ...]]) -> None:
    clock, engine = (
        FakeClock(),
        Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1)),
    )
    reception = reception_with(clock, engine, LINES)
    legs: list[Leg] = []
    try:
        for step, *details in steps:
            await _take(step, details, reception, legs)
            _nobody_has_two_calls(reception)
        await _bring_to_an_end(reception, legs)
    finally:
        await reception.close()
        engine.close()
    assert all(line.call_id is None for line in reception.lines)
    for leg in legs:
        ends = reception.ends_of(leg)
        assert ends <= 1
        assert ends or _has_a_twin(leg, legs, reception)


async def _take(
    step: str, details: list[object], reception: Reception, legs: list[Leg]
) -> None:
    match step, details:
        case "offer", [line, caller]:
            legs.append(reception.offer(str(line), str(caller)))
        case "call out", [line] if reception.lines[str(line)].is_idle:
            reception.call_out(str(line))
        case "pause", [line]:
            reception.lines[str(line)].pause()
        case "resume", [line]:
            reception.lines[str(line)].resume()
        case "end the oldest call", []:
            for call in list(reception.calls.values())[:1]:
                reception.end(call)
        case "the newest caller gives up", []:
            for leg in legs[-1:]:
                leg.give_up()
        case "wait", [seconds] if isinstance(seconds, float):
            await reception.clock.advance(seconds)
    await settle()


def _nobody_has_two_calls(reception: Reception) -> None:
    having = [call.line.name for call in reception.calls.values()]
    assert len(having) == len(set(having))


async def _bring_to_an_end(reception: Reception, legs: list[Leg]) -> None:
    """Every transfer fails, every call ends, until nothing moves any more."""
    for _ in range(len(legs) + 2):
        for call in list(reception.calls.values()):
            reception.end(call)
        for leg in legs:
            if leg.sent_to and not leg.taken.done():
                leg.taken.set_exception(CallError(19, "nobody took it"))
        await reception.clock.advance(3)
        await settle()


def _has_a_twin(leg: Leg, legs: list[Leg], reception: Reception) -> bool:
    """Tell whether the same call has come to an end at the account's other client."""
    return any(
        other is not leg and other.caller == leg.caller and reception.ends_of(other)
        for other in legs
        if LINES[other.line] == LINES[leg.line] and other.line != leg.line
    )
