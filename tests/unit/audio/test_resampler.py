"""The figures that the resamplers must reach, and what streaming must not change."""

import numpy as np
import pytest

from skypechan.audio.pcm import to_float, to_int16
from skypechan.audio.resampler import Downsampler, Upsampler, prototype

WIDE_HZ = 16_000
NARROW_HZ = 8_000
ONE = np.zeros(1, np.intp)


def response_db() -> tuple[np.ndarray, np.ndarray]:
    spectrum = np.fft.rfft(prototype(), 65_536)
    frequency_hz = np.fft.rfftfreq(65_536, 1 / WIDE_HZ)
    return frequency_hz, 20 * np.log10(np.abs(spectrum) + 1e-15)


def sine(hz: float, rate_hz: int, seconds: float, dbfs: float) -> np.ndarray:
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    peak = 32767 * 10 ** (dbfs / 20)
    return np.rint(peak * np.sin(2 * np.pi * hz * time)).astype(np.int16)


def run_int16(resampler, pcm: np.ndarray, chunk: int) -> np.ndarray:
    """As in a call: int16 frames in, int16 frames out."""
    frames = []
    for begin in range(0, len(pcm), chunk):
        samples = resampler.process(ONE, to_float(pcm[None, begin : begin + chunk]))
        frame = np.zeros(samples.shape, np.int16)
        to_int16(samples, frame)
        frames.append(frame[0])
    return np.concatenate(frames)


def residue_db(pcm: np.ndarray, hz: float, rate_hz: int) -> float:
    """What is left beside the tone itself, relative to it: THD+N."""
    settled = pcm[len(pcm) // 4 :].astype(float)
    time = np.arange(len(settled)) / rate_hz
    angle = 2 * np.pi * hz * time
    basis = np.column_stack([np.sin(angle), np.cos(angle), np.ones_like(angle)])
    fitted = basis @ np.linalg.lstsq(basis, settled, rcond=None)[0]
    return float(20 * np.log10(np.std(settled - fitted) / np.std(fitted)))


def test_passband_is_flat_to_a_hundredth_of_a_decibel_up_to_3400_hz() -> None:
    frequency_hz, gain_db = response_db()
    speech = gain_db[(frequency_hz >= 0) & (frequency_hz <= 3400)]
    assert np.abs(speech).max() <= 0.01


def test_passband_reaches_3700_hz() -> None:
    frequency_hz, gain_db = response_db()
    assert frequency_hz[np.argmax(gain_db < -0.5)] >= 3740
    assert frequency_hz[np.argmax(gain_db < -3)] >= 3790


def test_everything_from_4000_hz_is_rejected_by_90_decibels() -> None:
    frequency_hz, gain_db = response_db()
    assert gain_db[frequency_hz >= 4000].max() <= -90


def test_delay_is_under_a_third_of_a_millisecond() -> None:
    frequency_hz, _ = response_db()
    phase = np.unwrap(np.angle(np.fft.rfft(prototype(), 65_536)))
    delay_ms = -1000 * np.diff(phase) / (2 * np.pi * np.diff(frequency_hz))
    assert delay_ms[np.searchsorted(frequency_hz, 1000)] <= 0.3
    speech = delay_ms[(frequency_hz[1:] >= 300) & (frequency_hz[1:] <= 3400)]
    assert speech.max() - speech.min() <= 1.0


def test_gain_at_0_hz_is_exactly_one_in_both_branches() -> None:
    taps = prototype()
    assert taps.sum() == pytest.approx(1, abs=1e-12)
    assert taps[::2].sum() == pytest.approx(taps[1::2].sum(), abs=1e-6)


def test_a_tone_comes_down_to_8_khz_clean() -> None:
    out = run_int16(Downsampler(1), sine(997, WIDE_HZ, 2, -1), 320)
    assert residue_db(out, 997, NARROW_HZ) <= -93.5


def test_a_tone_goes_up_to_16_khz_clean() -> None:
    out = run_int16(Upsampler(1), sine(997, NARROW_HZ, 2, -1), 160)
    assert residue_db(out, 997, WIDE_HZ) <= -93.5


@pytest.mark.parametrize("hz", [4001, 4600, 6000, 7900])
def test_what_8_khz_cannot_carry_does_not_come_back_as_an_alias(hz: float) -> None:
    out = run_int16(Downsampler(1), sine(hz, WIDE_HZ, 1, -1), 320)
    assert np.abs(out[400:]).max() <= 1


@pytest.mark.parametrize("resampler", [Downsampler(1), Upsampler(1)])
def test_silence_stays_exactly_zero(resampler: Downsampler | Upsampler) -> None:
    out = run_int16(resampler, np.zeros(3200, np.int16), 320)
    assert not out.any()


@pytest.mark.parametrize("chunk", [2, 10, 160, 320, 322, 960, 3200])
def test_cutting_the_downsampler_s_input_changes_nothing(chunk: int) -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, (1, 3200)).astype(np.float32)
    whole = Downsampler(1).process(ONE, noise)
    resampler = Downsampler(1)
    parts = [
        resampler.process(ONE, noise[:, begin : begin + chunk])
        for begin in range(0, 3200, chunk)
    ]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=2e-6)


@pytest.mark.parametrize("chunk", [1, 7, 80, 160, 161, 480, 1600])
def test_cutting_the_upsampler_s_input_changes_nothing(chunk: int) -> None:
    noise = np.random.default_rng(1).normal(0, 0.2, (1, 1600)).astype(np.float32)
    whole = Upsampler(1).process(ONE, noise)
    resampler = Upsampler(1)
    parts = [
        resampler.process(ONE, noise[:, begin : begin + chunk])
        for begin in range(0, 1600, chunk)
    ]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, atol=2e-6)


@pytest.mark.parametrize("kind", [Downsampler, Upsampler])
@pytest.mark.parametrize("company", [5, 30])
@pytest.mark.parametrize("length", [320, 170])
def test_a_row_sounds_the_same_alone_and_in_any_company(
    kind: type[Downsampler | Upsampler], company: int, length: int
) -> None:
    rng = np.random.default_rng(2)
    calls = rng.normal(0, 0.2, (company, 5, length)).astype(np.float32)
    together, rows = kind(40), rng.permutation(40)[:company]
    shared = [together.process(rows, calls[:, frame]) for frame in range(5)]
    for call in range(company):
        alone = kind(1)
        own = [alone.process(ONE, calls[call, frame][None]) for frame in range(5)]
        for mine, ours in zip(own, shared, strict=True):
            np.testing.assert_allclose(mine[0], ours[call], atol=2e-6)


def test_a_new_call_hears_nothing_of_the_row_s_last_one() -> None:
    resampler = Upsampler(1)
    resampler.process(ONE, np.ones((1, 160), np.float32))
    resampler.reset(0)
    assert not resampler.process(ONE, np.zeros((1, 160), np.float32)).any()


def test_half_a_pair_of_samples_cannot_be_brought_down() -> None:
    with pytest.raises(ValueError, match="even"):
        Downsampler(1).process(ONE, np.zeros((1, 3), np.float32))
