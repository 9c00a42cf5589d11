"""The model of a receiver's queue holds it short and steady."""

from __future__ import annotations

import numpy as np
import pytest

from skypechan.audio.queue import ReceiverQueue

FRAME_S = 0.020


def played(
    model: ReceiverQueue, seconds: float, drift: float, believed: float, start_s: float
) -> list[float]:
    """Write a frame at its time by the ratio it wants; what was left each time."""
    left_s, now_s = [], start_s
    for turn in range(round(seconds / FRAME_S)):
        now_s += FRAME_S
        clock_s = now_s * (1 + drift)
        left_s.append(model.level_s(clock_s))
        model.written(FRAME_S * model.ratio, clock_s)
        model.steer(believed)
        if turn % 50 == 49:
            model.close_second()
    return left_s


def started() -> ReceiverQueue:
    return ReceiverQueue(0.0)


@pytest.mark.parametrize("drift", [0.0, 50e-6, -200e-6, 1000e-6, -1000e-6])
@pytest.mark.parametrize("error", [0.0, 5e-6, -5e-6])
def test_a_surplus_shrinks_to_a_millisecond_and_stays_there(
    drift: float, error: float
) -> None:
    model = started()
    model.written(0.020, 0.0)
    left_s = played(model, 120, drift, drift + error, 0.0)
    assert min(left_s[3_000:]) >= 0.0005
    assert max(left_s[3_000:]) <= 0.0015


def test_playing_never_changes_faster_than_can_be_heard() -> None:
    model, before = started(), 1.0
    rng = np.random.default_rng(1)
    for turn in range(2_000):
        model.written(rng.uniform(0, 0.06), turn * FRAME_S)
        model.steer(rng.uniform(-1e-3, 1e-3))
        ratio = model.ratio
        assert abs(ratio - before) <= 60.001e-6
        assert abs(ratio - 1) <= 2_000e-6
        before = ratio
        if turn % 50 == 0:
            model.close_second()


def test_an_empty_queue_waits_and_owes_nothing() -> None:
    model = started()
    model.written(0.020, 0.0)
    assert model.level_s(5.0) == 0
    model.written(0.020, 5.0)
    assert model.level_s(5.005) == pytest.approx(0.015)


def test_what_was_left_lately_falls_at_once_and_rises_in_some_frames() -> None:
    model = started()
    model.written(0.100, 0.0)
    for turn in range(1, 8):
        model.written(0.020, turn * FRAME_S)
        assert model.recent_s <= turn * 0.010 + 1e-9
    model.written(0.020, 0.300)
    assert model.recent_s == 0


def test_what_a_receiver_left_while_it_stood_still_is_in_its_queue_afterwards() -> None:
    model, now_s = started(), 0.0
    for _ in range(5):
        model.written(FRAME_S, now_s)
        now_s += FRAME_S
    for turn in range(5):
        model.written(FRAME_S, now_s)
        model.untaken(FRAME_S * (turn + 1), now_s)
        now_s += FRAME_S
    assert model.is_standing
    assert model.level_s(now_s) == 0
    model.untaken(0.0, now_s - 0.005)
    assert not model.is_standing
    assert model.level_s(now_s) == pytest.approx(0.095)


def test_a_receiver_that_has_taken_all_owes_nothing_twice() -> None:
    model = started()
    model.written(0.020, 0.0)
    model.untaken(0.0, 0.0)
    assert model.level_s(0.005) == pytest.approx(0.015)
    model.written(0.020, 0.010)
    model.untaken(0.020, 0.010)
    model.untaken(0.0, 0.005)  # earlier than what is known
    assert model.level_s(0.010) == pytest.approx(0.030)
