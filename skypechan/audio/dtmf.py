"""Digits as tones: DTMF (ITU-T Q.23), 100 ms on and 60 ms off, -10 dBFS a pair."""

from __future__ import annotations

import numpy as np

from skypechan.audio.pcm import Float32

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
