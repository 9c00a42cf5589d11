"""Sounds that measure: tones for level and frequency, chirps for delay.

A chirp is a linear sweep of 100 ms: cross-correlation finds it in speech and through
mu-law to a hundredth of a millisecond. Levels in dBFS count the peak: a sine that
reaches full scale has 0 dBFS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

FULL_SCALE = 32768.0
CHIRP_LOW_HZ = 400.0
CHIRP_HIGH_HZ = 3200.0
CHIRP_S = 0.100
TAPER = 0.10
ACCEPT = 0.5  # speech alone scores at most 0.18
_ZOOM = 32
_NEAR = 32
_SINE_STEPS = 4
_EARLY_NS = 20_000_000

Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TimedSound:
    """A run of pieces as one signal whose every sample has a time.

    `starts` is each piece's first sample in `samples`, `at_ns` the time of its passing
    on the monotonic clock.
    """

    samples: NDArray[np.int16]
    starts: NDArray[np.int64]
    at_ns: NDArray[np.int64]
    rate_hz: int

    @classmethod
    def of(
        cls, pieces: Sequence[NDArray[np.int16]], at_ns: Sequence[int], rate_hz: int
    ) -> Self:
        """Lay pieces end to end in the order of their passing."""
        lengths = np.array([len(piece) for piece in pieces], dtype=np.int64)
        samples = np.concatenate(pieces) if len(pieces) else np.zeros(0, np.int16)
        times = np.array(at_ns, dtype=np.int64)
        return cls(samples, np.cumsum(lengths) - lengths, times, rate_hz)

    def since(self, at_ns: int) -> TimedSound:
        """Return what passed from a moment on."""
        first = int(np.searchsorted(self.at_ns, at_ns))
        begin = int(self.starts[first]) if first < len(self.starts) else None
        samples = self.samples[begin:] if begin is not None else self.samples[:0]
        starts = self.starts[first:] - (begin or 0)
        return TimedSound(samples, starts, self.at_ns[first:], self.rate_hz)

    def time_ns(self, position: float) -> float:
        """Return when a sample passed, counted from the time of its piece.

        A place a little before a piece's first sample is that sample's: a chirp that
        begins with a piece is found there to a fraction of a sample.
        """
        nearest = round(position)
        index = max(int(np.searchsorted(self.starts, nearest, side="right")) - 1, 0)
        offset = (position - float(self.starts[index])) / self.rate_hz
        return float(self.at_ns[index]) + offset * 1e9


@dataclass(frozen=True, slots=True)
class Tone:
    """The strongest sine in a sound."""

    frequency_hz: float
    level_dbfs: float
    rest_dbfs: float
    """RMS of everything else, on the same scale."""


@dataclass(frozen=True, slots=True)
class Found:
    """A chirp in a sound: where it begins (samples) and how well it fits (0 to 1)."""

    position: float
    score: float


@dataclass(frozen=True, slots=True)
class Crossing:
    """When a chirp was sent and when it arrived, on the monotonic clock."""

    gone_ns: float
    came_ns: float

    @property
    def delay_ms(self) -> float:
        """How long it was on its way."""
        return (self.came_ns - self.gone_ns) / 1e6


def tone(
    frequency_hz: float, seconds: float, rate_hz: int = 8000, level_dbfs: float = -12
) -> NDArray[np.int16]:
    """Return a sine as int16 samples."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return _int16(np.sin(2 * np.pi * frequency_hz * time_s), level_dbfs)


def measured_tone(samples: NDArray[np.int16], rate_hz: int = 8000) -> Tone:
    """Return frequency and level of the strongest sine, by spectrum and least squares.

    Silence gives a level of -inf.
    """
    signal = samples.astype(np.float64) / FULL_SCALE
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    peak = int(np.argmax(spectrum[1:-1])) + 1
    low, mid, high = np.log(spectrum[peak - 1 : peak + 2] + 1e-12)
    curve = low - 2 * mid + high
    shift = 0.5 * (low - high) / curve if curve else 0.0
    turn = 2 * np.pi * (peak + shift) / len(signal)  # radians per sample
    amplitude, rest = 0.0, signal
    for _ in range(_SINE_STEPS):
        turn, amplitude, rest = _fitted_sine(signal, turn)
    rest_rms = float(np.sqrt(np.mean(rest**2)))
    frequency_hz = turn * rate_hz / (2 * np.pi)
    return Tone(frequency_hz, _dbfs(amplitude), _dbfs(rest_rms))


def _fitted_sine(signal: Signal, turn: float) -> tuple[float, float, Signal]:
    """One Gauss-Newton step of a sine fit (IEEE 1057): new turn, amplitude, rest.

    Amplitude and rest are those of the old turn.
    """
    steps = np.arange(len(signal)) - len(signal) / 2
    cosine, sine = np.cos(turn * steps), np.sin(turn * steps)
    pair = np.stack([cosine, sine], axis=1)
    (a, b), *_ = np.linalg.lstsq(pair, signal, rcond=None)
    rest = signal - pair @ np.array([a, b])
    slope = steps * (b * cosine - a * sine)
    energy = float(slope @ slope)
    step = float(slope @ rest) / energy if energy else 0.0
    return turn + step, float(np.hypot(a, b)), rest


