"""Digits have the right tones, length, level and soft edges, and are found again."""

import numpy as np
import pytest

from skypechan.audio.dtmf import DIGITS, DigitDetector, digit_tones
from tests.unit.audio.signals import voice

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


def dialled(
    digits: str,
    *,
    on_s: float = 0.040,
    off_s: float = 0.040,
    offset: float = 0.0,
    twist_db: float = 0.0,
    level_dbfs: float = -10.0,
) -> np.ndarray:
    """Tones as other exchanges send them, at 8 kHz; the twist raises the high one."""
    pieces = [np.zeros(400)]
    for digit in digits:
        place, time_s = DIGITS.find(digit), np.arange(int(on_s * 8_000)) / 8_000
        low, high = ROWS_HZ[place // 4], COLUMNS_HZ[place % 4]
        pair = np.sin(2 * np.pi * low * (1 + offset) * time_s) * 10 ** (-twist_db / 40)
        pair += np.sin(2 * np.pi * high * (1 + offset) * time_s) * 10 ** (twist_db / 40)
        pieces += [10 ** (level_dbfs / 20) * pair, np.zeros(int(off_s * 8_000))]
    return np.concatenate([*pieces, np.zeros(800)])


def found(signal: np.ndarray, chunk: int = 160) -> str:
    detector, digits = DigitDetector(1), ""
    samples = signal[: len(signal) // chunk * chunk].astype(np.float32)
    for begin in range(0, len(samples), chunk):
        piece = samples[None, begin : begin + chunk]
        digits += "".join(
            digit for _, digit in detector.process(np.zeros(1, np.intp), piece)
        )
    return digits


def noise(length: int, level_dbfs: float, seed: int = 1) -> np.ndarray:
    return 10 ** (level_dbfs / 20) * np.random.default_rng(seed).normal(size=length)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"on_s": 0.050, "off_s": 0.050},
        {"offset": 0.015},
        {"offset": -0.015, "on_s": 0.060},
        {"twist_db": 4},
        {"twist_db": -8},
        {"level_dbfs": -30},
        {"on_s": 0.400},
    ],
    ids=str,
)
def test_digits_of_every_kind_are_found_once_each(how: dict[str, float]) -> None:
    digits = DIGITS * 5
    assert found(dialled(digits, **how)) == digits


def test_digits_are_found_in_noise_and_through_g711() -> None:
    signal = dialled(DIGITS * 5)
    assert found(signal + noise(len(signal), -20)) == DIGITS * 5
    assert found(np.rint(signal * 127) / 127) == DIGITS * 5  # coarser than any law


def test_the_same_digit_twice_is_two() -> None:
    assert found(dialled("5555")) == "5555"


@pytest.mark.parametrize("offset", [-0.035, 0.035])
def test_tones_beside_the_standard_s_are_none(offset: float) -> None:
    assert found(dialled(DIGITS * 3, on_s=0.1, offset=offset)) == ""


def test_one_tone_alone_and_three_are_no_digit() -> None:
    time_s = np.arange(8_000) / 8_000
    alone = 0.3 * np.sin(2 * np.pi * 770 * time_s)
    assert found(alone) == ""
    three = sum(0.2 * np.sin(2 * np.pi * hz * time_s) for hz in (697, 852, 1336))
    assert found(three) == ""


def test_noise_and_voices_have_no_digits() -> None:
    assert found(noise(60 * 8_000, -12)) == ""
    for pitch_hz in (90, 120, 175, 230, 310):
        assert found(voice(5.0, 8_000, pitch_hz) / 32_768) == ""


def test_what_we_generate_we_detect() -> None:
    assert found(np.concatenate([digit_tones("0123456789*#ABCD", 8_000)])) == (
        "0123456789*#ABCD"
    )


def test_a_batch_finds_what_each_row_alone_does() -> None:
    detector, rows = DigitDetector(4), np.array([2, 0])
    signals = np.stack([dialled("159D"), dialled("7*30")]).astype(np.float32)
    heard: dict[int, str] = {2: "", 0: ""}
    for begin in range(0, signals.shape[1] // 240 * 240, 240):
        for row, digit in detector.process(rows, signals[:, begin : begin + 240]):
            heard[row] += digit
    assert heard == {2: "159D", 0: "7*30"}


def test_a_row_that_starts_afresh_has_forgotten_the_last_call() -> None:
    detector, one = DigitDetector(1), np.zeros(1, np.intp)
    tone = dialled("5", on_s=0.2)[None, 400:1_200].astype(np.float32)
    assert detector.process(one, tone) == [(0, "5")]
    assert detector.is_speaking(0)
    detector.reset(0)
    assert not detector.is_speaking(0)
    assert detector.process(one, tone) == [(0, "5")]


def test_a_length_that_is_no_multiple_of_10_ms_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        DigitDetector(1).process(np.zeros(1, np.intp), np.zeros((1, 100), np.float32))
