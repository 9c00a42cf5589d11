"""What somebody on hold hears: from the next frame on, without a click."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from skypechan.audio.probe import measured_tone, tone
from skypechan.errors import ConfigError
from skypechan.media.holdaudio import HoldAudio, Resting, hold_audio
from skypechan.media.settings import check_hold_audio

ROW = np.array([3], np.intp)
RATES_HZ = (8_000, 16_000)


def wav(path: Path, samples: NDArray[np.int16], rate_hz: int, channels: int = 1) -> str:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(np.repeat(samples, channels).astype("<i2").tobytes())
    return str(path)


@pytest.fixture
def music(tmp_path: Path) -> HoldAudio:
    audio = hold_audio(wav(tmp_path / "m.wav", tone(400, 0.52, 44_100), 44_100, 2))
    assert audio is not None
    return audio


def held(
    audio: HoldAudio | None, rate_hz: int, hertz: float = 250
) -> tuple[NDArray[np.int16], int]:
    """A tone that is held from 0.2 s to 1.4 s, in frames of 20 ms; and that frame."""
    said = tone(hertz, 2, rate_hz).copy()
    frame, resting = rate_hz // 50, Resting()
    for number in range(100):
        if number == 10:
            resting.set(3, True, audio)
        if number == 70:
            resting.set(3, False, audio)
        piece = said[None, number * frame : (number + 1) * frame]
        resting.apply(ROW, piece, rate_hz)
    assert not resting
    return said, frame


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_music_takes_the_place_of_audio_and_leaves_it(
    music: HoldAudio, rate_hz: int
) -> None:
    heard, frame = held(music, rate_hz)
    for part, hertz in ((heard[: 10 * frame], 250), (heard[-29 * frame :], 250)):
        assert measured_tone(part, rate_hz).frequency_hz == pytest.approx(hertz, abs=1)
    rest = measured_tone(heard[15 * frame : 35 * frame], rate_hz)
    assert rest.frequency_hz == pytest.approx(400, abs=1)
    assert rest.level_dbfs == pytest.approx(-12, abs=0.5)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("with_music", [True, False])
def test_a_hold_begins_plays_on_and_ends_without_a_click(
    music: HoldAudio, rate_hz: int, with_music: bool
) -> None:
    heard, _ = held(music if with_music else None, rate_hz)
    steepest = 2 * np.pi * 400 / rate_hz * 32768 * 10 ** (-12 / 20) * 2**0.5
    assert np.abs(np.diff(heard.astype(int))).max() < 1.5 * steepest


def test_without_music_whoever_waits_hears_silence() -> None:
    heard, frame = held(None, 16_000)
    assert not heard[12 * frame : 69 * frame].any()


def test_a_hold_that_ends_before_a_frame_has_come_is_not_heard(
    music: HoldAudio,
) -> None:
    resting = Resting()
    resting.set(3, True, music)
    resting.set(3, False, music)
    audio = np.full((1, 320), 8_993, np.int16)
    resting.apply(ROW, audio, 16_000)
    assert (audio == 8_993).all()
    assert not resting


def test_a_hold_that_is_taken_back_at_once_plays_on(music: HoldAudio) -> None:
    resting = Resting()
    resting.set(3, True, music)
    resting.apply(ROW, np.zeros((1, 320), np.int16), 16_000)
    resting.set(3, False, music)
    resting.set(3, True, music)
    quiet = np.zeros((1, 320), np.int16)
    resting.apply(ROW, quiet, 16_000)
    assert quiet.any()
    assert resting


def test_silence_and_a_usual_file_are_fit_as_hold_audio(tmp_path: Path) -> None:
    check_hold_audio("silence")
    check_hold_audio(wav(tmp_path / "a.wav", tone(400, 1), 8_000))


def test_what_cannot_be_played_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    wav(tmp_path / "short.wav", tone(400, 0.05), 8_000)
    wav(tmp_path / "odd.wav", tone(400, 1), 11_025)
    for name in ("absent.wav", "text.wav", "short.wav", "odd.wav"):
        with pytest.raises(ConfigError, match=name):
            check_hold_audio(str(tmp_path / name))
