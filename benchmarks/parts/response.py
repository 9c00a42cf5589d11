"""What a resampler does to tones and to silence, measured through its live interface.

Pieces of 20 ms go in, as in a call. Gains and phases are of least-squares fits to
single tones in float32, so that rounding hides nothing; distortion and silence are
measured with 16-bit samples in and out, as in a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.parts.resamplers import Int16, Resampler, Stream
from skypechan.audio.ratematch import RateMatcher

_PIECE_S = 0.020
_SETTLE_S, _TONE_S = 0.3, 0.5
_AMPLITUDE = 0.5
_NARROW_HZ, _WIDE_HZ = 8_000, 16_000
# So close that a delay of 5 ms turns the phase by a quarter between two of them.
_PASS_HZ = np.arange(100, 3401, 50)
_EDGE_HZ = np.arange(3400, 4000, 10)
# At 4000 Hz itself what is measured would hang on the tone's phase.
_STOP_HZ = np.append(np.arange(4005, 4600, 20), np.arange(4600, 8000, 100))
_IMAGED_HZ = np.append(np.arange(100, 3400, 100), np.arange(3415, 4000, 20))
_DISTORTION_HZ, _DISTORTION_DBFS = 997.0, -1.0
_TIMED = 300

Signal = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Response:
    """One direction of one resampler. Frequencies in Hz, levels in dB.

    `delay_ms` is the group delay at 1 kHz of what comes out, `spread_ms` its spread
    from 300 to 3400 Hz, `held_ms` the most that went in and had not come out at the
    end of a piece, `rejection_db` how far the worst alias or image from 4000 Hz on is
    below its tone, `idle_peak` the largest sample that silence gives.
    """

    ripple_db: float
    edge_hz: float
    rejection_db: float
    delay_ms: float
    spread_ms: float
    held_ms: float
    thd_n_db: float
    idle_peak: int
    frame_us: float


def measure(resampler: Resampler, from_hz: int, to_hz: int) -> Response:
    """Measure every figure of one direction."""

    def gains(frequencies: NDArray[np.int64]) -> NDArray[np.complex128]:
        return np.array([_gain(resampler, from_hz, to_hz, f, f) for f in frequencies])

    passing = gains(_PASS_HZ)
    level_db = _db(passing)
    edge_db = _db(gains(_EDGE_HZ))
    stray = _STOP_HZ if to_hz < from_hz else _IMAGED_HZ
    strays = [
        _gain(resampler, from_hz, to_hz, f, _NARROW_HZ - f) for f in stray.tolist()
    ]
    delays_ms = _group_delays_ms(passing)
    at_1k = int(np.flatnonzero(_PASS_HZ == 1000)[0])
    speech = _PASS_HZ >= 300
    within = _EDGE_HZ[edge_db >= -0.5]
    return Response(
        ripple_db=float(np.abs(level_db).max()),
        edge_hz=float(within.max()) if len(within) else 0.0,
        rejection_db=float(-_db(np.array(strays)).max()),
        delay_ms=float(delays_ms[at_1k]),
        spread_ms=float(np.ptp(delays_ms[1:-1][speech[1:-1]])),
        held_ms=_held_ms(resampler.make(from_hz, to_hz), from_hz, to_hz),
        thd_n_db=_thd_n_db(resampler.make_int16(from_hz, to_hz), from_hz, to_hz),
        idle_peak=_idle_peak(resampler.make_int16(from_hz, to_hz), from_hz),
        frame_us=_frame_us(resampler.make(from_hz, to_hz), from_hz),
    )


def down_and_up(resampler: Resampler) -> tuple[Response, Response]:
    """Measure 16 to 8 kHz, and 8 to 16 kHz."""
    return (
        measure(resampler, _WIDE_HZ, _NARROW_HZ),
        measure(resampler, _NARROW_HZ, _WIDE_HZ),
    )


def _db(gain: NDArray[np.complex128]) -> Signal:
    return 20 * np.log10(np.maximum(np.abs(gain), 1e-12))


def _run(
    process: Callable[[Any], Any], samples: NDArray[Any], piece: int
) -> NDArray[Any]:
    pieces = [samples[at : at + piece] for at in range(0, len(samples), piece)]
    return np.concatenate([np.array(process(one)) for one in pieces])


def _gain(
    resampler: Resampler, from_hz: int, to_hz: int, sent_hz: float, heard_hz: float
) -> complex:
    """Gain and phase from a tone to what there is at another frequency."""
    seconds = _SETTLE_S + _TONE_S
    time_s = np.arange(round(seconds * from_hz)) / from_hz
    tone = (_AMPLITUDE * np.cos(2 * np.pi * sent_hz * time_s)).astype(np.float32)
    stream = resampler.make(from_hz, to_hz)
    out = _run(stream.process, tone, round(_PIECE_S * from_hz)).astype(np.float64)
    start, stop = round(_SETTLE_S * to_hz), round(seconds * to_hz)
    held = out[start:stop]
    times = np.arange(start, start + len(held)) / to_hz
    window = np.hanning(len(held))
    turn = np.exp(-2j * np.pi * heard_hz * times)
    return complex(2 * (held * window * turn).sum() / window.sum() / _AMPLITUDE)


def _group_delays_ms(gains: NDArray[np.complex128]) -> Signal:
    """Of the inner points of the pass band's grid, one shorter at each end."""
    phase = np.unwrap(np.angle(gains))
    slope = (phase[2:] - phase[:-2]) / (_PASS_HZ[2:] - _PASS_HZ[:-2])
    delays: Signal = np.concatenate([[0], -slope / (2 * np.pi) * 1000, [0]])
    return delays


