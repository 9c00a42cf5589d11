"""PCM at the borders: 16-bit samples in and out, float32 between, G.711 tables.

Full scale is 1.0 in float32 and 32768 in int16. The way in and back is exact, so a
chain that changes nothing is bit-transparent. dBFS: a square wave at full scale is
0 dBFS, a sine at full scale -3.01 dBFS.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Int16 = npt.NDArray[np.int16]
Float32 = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]

FULL_SCALE = 32768
MOST = 1 - 0.5 / FULL_SCALE  # float32 from here on, or below -1, saturates
SAMPLE_BYTES = 2
_FULL_SCALE, _STEP = np.float32(FULL_SCALE), np.float32(1 / FULL_SCALE)


@dataclass(frozen=True, slots=True)
class PcmFormat:
    """Signed 16-bit little-endian mono PCM at `rate_hz`, in frames of `ptime_ms`."""

    rate_hz: int
    ptime_ms: int = 20

    @property
    def frame_samples(self) -> int:
        """Samples in one frame."""
        return self.rate_hz * self.ptime_ms // 1000

    @property
    def frame_bytes(self) -> int:
        """Bytes in one frame."""
        return self.frame_samples * SAMPLE_BYTES

    def milliseconds(self, byte_count: int) -> float:
        """How long `byte_count` bytes play."""
        return byte_count * 1000 / (self.rate_hz * SAMPLE_BYTES)


def to_float(pcm: Int16) -> Float32:
    """int16 of any shape to float32, full scale 1.0."""
    return pcm * _STEP


def to_int16(samples: Float32, out: npt.NDArray[Any], *, saturate: bool = True) -> None:
    """Round and saturate float32 into the int16 array `out`; `samples` is spent.

    Without `saturate`, where nothing `saturates`, two of four passes are saved.
    """
    samples *= _FULL_SCALE
    if saturate:
        np.minimum(samples, _FULL_SCALE - 1, out=samples)
        np.maximum(samples, -_FULL_SCALE, out=samples)
    np.rint(samples, out=out, casting="unsafe")


def saturates(samples: Float32) -> bool:
    """Whether any sample would be rounded to what int16 does not hold."""
    if not samples.size:
        return False
    # Each of the two takes a third of the time of `max()`.
    most, least = samples.argmax(), samples.argmin()
    return samples.item(most) >= MOST or samples.item(least) < -1


def peaks_of(samples: Float32) -> list[float]:
    """The largest magnitude in each row of `[k, n]`."""
    peaks: list[float] = np.abs(samples).max(axis=1).tolist()
    return peaks


def from_bytes(payload: bytes | bytearray | memoryview) -> Int16:
    """Little-endian samples of `payload`; raises ValueError for half a sample."""
    return np.frombuffer(payload, "<i2").astype(np.int16, copy=False)


def ulaw_decode(payload: bytes | bytearray | memoryview) -> Int16:
    """One int16 sample for each mu-law byte (ITU-T G.711)."""
    return _ulaw_table()[np.frombuffer(payload, np.uint8)]


def alaw_decode(payload: bytes | bytearray | memoryview) -> Int16:
    """One int16 sample for each A-law byte (ITU-T G.711)."""
    return _alaw_table()[np.frombuffer(payload, np.uint8)]


@functools.cache
def _ulaw_table() -> Int16:
    """G.711 mu-law: bits inverted; sign, 3 bits of segment, 4 of step, bias 33."""
    code = ~np.arange(256, dtype=np.uint8)
    segment = (code >> 4 & 7).astype(np.int32)
    step = (code & 15).astype(np.int32)
    magnitude = ((2 * step + 33 << segment) - 33) * 4
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


@functools.cache
def _alaw_table() -> Int16:
    """G.711 A-law: even bits inverted; sign, 3 bits of segment, 4 of step."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment = (code >> 4 & 7).astype(np.int32)
    step = (code & 15).astype(np.int32)
    linear = 2 * step + 1
    exponential = 2 * step + 33 << np.maximum(segment - 1, 0)
    magnitude = np.where(segment == 0, linear, exponential) * 8
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)
