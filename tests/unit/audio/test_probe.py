from __future__ import annotations

import numpy as np
import pytest

from skypechan.audio.probe import (
    TimedSound,
    chirp,
    delays_ms,
    found_chirps,
    measured_tone,
    tone,
)
from tests.doubles.rtp import FRAME, Packet, Samples, sound_of, ulaw_encoded


def delayed(samples: Samples, delay: float, length: int) -> Samples:
    """The samples behind a delay of any fraction, band-limited."""
    whole = np.zeros(length)
    whole[: len(samples)] = samples
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(length) * delay)
    return np.rint(np.fft.irfft(np.fft.rfft(whole) * turn, length)).astype(np.int16)


@pytest.mark.parametrize("delay", [200.0, 431.25, 777.5, 1203.8])
@pytest.mark.parametrize("up", [True, False])
def test_chirp_is_found_to_ten_microseconds(delay: float, up: bool) -> None:
    heard = delayed(chirp(up=up), delay, 4000)
    noise = np.random.default_rng(1).normal(0, 100, len(heard))  # -50 dBFS
    found = found_chirps((heard + noise).astype(np.int16), up=up)
    assert len(found) == 1
    assert found[0].position == pytest.approx(delay, abs=0.08)
    assert found[0].score > 0.95


def test_chirp_of_the_other_direction_is_not_mistaken() -> None:
    assert found_chirps(delayed(chirp(up=True), 500, 4000), up=False) == []


def test_no_chirp_is_found_in_silence_noise_or_a_tone() -> None:
    noise = np.random.default_rng(2).normal(0, 3000, 16000).astype(np.int16)
    for sound in (np.zeros(16000, np.int16), noise, tone(1000, 2), tone(0, 0.01)):
        assert found_chirps(sound) == []


@pytest.mark.parametrize("frequency_hz", [400.0, 997.0, 1633.3, 3150.0])
@pytest.mark.parametrize("level_dbfs", [-3, -12, -40])
def test_tone_is_measured(frequency_hz: float, level_dbfs: float) -> None:
    found = measured_tone(tone(frequency_hz, 0.5, level_dbfs=level_dbfs))
    assert found.frequency_hz == pytest.approx(frequency_hz, abs=0.05)
    assert found.level_dbfs == pytest.approx(level_dbfs, abs=0.02)
    assert found.rest_dbfs < -80


def test_silence_has_no_level() -> None:
    assert measured_tone(np.zeros(800, np.int16)).level_dbfs < -300


def packets_of(samples: Samples, first_ns: int) -> list[Packet]:
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    return [
        Packet(first_ns + n * 20_000_000, n, n * FRAME, ulaw_encoded(frame))
        for n, frame in enumerate(frames)
    ]


def test_delay_counts_from_a_sample_sent_to_the_same_sample_heard() -> None:
    pause = np.zeros(2400, np.int16)
    signal = np.concatenate([chirp(), pause] * 5)
    sent = sound_of(packets_of(signal, 1_000_000_000))
    # Heard 37 samples later inside the stream, each packet 3 ms after it was sent.
    heard = sound_of(packets_of(delayed(signal, 37, len(signal)), 1_003_000_000))
    delays = delays_ms(sent, heard)
    assert len(delays) == 5
    assert delays == pytest.approx([3 + 37 / 8] * 5, abs=0.01)


def test_chirp_that_never_came_has_no_delay() -> None:
    pause = np.zeros(2400, np.int16)
    signal = np.concatenate([chirp(), pause, chirp(), pause])
    heard = signal.copy()
    heard[:3200] = 0
    sent = sound_of(packets_of(signal, 0))
    assert len(delays_ms(sent, sound_of(packets_of(heard, 5_000_000)))) == 1


def test_a_chirp_that_begins_with_a_piece_has_that_piece_s_time() -> None:
    pieces = [np.zeros(160, np.int16)] * 4
    # The second piece came late: its first sample did not pass 20 ms after the first.
    sound = TimedSound.of(pieces, [0, 27_000_000, 40_000_000, 60_000_000], 8_000)
    assert sound.time_ns(159.9) == pytest.approx(27_000_000, abs=20_000)
    assert sound.time_ns(160.1) == pytest.approx(27_000_000, abs=20_000)
    assert sound.time_ns(150.0) == pytest.approx(18_750_000)
