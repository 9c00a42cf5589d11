"""Audio of rare rates becomes the line's without images, aliases or lost time."""

from __future__ import annotations

import numpy as np
import pytest

from skypechan.audio.anyrate import AnyRate
from tests.unit.audio.signals import residue_db, sine

RATES_HZ = [12_000, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000]


def converted(signal: np.ndarray, rate_hz: int, chunk: int) -> np.ndarray:
    any_rate = AnyRate(rate_hz)
    pcm = np.rint(signal * 20_000).astype(np.int16)
    pieces = [
        any_rate.process(pcm[i : i + chunk])[0] for i in range(0, len(pcm), chunk)
    ]
    return np.concatenate(pieces) * 32_768 / 20_000


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("hz", [1000, 3400, 5000])
def test_a_tone_keeps_its_pitch_level_and_purity(rate_hz: int, hz: float) -> None:
    heard = converted(sine(hz, 1.0, rate_hz), rate_hz, rate_hz // 50)
    assert len(heard) == 16_000
    settled = heard[1_000:]
    assert residue_db(settled, hz, 16_000) <= -85  # the input's 16 bits
    assert 20 * np.log10(np.std(settled) * np.sqrt(2)) == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("rate_hz", RATES_HZ[1:])
def test_what_the_line_cannot_hold_is_gone(rate_hz: int) -> None:
    heard = converted(sine(9_500, 0.5, rate_hz), rate_hz, rate_hz // 50)
    assert 20 * np.log10(np.std(heard[1_000:])) <= -80


@pytest.mark.parametrize("rate_hz", [12_000, 44_100, 192_000])
def test_any_cut_of_the_input_gives_the_same(rate_hz: int) -> None:
    tone = sine(700, 0.2, rate_hz)
    whole, cut = converted(tone, rate_hz, len(tone)), converted(tone, rate_hz, 217)
    np.testing.assert_allclose(whole, cut, atol=1e-5)


def test_silence_stays_exact_zeros() -> None:
    assert not AnyRate(48_000).process(np.zeros(960, np.int16)).any()


def test_a_rate_without_whole_samples_in_10_ms_is_refused() -> None:
    with pytest.raises(ValueError, match="11025"):
        AnyRate(11_025)
