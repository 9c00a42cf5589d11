"""The chain of a direction: what it must leave alone, and where each stage acts."""

import numpy as np
import pytest

from skypechan.audio.chain import ToLine, ToPbx

ROWS = np.array([3, 1])


def noise(length: int) -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.integers(-32768, 32768, (2, length)).astype(np.int16)


@pytest.mark.parametrize("chain", [ToPbx(4), ToLine(4)])
def test_wideband_at_zero_decibels_passes_bit_by_bit(chain: ToPbx | ToLine) -> None:
    pcm = noise(320)
    out = np.zeros_like(pcm)
    chain.process(ROWS, pcm, 16_000, out)
    np.testing.assert_array_equal(out, pcm)
    assert chain.meter.read(3).clipped == 0


def test_narrowband_halves_on_the_way_to_the_pbx_and_doubles_to_the_line() -> None:
    down, up = np.zeros((2, 160), np.int16), np.zeros((2, 320), np.int16)
    to_pbx, to_line = ToPbx(4), ToLine(4)
    steady = np.full((2, 320), 5000, np.int16)
    for _ in range(3):
        to_pbx.process(ROWS, steady, 8_000, down)
        to_line.process(ROWS, steady[:, :160], 8_000, up)
    assert (np.abs(down - 5000) <= 1).all()
    assert (np.abs(up - 5000) <= 1).all()


def test_each_direction_and_row_has_its_own_gain_and_meter() -> None:
    chain = ToPbx(4)
    chain.reset(3, gain_db=-20)
    out = np.zeros((2, 320), np.int16)
    chain.process(ROWS, np.full((2, 320), 10_000, np.int16), 16_000, out)
    assert (out[0] == 1000).all()
    assert (out[1] == 10_000).all()
    assert chain.meter.read(3).peak_dbfs == pytest.approx(-30.3, abs=0.1)
    assert chain.meter.read(1).peak_dbfs == pytest.approx(-10.3, abs=0.1)
    assert chain.meter.read(0).peak_dbfs == -100


def test_a_boost_that_must_be_limited_is_seen_on_the_meter() -> None:
    chain = ToLine(4)
    chain.reset(1, gain_db=20)
    out = np.zeros((2, 320), np.int16)
    chain.process(ROWS, np.full((2, 320), 20_000, np.int16), 16_000, out)
    assert chain.meter.read(1).limited > 0
    assert chain.meter.read(1).clipped == 0
    assert chain.meter.read(3).limited == 0


def test_saturation_behind_the_filter_is_counted() -> None:
    chain = ToPbx(4)
    square = np.where(np.arange(320) // 20 % 2, 32767, -32768).astype(np.int16)
    out = np.zeros((2, 160), np.int16)
    chain.process(ROWS, np.stack([square, square // 4]), 8_000, out)
    assert chain.meter.read(3).clipped > 0
    assert chain.meter.read(1).clipped == 0
