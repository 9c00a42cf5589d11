"""The verdict: what was sent against what came back."""

from __future__ import annotations

import numpy as np
import pytest

from skypechan.audio.probe import TimedSound
from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.clock import SystemClock
from skypechan.gateway import selftest
from skypechan.gateway.selftest import CHIRPS, RATE_HZ, failed, judged, measured

FRAME = RATE_HZ // 50


def sound(samples: np.ndarray, delay_ms: float = 0) -> TimedSound:
    """In frames of 20 ms, each at its time."""
    pieces = [samples[at : at + FRAME] for at in range(0, len(samples), FRAME)]
    times = [round((number * 20 + delay_ms) * 1e6) for number in range(len(pieces))]
    return TimedSound.of(pieces, times, RATE_HZ)


SPEECH = selftest._speech()
SENT = sound(SPEECH)


def record() -> CallRecord:
    made = CallRecord("c1", Direction.TO_PBX)
    made.audio = {"to_pbx_gaps": 0, "to_line_gaps": 1, "to_pbx_frames": 140}
    return made


def test_a_faithful_echo_passes_with_its_figures() -> None:
    verdict = judged(measured(SENT, sound(SPEECH, 42)), record())
    assert verdict.passed
    assert verdict.reason == ""
    figures = verdict.figures
    assert figures["chirps_heard"] == figures["chirps_sent"] == CHIRPS
    assert figures["round_trip_median_ms"] == pytest.approx(42, abs=0.2)
    assert figures["level_change_db"] == 0
    assert (figures["to_pbx_gaps"], figures["to_line_gaps"]) == (0, 1)
    assert "to_pbx_frames" not in figures


def test_silence_fails() -> None:
    verdict = judged(measured(SENT, sound(np.zeros_like(SPEECH))), record())
    assert not verdict.passed
    assert verdict.reason == "nothing of what was sent came back"


def test_nothing_at_all_fails() -> None:
    assert not judged(measured(SENT, TimedSound.of([], [], RATE_HZ)), record()).passed


def test_a_lost_chirp_fails_and_is_counted() -> None:
    half = SPEECH.copy()
    half[: RATE_HZ // 2] = 0
    verdict = judged(measured(SENT, sound(half, 10)), record())
    assert verdict.reason == "1 of 5 chirps were lost"


def test_a_long_way_fails() -> None:
    verdict = judged(measured(SENT, sound(SPEECH, 350)), record())
    assert verdict.reason == "350 ms round trip is more than 300"


def test_another_level_fails() -> None:
    quiet = (SPEECH // 2).astype(np.int16)
    verdict = judged(measured(SENT, sound(quiet, 10)), record())
    assert verdict.reason == "the level changed by -6 dB"


def test_a_call_that_did_not_come_up_fails_with_its_reason() -> None:
    one = record()
    one.end(Side.PBX, HangupCause.TEMPORARY_FAILURE, "no AMI link", _now())
    assert failed(one).reason == "no AMI link"


@pytest.mark.parametrize(
    "cause", [HangupCause.NETWORK_OUT_OF_ORDER, HangupCause.NORMAL_CLEARING]
)
def test_audio_that_never_came_is_told_with_its_remedy(cause: HangupCause) -> None:
    one = record()
    one.end(Side.PBX, cause, "", _now())
    assert "audiosocket_advertise" in failed(one).reason


def test_a_call_that_was_up_and_ended_keeps_its_own_reason() -> None:
    one = record()
    one.answered = _now()
    one.end(Side.PBX, HangupCause.NORMAL_CLEARING, "hung up", _now())
    assert failed(one).reason == "hung up"


@pytest.mark.parametrize("cause", [HangupCause.UNALLOCATED, HangupCause.NO_ROUTE])
def test_an_old_dialplan_is_told_with_its_remedy(cause: HangupCause) -> None:
    one = record()
    one.end(Side.PBX, cause, "", _now())
    assert "skypechan.conf is older" in failed(one).reason


def _now():
    return SystemClock().wall()
