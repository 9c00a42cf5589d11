"""Gain is exact at 0 dB, smooth when it changes, and never clips a boost."""

import numpy as np
import pytest

from skypechan.audio.gain import CEILING, Gain, bend, fade_in, fade_out
from skypechan.audio.pcm import peaks_of, to_float, to_int16

RATE_HZ = 16_000
ONE = np.zeros(1, np.intp)
FRAME = 320


def tone(hz: float, seconds: float, peak: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (peak * np.sin(2 * np.pi * hz * time)).astype(np.float32)


def applied(gain: Gain, rows: np.ndarray, samples: np.ndarray) -> list[int] | None:
    """What was limited; the peaks told are those of what is left in `samples`."""
    peaks = peaks_of(samples)
    limited = gain.process(rows, samples, peaks)
    assert peaks == pytest.approx(np.abs(samples).max(axis=1).tolist())
    return limited


def run(gain: Gain, samples: np.ndarray) -> np.ndarray:
    out = samples.copy()
    for begin in range(0, len(out), FRAME):
        frame = out[None, begin : begin + FRAME].copy()
        applied(gain, ONE, frame)
        out[begin : begin + FRAME] = frame[0]
    return out


def test_zero_decibels_leave_every_bit_even_at_full_scale() -> None:
    pcm = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16).reshape(-1, 256)
    gain = Gain(len(pcm), RATE_HZ)
    samples = to_float(pcm)
    assert applied(gain, np.arange(len(pcm)), samples) is None
    out = np.zeros_like(pcm)
    to_int16(samples, out)
    np.testing.assert_array_equal(out, pcm)


@pytest.mark.parametrize("gain_db", [-40, -6, 6, 20])
def test_a_call_has_its_gain_from_its_first_sample(gain_db: float) -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, gain_db)
    quiet = tone(440, 0.1, 0.01)
    np.testing.assert_allclose(run(gain, quiet), quiet * 10 ** (gain_db / 20), 1e-5)


def test_a_change_is_complete_after_one_frame_and_exact_back_at_zero() -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, -12)
    steady = np.full(FRAME, 0.5, np.float32)
    gain.set(0, 0)
    assert run(gain, steady)[-1] == 0.5
    np.testing.assert_array_equal(run(gain, steady), steady)
    assert applied(gain, ONE, steady[None].copy()) is None


def test_a_change_does_not_click() -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, -12)
    before = run(gain, tone(440, 0.5, 0.5))
    gain.set(0, -6)
    joined = np.concatenate([before, run(gain, tone(440, 0.5, 0.5))])
    spectrum = np.abs(np.fft.rfft(joined * np.blackman(len(joined)))) ** 2
    splatter = spectrum[2000:].sum() / spectrum.sum()  # a bin is one hertz
    assert 10 * np.log10(splatter) <= -75


def test_mute_and_unmute_ramp_and_come_back_to_the_gain() -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, 6)
    steady = np.full(FRAME, 0.1, np.float32)
    gain.set(0, 6, muted=True)
    falling = run(gain, steady)
    assert 0.15 < falling[0] < 0.2
    assert falling[-1] == 0
    assert not run(gain, steady).any()
    gain.set(0, 6)
    assert run(gain, steady)[-1] == pytest.approx(0.1 * 10**0.3)


def test_other_rows_are_untouched_by_a_busy_one() -> None:
    gain = Gain(4, RATE_HZ)
    gain.reset(2, 20)
    samples = np.full((3, FRAME), 0.9, np.float32)
    limited = applied(gain, np.array([0, 2, 3]), samples)
    assert limited is not None
    assert limited[0] == limited[2] == 0 < limited[1]
    np.testing.assert_array_equal(samples[[0, 2]], np.full((2, FRAME), 0.9, "f4"))


@pytest.mark.parametrize("gain_db", [6, 20, 40])
def test_a_boost_of_loud_audio_stays_within_full_scale(gain_db: float) -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, gain_db)
    noise = np.random.default_rng(3).normal(0, 0.2, 32_000).clip(-1, 1)
    assert np.abs(run(gain, noise.astype(np.float32))).max() < 1


def test_a_tone_boosted_over_full_scale_stays_a_tone() -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, 6)
    out = run(gain, tone(1000, 1, 1.0))[8000:].astype(float)
    angle = 2 * np.pi * 1000 * np.arange(len(out)) / RATE_HZ
    basis = np.column_stack([np.sin(angle), np.cos(angle)])
    fitted = basis @ np.linalg.lstsq(basis, out, rcond=None)[0]
    assert np.abs(out).max() == pytest.approx(CEILING, abs=0.01)
    assert 20 * np.log10(np.std(out - fitted) / np.std(out)) <= -80


def test_the_limiter_lets_go_within_half_a_second() -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, 20)
    run(gain, tone(1000, 0.1, 0.9))
    quiet = tone(1000, 1.2, 0.01)
    after = run(gain, quiet)
    at_once, later = after[:16], after[8000:]
    assert np.abs(at_once).max() < 0.05
    np.testing.assert_allclose(later, quiet[8000:] * 10, rtol=0.01, atol=1e-5)


def test_attenuation_never_limits() -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, -0.1)
    loud = tone(1000, 0.2, 1.0)
    np.testing.assert_allclose(run(gain, loud), loud * 10 ** (-0.1 / 20), 1e-5)


def test_a_frame_of_any_length_is_limited_too() -> None:
    gain = Gain(1, RATE_HZ)
    gain.reset(0, 12)
    frame = np.full((1, 331), 0.9, np.float32)
    applied(gain, ONE, frame)
    assert np.abs(frame).max() < 1


@pytest.mark.parametrize("gain_db", [-40.1, 40.1, float("nan")])
def test_a_gain_beyond_forty_decibels_is_refused(gain_db: float) -> None:
    with pytest.raises(ValueError, match="dB"):
        Gain(1, RATE_HZ).set(0, gain_db)


def test_the_knee_is_straight_below_and_never_reaches_full_scale() -> None:
    samples = np.linspace(-8, 8, 1601, dtype=np.float32)
    bent = samples.copy()
    bend(bent)
    inside = np.abs(samples) <= 0.95
    np.testing.assert_array_equal(bent[inside], samples[inside])
    assert np.abs(bent).max() < 1
    assert (np.diff(bent) >= 0).all()


def test_audio_fades_in_from_zero_and_out_to_zero_over_five_milliseconds() -> None:
    pcm = np.full((1, FRAME), 1000, np.int16)
    fade_in(pcm, RATE_HZ)
    assert pcm[0, 0] == 0
    assert (pcm[0, 80:] == 1000).all()
    tail = fade_out(np.array([1000, -500], np.int16), FRAME, RATE_HZ)
    assert np.abs(np.diff(tail[0].astype(int))).max() <= 13
    assert not tail[:, 79:].any()
    assert tail[1, 0] == round(-500 * 79 / 80)
