"""Clocks of sound: their rate over an hour, and the models of lateness."""

from __future__ import annotations

import random

import numpy as np
import pytest

from skypechan.emulator.soundclock import PIECE_S, Lateness, SoundClock

HOUR = 360_000


def times(ppm: float, lateness: Lateness, pieces: int = HOUR, seed: int = 1):
    clock = SoundClock(0.0, random.Random(seed), ppm, lateness)
    due = np.empty(pieces)
    for number in range(pieces):
        due[number] = clock.due_s
        clock.advance()
    return due


def lateness_of(due, ppm=0.0):
    return due - np.arange(due.size) * PIECE_S * (1 - ppm * 1e-6)


@pytest.mark.parametrize("ppm", [0, 50, -200, 1000])
def test_an_hour_of_a_clock_has_its_rate(ppm):
    due = times(ppm, Lateness.NONE)
    assert due[-1] == pytest.approx((HOUR - 1) * PIECE_S * (1 - ppm * 1e-6), abs=1e-6)


@pytest.mark.parametrize("lateness", list(Lateness))
def test_order_is_kept_and_nothing_is_early(lateness):
    due = times(-200, lateness)
    assert (np.diff(due) >= 0).all()
    assert (lateness_of(due, -200) >= -1e-7).all()


def test_a_well_behaved_stream_is_half_to_one_and_a_half_milliseconds_late():
    late = lateness_of(times(0, Lateness.WELL))[1:]
    assert late.min() >= 0.0005 - 1e-7
    assert late.max() <= 0.0015 + 1e-7


def test_bursts_are_up_to_forty_milliseconds_and_one_in_twenty():
    late = lateness_of(times(0, Lateness.BURST_40))
    assert 0.038 < late.max() < 0.042
    # A late piece holds back those behind it.
    assert 0.05 < (late > 0.002).mean() < 0.25


def test_full_lateness_is_spread_over_forty_milliseconds():
    late = lateness_of(times(0, Lateness.FULL_40))
    assert 0.039 < late.max() <= 0.040
    assert 0.015 < late.mean() < 0.035


def test_stalls_come_once_a_minute_and_end_at_once():
    due = times(0, Lateness.STALL)
    late = lateness_of(due)
    held = late > 0.05
    stalls = np.flatnonzero(np.diff(held.astype(int)) == 1)
    assert 40 <= stalls.size <= 80
    assert 0.4 < late.max() < 0.51
    gaps = np.diff(due)
    assert (gaps[gaps > 0.09] < 0.52).all()


def test_a_seed_repeats_itself_and_another_does_not():
    one, again, other = (
        times(0, Lateness.FULL_40, 100, seed).tolist() for seed in (7, 7, 8)
    )
    assert one == again
    assert one != other


def test_a_model_may_change_on_the_way():
    clock = SoundClock(0.0, random.Random(1), lateness=Lateness.STALL)
    clock.advance()
    clock.lateness, clock.ppm = Lateness.NONE, 1_000_000 / 2
    before = clock.due_s
    for _ in range(100):
        clock.advance()
    assert clock.due_s - before == pytest.approx(0.5, abs=0.01)
