from __future__ import annotations

import numpy as np
import pytest

from skypechan.emulator import speech, voices
from skypechan.emulator.voices import RATE_HZ, Once, make_voice
from tests.doubles.emulated import level_dbfs


@pytest.mark.parametrize(
    "text", [speech.SOUND_TEST, speech.VOICEMAIL, speech.ANNOUNCEMENT]
)
def test_words_are_as_loud_as_speech_and_do_not_clip(text):
    samples = voices.words(text)
    assert level_dbfs(samples) == pytest.approx(-20, abs=0.5)
    assert abs(samples.astype(int)).max() < 32_700
    assert 1.5 < samples.size / RATE_HZ < 6


def formant(name, low_hz, high_hz):
    """The strongest frequency between two, in a long vowel."""
    samples = speech.speak(" ".join([name] * 6))
    middle = samples[samples.size // 4 : -samples.size // 4]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(middle.size)))
    hz = np.fft.rfftfreq(middle.size, 1 / RATE_HZ)
    within = (hz > low_hz) & (hz < high_hz)
    return float(hz[within][np.argmax(spectrum[within])])


@pytest.mark.parametrize(
    ("vowel", "first", "second"), [("IY", 270, 2290), ("AA", 730, 1090)]
)
def test_vowels_have_their_formants(vowel, first, second):
    assert formant(vowel, 150, 900) == pytest.approx(first, abs=120)
    assert formant(vowel, 1000, 3000) == pytest.approx(second, abs=150)


def test_hiss_is_no_voice():
    hiss = speech.speak("S S S S")
    spectrum = np.abs(np.fft.rfft(hiss)) ** 2
    hz = np.fft.rfftfreq(hiss.size, 1 / RATE_HZ)
    assert spectrum[hz > 2_000].sum() > 2 * spectrum[hz < 600].sum()


def test_same_words_sound_the_same():
    assert np.array_equal(speech.speak("H EH L UW"), speech.speak("H EH L UW"))


def test_talker_pauses():
    voice = make_voice("pauses:3")
    spoken = np.concatenate([voice.speak(160) for _ in range(3_000)])
    quiet = ~spoken.reshape(-1, 1_600).any(axis=1)
    assert 0.2 < quiet.mean() < 0.8
    assert np.array_equal(make_voice("pauses:3").speak(160), spoken[:160])


def test_what_is_said_once_is_followed_by_silence():
    voice = Once(np.arange(1, 201, dtype=np.int16))
    assert np.array_equal(voice.speak(160), np.arange(1, 161))
    assert not voice.speak(160)[40:].any()
    assert not voice.speak(160).any()
