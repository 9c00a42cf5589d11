"""The rate matcher plays tones at their new pitch and adds nothing to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.audio.ratematch import RateMatcher
from tests.unit.audio.signals import residue_db, sine

ONE = np.zeros(1, np.intp)
RATE_HZ = 16_000


def matched(
    samples: np.ndarray,
    ppm: float | Callable[[float], float],
    chunks: Sequence[int] = (320,),
    narrow: bool = False,
) -> np.ndarray:
    """`samples` through one row, its rate set anew for each chunk."""
    matcher, pieces, begin, turn = RateMatcher(1), [np.zeros(0, np.float32)], 0, 0
    while begin < len(samples):
        chunk = samples[None, begin : begin + chunks[turn % len(chunks)]]
        now_ppm = ppm(begin / RATE_HZ) if callable(ppm) else ppm
        ratio = np.array([1 + now_ppm * 1e-6])
        out, counts = matcher.process(ONE, chunk, ratio, narrow=narrow)
        pieces.append(out[0, : counts[0]])
        begin, turn = begin + chunk.shape[1], turn + 1
    return np.concatenate(pieces)


@pytest.mark.parametrize("ppm", [0, 200, -200, 1000, -1000])
@pytest.mark.parametrize(
    ("hz", "narrow"),
    [(1000, False), (3400, False), (6000, False), (1000, True), (3900, True)],
)
def test_a_tone_stays_pure_and_as_loud(hz: float, narrow: bool, ppm: float) -> None:
    heard = matched(sine(hz, 3.0), ppm, narrow=narrow)[1_000:]
    assert residue_db(heard, hz / (1 + ppm * 1e-6), RATE_HZ) <= -90
    assert 20 * np.log10(np.std(heard) * np.sqrt(2)) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("hz", [1000, 3400, 6000])
def test_a_tone_stays_pure_while_the_rate_swings(hz: float) -> None:
    def swing(at_s: float) -> float:
        return 1000 * np.sin(2 * np.pi * at_s)

    tone = sine(hz, 3.0)
    heard = matched(tone, swing, (160,))
    # Where each sample stands in the input: the matcher's own plan, in exact numbers.
    place, places = 0.0, []
    for begin in range(0, len(tone), 160):
        step = 1 / (1 + swing(begin / RATE_HZ) * 1e-6)
        while place < begin + 160:
            places.append(place)
            place += step
    angle = 2 * np.pi * hz * np.array(places) / RATE_HZ
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    fit, *_ = np.linalg.lstsq(waves[1_000:], heard[1_000:], rcond=None)
    rest = heard[1_000:] - waves[1_000:] @ fit
    assert 20 * np.log10(np.std(rest) * np.sqrt(2)) <= -90


@pytest.mark.parametrize("ppm", [-2000, -200, 0, 50, 2000])
def test_as_many_samples_leave_as_the_ratio_says(ppm: float) -> None:
    samples = np.zeros(32_000, np.float32)
    assert abs(len(matched(samples, ppm)) - 32_000 * (1 + ppm * 1e-6)) <= 1


@pytest.mark.parametrize("ppm", [-2000, 2000])
def test_a_tone_stays_pure_where_one_chunk_slips_more_than_once(ppm: float) -> None:
    heard = matched(sine(1000, 3.0), ppm, (1600,))[1_000:]
    assert residue_db(heard, 1000 / (1 + ppm * 1e-6), RATE_HZ) <= -90


@pytest.mark.parametrize("ppm", [0, 300])
def test_all_that_came_has_left_but_for_the_delay_of_the_filter(ppm: float) -> None:
    click = np.zeros(640, np.float32)
    click[300] = 1
    heard = matched(click, ppm, (320,))
    assert np.argmax(np.abs(heard)) - 300 <= 0.0005 * RATE_HZ


@settings(max_examples=40, deadline=None)
@given(
    ppm=st.floats(-1000, 1000),
    chunks=st.lists(st.integers(1, 700), min_size=1, max_size=6),
)
def test_any_cut_of_the_input_gives_the_same(ppm: float, chunks: list[int]) -> None:
    samples = np.random.default_rng(3).uniform(-0.5, 0.5, 4_000).astype(np.float32)
    whole, cut = matched(samples, ppm), matched(samples, ppm, chunks)
    assert abs(len(whole) - len(cut)) == 0
    # White noise to the edge of the band; speech ends far below it.
    assert np.abs(whole - cut).max() < 0.5 * 10 ** (-60 / 20)


def test_silence_stays_exact_zeros() -> None:
    assert not matched(np.zeros(3_200, np.float32), 170).any()


def test_what_lies_beyond_the_count_of_a_row_is_zero() -> None:
    matcher, rows = RateMatcher(3), np.arange(3)
    ratio = 1 + np.array([1500.0, -1500.0, 0.0]) * 1e-6
    for _ in range(5):
        out, counts = matcher.process(rows, np.ones((3, 640), np.float32), ratio)
        assert len(set(counts)) > 1
        for row, count in zip(out, counts, strict=True):
            assert row[:count].all()
            assert not row[count:].any()


def test_a_batch_gives_what_each_row_alone_gives() -> None:
    rng = np.random.default_rng(1)
    rows = np.array([4, 0, 2])
    ratio = 1 + np.array([150.0, -900.0, 40.0]) * 1e-6
    matcher, alone = RateMatcher(5), [RateMatcher(1) for _ in rows]
    for _ in range(30):
        samples = rng.uniform(-1, 1, (3, 320)).astype(np.float32)
        out, counts = matcher.process(rows, samples, ratio)
        for i, single in enumerate(alone):
            one, count = single.process(ONE, samples[i : i + 1], ratio[i : i + 1])
            assert count[0] == counts[i]
            np.testing.assert_allclose(
                out[i, : counts[i]], one[0, : count[0]], atol=1e-6
            )


def test_a_row_that_starts_afresh_has_forgotten_the_last_call() -> None:
    matcher = RateMatcher(1)
    matcher.process(ONE, np.ones((1, 320), np.float32), np.ones(1))
    matcher.reset(0)
    out, _ = matcher.process(ONE, np.zeros((1, 320), np.float32), np.ones(1))
    assert not out.any()