def chirp(
    rate_hz: int = 8000, up: bool = True, level_dbfs: float = -12
) -> NDArray[np.int16]:
    """Return a linear sweep of 100 ms from 400 to 3200 Hz, or down."""
    return _int16(_chirp(rate_hz, up), level_dbfs)


def found_chirps(
    samples: NDArray[np.int16], rate_hz: int = 8000, up: bool = True
) -> list[Found]:
    """Return every chirp of that direction, in order, to a fraction of a sample."""
    template = _chirp(rate_hz, up)
    signal = samples.astype(np.float64)
    if len(signal) < len(template):
        return []
    correlation = _correlation(signal, template)
    norm = _local_norm(signal, template)
    scores = np.abs(correlation) / norm
    found = []
    while scores.max() >= ACCEPT:
        peak = int(np.argmax(scores))
        position, height = _refined(correlation, peak)
        found.append(Found(position, min(height / float(norm[peak]), 1.0)))
        scores[max(0, peak - len(template)) : peak + len(template)] = 0
    return sorted(found, key=lambda chirp: chirp.position)


def crossings(
    sent: TimedSound, received: TimedSound, up: bool = True
) -> list[Crossing]:
    """Return each chirp's way, from a sample's sending to the same one's arrival.

    The first chirp heard after one was sent and before the next was is its echo; a
    chirp that never came is left out. An echo may seem to come up to a piece early: a
    chirp that a resampler has moved by a sample is timed by the piece before.
    """
    gone = _times_ns(sent, up)
    came = _times_ns(received, up)
    found = []
    for index, start in enumerate(gone):
        end = gone[index + 1] if index + 1 < len(gone) else np.inf
        echoes = [at for at in came if start <= at + _EARLY_NS < end]
        if echoes:
            found.append(Crossing(start, echoes[0]))
    return found


def delays_ms(sent: TimedSound, received: TimedSound, up: bool = True) -> list[float]:
    """Return the delay of each chirp that arrived; see `crossings`."""
    return [crossing.delay_ms for crossing in crossings(sent, received, up)]


def _times_ns(sound: TimedSound, up: bool) -> list[float]:
    found = found_chirps(sound.samples, sound.rate_hz, up)
    return [sound.time_ns(chirp.position) for chirp in found]


def _chirp(rate_hz: int, up: bool) -> Signal:
    count = round(CHIRP_S * rate_hz)
    time_s = np.arange(count) / rate_hz
    slope = (CHIRP_HIGH_HZ - CHIRP_LOW_HZ) / CHIRP_S
    sweep = np.sin(2 * np.pi * (CHIRP_LOW_HZ * time_s + slope * time_s**2 / 2))
    ramp = round(count * TAPER / 2)
    edge = 0.5 - 0.5 * np.cos(np.pi * (np.arange(ramp) + 0.5) / ramp)
    sweep[:ramp] *= edge
    sweep[-ramp:] *= edge[::-1]
    return sweep if up else sweep[::-1].copy()


def _correlation(signal: Signal, template: Signal) -> Signal:
    size = 1 << int(len(signal) + len(template)).bit_length()
    product = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(template, size))
    whole: Signal = np.fft.irfft(product, size)
    return whole[: len(signal) - len(template) + 1]


def _local_norm(signal: Signal, template: Signal) -> Signal:
    total = np.concatenate([[0.0], np.cumsum(signal**2)])
    energy = total[len(template) :] - total[: -len(template)]
    # An absolute floor keeps a few quantisation steps from looking like a chirp.
    floor = len(template) * 8.0**2
    norm: Signal = np.sqrt(np.maximum(energy, floor)) * np.linalg.norm(template)
    return norm


def _refined(correlation: Signal, peak: int) -> tuple[float, float]:
    """Place and height of the maximum by ``peak``: interpolated by 32, a parabola."""
    start, end = max(0, peak - _NEAR), min(len(correlation), peak + _NEAR)
    near = correlation[start:end]
    if len(near) < 2 * _NEAR:
        return float(peak), abs(float(correlation[peak]))
    spectrum = np.fft.rfft(near * np.hanning(len(near)))
    fine = np.abs(np.fft.irfft(spectrum, len(near) * _ZOOM)) * _ZOOM
    top = int(np.argmax(fine[1:-1])) + 1
    low, mid, high = fine[top - 1 : top + 2]
    curve = low - 2 * mid + high
    shift = 0.5 * (low - high) / curve if curve else 0.0
    return start + (top + shift) / _ZOOM, float(mid)


def _int16(signal: Signal, level_dbfs: float) -> NDArray[np.int16]:
    scaled = signal * 10 ** (level_dbfs / 20) * FULL_SCALE
    return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)


def _dbfs(amplitude: float) -> float:
    return 20 * float(np.log10(amplitude)) if amplitude > 0 else -np.inf
