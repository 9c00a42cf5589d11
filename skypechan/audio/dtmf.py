"""Digits as tones: DTMF (ITU-T Q.23), 100 ms on and 60 ms off, -10 dBFS a pair.

The detector looks each 10 ms at the last 25.6 ms, at 8 kHz, and is for ends that have
no other way to tell digits. A window holds a digit when one low and one high tone have
65 % of its energy, differ by less than 10 dB, and each is 6 dB above the others of its
group. Two windows in a row begin a digit, two without it end it. Windows, shares and
the tolerance of 1.5 % are measured optima: longer windows miss digits of 40 ms,
shorter ones and lower shares find digits in speech.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from skypechan.audio.pcm import Float32, Rows

DIGITS = "123A456B789C*0#D"
_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477, 1633)
_ON_S = 0.100
_OFF_S = 0.060
_RAMP_S = 0.005
_LEVEL_DBFS = -10.0


def digit_tones(digits: str, rate_hz: int) -> Float32:
    """`[samples]` of the digits one after another, each with its pause.

    Raises ValueError for a symbol that is no digit.
    """
    pause = np.zeros(int(_OFF_S * rate_hz), np.float32)
    parts = [part for digit in digits for part in (_tone(digit, rate_hz), pause)]
    return np.concatenate(parts) if parts else pause[:0]


def _tone(digit: str, rate_hz: int) -> Float32:
    """The pair of one digit. Two sines of amplitude A have the RMS value A."""
    place = DIGITS.find(digit)
    if place < 0 or len(digit) != 1:
        raise ValueError(f"{digit!r} is not a digit")
    time = np.arange(int(_ON_S * rate_hz)) / rate_hz
    pair = sum(
        np.sin(2 * np.pi * hz * time)
        for hz in (_LOW_HZ[place // 4], _HIGH_HZ[place % 4])
    )
    edge = np.minimum(np.arange(time.size), np.arange(time.size)[::-1])
    envelope = np.minimum(edge / (_RAMP_S * rate_hz), 1)
    tone: Float32 = (10 ** (_LEVEL_DBFS / 20) * envelope * pair).astype(np.float32)
    return tone


DETECTION_RATE_HZ = 8_000
_WINDOW = 205
_HOP = 80
_OFFSETS = (-0.012, 0.0, 0.012)
_SHARE = 0.65
_TWIST = 10.0  # power, 10 dB
_RIVAL = 4.0  # power, 6 dB
_FLOOR = 1e-4  # mean square, -40 dBFS
_BEGIN = _END = 2  # windows
_NONE = -1

Choice = npt.NDArray[np.intp]


class DigitDetector:
    """Finds the digits in what `capacity` calls say, at 8 kHz."""

    def __init__(self, capacity: int) -> None:
        self._history = np.zeros((capacity, _WINDOW - _HOP), np.float32)
        self._candidate = np.full(capacity, _NONE)
        self._windows = np.zeros(capacity, np.intp)
        self._digit = np.full(capacity, _NONE)
        self._misses = np.zeros(capacity, np.intp)

    def reset(self, row: int) -> None:
        """Start a call."""
        self._history[row] = 0
        self._candidate[row] = self._digit[row] = _NONE
        self._windows[row] = self._misses[row] = 0

    def process(self, rows: Rows, samples: Float32) -> list[tuple[int, str]]:
        """Row and digit of each that begins in `[k, n]`, n a multiple of 80.

        Raises ValueError for another n.
        """
        count, length = samples.shape
        if length % _HOP:
            raise ValueError(f"{length} samples are not a multiple of {_HOP}")
        work = np.concatenate([self._history[rows], samples], axis=1)
        self._history[rows] = work[:, length:]
        windows = np.lib.stride_tricks.sliding_window_view(work, _WINDOW, axis=1)
        flat = windows[:, ::_HOP].reshape(-1, _WINDOW)
        seen = _seen(flat).reshape(count, -1)
        return [found for hop in seen.T for found in self._step(rows, hop)]

    def is_speaking(self, row: int) -> bool:
        """Whether a digit sounds."""
        return bool(self._digit[row] != _NONE)

    def _step(self, rows: Rows, seen: Choice) -> list[tuple[int, str]]:
        """One window further: the digits that begin with it."""
        same = (seen == self._candidate[rows]) & (seen != _NONE)
        windows = np.where(same, self._windows[rows] + 1, 1)
        self._candidate[rows], self._windows[rows] = seen, windows
        digit = self._digit[rows]
        misses = np.where(seen == digit, 0, self._misses[rows] + 1)
        digit = np.where(misses >= _END, _NONE, digit)
        begins = (seen != _NONE) & (seen != digit) & (windows >= _BEGIN)
        self._digit[rows] = np.where(begins, seen, digit)
        self._misses[rows] = np.where(begins, 0, misses)
        chosen = zip(rows[begins].tolist(), seen[begins].tolist(), strict=True)
        return [(row, DIGITS[place]) for row, place in chosen]


def _seen(windows: Float32) -> Choice:
    """The place in DIGITS of what each of `[w, 205]` holds, or -1."""
    energy = np.einsum("ij,ij->i", windows, windows)
    parts = (windows @ _tones()).reshape(len(windows), 2, len(_OFFSETS), 8)
    power = np.einsum("ipot,ipot->iot", parts, parts).max(axis=1) * (2 / _WINDOW)
    low, high = power[:, :4], power[:, 4:]
    best_low, best_high = low.max(axis=1), high.max(axis=1)
    held = best_low + best_high > _SHARE * energy
    held &= energy > _FLOOR * _WINDOW
    held &= (best_low < _TWIST * best_high) & (best_high < _TWIST * best_low)
    for group, best in ((low, best_low), (high, best_high)):
        held &= np.sort(group, axis=1)[:, -2] * _RIVAL < best
    place = 4 * low.argmax(axis=1) + high.argmax(axis=1)
    return np.where(held, place, _NONE)


@functools.cache
def _tones() -> Float32:
    """`[205, 2 * 3 * 8]`: cosine and sine of each tone at each offset."""
    hz = np.outer(1 + np.array(_OFFSETS), _LOW_HZ + _HIGH_HZ).ravel()
    angle = 2 * np.pi * np.outer(np.arange(_WINDOW), hz) / DETECTION_RATE_HZ
    return np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
