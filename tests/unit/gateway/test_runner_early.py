"""A call that is heard before it is answered, held, recorded, and what it costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from pathlib import Path

import pytest

from skypechan.backends.base import Money, Pacing
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    Event,
    HangupRequested,
    HoldRequested,
    LineAnswered,
    LineDigit,
    LineEarlyMedia,
    LineHeld,
    LineReleased,
    LineResumed,
    MediaEnded,
    PbxAnswered,
    PbxDigit,
    PbxEarlyMedia,
    PbxHeld,
    PbxOffered,
    PbxReleased,
    ResumeRequested,
)
from skypechan.call.machine import CallState
from skypechan.call.record import Direction, Side
from skypechan.errors import CallError
from skypechan.media.engine import Engine, EngineSettings
from tests.unit.gateway.test_runner import Stage, stage

CLEARING = HangupCause.NORMAL_CLEARING


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=2))
    yield engine
    engine.close()


async def heard_early(on: Stage) -> None:
    await on.happens(PbxOffered())
    await on.happens(LineEarlyMedia())
    assert on.asked[2:] == ["pbx.early"]
    await on.happens(PbxEarlyMedia())
    assert on.call.state is CallState.EARLY_MEDIA
    assert on.call.media is not None


async def over(on: Stage) -> None:
    await on.happens(PbxReleased(CLEARING), LineReleased(CLEARING))


async def up(on: Stage) -> None:
    await on.happens(PbxOffered(), LineAnswered(), PbxAnswered())
    assert on.call.state is CallState.ESTABLISHED


@pytest.mark.parametrize(
    ("pacing", "said"),
    [
        (Pacing.PACED, "resampled to the client's clock"),
        (Pacing.RETURNED, "the client's clock is not followed"),
    ],
)
async def test_only_a_line_with_a_clock_is_followed(
    engine: Engine, pacing: Pacing, said: str
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.backend.leg.pacing = pacing
        await up(on)
        assert said in on.call.audio_text()
        await over(on)


async def test_audio_that_was_joined_early_is_that_of_the_answered_call(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await heard_early(on)
        media = on.call.media
        await on.happens(LineAnswered())
        assert on.asked[-1] == "pbx.answer"
        await on.happens(PbxAnswered())
        assert on.call.state is CallState.ESTABLISHED
        assert on.call.media is media
        assert on.asked.count("line.audio") == on.asked.count("pbx.audio") == 1
        await over(on)
    record = on.running.result()
    assert record.ringing is not None
    assert record.answered is not None


async def test_an_answer_over_another_connection_takes_the_audio_there(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await heard_early(on)
        media, before = on.call.media, on.pbx.far
        on.pbx.new_audio = True
        await on.happens(LineAnswered(), PbxAnswered())
        assert on.call.media is media
        assert on.asked.count("line.audio") == 1
        assert on.asked.count("pbx.audio") == 2
        assert on.pbx.far is not before
        await over(on)


@pytest.mark.parametrize(
    "end",
    [
        lambda: LineReleased(HangupCause.USER_BUSY),
        lambda: PbxReleased(CLEARING),
        lambda: HangupRequested(CLEARING),
        lambda: MediaEnded(Side.PBX, CLEARING, "hung up"),
    ],
)
async def test_every_end_of_early_media_parts_it_and_releases_who_is_left(
    engine: Engine, end: Callable[[], Event]
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await heard_early(on)
        before = len(on.asked)
        await on.happens(end())
        assert on.call.media is None
        assert on.asked[before:]
        await on.happens(LineReleased(CLEARING), PbxReleased(CLEARING))
    assert on.running.result().answered is None


async def test_a_line_without_sound_before_the_answer_is_joined_then(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        refusal = CallError(HangupCause.BEARER_UNAVAILABLE, "not yet")
        on.script.failures["line.audio"] = refusal
        await on.happens(PbxOffered(), LineEarlyMedia(), PbxEarlyMedia())
        assert on.call.state is CallState.EARLY_MEDIA
        assert on.call.media is None
        assert on.asked[-1] == "pbx.ring"
        del on.script.failures["line.audio"]
        await on.happens(LineAnswered(), PbxAnswered())
        assert on.call.media is not None
        await over(on)


async def test_a_line_that_is_slow_to_open_its_sound_is_asked_again_at_the_answer(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        on.backend.leg.slow = asyncio.Event()
        await on.happens(PbxOffered(), LineEarlyMedia(), PbxEarlyMedia())
        on.backend.leg.slow = None
        await on.happens(LineAnswered(), PbxAnswered())
        assert on.asked.count("line.audio") == 2
        assert "pbx.ring" not in on.asked
        assert on.call.media is not None
        await over(on)


async def test_an_answer_that_overtakes_early_media_is_an_answer(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await on.happens(
            PbxOffered(), LineEarlyMedia(), LineAnswered(), PbxEarlyMedia()
        )
        assert on.call.state is CallState.ANSWERING_PBX
        await on.happens(PbxAnswered())
        assert on.call.media is not None
        await over(on)


async def test_the_operator_s_hold_is_the_line_s_and_stands_with_the_others(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        assert not on.call.can_hold
        await up(on)
        assert on.call.can_hold
        await on.happens(HoldRequested(), PbxHeld(), LineHeld())
        assert on.asked[-1] == "line.hold"
        assert on.call.held_by == {Side.GATEWAY, Side.PBX, Side.LINE}
        await on.happens(ResumeRequested(), LineResumed())
        assert on.asked[-1] == "line.resume"
        assert on.call.held_by == {Side.PBX}
        await over(on)


@pytest.mark.parametrize(
    ("request_", "event"),
    [
        ("line.hold", HoldRequested()),
        ("pbx.digit", LineDigit("5")),
        ("line.digit", PbxDigit("5")),
    ],
)
async def test_what_the_call_can_do_without_does_not_end_it(
    engine: Engine, request_: str, event: Event
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await up(on)
        on.script.failures[request_] = CallError(HangupCause.INTERWORKING, "no")
        await on.happens(event)
        assert on.asked[-1].startswith(request_)
        assert on.call.state is CallState.ESTABLISHED
        assert on.call.held_by == set()
        await over(on)


async def test_a_digit_that_is_told_and_sounds_is_passed_on_once(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await up(on)
        await on.happens(LineDigit("5"), LineDigit("5", in_band=True), LineDigit("5"))
        assert on.asked[-2:] == ["pbx.digit 5", "pbx.digit 5"]
        await over(on)
    assert on.running.result().digits_to_pbx == 2


async def test_a_digit_that_ami_and_the_audio_tell_is_passed_on_once(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await up(on)
        by_ami, by_audio = PbxDigit("5", by_ami=True), PbxDigit("5")
        await on.happens(by_ami, by_audio, by_audio, by_ami)
        assert on.asked[-2:] == ["line.digit 5", "line.digit 5"]
        await over(on)
    assert on.running.result().digits_to_line == 2


async def test_a_tap_is_noted_in_the_record(engine: Engine, tmp_path: Path) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        with pytest.raises(CallError, match="no audio yet"):
            on.call.tap(tmp_path / "early.wav", 10)
        await up(on)
        on.call.tap(tmp_path / "call.wav", 10)
        on.call.tap(None, 10)
        assert "frames" in on.call.audio_text()
        await over(on)
    assert on.running.result().taps == [str(tmp_path / "call.wav")]


async def test_the_price_that_the_client_has_told_is_in_the_record(
    engine: Engine,
) -> None:
    async with stage(engine, Direction.TO_LINE) as on:
        await up(on)
        on.backend.leg.told_price = Money(Decimal("0.023"), "EUR")
        await over(on)
    record = on.running.result()
    assert (record.price_per_minute, record.price_currency) == (0.023, "EUR")
