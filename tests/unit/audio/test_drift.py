"""Clocks are told apart to a few ppm, whatever networks and senders do to arrivals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from skypechan.audio.drift import SourceClock, refit

FRAME_S = 0.020
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
        self.clock = SourceClock(100.0)
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
                refit([self.clock], self._refit_s)
                self._refit_s += 1
            self.late_s.append(self.clock.note(FRAME_S, self._at_s))
        return self.clock.drift * 1e6


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
    assert 0.033 <= source.clock.lateness_s <= 0.038
    assert source.clock.lateness_s < source.clock.outlier_s <= 0.0415


def test_stalls_do_not_make_a_source_rough() -> None:
    source = Source(0, stalled)
    source.run(60)
    assert source.clock.lateness_s <= 0.080
    paced = Source(0, well)
    paced.run(60)
    assert paced.clock.lateness_s <= 0.002


@pytest.mark.parametrize("told", [False, True])
def test_time_that_the_source_lost_changes_neither_drift_nor_lateness_for_long(
    told: bool,
) -> None:
    source = Source(120, well)
    for _ in range(6):
        source.run(10)
        source.lost_s += 0.350
        if told:
            source.clock.pause()
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
    before_s = source.clock.clock_s(140.0)
    source.lost_s += 1.5
    source.run(5)
    after_s = source.clock.clock_s(145.0)
    assert after_s - before_s == pytest.approx(5 * (1 + 200e-6), abs=0.001)


def test_clocks_that_are_fitted_together_are_what_each_alone_is() -> None:
    rng = np.random.default_rng(5)
    together = [SourceClock(0.0) for _ in range(3)]
    alone = [SourceClock(0.0) for _ in range(3)]
    for turn in range(1, 2_000):
        for pair in zip(together, alone, strict=True):
            now_s = turn * FRAME_S + rng.uniform(0, 0.003)
            if rng.random() < 0.8:
                assert len({clock.note(FRAME_S, now_s) for clock in pair}) == 1
        if turn % 50 == 0:
            refit(together, now_s)
            for clock in alone:
                refit([clock], now_s)
    told = [(clock.drift, clock.lateness_s) for clock in together]
    np.testing.assert_allclose(told, [(one.drift, one.lateness_s) for one in alone])


def test_a_second_in_which_nothing_came_tells_nothing() -> None:
    clock = SourceClock(0.0)
    refit([clock], 1.0)
    refit([], 1.0)
    assert clock.drift == clock.lateness_s == 0
    assert not clock.is_judged


def test_nothing_is_unbounded_when_a_source_only_ever_gets_later() -> None:
    clock = SourceClock(0.0)
    for turn in range(1, 3_000):
        clock.note(FRAME_S, turn * FRAME_S * 1.5)
        if turn % 40 == 0:
            refit([clock], turn * FRAME_S * 1.5)
    assert np.isfinite(clock.drift)
    assert abs(clock.drift) <= 0.002


@pytest.mark.parametrize("lost_s", [0.016, 0.020, 0.040, 0.060])
def test_a_sender_that_lost_a_moment_is_not_rough(lost_s: float) -> None:
    source = Source(50, well)
    source.run(2)
    for _ in range(3):
        source.lost_s += lost_s
        source.run(10)
        assert source.clock.lateness_s <= 0.002


def test_a_few_late_arrivals_at_the_start_do_not_make_a_source_rough() -> None:
    def late_at_first(rng: np.random.Generator, at_s: float) -> float:
        return well(rng, at_s) + (
            0.030 if 0.5 < at_s < 1.4 and rng.random() < 0.1 else 0
        )

    source = Source(50, late_at_first, seed=3)
    source.run(2)
    assert 2 <= sum(late_s > 0.025 for late_s in source.late_s) <= 5
    for _ in range(15):
        source.run(1)
        assert source.clock.lateness_s <= 0.002


def test_a_rough_source_is_known_for_one_within_four_seconds() -> None:
    source = Source(0, burst40)
    source.run(5)
    assert source.clock.lateness_s >= 0.015
