"""Digits that a line's far end tells by tones only, found in what it says.

A digit that was found is passed on as a digit, so its tone goes no further: the phone
would hear it twice. What has gone before it was found, some 40 ms, is too short for
another detector.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from skypechan.audio.dtmf import DigitDetector
from skypechan.audio.gain import fade_in, fade_out
from skypechan.audio.pcm import Int16, Rows, to_float
from skypechan.audio.resampler import WIDE_RATE_HZ, Downsampler

OnDigit = Callable[[str], object]


class InBandDigits:
    """The calls, by row, whose line is listened to."""

    def __init__(self, capacity: int) -> None:
        self._on_digit: dict[int, OnDigit] = {}
        self._down = Downsampler(capacity)
        self._detector = DigitDetector(capacity)
        self._muted = np.zeros(capacity, np.bool_)

    def __bool__(self) -> bool:
        return bool(self._on_digit)

    def listen(self, row: int, on_digit: OnDigit) -> None:
        """Begin with a call; `on_digit` gets each digit when its tone begins."""
        self._down.reset(row)
        self._detector.reset(row)
        self._muted[row] = False
        self._on_digit[row] = on_digit

    def forget(self, row: int) -> None:
        """The call is over; harmless for one that was not listened to."""
        self._on_digit.pop(row, None)

    def hear(self, rows: Rows, pcm: Int16) -> None:
        """Look for digits in `[k, 320]` at 16 kHz, and silence those that sound."""
        chosen = np.flatnonzero([row in self._on_digit for row in rows.tolist()])
        if not chosen.size:
            return
        heard = rows[chosen]
        narrow = self._down.process(heard, to_float(pcm[chosen]))
        for row, digit in self._detector.process(heard, narrow):
            self._on_digit[row](digit)
        for i, row in zip(chosen.tolist(), heard.tolist(), strict=True):
            self._silence(row, pcm[i : i + 1])

    def _silence(self, row: int, pcm: Int16) -> None:
        """Fade out when a digit begins, and in when it has ended."""
        sounds = self._detector.is_speaking(row)
        if sounds:
            first = pcm[:, 0].copy() * (not self._muted[row])
            pcm[:] = fade_out(first, pcm.shape[1], WIDE_RATE_HZ)
        elif self._muted[row]:
            fade_in(pcm, WIDE_RATE_HZ)
        self._muted[row] = sounds
