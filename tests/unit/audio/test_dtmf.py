"""Digits have the right pair of tones, length, level and soft edges."""

import numpy as np
import pytest

from skypechan.audio.dtmf import DIGITS, digit_tones

ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
KEYPAD = ("123A", "456B", "789C", "*0#D")


def strongest(samples: np.ndarray, candidates: tuple[int, ...], rate_hz: int) -> int:
    time = np.arange(len(samples)) / rate_hz
    power = [abs(np.exp(-2j * np.pi * hz * time) @ samples) for hz in candidates]
    return int(np.argmax(power))


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("digit", DIGITS)
def test_each_digit_has_its_own_pair(digit: str, rate_hz: int) -> None:
    samples = digit_tones(digit, rate_hz)
    row = strongest(samples, ROWS_HZ, rate_hz)
    column = strongest(samples, COLUMNS_HZ, rate_hz)
    assert KEYPAD[row][column] == digit


def test_a_digit_lasts_100_ms_and_its_pause_60_ms() -> None:
    samples = digit_tones("5#", 8_000)
    assert len(samples) == 2 * 1280
    assert not samples[800:1280].any()
    assert samples[1280:].any()


def test_the_pair_s_level_is_minus_10_dbfs() -> None:
    middle = digit_tones("8", 16_000)[160:1440]
    assert 10 * np.log10(np.mean(middle**2)) == pytest.approx(-10, abs=0.3)


def test_the_edges_are_soft() -> None:
    samples = digit_tones("1", 16_000)
    assert samples[0] == 0
    assert np.abs(samples[:8]).max() < 0.1
    assert np.abs(samples[1592:1600]).max() < 0.1


@pytest.mark.parametrize("text", ["x", "1 2", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_digit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a digit"):
        digit_tones(text, 8_000)


def test_no_digits_are_no_samples() -> None:
    assert digit_tones("", 8_000).size == 0
