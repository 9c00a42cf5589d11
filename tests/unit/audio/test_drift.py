"""Clocks are told apart to a few ppm, whatever networks and senders do to arrivals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from skypechan.audio.drift import ClockFit

FRAME_S = 0.020
ONE = np.zeros(1, np.intp)
Lateness = Callable[[np.random.Generator, float], float]


def well(rng: np.random.Generator, _: float) -> float:
    return 0.0005 + min(rng.exponential(0.0003), 0.001)


def burst40(rng: np.random.Generator, at_s: float) -> float:
    late_s = rng.uniform(0, 0.040) if rng.random() < 0.05 else 0.0
    return well(rng, at_s) + late_s


def full40(rng: np.random.Generator, _: float) -> float:
    return rng.uniform(0, 0.040)


def stalled(rng: np.random.Generator, at_s: float) -> float:
    """Each ten seconds what was sent in 0.4 s comes all at once."""
    return well(rng, at_s) + max(0.0, 0.4 - at_s % 10)


class Source:
    """Sends frames by its own clock; they come in order, late by a rule."""

    def __init__(self, ppm: float, lateness: Lateness, seed: int = 1) -> None:
        self.fit = ClockFit(1)
        self.fit.reset(0, 100.0)
        self.lost_s = 0.0
        self.late_s: list[float] = []
        self._frame_s = FRAME_S / (1 + ppm * 1e-6)
        self._lateness = lateness
        self._rng = np.random.default_rng(seed)
        self._sent = 0
        self._at_s = 0.0
        self._refit_s = 101.0

    def run(self, seconds: float) -> float:
        """Go on for so long; the drift that is then believed, in ppm."""
        for _ in range(round(seconds / FRAME_S)):
            self._sent += 1
            due_s = self._sent * self._frame_s + self.lost_s
            late_s = self._lateness(self._rng, due_s)
            self._at_s = max(100.007 + due_s + late_s, self._at_s)
            while self._refit_s <= self._at_s:
                self.fit.refit(ONE, self._refit_s)
                self._refit_s += 1
            self.late_s.append(float(self.fit.note(ONE, FRAME_S, self._at_s)[0]))
        return float(self.fit.drift(ONE)[0] * 1e6)


@pytest.mark.parametrize("ppm", [0, 50, -200, 1000, -1000])
@pytest.mark.parametrize("lateness", [well, burst40, stalled])
def test_drift_is_known_within_5_ppm_after_30_s(lateness: Lateness, ppm: float) -> None:
    source = Source(ppm, lateness)
    assert source.run(30) == pytest.approx(ppm, abs=5)
    for _ in range(5):
        assert source.run(5) == pytest.approx(ppm, abs=2)


@pytest.mark.parametrize("ppm", [0, -200, 1000])
def test_a_source_whose_every_frame_is_late_is_known_within_20_ppm(ppm: float) -> None:
    assert Source(ppm, full40).run(65) == pytest.approx(ppm, abs=20)


def test_lateness_is_the_quantile_of_what_came_late() -> None:
    source = Source(50, burst40)
    source.run(60)
    assert 0.033 <= source.fit.lateness_s[0] <= 0.038
    assert source.fit.lateness_s[0] < source.fit.outlier_s[0] <= 0.0415


def test_stalls_do_not_make_a_source_rough() -> None:
    source = Source(0, stalled)
    source.run(60)
    assert source.fit.lateness_s[0] <= 0.080
    paced = Source(0, well)
    paced.run(60)
    assert paced.fit.lateness_s[0] <= 0.002


@pytest.mark.parametrize("told", [False, True])
def test_time_that_the_source_lost_changes_neither_drift_nor_lateness_for_long(
    told: bool,
) -> None:
    source = Source(120, well)
    for _ in range(6):
        source.run(10)
        source.lost_s += 0.350
        if told:
            source.fit.pause(ONE)
    assert source.run(1) == pytest.approx(120, abs=10)
    assert source.run(30) == pytest.approx(120, abs=5)
    assert max(source.late_s[-1_000:]) <= 0.002


def test_a_sender_that_jumps_ahead_is_followed_at_once() -> None:
    source = Source(-80, well)
    source.run(30)
    source.lost_s -= 0.060
    source.run(1)
    assert max(source.late_s[-40:]) <= 0.002
    assert source.run(5) == pytest.approx(-80, abs=5)


def test_the_far_end_s_clock_goes_on_through_its_losses_of_time() -> None:
    source = Source(200, well)
    source.run(40)
    before_s = source.fit.clock_s(ONE, 140.0)[0]
    source.lost_s += 1.5
    source.run(5)
    after_s = source.fit.clock_s(ONE, 145.0)[0]
    assert after_s - before_s == pytest.approx(5 * (1 + 200e-6), abs=0.001)


def test_a_batch_gives_what_each_row_alone_gives() -> None:
    rng = np.random.default_rng(5)
    batch, alone = ClockFit(4), [ClockFit(1) for _ in range(3)]
    rows = np.array([3, 1, 0])
    for row in rows:
        batch.reset(row, 0.0)
    for fit in alone:
        fit.reset(0, 0.0)
    for turn in range(1, 2_000):
        now_s = turn * FRAME_S + rng.uniform(0, 0.003)
        speaking = rng.random(3) < 0.8
        if speaking.any():
            late_s = batch.note(rows[speaking], FRAME_S, now_s)
        singles = [
            fit.note(ONE, FRAME_S, now_s)[0]
            for fit, speaks in zip(alone, speaking, strict=True)
            if speaks
        ]
        np.testing.assert_allclose(late_s if speaking.any() else [], singles)
        if turn % 50 == 0:
            batch.refit(rows, now_s)
            for fit in alone:
                fit.refit(ONE, now_s)
    singles = [fit.drift(ONE)[0] for fit in alone]
    np.testing.assert_allclose(batch.drift(rows), singles)


def test_a_row_that_starts_afresh_has_forgotten_the_last_call() -> None:
    source = Source(900, burst40)
    source.run(20)
    source.fit.reset(0, 500.0)
    assert source.fit.drift(ONE)[0] == source.fit.lateness_s[0] == 0
    source.fit.refit(ONE, 501.0)
    assert source.fit.drift(ONE)[0] == 0


def test_nothing_is_unbounded_when_a_source_only_ever_gets_later() -> None:
    fit = ClockFit(1)
    fit.reset(0, 0.0)
    for turn in range(1, 3_000):
        fit.note(ONE, FRAME_S, turn * FRAME_S * 1.5)
        if turn % 40 == 0:
            fit.refit(ONE, turn * FRAME_S * 1.5)
    assert np.isfinite(fit.drift(ONE)).all()
    assert np.abs(fit.drift(ONE))[0] <= 0.002
