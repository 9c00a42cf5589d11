"""Plays audio a little faster or slower: what two clocks that drift apart need.

Ratios lie within 2000 ppm of 1, each row's its own, and may change with every frame.
A filter interpolates between samples; each tap is a polynomial in the place between
two samples (Farrow's structure), so the same few matrix products serve all rows
whatever their places are. All that has come leaves at once and nothing is held back.

Audio that ends at 7 kHz takes 48 taps. What came at 8 kHz leaves so much room between
speech and its images that 14 do, a third of the work. Both filters are minimum phase
and delay speech by 0.2 ms or less, where linear phase takes 1.5 ms. Silence in gives
exact zeros out.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skypechan.audio.pcm import Float32, Rows
from skypechan.audio.resampler import History, overlapping

Float64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.intp]

MOST_PPM = 2_000.0
_LEAST_RATIO, _MOST_RATIO = 1 - MOST_PPM * 1e-6, 1 + MOST_PPM * 1e-6
TAPS = 48
_NARROW_TAPS = 14
PHASES = 128
_ATTENUATION_DB = 100.0
_FFT_SIZE = 1 << 17
_CEPSTRUM_FLOOR = 1e-7
_MARGIN = 0.05  # the polynomials hold a little beyond one sample, for a block's end
# What the first place and the slide of a row are multiplied by, for up to 2 s.
_EVERY_SAMPLE = np.stack([np.ones(32_000), np.arange(32_000)]).astype(np.float32)


@functools.cache
def bank(taps: int = TAPS) -> Float64:
    """The filter at 128 times the rate: `[taps * 128]`, each phase of gain 1 at 0 Hz.

    Its pass band ends at 7 kHz with 48 taps, at 4.3 kHz with 14.
    """
    length = taps * PHASES
    time = (np.arange(length) - (length - 1) / 2) / PHASES
    beta = 0.1102 * (_ATTENUATION_DB - 8.7)
    linear = np.sinc(time) * np.kaiser(length, beta)
    magnitude = np.abs(np.fft.fft(linear / linear.sum(), _FFT_SIZE))
    cepstrum = np.fft.ifft(np.log(np.maximum(magnitude, _CEPSTRUM_FLOOR))).real
    cepstrum[1 : _FFT_SIZE // 2] *= 2
    cepstrum[_FFT_SIZE // 2 + 1 :] = 0
    causal = np.fft.ifft(np.exp(np.fft.fft(cepstrum))).real[:length].copy()
    normal: Float64 = PHASES * causal / causal.sum()
    return normal


def _farrow(taps: int, order: int) -> Float64:
    """`[order + 1, taps]`: powers of the place minus 1/2, for each tap."""
    places = np.arange(-int(_MARGIN * PHASES), int((1 + _MARGIN) * PHASES) + 1)
    padded = np.concatenate([np.zeros(PHASES), bank(taps), np.zeros(2 * PHASES)])
    index = places[:, None] + PHASES * np.arange(1, taps + 1)[None]
    powers = np.vander(places / PHASES - 0.5, order + 1, increasing=True)
    fit: Float64 = np.linalg.lstsq(powers, padded[index], rcond=None)[0]
    return fit


@dataclass(frozen=True, slots=True)
class _Kernel:
    """An interpolating filter that makes `block` samples of a window of samples.

    `matrices` is `[order + 1, window, block]`, the filter of each power of the place.
    Blocks of 16 and 20 are the quickest of 10 to 40 for batches of 1 to 32.
    """

    taps: int
    window: int
    block: int
    matrices: Float32

    def interpolate(self, windows: Float32, place: Float32) -> Float32:
        """`[m, block]` of `[m, window]`, each sample at its place minus 1/2."""
        # A product for each power: the passes over it then find it in one piece,
        # which saves a quarter of all against one product for all powers.
        powers = np.matmul(windows, self.matrices)
        value: Float32 = powers[-1]
        for power in powers[-2::-1]:
            value *= place
            value += power
        return value


def _kernel(taps: int, order: int, block: int) -> _Kernel:
    window = taps - 1 + block
    matrices = np.zeros((order + 1, window, block), np.float32)
    farrow = _farrow(taps, order)[:, ::-1]
    for column in range(block):
        matrices[:, column : column + taps, column] = farrow
    return _Kernel(taps, window, block, matrices)


@functools.cache
def _wide() -> _Kernel:
    """Error -117 dB to 3.4 kHz, -98 dB to 6 kHz, -74 dB at 7 kHz."""
    return _kernel(TAPS, order=6, block=20)


@functools.cache
def _narrow() -> _Kernel:
    """Error -98 dB to 4 kHz."""
    return _kernel(_NARROW_TAPS, order=5, block=16)


class RateMatcher:
    """Plays each of `capacity` rows a little faster or slower."""

    def __init__(self, capacity: int) -> None:
        self._history = History(capacity, TAPS - 1)
        self._place = [0.0] * capacity  # of the next sample, in samples that come
        self._wide, self._narrow = _wide(), _narrow()

    def reset(self, row: int) -> None:
        """Forget what `row` has heard."""
        self._history.reset(row)
        self._place[row] = 0.0

    def process(
        self, rows: Rows, samples: Float32, ratio: Float64, *, narrow: bool = False
    ) -> tuple[Float32, Counts]:
        """`[k, n]` of `rows` to `[k, m]`, of whose row i the first `counts[i]` count.

        `ratio[i]` is samples out for each sample in, within 2000 ppm of 1; what lies
        beyond a row's count is zero. `narrow` says that next to nothing lies above
        4 kHz.
        """
        kernel = self._narrow if narrow else self._wide
        first, slide, counts = self._plan(rows, ratio, samples.shape[1])
        most = max(counts)
        blocks = -(-most // kernel.block)
        size = blocks * kernel.block
        work = self._history.before(rows, samples, size + _spare(size))
        windows, place = _cut(kernel, work, blocks, first, slide)
        produced = kernel.interpolate(windows, place).reshape(len(rows), size)
        exact = np.array(counts, np.intp)
        for column in range(min(counts), most):
            produced[exact <= column, column] = 0
        return produced[:, :most], exact

    def _plan(
        self, rows: Rows, ratio: Float64, length: int
    ) -> tuple[list[float], list[float], list[int]]:
        """Of each row: first place minus 1/2, what a sample adds to it, how many leave.

        In plain numbers: up to 30 rows quicker than a dozen calls of numpy, for one row
        seven times.
        """
        first, slide, counts = [], [], []
        for row, wanted in zip(rows.tolist(), ratio.tolist(), strict=True):
            step = 1 / min(max(wanted, _LEAST_RATIO), _MOST_RATIO)
            place = self._place[row]
            count = math.ceil((length - place) / step)
            self._place[row] = place + count * step - length
            first.append(place - 0.5)
            slide.append(step - 1)
            counts.append(count)
        return first, slide, counts


def _spare(size: int) -> int:
    """How much further than `size` the input may reach, and a window that slips."""
    return 2 + int(size * MOST_PPM * 1e-6)


def _cut(
    kernel: _Kernel, work: Float32, blocks: int, first: list[float], slide: list[float]
) -> tuple[Float32, Float32]:
    """`[k * blocks, window]` of each block, `[k * blocks, block]` places minus 1/2."""
    size = blocks * kernel.block
    place = np.array([first, slide], np.float32).T @ _EVERY_SAMPLE[:, :size]
    begin = TAPS - kernel.taps
    windows = overlapping(work, blocks, kernel.window, kernel.block, begin).copy()
    for i, (start, gain) in enumerate(zip(first, slide, strict=True)):
        if not -0.5 <= start + gain * size < 0.5:
            _slip(work[i, begin:], windows[i], place[i], kernel.block)
    return windows.reshape(-1, kernel.window), place.reshape(-1, kernel.block)


def _slip(work: Float32, windows: Float32, place: Float32, block: int) -> None:
    """Move on those windows of one row whose place does not lie within a sample.

    At 50 ppm a row comes here once in 62 frames.
    """
    moved = np.floor(place[::block] + np.float32(0.5))
    begin = np.arange(0, len(place), block) + moved.astype(np.intp)
    windows[:] = work[begin[:, None] + np.arange(windows.shape[1])]
    place -= np.repeat(moved, block)
