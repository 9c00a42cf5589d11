"""What somebody hears who has been put on hold: silence, or a WAV file over and over.

It takes the place of the audio of one direction, whatever comes there meanwhile, and
is cross-faded with it at both ends.
"""

from __future__ import annotations

import functools
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skypechan.audio.anyrate import AnyRate
from skypechan.audio.pcm import Float32, Int16, Rows, from_bytes, to_float, to_int16
from skypechan.audio.resampler import WIDE_RATE_HZ, Downsampler
from skypechan.errors import ConfigError

SILENCE = "silence"
_LEAST_S, _MOST_S = 0.1, 600
_SEAM_S = 0.020
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True, eq=False)
class HoldAudio:
    """One file as `[n]` of int16 at each rate that the engine works at."""

    wide: Int16
    narrow: Int16

    def piece(self, begin_s: float, length: int, rate_hz: int) -> Int16:
        """`[length]` at `rate_hz` from a moment on; behind the end it begins again."""
        samples = self.wide if rate_hz == WIDE_RATE_HZ else self.narrow
        first = round(begin_s * rate_hz)
        return samples[np.arange(first, first + length) % len(samples)]


def hold_audio(setting: str) -> HoldAudio | None:
    """Return what a setting names: None for "silence", else a WAV file's audio.

    Raises ConfigError for a file that cannot be read or is no 16-bit PCM.
    """
    return None if setting == SILENCE else _read(Path(setting))


def check_hold_audio(setting: str) -> None:
    """Raise ConfigError as `hold_audio`."""
    hold_audio(setting)


@functools.cache
def _read(path: Path) -> HoldAudio:
    try:
        with wave.open(str(path), "rb") as file:
            width, channels = file.getsampwidth(), file.getnchannels()
            rate_hz, most = file.getframerate(), _MOST_S * file.getframerate()
            if width != _SAMPLE_BYTES:
                raise ConfigError(f"{path} is no 16-bit PCM")
            pcm = from_bytes(file.readframes(min(most, file.getnframes())))
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigError(f"{path} is no WAV file that can be read: {error}") from error
    mono = pcm.reshape(-1, channels).mean(axis=1).astype(np.int16)
    if len(mono) < _LEAST_S * rate_hz:
        raise ConfigError(f"{path} is shorter than {_LEAST_S:g} s")
    return _at_both_rates(mono, rate_hz, path)


def _at_both_rates(mono: Int16, rate_hz: int, path: Path) -> HoldAudio:
    try:
        wide = AnyRate(rate_hz).process(mono)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    wide = _closed(wide[0])[None]
    narrow = Downsampler(1).process(np.zeros(1, np.intp), wide)
    return HoldAudio(_as_int16(wide[0]), _as_int16(narrow[0]))


def _closed(samples: Float32) -> Float32:
    """Let the end run into the begin: no click where the file starts again."""
    seam = int(_SEAM_S * WIDE_RATE_HZ)
    fade = np.linspace(0, 1, seam, dtype=np.float32)
    kept = samples[: len(samples) - seam].copy()
    kept[:seam] = kept[:seam] * fade + samples[len(kept) :] * (1 - fade)
    return kept[: len(kept) // 2 * 2]


def _as_int16(samples: Float32) -> Int16:
    pcm = np.zeros(len(samples), np.int16)
    to_int16(samples.copy(), pcm)
    return pcm


@dataclass(slots=True, eq=False)
class _Rest:
    """The hold of one call: what is heard, how far it has come, where it is heading."""

    audio: HoldAudio | None
    played_s: float = 0.0
    begins: bool = True
    ends: bool = False


class Resting:
    """The holds of one direction, by the row of their call."""

    def __init__(self) -> None:
        self._rests: dict[int, _Rest] = {}

    def __bool__(self) -> bool:
        return bool(self._rests)

    def set(self, row: int, rests: bool, audio: HoldAudio | None) -> None:
        """Begin or end a hold with the call's next frame."""
        rest = self._rests.get(row)
        if rests and rest is None:
            self._rests[row] = _Rest(audio)
        elif rests and rest is not None and rest.ends:
            rest.ends = False
        elif not rests and rest is not None:
            rest.ends = True

    def forget(self, row: int) -> None:
        """The call is over."""
        self._rests.pop(row, None)

    def apply(self, rows: Rows, pcm: Int16, rate_hz: int) -> None:
        """Put what is heard in place of `[k, n]` of calls that rest."""
        for i, row in enumerate(rows.tolist()):
            rest = self._rests.get(row)
            if rest is not None:
                pcm[i] = _heard(rest, pcm[i], rate_hz)
                if rest.ends:
                    del self._rests[row]


def _heard(rest: _Rest, pcm: Int16, rate_hz: int) -> Int16:
    """One frame of a call that rests; the first and the last are cross-faded."""
    length = len(pcm)
    if rest.audio is None:
        music = np.zeros(length, np.int16)
    else:
        music = rest.audio.piece(rest.played_s, length, rate_hz)
    rest.played_s += length / rate_hz
    if not rest.begins and not rest.ends:
        return music
    share = np.linspace(0, 1, length, dtype=np.float32)
    if rest.ends:
        share = share[::-1]
    rest.begins = False
    mixed = to_float(music) * share + to_float(pcm) * (1 - share)
    return _as_int16(mixed)