def _held_ms(stream: Stream, from_hz: int, to_hz: int) -> float:
    piece = np.zeros(round(_PIECE_S * from_hz), np.float32)
    given_s = taken_s = most_s = 0.0
    for _ in range(round(1 / _PIECE_S)):
        taken_s += len(stream.process(piece)) / to_hz
        given_s += _PIECE_S
        most_s = max(most_s, given_s - taken_s)
    return most_s * 1000


def _thd_n_db(process: Callable[[Int16], Int16], from_hz: int, to_hz: int) -> float:
    time_s = np.arange(round(1.5 * from_hz)) / from_hz
    amplitude = 32768 * 10 ** (_DISTORTION_DBFS / 20)
    sine = np.rint(amplitude * np.sin(2 * np.pi * _DISTORTION_HZ * time_s))
    out = _run(process, sine.astype(np.int16), round(_PIECE_S * from_hz))
    held = out[round(0.5 * to_hz) : round(1.3 * to_hz)].astype(np.float64)
    return _residue_db(held, _DISTORTION_HZ / to_hz)


def _residue_db(signal: Signal, turns: float) -> float:
    """What is not the tone of so many turns a sample, against the tone."""
    angle = 2 * np.pi * turns * np.arange(len(signal))
    basis = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    fit, *_ = np.linalg.lstsq(basis, signal, rcond=None)
    tone = basis @ fit
    ratio = np.sqrt(np.mean((signal - tone) ** 2) / np.mean(tone**2))
    return float(20 * np.log10(max(ratio, 1e-12)))


def _idle_peak(process: Callable[[Int16], Int16], from_hz: int) -> int:
    """The largest sample of a second of silence that follows on start."""
    silence = np.zeros(from_hz, np.int16)
    return int(np.abs(_run(process, silence, round(_PIECE_S * from_hz))).max(initial=0))


def _frame_us(stream: Stream, from_hz: int) -> float:
    piece = np.zeros(round(_PIECE_S * from_hz), np.float32)
    began_s = time.process_time()
    for _ in range(_TIMED):
        stream.process(piece)
    return (time.process_time() - began_s) / _TIMED * 1e6


def matcher_purity_db(frequency_hz: float, ppm: float) -> float:
    """What the rate matcher adds to a tone, against the tone: purity at a drift."""
    matcher, row = RateMatcher(1), np.zeros(1, np.intp)
    samples = np.sin(2 * np.pi * frequency_hz * np.arange(2 * _WIDE_HZ) / _WIDE_HZ)
    ratio, heard = np.array([1 + ppm * 1e-6]), []
    for piece in samples.astype(np.float32).reshape(-1, 1, 320):
        out, counts = matcher.process(row, piece, ratio)
        heard.append(out[0, : counts[0]])
    signal = np.concatenate(heard)[_WIDE_HZ // 2 :].astype(np.float64)
    return _residue_db(signal, frequency_hz / _WIDE_HZ / ratio[0])
