from __future__ import annotations

import wave

import numpy as np
import pytest

from skypechan.emulator import voices
from skypechan.emulator.voices import (
    PIECE_SAMPLES,
    RATE_HZ,
    Echo,
    Loop,
    SoundTest,
    make_sound,
    make_voice,
)
from skypechan.errors import ConfigError
from tests.doubles.emulated import level_dbfs, pitch_hz


def ramp(count, first=0):
    return np.arange(first, first + count, dtype=np.int16)


def said(voice, pieces, hears=None):
    """What a voice says while it hears something, piece by piece."""
    spoken = []
    for place in range(pieces):
        if hears is not None:
            start = place * PIECE_SAMPLES
            voice.hear(hears[start : start + PIECE_SAMPLES])
        spoken.append(voice.speak(PIECE_SAMPLES))
    return np.concatenate(spoken)


@pytest.mark.parametrize(
    "choice",
    ["silence", "echo", "echo:0", "echo123", "tone", "tone:1000", "talk", "talk:7",
     "chirp", "ringback"],
)  # fmt: skip
def test_every_voice_speaks_exactly_as_long_as_asked(choice):
    voice = make_voice(choice)
    for count in (1, 159, 160, 640):
        spoken = voice.speak(count)
        assert spoken.shape == (count,)
        assert spoken.dtype == np.int16


@pytest.mark.parametrize(
    "choice", ["opera", "tone:high", "talk:x", "echo:x", "wav:/nonexistent.wav", ""]
)
def test_unknown_voice_is_explained(choice):
    with pytest.raises(ConfigError):
        make_voice(choice)


def test_tone_has_its_pitch_and_level():
    samples = voices.tone(1000, 1.0, level_dbfs=-20)
    assert pitch_hz(samples) == pytest.approx(1000, abs=1)
    assert level_dbfs(samples) == pytest.approx(-20, abs=0.05)


def test_loop_joins_its_end_to_its_beginning():
    voice = Loop(ramp(100))
    spoken = np.concatenate([voice.speak(30) for _ in range(10)])
    assert np.array_equal(spoken, np.tile(ramp(100), 3))


def test_echo_gives_back_every_sample_in_order():
    heard = ramp(16_000)
    spoken = said(Echo(lead_ms=0), 100, hears=heard)
    assert np.array_equal(spoken, heard)


def test_echo_waits_for_its_lead_and_again_when_it_has_run_dry():
    voice = Echo(lead_ms=20)
    voice.hear(ramp(160, 1))
    assert not voice.speak(160).any()
    voice.hear(ramp(160, 161))
    assert np.array_equal(voice.speak(320), ramp(320, 1))
    voice.speak(160)
    voice.hear(ramp(160, 1))
    assert not voice.speak(160).any()


def test_echo_is_never_more_than_a_fifth_of_a_second_behind():
    voice = Echo()
    for _ in range(100):
        voice.hear(ramp(320))
    assert voice._waiting <= RATE_HZ // 5


def test_sound_test_greets_listens_and_plays_back():
    heard = voices.tone(700, 20)
    spoken = said(SoundTest(), 2_000, hears=heard)
    assert level_dbfs(spoken[: 2 * RATE_HZ]) == pytest.approx(-20, abs=2)
    listening = spoken[int(2.5 * RATE_HZ) : 7 * RATE_HZ]
    assert not listening.any()
    playback = spoken[int(7.7 * RATE_HZ) : int(12 * RATE_HZ)]
    assert pitch_hz(playback) == pytest.approx(700, abs=1)


def test_talk_is_the_same_for_the_same_seed_and_speech_like():
    first, again = make_sound("talk", "1"), make_sound("talk", "1")
    assert np.array_equal(first, again)
    assert not np.array_equal(first, make_sound("talk", "2"))
    spectrum = np.abs(np.fft.rfft(first)) ** 2
    hz = np.fft.rfftfreq(first.size, 1 / RATE_HZ)
    assert spectrum[(hz > 80) & (hz < 4_000)].sum() > 0.95 * spectrum.sum()


def test_wav_is_read_when_it_has_the_format_of_the_ports(tmp_path):
    path = tmp_path / "a.wav"

    def write(rate=16_000, channels=1, frames=320):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(ramp(frames * channels).tobytes())
        return f"wav:{path}"

    assert np.array_equal(make_voice(write()).speak(320), ramp(320))
    for wrong in ({"rate": 8_000}, {"channels": 2}, {"frames": 0}):
        with pytest.raises(ConfigError):
            make_voice(write(**wrong))
    path.write_bytes(b"no wave")
    with pytest.raises(ConfigError):
        make_voice(f"wav:{path}")


def test_mixing_saturates():
    loud = np.full(4, 30_000, np.int16)
    assert voices.mix(loud, loud).tolist() == [32_767] * 4
    assert voices.mix(-loud, -loud).tolist() == [-32_768] * 4
