"""What somebody hears who has been put on hold: silence, or a WAV file over and over.

It takes the place of the audio of one direction, whatever comes there meanwhile, and
is cross-faded with it at both ends.
"""

from __future__ import annotations

import wave
from dataclasses import dataclass

import numpy as np

from skypechan.audio.anyrate import AnyRate
from skypechan.audio.pcm import Float32, Int16, Rows, from_bytes, to_float, to_int16
from skypechan.audio.resampler import WIDE_RATE_HZ, Downsampler
from skypechan.media.settings import MOST_HOLD_S, SILENCE, check_hold_audio

_SEAM_S = 0.020


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

    Raises ConfigError for a file that cannot be played.
    """
    return None if setting == SILENCE else _read(setting)


def _read(path: str) -> HoldAudio:
    check_hold_audio(path)
    with wave.open(path, "rb") as file:
        channels, rate_hz = file.getnchannels(), file.getframerate()
        pcm = from_bytes(file.readframes(MOST_HOLD_S * rate_hz))
    mono = pcm.reshape(-1, channels).mean(axis=1).astype(np.int16)
    wide = _closed(AnyRate(rate_hz).process(mono)[0])[None]
    down, row = Downsampler(1), np.zeros(1, np.intp)
    down.process(row, wide)  # what is played again begins in the echo of its end
    return HoldAudio(_as_int16(wide[0]), _as_int16(down.process(row, wide)[0]))


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
        elif not rests and rest is not None and rest.begins:
            del self._rests[row]  # nothing of it was heard
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
