"""Totals never fall, whatever stage a call's end is in."""

from __future__ import annotations

import asyncio

from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.gateway.line import Line
from skypechan.gateway.runner import CallLimits, CallRunner
from skypechan.gateway.settings import LineSettings
from skypechan.gateway.snapshot import of_calls
from skypechan.gateway.totals import Totals
from skypechan.media.engine import Engine, EngineSettings
from tests.doubles.clock import FakeClock
from tests.doubles.talkative import TalkativeBackend


def ended(call: str, **audio: float) -> CallRecord:
    record = CallRecord(call, Direction.TO_PBX, audio=audio)
    record.end(Side.LINE, HangupCause.USER_BUSY, "", FakeClock().wall())
    return record


def test_what_adds_up_is_summed_and_what_does_not_is_left_out() -> None:
    totals = Totals()
    assert set(totals.media().values()) == {0}
    totals.add(
        ended("c1", to_pbx_gaps=2, to_line_concealed_ms=40.5, to_pbx_drift_ppm=9)
    )
    totals.add(ended("c2", to_pbx_gaps=3))
    assert totals.calls() == {"to_pbx/BUSY": 2}
    media = totals.media()
    assert (media["to_pbx_gaps"], media["to_line_concealed_ms"]) == (5, 40.5)
    assert "to_pbx_drift_ppm" not in media


async def test_the_audio_of_a_call_counts_once_whenever_it_ends() -> None:
    clock, totals, limits = FakeClock(), Totals(), CallLimits(1, 0)
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1))
    line = Line("first", LineSettings(), TalkativeBackend(), clock)
    calls = [
        CallRunner(ended(f"c{number}"), line, engine, clock, limits)
        for number in range(9)
    ]
    calls[7].record.audio = {"to_pbx_gaps": 7}
    looking = asyncio.create_task(of_calls(calls, totals))
    await asyncio.sleep(0)
    calls[0].record.audio = {"to_pbx_gaps": 3}  # it has been looked at before
    for call in (calls[0], calls[7]):
        totals.add(call.record)
    seen, sums = await looking
    assert len(seen) == 9
    assert sums["to_pbx_gaps"] == 7
    assert totals.media()["to_pbx_gaps"] == 10
    engine.close()
