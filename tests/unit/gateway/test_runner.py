"""One call: what it asks of its legs, in which order, and what the record says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from skypechan.call.causes import DialStatus, HangupCause
from skypechan.call.events import (
    Event,
    HangupRequested,
    LineAnswered,
    LineDigit,
    LineHeld,
    LineOffered,
    LineReleased,
    LineResumed,
    LineRinging,
    MediaEnded,
    PbxAnswered,
    PbxDigit,
    PbxHeld,
    PbxOffered,
    PbxReleased,
    PbxRinging,
    TimedOut,
    Timer,
)
from skypechan.call.machine import CallState
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.errors import CallError, LinkDownError
from skypechan.gateway.line import Line
from skypechan.gateway.runner import CallLimits, CallRunner
from skypechan.gateway.settings import LineSettings
from skypechan.media.engine import Engine, EngineSettings
from tests.doubles.clock import FakeClock, settle
from tests.doubles.legs import Script, ScriptedBackend, ScriptedPbxLeg

CLEARING = HangupCause.NORMAL_CLEARING


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=2))
    yield engine
    engine.close()


@dataclass
class Stage:
    """A call between two scripted legs, and the task that runs it."""

    call: CallRunner
    script: Script
    clock: FakeClock
    pbx: ScriptedPbxLeg
    backend: ScriptedBackend
    running: asyncio.Task[CallRecord]

    async def happens(self, *events: Event) -> None:
        for event in events:
            self.call.post(event)
        await settle()

    @property
    def asked(self) -> list[str]:
        return self.script.asked


@asynccontextmanager
async def stage(
    engine: Engine, direction: Direction, *, ring_s: float = 30, longest_s: float = 0
) -> AsyncIterator[Stage]:
    clock, script = FakeClock(), Script()
    backend, pbx = ScriptedBackend(script), ScriptedPbxLeg(script)
    line = Line("first", LineSettings(), backend, clock)
    record = CallRecord(call="c1", direction=direction, address="echo123")
    limits = CallLimits(ring_s, longest_s)
    call = CallRunner(record, line, engine, clock, limits)
    if direction is Direction.TO_LINE:
        call.pbx_leg = pbx
    else:
        call.line_leg = backend.leg

        async def originate() -> ScriptedPbxLeg:
            script.ask("pbx.originate")
            return pbx

        call.originate = originate
    running = asyncio.create_task(call.run())
    yield Stage(call, script, clock, pbx, backend, running)
    await running
    for leg in (pbx, backend.leg):
        if leg.far is not None:
            leg.far.close()


async def test_the_pbx_is_answered_only_after_the_line(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered())
        assert on.asked == ["pbx.take", "line.place echo123"]
        await on.happens(LineRinging(), LineRinging())
        assert on.asked[2:] == ["pbx.ring"]
        await on.happens(LineAnswered())
        assert on.asked[3:] == ["pbx.answer"]
        assert on.call.media is None
        await on.happens(PbxAnswered())
        assert sorted(on.asked[4:]) == ["line.audio", "pbx.audio"]
        assert on.call.media is not None
        await on.happens(PbxReleased(CLEARING))
        assert on.asked[6:] == ["line.release"]
        await on.happens(LineReleased(CLEARING))
    record = on.running.result()
    assert (record.status, record.cause) == (DialStatus.ANSWER, CLEARING)
    assert record.released_by is Side.PBX
    assert record.line_call == "42"
    assert record.audio["to_line_frames"] == 0
    assert on.call.media is None


async def test_the_line_is_answered_only_after_the_pbx(engine: Engine) -> None:
    async with stage(engine, Direction.TO_PBX) as on:
        await on.happens(LineOffered())
        assert on.asked == ["pbx.originate"]
        await on.happens(LineAnswered())  # nobody asked for it
        assert on.call.state is CallState.OFFERED
        await on.happens(PbxAnswered())
        assert on.asked[1:] == ["line.answer"]
        assert on.call.record.answered is None
        await on.happens(LineAnswered())
        assert on.call.record.answered is not None
        assert on.call.state is CallState.ESTABLISHED
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
        assert on.asked[-1] == "pbx.release NORMAL_CLEARING"
    record = on.running.result()
    assert record.released_by is Side.LINE
    assert record.uuid == on.pbx.uuid


async def test_who_gives_up_while_his_call_is_picked_up_was_not_connected(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_PBX) as on:
        await on.happens(LineOffered(), PbxAnswered())
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    record = on.running.result()
    assert (record.answered, record.status) == (None, DialStatus.CANCEL)


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (HangupCause.USER_BUSY, DialStatus.BUSY),
        (HangupCause.CALL_REJECTED, DialStatus.CHANUNAVAIL),
        (HangupCause.SUBSCRIBER_ABSENT, DialStatus.CHANUNAVAIL),
    ],
)
async def test_the_lines_cause_is_the_callers_answer(
    engine: Engine, cause: HangupCause, status: DialStatus
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered())
        await on.happens(LineReleased(cause, "as the client says"))
        assert on.asked[-1] == f"pbx.release {cause.name}"
        await on.happens(PbxReleased(cause))
    record = on.running.result()
    assert (record.cause, record.status) == (cause, status)
    assert record.reason == "as the client says"


async def test_a_line_that_cannot_place_is_a_release_with_its_cause(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.script.failures["line.place"] = CallError(
            HangupCause.UNALLOCATED, "Unrecognised identity"
        )
        await on.happens(PbxOffered())
        assert on.asked[-1] == "pbx.release UNALLOCATED"
        await on.happens(PbxReleased(HangupCause.UNALLOCATED))
    assert on.running.result().reason == "Unrecognised identity"


async def test_nobody_is_called_for_a_caller_who_is_gone(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.script.failures["pbx.take"] = CallError(CLEARING, "the caller is gone")
        await on.happens(PbxOffered())
    assert on.asked == ["pbx.take"]
    assert on.running.result().status is DialStatus.CANCEL


async def test_without_asterisk_the_offered_line_is_released(engine: Engine) -> None:
    async with stage(engine, Direction.TO_PBX) as on:
        on.script.failures["pbx.originate"] = LinkDownError("no AMI link")
        await on.happens(LineOffered())
        assert on.asked == ["pbx.originate", "line.release"]
        await on.happens(LineReleased(CLEARING))
    record = on.running.result()
    assert record.cause is HangupCause.TEMPORARY_FAILURE
    assert record.reason == "no AMI link"


async def test_the_line_learns_why_nobody_answered(engine: Engine) -> None:
    async with stage(engine, Direction.TO_PBX) as on:
        await on.happens(LineOffered(), PbxReleased(HangupCause.USER_BUSY))
        assert on.asked == ["pbx.originate", "line.release"]
        assert on.backend.leg.released_with is HangupCause.USER_BUSY
        await on.happens(LineReleased(CLEARING))


async def test_an_answer_that_comes_after_the_end_is_no_answer(engine: Engine) -> None:
    async with stage(engine, Direction.TO_PBX) as on:
        await on.happens(LineOffered(), LineReleased(CLEARING))
        await on.happens(PbxRinging(), PbxAnswered(), PbxReleased(CLEARING))
    record = on.running.result()
    assert record.status is DialStatus.CANCEL
    assert (record.ringing, record.answered) == (None, None)


async def test_audio_that_cannot_be_joined_ends_both_legs(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.script.failures["line.audio"] = CallError(
            HangupCause.TEMPORARY_FAILURE, "no sound"
        )
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        assert "line.release" in on.asked
        assert "pbx.release TEMPORARY_FAILURE" in on.asked
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    assert on.running.result().reason == "no sound"


async def test_a_call_that_rings_too_long_has_no_answer(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE, ring_s=20) as on:
        await on.happens(PbxOffered(), LineRinging())
        await on.clock.advance(19.9)
        assert on.call.state is CallState.RINGING
        await on.clock.advance(0.1)
        assert on.call.state is CallState.RELEASING_BOTH
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    record = on.running.result()
    assert (record.cause, record.status) == (
        HangupCause.NO_ANSWER,
        DialStatus.NOANSWER,
    )


async def test_ringing_does_not_restart_the_ring_timer(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE, ring_s=20) as on:
        await on.happens(PbxOffered())
        await on.clock.advance(15)
        await on.happens(LineRinging())
        await on.clock.advance(5)
        assert on.call.state is CallState.RELEASING_BOTH
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))


async def test_a_timer_that_ran_out_while_the_answer_waited_is_void(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE, ring_s=20) as on:
        await on.happens(PbxOffered(), LineRinging())
        await on.happens(LineAnswered(), TimedOut(Timer.RING))
        assert on.call.state is CallState.ANSWERING_PBX
        await on.happens(PbxReleased(CLEARING), LineReleased(CLEARING))


async def test_the_longest_call_time_ends_a_call(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE, longest_s=3600) as on:
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        await on.clock.advance(3600)
        assert on.call.state is CallState.RELEASING_BOTH
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    assert on.running.result().reason == "the longest call time was reached"


async def test_a_leg_that_does_not_confirm_its_end_is_given_up(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered(), HangupRequested())
        await on.clock.advance(5)
        assert on.call.state is CallState.RELEASED
    assert on.running.result().released_by is Side.GATEWAY


async def test_digits_pass_both_ways_each_once(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        before = len(on.asked)
        await on.happens(LineDigit("5"), PbxDigit("*"), PbxDigit("A"), LineDigit("#"))
        assert on.asked[before:] == ["pbx.digit 5", "line.digit *", "pbx.digit #"]
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    record = on.running.result()
    assert (record.digits_to_pbx, record.digits_to_line) == (2, 1)


async def test_a_flood_of_digits_is_bounded_and_loses_nothing_else(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        for _ in range(1_000):
            on.call.post(LineDigit("1"))
        await settle()
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    record = on.running.result()
    assert record.digits_to_pbx == 256
    assert record.digits_dropped == 744


@pytest.mark.parametrize(
    "end",
    [
        LineReleased(CLEARING),
        PbxReleased(CLEARING),
        HangupRequested(CLEARING),
        MediaEnded(Side.LINE, CLEARING, "hung up"),
    ],
    ids=lambda end: type(end).__name__,
)
async def test_an_end_does_not_wait_for_digits(engine: Engine, end: Event) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        before = len(on.asked)
        await on.happens(LineDigit("1"), PbxDigit("2"), end)
        assert "release" in on.asked[before]
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))


async def test_who_holds_a_call_is_known(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered(), LineHeld())
        assert on.call.held_by == {Side.LINE}
        await on.happens(LineResumed())
        assert on.call.held_by == set()
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))


@pytest.mark.parametrize("closing_side", ["line", "pbx"])
async def test_audio_that_closes_on_one_side_ends_both_legs(
    engine: Engine, closing_side: str
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        leg = on.pbx if closing_side == "pbx" else on.backend.leg
        assert leg.far is not None
        leg.far.close()
        async with asyncio.timeout(5):
            # The engine sees the end when the kernel tells it: let the loop turn.
            while on.call.state is CallState.ESTABLISHED:
                await asyncio.sleep(0)
                await on.clock.advance(0.1)
        assert on.call.state is CallState.RELEASING_BOTH
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    record = on.running.result()
    assert record.released_by == closing_side
    assert record.cause is CLEARING


async def test_a_caller_gives_up_while_the_client_is_slow_to_dial(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.backend.slow = asyncio.Event()
        await on.happens(PbxOffered())
        await on.happens(LineRinging())
        assert on.asked == ["pbx.take", "line.place echo123", "pbx.ring"]
        await on.happens(PbxReleased(CLEARING))
        assert on.backend.cancelled
    assert on.running.result().status is DialStatus.CANCEL


async def test_the_line_is_free_as_soon_as_its_leg_is(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.call.line.seize("c1")
        await on.happens(PbxOffered())
        await on.happens(LineReleased(HangupCause.USER_BUSY))
        assert on.call.line.call_id is None
        await on.happens(PbxReleased(CLEARING))


async def test_a_hangup_does_not_wait_for_a_client_that_is_slow_with_its_sound(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.backend.leg.slow = asyncio.Event()
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        assert on.asked[-1] == "line.audio"
        await on.happens(PbxReleased(CLEARING))
        assert on.asked[-1] == "line.release"
        await on.happens(LineReleased(CLEARING))


async def test_an_answer_before_the_client_said_that_it_dials_is_an_answer(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.backend.slow = asyncio.Event()
        await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
        assert on.call.media is None
        on.backend.slow.set()
        await settle()
        assert on.call.media is not None
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))


async def test_an_abandoned_call_releases_what_is_left(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(PbxOffered(), LineRinging())
        before = len(on.asked)
        await on.call.abandon("a fault")
        assert on.asked[before:] == ["line.release", "pbx.release TEMPORARY_FAILURE"]
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))


@pytest.mark.parametrize(
    ("direction", "events", "last", "side"),
    [
        (
            Direction.TO_PBX,
            (LineOffered(), PbxAnswered(), PbxHeld()),
            LineAnswered(),
            Side.PBX,
        ),
        (
            Direction.TO_LINE,
            (PbxOffered(), LineAnswered(), LineHeld()),
            PbxAnswered(),
            Side.LINE,
        ),
    ],
    ids=["to the PBX", "to the line"],
)
async def test_who_holds_at_once_is_not_overheard_while_the_other_is_answered(
    engine: Engine,
    direction: Direction,
    events: tuple[Event, ...],
    last: Event,
    side: Side,
) -> None:
    async with stage(engine, direction) as on:
        await on.happens(*events)
        await on.happens(last)
        assert on.call.state is CallState.ESTABLISHED
        assert on.call.held_by == {side}
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))


async def test_a_call_goes_on_with_another_line_where_its_own_is_in_use(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        in_use = CallError(HangupCause.CONGESTION, "another call is active")
        on.script.failures["line.place"] = in_use
        spare, told = Script(), []
        backend = ScriptedBackend(spare)
        other = Line("spare", LineSettings(), backend, on.clock)

        def next_line(error: CallError) -> Line | None:
            told.append(error)
            return other if len(told) == 1 else None

        on.call.next_line = next_line
        await on.happens(PbxOffered())
        assert (told, spare.asked) == ([in_use], ["line.place echo123"])
        assert (on.call.line, on.call.record.line) == (other, "spare")
        await on.happens(LineAnswered(), PbxAnswered())
        assert on.call.state is CallState.ESTABLISHED
        assert spare.asked[1:] == ["line.audio"]
        await on.happens(PbxReleased(CLEARING), LineReleased(CLEARING))
        assert backend.leg.far is not None
        backend.leg.far.close()


async def test_a_call_ends_where_no_other_line_will_do(engine: Engine) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        in_use = CallError(HangupCause.CONGESTION, "another call is active")
        on.script.failures["line.place"] = in_use
        on.call.next_line = lambda _: None
        await on.happens(PbxOffered())
        assert on.asked[-1] == "pbx.release CONGESTION"
        await on.happens(PbxReleased(HangupCause.CONGESTION))
    assert on.running.result().reason == "another call is active"
