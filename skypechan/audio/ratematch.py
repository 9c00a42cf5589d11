"""Plays audio a little faster or slower: what two clocks that drift apart need.

Ratios lie within 2000 ppm of 1, each row's its own, and may change with every frame.
A filter of 48 taps interpolates between samples; each tap is a polynomial in the
place between two samples (Farrow's structure), so one matrix product serves all
blocks of all rows whatever their places are. Blocks lie on the input and give 39 to
41 samples, so all that has come leaves at once and nothing is held back.

The filter is minimum phase and delays speech by 0.2 ms, where linear phase takes
1.5 ms. It passes up to 7 kHz. Silence in gives exact zeros out.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt

from skypechan.audio.pcm import Float32, Rows
from skypechan.audio.resampler import overlapping

Float64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]

MOST_PPM = 2_000.0
_LEAST_RATIO, _MOST_RATIO = 1 - MOST_PPM * 1e-6, 1 + MOST_PPM * 1e-6
TAPS = 48
PHASES = 128
_ATTENUATION_DB = 100.0
_FFT_SIZE = 1 << 17
_CEPSTRUM_FLOOR = 1e-7
_ORDER = 6
_MARGIN = 0.05  # the polynomials hold a little beyond one sample, for a block's ends
_BLOCK = 40
_COLUMNS = _BLOCK + 1  # a fast row gives one more sample than a block has
_EVERY_COLUMN = np.arange(_COLUMNS, dtype=np.float32)
_EDGES = np.arange(1_000) * _BLOCK  # of the blocks of up to 2 s


@functools.cache
def bank() -> Float64:
    """The filter at 128 times the rate: `[48 * 128]`, each phase of gain 1 at 0 Hz."""
    length = TAPS * PHASES
    time = (np.arange(length) - (length - 1) / 2) / PHASES
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    taps = np.sinc(time) * np.kaiser(length, beta)
    magnitude = np.abs(np.fft.fft(taps / taps.sum(), _FFT_SIZE))
    cepstrum = np.fft.ifft(np.log(np.maximum(magnitude, _CEPSTRUM_FLOOR))).real
    cepstrum[1 : _FFT_SIZE // 2] *= 2
    cepstrum[_FFT_SIZE // 2 + 1 :] = 0
    causal = np.fft.ifft(np.exp(np.fft.fft(cepstrum))).real[:length].copy()
    normal: Float64 = PHASES * causal / causal.sum()
    return normal


@functools.cache
def _farrow() -> Float64:
    """`[order + 1, taps]`: powers of the place minus 1/2, for each tap."""
    places = np.arange(-int(_MARGIN * PHASES), int((1 + _MARGIN) * PHASES) + 1)
    padded = np.concatenate([np.zeros(PHASES), bank(), np.zeros(2 * PHASES)])
    index = places[:, None] + PHASES * np.arange(1, TAPS + 1)[None]
    powers = np.vander(places / PHASES - 0.5, _ORDER + 1, increasing=True)
    taps: Float64 = np.linalg.lstsq(powers, padded[index], rcond=None)[0]
    return taps


@functools.cache
def _matrix() -> Float32:
    """`[memory + block, (order + 1) * columns]`: every power's filter, side by side."""
    matrix = np.zeros((TAPS - 1 + _BLOCK + 1, _ORDER + 1, _COLUMNS))
    taps = _farrow()[:, ::-1]
    for column in range(_COLUMNS):
        matrix[column : column + TAPS, :, column] = taps.T
    flat = matrix[: TAPS - 1 + _BLOCK].reshape(TAPS - 1 + _BLOCK, -1)
    return flat.astype(np.float32)


