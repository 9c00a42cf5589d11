"""The model of a receiver's queue holds it short and steady."""

from __future__ import annotations

import numpy as np
import pytest

from skypechan.audio.queue import QueueModel

ONE = np.zeros(1, np.intp)
NOTHING = np.zeros(1)
FRAME_S = 0.020


def played(
    model: QueueModel, seconds: float, drift: float, believed: float, start_s: float
) -> list[float]:
    """Write a frame at its time by the ratio it wants; what was left each time."""
    left_s, now_s = [], start_s
    for turn in range(round(seconds / FRAME_S)):
        now_s += FRAME_S
        clock_s = np.array([now_s * (1 + drift)])
        left_s.append(float(model.level_s(ONE, clock_s)[0]))
        model.written(ONE, FRAME_S * model.ratio[ONE], clock_s)
        model.steer(ONE, np.array([believed]))
        if turn % 50 == 49:
            model.refit(ONE)
    return left_s


def started() -> QueueModel:
    model = QueueModel(1)
    model.reset(0, 0.0)
    return model


@pytest.mark.parametrize("drift", [0.0, 50e-6, -200e-6, 1000e-6, -1000e-6])
@pytest.mark.parametrize("error", [0.0, 5e-6, -5e-6])
def test_a_surplus_shrinks_to_a_millisecond_and_stays_there(
    drift: float, error: float
) -> None:
    model = started()
    model.written(ONE, 0.020, np.array([0.0]))
    left_s = played(model, 120, drift, drift + error, 0.0)
    assert min(left_s[3_000:]) >= 0.0005
    assert max(left_s[3_000:]) <= 0.0015


def test_playing_never_changes_faster_than_can_be_heard() -> None:
    model, before = started(), 1.0
    rng = np.random.default_rng(1)
    for turn in range(2_000):
        model.written(ONE, rng.uniform(0, 0.06), np.array([turn * FRAME_S]))
        model.steer(ONE, np.array([rng.uniform(-1e-3, 1e-3)]))
        ratio = float(model.ratio[0])
        assert abs(ratio - before) <= 60.001e-6
        assert abs(ratio - 1) <= 2_000e-6
        before = ratio
        if turn % 50 == 0:
            model.refit(ONE)


def test_an_empty_queue_waits_and_owes_nothing() -> None:
    model = started()
    model.written(ONE, 0.020, np.array([0.0]))
    assert model.level_s(ONE, np.array([5.0]))[0] == 0
    model.written(ONE, 0.020, np.array([5.0]))
    assert model.level_s(ONE, np.array([5.005]))[0] == pytest.approx(0.015)


def test_what_was_left_lately_falls_at_once_and_rises_in_some_frames() -> None:
    model = started()
    model.written(ONE, 0.100, np.array([0.0]))
    for turn in range(1, 8):
        model.written(ONE, 0.020, np.array([turn * FRAME_S]))
        assert model.recent_s[0] <= turn * 0.010 + 1e-9
    model.written(ONE, 0.020, np.array([0.300]))
    assert model.recent_s[0] == 0


def test_what_a_receiver_left_while_it_stood_still_is_in_its_queue_afterwards() -> None:
    model, now_s = started(), 0.0
    for _ in range(5):
        model.written(ONE, FRAME_S, np.array([now_s]))
        now_s += FRAME_S
    for turn in range(5):
        model.written(ONE, FRAME_S, np.array([now_s]))
        model.untaken(ONE, np.array([FRAME_S * (turn + 1)]), np.array([now_s]))
        now_s += FRAME_S
    assert model.standing(ONE)[0]
    assert model.level_s(ONE, np.array([now_s]))[0] == 0
    model.untaken(ONE, NOTHING, np.array([now_s - 0.005]))
    assert not model.standing(ONE)[0]
    assert model.level_s(ONE, np.array([now_s]))[0] == pytest.approx(0.095)


def test_a_receiver_that_has_taken_all_owes_nothing_twice() -> None:
    model = started()
    model.written(ONE, 0.020, np.array([0.0]))
    model.untaken(ONE, NOTHING, np.array([0.0]))
    assert model.level_s(ONE, np.array([0.005]))[0] == pytest.approx(0.015)
    model.written(ONE, 0.020, np.array([0.010]))
    model.untaken(ONE, np.array([0.020]), np.array([0.010]))
    model.untaken(ONE, NOTHING, np.array([0.005]))  # earlier than what is known
    assert model.level_s(ONE, np.array([0.010]))[0] == pytest.approx(0.030)
