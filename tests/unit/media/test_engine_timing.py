"""Clocks that drift, sources that are late or stall, lines ahead of time: no growth."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from skypechan.media.engine import EngineSettings
from tests.doubles.media_talk import StartTalk
from tests.doubles.pcm_peers import message
from tests.doubles.virtual_call import VirtualCall
from tests.unit.audio.signals import voice

SPEECH = voice(1.0).reshape(-1, 320)
STEEPEST = np.abs(np.diff(SPEECH.ravel().astype(int))).max()


def speech(number: int) -> np.ndarray:
    return SPEECH[number % len(SPEECH)]


def well(rng: np.random.Generator, _: float) -> float:
    return 0.0005 + min(rng.exponential(0.0003), 0.001)


def burst40(rng: np.random.Generator, at_s: float) -> float:
    late_s = rng.uniform(0, 0.040) if rng.random() < 0.05 else 0.0
    return well(rng, at_s) + late_s


def stalled_once(rng: np.random.Generator, at_s: float) -> float:
    return well(rng, at_s) + (max(0.0, 20.3 - at_s) if at_s >= 20 else 0.0)


def in_threes(_: np.random.Generator, at_s: float) -> float:
    """From the fifth second on three frames come at once."""
    return 0.0 if at_s < 4 else np.ceil(at_s / 0.060 - 1e-9) * 0.060 - at_s


@contextmanager
def call_of(*args: Any, **more: Any) -> Iterator[VirtualCall]:
    call = VirtualCall(*args, **more)
    try:
        yield call
    finally:
        call.close()


def heard_by_line(call: VirtualCall) -> np.ndarray:
    return np.frombuffer(b"".join(call.heard_by_line), "<i2").astype(int)


def heard_by_pbx(call: VirtualCall) -> np.ndarray:
    return np.frombuffer(b"".join(call.heard_by_pbx), "<i2").astype(int)


@pytest.mark.parametrize(("line_ppm", "pbx_ppm"), [(200, 0), (-1000, 0), (-50, 150)])
def test_a_client_s_clock_is_followed_and_nothing_is_lost(
    line_ppm: float, pbx_ppm: float
) -> None:
    with call_of(line_ppm, well, well, pbx_ppm) as call:
        call.run(60)
        figures = call.media.figures()
        early_ms = 1000 * call.least_queue_s(15, 25)
        assert 1000 * call.least_queue_s(50, 60) == pytest.approx(early_ms, abs=1)
        assert early_ms <= 2
    assert figures.to_pbx.drift_ppm == pytest.approx(line_ppm, abs=5)
    assert figures.to_line.drift_ppm == pytest.approx(pbx_ppm, abs=5)
    for way in (figures.to_pbx, figures.to_line):
        assert (way.dropped, way.concealed_ms, way.skipped_ms) == (0, 0, 0)
        assert not way.smoothed
        assert way.gaps == 0


def test_a_client_with_a_clock_of_its_own_for_playing_is_not_followed() -> None:
    settings = EngineSettings(follow_line_clock=False)
    with call_of(-1000, well, well, settings=settings) as call:
        call.run(30)
        # As much as the PBX sent; the client here does not keep up with it.
        assert call.least_queue_s(25, 30) >= 0.020


@pytest.mark.parametrize("pbx_ppm", [-200, 0, 200])
def test_a_line_that_returns_what_it_is_sent_stays_well(pbx_ppm: float) -> None:
    """To follow its clock would be to follow what we do about it."""
    with call_of(0, well, well, pbx_ppm, audio=speech, line_returns=True) as call:
        call.run(60)
        figures = call.media.figures()
        heard, returned = heard_by_line(call), heard_by_pbx(call)
    for way in (figures.to_pbx, figures.to_line):
        assert not way.smoothed
        assert (way.late, way.concealed_ms, way.skipped_ms) == (0, 0, 0)
    assert figures.to_pbx.drift_ppm == pytest.approx(pbx_ppm, abs=5)
    assert len(returned) - len(heard) in (0, 320)  # and the silence before
    assert abs(len(heard) - 60 * 16_000) <= 640


def test_a_rough_source_is_smoothed_and_says_so() -> None:
    with call_of(-200, burst40, burst40, audio=speech) as call:
        call.run(60)
        figures = call.media.figures()
        gaps_s = np.diff([at_s for at_s, _ in call.to_pbx if at_s >= 1_020])
    for way in (figures.to_pbx, figures.to_line):
        assert way.smoothed
        assert 36 <= way.delay_ms <= 65
        assert way.concealed_ms <= 100
        assert way.late > 100
    assert np.abs(gaps_s - 0.020).max() <= 0.001


def test_a_stall_leaves_no_delay_and_no_click() -> None:
    with call_of(-200, stalled_once, stalled_once, audio=speech) as call:
        call.run(25)
        figures = call.media.figures()
        assert 1000 * call.least_queue_s(19, 20) <= 2
        after = [q for at_s, q in call.queues_s if at_s >= 1_021.4]
        assert max(after) <= 0.010
        messages = sum(count for _, count in call.to_pbx)
        assert abs(messages - 25 * 50) <= 3  # the gap before silence
        for heard in (heard_by_line(call), heard_by_pbx(call)):
            assert np.abs(np.diff(heard)).max() <= 1.5 * STEEPEST
    for way in (figures.to_pbx, figures.to_line):
        assert way.gaps == 1
        assert 100 <= way.skipped_ms <= 320


@pytest.mark.parametrize("held_s", [0.05, 0.09, 0.13, 0.211, 0.305, 0.5])
@pytest.mark.parametrize("turn", [0, 1])
def test_after_a_stall_of_any_length_the_source_is_heard_again(
    held_s: float, turn: int
) -> None:
    def late(rng: np.random.Generator, at_s: float) -> float:
        begun_s = 5.0 + 0.007 * turn
        held = max(0.0, begun_s + held_s - at_s) if at_s >= begun_s else 0.0
        return well(rng, at_s) + held

    with call_of(200, late, late, audio=speech, seed=turn) as call:
        call.run(7.5)
        figures = call.media.figures()
        assert call.least_queue_s(7.0, 7.5) <= 0.020
    for way in (figures.to_pbx, figures.to_line):
        assert way.skipped_ms <= 1000 * held_s + 60  # splices included
        assert way.filled <= 50 * held_s + 2


@pytest.mark.parametrize("stalled_s", [0.05, 0.1, 0.18, 0.25])
def test_what_our_own_stall_held_back_is_all_sent_and_no_delay_stays(
    stalled_s: float,
) -> None:
    with call_of(0, well, well, audio=speech) as call:
        call.run(5)
        call.stall(stalled_s)
        call.run(4)
        figures = call.media.figures()
        assert call.least_queue_s(8, 9) <= 0.010
        messages = sum(count for _, count in call.to_pbx)
        assert abs(messages - (9 + stalled_s) * 50) <= 1
        assert np.abs(np.diff(heard_by_line(call))).max() <= 1.5 * STEEPEST
    assert figures.to_pbx.skipped_ms == 0
    assert not figures.to_pbx.smoothed
    assert not figures.to_line.smoothed


def test_who_has_spoken_while_we_were_stopped_is_not_quiet() -> None:
    with call_of(0, well, well, audio=speech) as call:
        call.run(2.007)
        call.stop(0.1)
        call.run(1)
        figures = call.media.figures()
    for way in (figures.to_pbx, figures.to_line):
        assert way.gaps == 0


@pytest.mark.parametrize(
    ("who", "line_ppm", "stalled_s"),
    [
        ("client", -200, 0.1),
        ("client", 0, 0.2),
        ("client", 200, 0.08),
        ("pbx", 200, 0.1),
        ("all", -200, 0.1),
    ],
)
def test_a_stall_of_any_program_leaves_no_delay_at_the_client(
    who: str, line_ppm: float, stalled_s: float
) -> None:
    with call_of(line_ppm, well, well, audio=speech, client_stands=True) as call:
        call.run(5.004)
        stalled = {
            "client": call.stall_client,
            "pbx": call.stall_pbx,
            "all": call.stall_all,
        }
        stalled[who](stalled_s)
        after_s = call.now_s + 3
        call.run(4)
        delay_ms = 1000 * call.least_queue_s(after_s, after_s + 1)
        assert delay_ms <= 10
        figures = call.media.figures().to_line
    assert figures.delay_ms == pytest.approx(delay_ms, abs=1)
    assert figures.skipped_ms <= 1000 * stalled_s + 20


def test_a_stall_of_a_client_that_was_silent_for_long_leaves_no_delay() -> None:
    with call_of(0, well, well, audio=speech, client_stands=True) as call:
        call.run(2.004)
        call.line_pauses = True
        call.run(3)
        call.stall_client(0.5)
        call.run(1)
        call.line_pauses = False
        after_s = call.now_s + 3
        call.run(4)
        assert call.least_queue_s(after_s, after_s + 1) <= 0.010


@pytest.mark.parametrize("joining_s", [0.05, 0.16, 0.23, 0.5])
def test_what_piled_up_while_the_call_was_joined_is_no_delay(joining_s: float) -> None:
    with call_of(0, well, well, audio=speech) as call:
        call.stall(joining_s)
        call.run(2)
        figures = call.media.figures()
        assert call.least_queue_s(1, 2) <= 0.012
        messages = sum(count for _, count in call.to_pbx)
    # The phone has silence and one frame more than time has passed.
    assert messages <= 2 * 50 + 2
    for way in (figures.to_pbx, figures.to_line):
        assert way.gaps <= 1
        assert way.skipped_ms >= 1000 * joining_s - 60


def test_a_pause_of_either_side_is_no_stall_and_no_lateness() -> None:
    with call_of(0, well, well, audio=speech) as call:
        for _ in range(4):
            call.run(4)
            call.line_pauses = call.pbx_pauses = True
            call.run(1.313)
            call.line_pauses = call.pbx_pauses = False
        call.run(3)
        figures = call.media.figures()
        assert max(q for at_s, q in call.queues_s if at_s >= 1_022) <= 0.030
        for heard in (heard_by_line(call), heard_by_pbx(call)):
            assert np.abs(np.diff(heard)).max() <= 1.5 * STEEPEST
    for way in (figures.to_pbx, figures.to_line):
        assert way.gaps == 4
        assert way.late <= 4
        assert not way.smoothed
        assert way.drift_ppm == pytest.approx(0, abs=5)


async def test_a_line_ahead_of_time_is_paced_and_can_be_flushed(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=EngineSettings(), line_is_bursty=True)
    loop = asyncio.get_running_loop()
    frame = np.full(320, 8_000, "<i2").tobytes()
    sending = asyncio.create_task(talk.line.send(frame * 100))
    begun_s = loop.time()
    while (await talk.pbx.audio())[-2:] != frame[-2:]:
        pass
    for _ in range(15):
        assert (await talk.pbx.audio())[-2:] == frame[-2:]
    assert loop.time() - begun_s >= 15 * 0.020 - 0.005
    assert talk.media.figures().to_pbx.dropped == 0
    await sending
    talk.media.flush()
    for _ in range(8):
        heard = (await talk.pbx.message())[1]
    assert not any(heard)
    await talk.line.send(frame * 2)
    assert (await talk.pbx.audio())[-2:] == frame[-2:]


async def test_a_line_ahead_of_time_that_hangs_up_has_ended(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=EngineSettings(), line_is_bursty=True)
    talk.line.close()
    async with asyncio.timeout(10):
        assert (await talk.ends.get()).reason == "closed"


async def test_a_backlog_of_the_pbx_is_skipped_beyond_what_is_kept(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=EngineSettings(gap_ms=60_000, backlog_ms=80))
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    backlog = [message(0x12, frame.tobytes()) for frame in SPEECH[:30]]
    await talk.pbx.send(*backlog, message(0x03, b"5"))
    while not talk.digits:  # with it all before it has been taken
        await talk.line.send(bytes(640))
        assert await talk.pbx.message()
    late_ms = (loop.time() - begun_s) * 1000  # of a machine that is slow: no backlog
    taken = talk.media.figures().to_line
    assert taken.skipped_ms >= 600 - 80 - 60 - late_ms
    assert taken.frames * 20 + taken.skipped_ms == pytest.approx(600)


def test_a_playout_buffer_is_served_on_time_from_its_begin() -> None:
    """Though nothing else happens that would let us look: the other side is silent."""
    with call_of(0, in_threes, well) as call:
        call.run(3.9)
        call.pbx_pauses = True
        while not call.media.figures().to_pbx.smoothed:
            call.run(0.01)
        begin_s = call.loop.now_s
        call.run(0.2)
        sent_s = [at_s for at_s, _ in call.to_pbx if at_s > begin_s]
    assert len(sent_s) >= 8
    assert np.diff(sent_s).min() >= 0.015


def test_behind_a_pause_a_playout_buffer_is_served_on_time_too() -> None:
    with call_of(0, well, in_threes, audio=speech) as call:
        call.run(10)
        assert call.media.figures().to_line.smoothed
        call.pbx_pauses = True
        call.run(0.3)
        call.pbx_pauses = False
        playout = call.media._call.from_pbx.timing._playout
        assert playout is not None
        assert playout.is_dry
        while playout.is_dry:
            call.run(0.001)
        due_s = playout.due_s
        begun = len(call.heard_by_line)
        call.run(due_s - call.loop.now_s - 0.001)
        at_s = [at_s for at_s, _ in call.queues_s]
        call.run(0.0015)
        assert len(call.heard_by_line) - begun >= 1
        assert call.queues_s[-1][0] == pytest.approx(due_s, abs=0.001)
        assert not at_s or at_s[-1] < due_s - 0.001


def test_a_call_that_ends_before_its_frame_is_due_leaves_nothing() -> None:
    with call_of(0, in_threes, in_threes, audio=speech) as call:
        call.run(10)
        agenda = call.engine._hot.agenda
        assert agenda.next_s is not None
        heard = len(heard_by_line(call))
        call.media.stop()
        call.loop.run_until(call.loop.now_s + 0.3)
        assert agenda.next_s is None
        assert len(heard_by_line(call)) == heard


def test_a_playout_buffer_that_fails_ends_its_side_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with call_of(0, in_threes, in_threes, audio=speech) as call:
        call.run(10)
        playout = call.media._call.from_pbx.timing._playout

        def fails(*_: object) -> None:
            raise RuntimeError("a fault of ours")

        monkeypatch.setattr(playout, "pull", fails)
        while not call.ends:
            call.run(0.001)
        call.pbx_pauses = True  # its socket is closed
        before = call.media.figures().to_pbx.frames
        call.run(1)
        assert [end.side for end in call.ends] == ["pbx"]
        assert call.media.figures().to_pbx.frames >= before + 45


def test_frames_of_rough_sources_count_as_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with call_of(0, in_threes, in_threes, audio=speech) as call:
        call.run(10)
        hot, work_s = call.engine._hot, []
        monkeypatch.setattr(hot.window, "note_work", work_s.append)

        def takes_a_while(*_: object) -> None:
            call.loop.now_s += 0.002

        monkeypatch.setattr(hot, "send_to_line", takes_a_while)
        call.run(1)
    assert sum(work_s) >= 45 * 0.002
