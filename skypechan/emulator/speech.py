"""Words spoken by arithmetic: harmonics of a voice and noise, shaped by formants.

A small formant synthesiser of our own. Each sound of a language is where its first
three formants lie, how loud its voice and its breath are, and how long it lasts; the
tracks between them are smoothed. Formants after the classic measurements of English
vowels (Peterson and Barney 1952).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
_FRAME: Final = 80
"""Samples, 5 ms: how often the tracks are given."""

_SMOOTH_FRAMES: Final = 9
_LEVEL: Final = 0.1  # RMS of full scale, -20 dBFS
_BANDWIDTHS_HZ: Final = np.array([70.0, 100.0, 150.0])
_VOICE_GAINS: Final = np.array([1.0, 0.6, 0.3])
_BREATH_GAINS: Final = np.array([0.05, 0.3, 1.0])
_HIGHEST_HZ: Final = 4_500.0

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Sound:
    """Formants in Hz, loudness of voice and breath, milliseconds."""

    formants: tuple[float, float, float]
    voice: float
    breath: float
    ms: int


_SOUNDS: Final[dict[str, _Sound]] = {
    "_": _Sound((500, 1500, 2500), 0.0, 0.0, 120),
    "AA": _Sound((730, 1090, 2440), 1.0, 0.0, 130),
    "AE": _Sound((660, 1720, 2410), 1.0, 0.0, 130),
    "AH": _Sound((640, 1190, 2390), 1.0, 0.0, 90),
    "AO": _Sound((570, 840, 2410), 1.0, 0.0, 130),
    "EH": _Sound((530, 1840, 2480), 1.0, 0.0, 100),
    "ER": _Sound((490, 1350, 1690), 1.0, 0.0, 120),
    "IH": _Sound((390, 1990, 2550), 1.0, 0.0, 80),
    "IY": _Sound((270, 2290, 3010), 1.0, 0.0, 120),
    "UH": _Sound((440, 1020, 2240), 1.0, 0.0, 90),
    "UW": _Sound((300, 870, 2240), 1.0, 0.0, 120),
    "L": _Sound((360, 1300, 2700), 0.6, 0.0, 70),
    "R": _Sound((350, 1060, 1380), 0.6, 0.0, 70),
    "W": _Sound((290, 610, 2150), 0.6, 0.0, 70),
    "Y": _Sound((260, 2070, 3020), 0.6, 0.0, 60),
    "M": _Sound((280, 1000, 2200), 0.45, 0.0, 80),
    "N": _Sound((280, 1500, 2500), 0.45, 0.0, 80),
    "V": _Sound((220, 1100, 2080), 0.4, 0.1, 60),
    "DH": _Sound((270, 1290, 2540), 0.4, 0.1, 50),
    "Z": _Sound((240, 1390, 2530), 0.3, 0.4, 80),
    "S": _Sound((320, 1390, 4200), 0.0, 0.5, 100),
    "F": _Sound((340, 1100, 2080), 0.0, 0.25, 90),
    "TH": _Sound((320, 1290, 2540), 0.0, 0.2, 80),
    "H": _Sound((500, 1500, 2500), 0.0, 0.3, 60),
    "T": _Sound((300, 1600, 3800), 0.0, 0.5, 35),
    "P": _Sound((300, 900, 2100), 0.0, 0.4, 35),
    "K": _Sound((300, 1900, 2700), 0.0, 0.5, 40),
    "D": _Sound((250, 1600, 2600), 0.4, 0.2, 45),
    "B": _Sound((200, 900, 2100), 0.4, 0.1, 45),
    "G": _Sound((200, 1900, 2600), 0.4, 0.2, 45),
}

SOUND_TEST: Final = "H EH L UH W _ P L IY Z _ S P IY K _ AE F T ER DH AH T UW N"
"""Hello, please speak after the tone."""

VOICEMAIL: Final = (
    "N UH W _ W AH N _ IH Z _ H IY R _ _ "
    "P L IY Z _ S P IY K _ AE F T ER _ DH AH _ T UW N _"
)
"""No one is here. Please speak after the tone."""

ANNOUNCEMENT: Final = (
    "DH AH _ N AH M B ER _ Y UW _ H AE V _ K AO L D _ IH Z _ N AO T _ IH N _ Y UW Z _ _"
)
"""The number you have called is not in use."""


@functools.lru_cache(maxsize=16)
def speak(sounds: str, pitch_hz: float = 115.0, seed: int = 1) -> Samples:
    """`[samples]` of the sounds named, parted by spaces; -20 dBFS, full scale 1."""
    tracks = _tracks([_SOUNDS[name] for name in sounds.split()])
    formants, voice, breath = tracks[:, :3], tracks[:, 3], tracks[:, 4]
    random = np.random.default_rng(seed)
    count = len(tracks) * _FRAME
    spoken = _voiced(formants, voice, pitch_hz, count)
    spoken += _breathed(formants, breath, random)
    spoken *= _LEVEL / max(1e-9, float(np.sqrt(np.mean(spoken**2))))
    return np.clip(spoken, -0.99, 0.99)


def _tracks(sounds: list[_Sound]) -> Samples:
    """`[frames, 5]`: three formants, voice, breath, smoothed over 45 ms."""
    rows = []
    for sound in sounds:
        row = (*sound.formants, sound.voice, sound.breath)
        rows.extend([row] * max(1, round(sound.ms * RATE_HZ / 1000 / _FRAME)))
    steps = np.asarray(rows, np.float64)
    window = np.hanning(_SMOOTH_FRAMES + 2)[1:-1]
    window /= window.sum()
    half = _SMOOTH_FRAMES // 2
    padded = np.pad(steps, ((half, half), (0, 0)), mode="edge")
    columns = [np.convolve(column, window, "valid") for column in padded.T]
    return np.stack(columns, axis=1)


def _gains(frequencies: Samples, formants: Samples, loud: Samples) -> Samples:
    """How much each frequency is let through: `[frames, frequencies]`."""
    gains = np.zeros((len(formants), frequencies.shape[-1]))
    for place in range(3):
        distance = (frequencies - formants[:, place, None]) / _BANDWIDTHS_HZ[place]
        gains += loud[place] / (1 + distance**2)
    return gains


def _voiced(formants: Samples, voice: Samples, pitch_hz: float, count: int) -> Samples:
    """Harmonics of a falling, slightly wavering pitch."""
    frames = np.arange(len(formants))
    pitch = pitch_hz * (1.1 - 0.2 * frames / len(frames) + 0.02 * np.sin(frames / 12))
    numbers = np.arange(1, int(_HIGHEST_HZ / pitch.max()))
    gains = _gains(pitch[:, None] * numbers, formants, _VOICE_GAINS) * voice[:, None]
    places = np.arange(count) / _FRAME
    phase = 2 * np.pi * np.cumsum(np.interp(places, frames, pitch)) / RATE_HZ
    spoken = np.zeros(count)
    fundamental = np.exp(1j * phase)
    harmonic = np.ones(count, np.complex128)
    for place in range(len(numbers)):
        harmonic *= fundamental
        spoken += np.interp(places, frames, gains[:, place]) * harmonic.imag
    return spoken


def _breathed(
    formants: Samples, breath: Samples, random: np.random.Generator
) -> Samples:
    """Noise through the formants, frame by frame with overlap."""
    size = 2 * _FRAME
    frequencies = np.fft.rfftfreq(size, 1 / RATE_HZ)[None, :].astype(np.float64)
    gains = _gains(frequencies, formants, _BREATH_GAINS) * breath[:, None]
    noise = np.fft.rfft(random.standard_normal((len(formants), size)), axis=1)
    shaped = np.fft.irfft(noise * gains, axis=1) * np.hanning(size)
    spoken = np.zeros((len(formants) + 1) * _FRAME)
    for place, frame in enumerate(shaped):
        spoken[place * _FRAME : place * _FRAME + size] += frame
    return spoken[: len(formants) * _FRAME] * 3
