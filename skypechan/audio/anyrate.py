"""Any rate of the PBX to the line's rate: 12, 24, 32, 44.1, 48, 96 and 192 kHz.

Each of these has a whole number of samples in 10 ms, as the line has, so within 10 ms
every place between two samples comes back and one matrix holds the filter of each.
The filter is the rate matcher's, stretched to the lower of the two rates.
"""

from __future__ import annotations

import functools

import numpy as np

from skypechan.audio.pcm import Float32, Int16, to_float
from skypechan.audio.ratematch import PHASES, TAPS, bank
from skypechan.audio.resampler import WIDE_RATE_HZ, BlockFilter

_BLOCKS_A_SECOND = 100
_PRODUCED = WIDE_RATE_HZ // _BLOCKS_A_SECOND


class AnyRate:
    """From `rate_hz` to 16 kHz for one call, in pieces of 10 ms."""

    def __init__(self, rate_hz: int) -> None:
        if rate_hz % _BLOCKS_A_SECOND:
            raise ValueError(f"{rate_hz} Hz has no whole number of samples in 10 ms")
        self._hop = rate_hz // _BLOCKS_A_SECOND
        self._filter = BlockFilter(1, _matrix(rate_hz), self._hop, _PRODUCED)
        self._rest = np.zeros(0, np.int16)

    def process(self, pcm: Int16) -> Float32:
        """`[n]` to `[1, 160 m]`; what is less than 10 ms waits for the next piece."""
        pcm = np.concatenate([self._rest, pcm])
        whole = len(pcm) // self._hop * self._hop
        self._rest = pcm[whole:]
        return self._filter.process(np.zeros(1, np.intp), to_float(pcm[None, :whole]))


@functools.cache
def _matrix(rate_hz: int) -> Float32:
    """`[memory + hop, 160]`: a column for each sample of 10 ms at 16 kHz."""
    hop = rate_hz // _BLOCKS_A_SECOND
    scale = min(1.0, WIDE_RATE_HZ / rate_hz)  # places in samples of the lower rate
    memory = int(TAPS / scale)
    since = np.arange(_PRODUCED) * rate_hz / WIDE_RATE_HZ
    place = (since - (np.arange(memory + hop) - memory)[:, None]) * scale
    taps = np.interp(place * PHASES, np.arange(TAPS * PHASES), bank(), 0, 0)
    return (taps * scale).astype(np.float32)