class RateMatcher:
    """Plays each of `capacity` rows a little faster or slower."""

    def __init__(self, capacity: int) -> None:
        self._history = np.zeros((capacity, TAPS - 1), np.float32)
        self._place = np.zeros(capacity)  # of the next sample, in samples that come
        _matrix()  # takes a while, which the first call must not wait for

    def reset(self, row: int) -> None:
        """Forget what `row` has heard."""
        self._history[row] = 0
        self._place[row] = 0

    def process(
        self, rows: Rows, samples: Float32, ratio: Float64
    ) -> tuple[Float32, Counts]:
        """`[k, n]` of `rows` to `[k, m]`, of whose row i the first `counts[i]` count.

        `ratio[i]` is samples out for each sample in, within 2000 ppm of 1; what lies
        beyond a row's count is zero.
        """
        count, length = samples.shape
        blocks = -(-length // _BLOCK)
        work = np.zeros((count, TAPS - 1 + blocks * _BLOCK), np.float32)
        work[:, : TAPS - 1] = self._history[rows]
        work[:, TAPS - 1 : TAPS - 1 + length] = samples
        self._history[rows] = work[:, length : length + TAPS - 1]
        step = 1 / np.minimum(np.maximum(ratio, _LEAST_RATIO), _MOST_RATIO)
        first, begin, counts = self._plan(rows, step, blocks, length)
        produced = _interpolate(work, blocks, first, step)
        return _gathered(produced, begin, counts), counts

    def _plan(
        self, rows: Rows, step: Float64, blocks: int, length: int
    ) -> tuple[Float64, Counts, Counts]:
        """Place and number of each block's first sample, samples of each row."""
        place = self._place[rows]
        edges = np.minimum(_EDGES[: blocks + 1], length)
        begin = np.ceil((edges - place[:, None]) / step[:, None]).astype(np.intp)
        np.maximum(begin, 0, out=begin)
        first = place[:, None] + begin[:, :-1] * step[:, None] - edges[:-1]
        counts = begin[:, -1]
        self._place[rows] = place + counts * step - length
        return first, begin, counts


def _interpolate(work: Float32, blocks: int, first: Float64, step: Float64) -> Float32:
    """`[k, blocks, columns]`: each block from its first place on, a sample a column."""
    windows = overlapping(work, blocks, TAPS - 1 + _BLOCK, _BLOCK)
    flat = windows.reshape(len(work) * blocks, TAPS - 1 + _BLOCK)
    powers = (flat @ _matrix()).reshape(-1, _ORDER + 1, _COLUMNS)
    slide = (step - 1).astype(np.float32)[:, None, None] * _EVERY_COLUMN
    place = (first - 0.5).astype(np.float32)[:, :, None] + slide
    place = place.reshape(-1, _COLUMNS)
    value = powers[:, _ORDER] * place
    for power in range(_ORDER - 1, 0, -1):
        value += powers[:, power]
        value *= place
    value += powers[:, 0]
    return value.reshape(len(work), blocks, _COLUMNS)


def _gathered(produced: Float32, begin: Counts, counts: Counts) -> Float32:
    """`[k, most]`: what counts of each block, without the holes between."""
    rows, blocks, _ = produced.shape
    length = blocks * _BLOCK
    regular = np.minimum(_EDGES[: blocks + 1], begin.max(initial=0))
    slipping = (begin != regular).any(axis=1)
    if not slipping.any():
        every = produced[:, :, :_BLOCK].reshape(rows, length)
        return every[:, : regular[-1]]
    gathered = np.empty((rows, max(int(counts.max(initial=0)), length)), np.float32)
    gathered[:, :length].reshape(rows, blocks, _BLOCK)[:] = produced[:, :, :_BLOCK]
    for row in np.flatnonzero(slipping).tolist():
        edges = begin[row].tolist()
        for block, (start, end) in enumerate(itertools.pairwise(edges)):
            gathered[row, start:end] = produced[row, block, : end - start]
    gathered = gathered[:, : int(counts.max(initial=0))]
    if counts.min(initial=gathered.shape[1]) < gathered.shape[1]:
        gathered[np.arange(gathered.shape[1]) >= counts[:, None]] = 0
    return gathered
