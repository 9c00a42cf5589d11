"""Streaming resamplers between 16 and 8 kHz under one interface: ours and rivals.

speex is the library of Debian's package libspeexdsp1 (baresip needs it, so it is there)
with quality 5 and 16-bit samples where 16 bit are asked for: what Asterisk's
codec_resample does. soxr and libsamplerate come from PyPI (the extra `bench`). The way
of skypiax keeps every other sample, and writes each sample twice.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from skypechan.audio.pcm import to_int16
from skypechan.audio.resampler import Downsampler, Upsampler

Float = NDArray[np.float32]
Int16 = NDArray[np.int16]

_ROW = np.zeros(1, np.intp)
_SPEEX_LIBRARY = "libspeexdsp.so.1"
_ASTERISKS_QUALITY = 5


class Stream(Protocol):
    """One direction of one call."""

    def process(self, samples: Float) -> Float:
        """The next `[n]` to what is ready; full scale is 1.0."""


@dataclass(frozen=True, slots=True)
class Resampler:
    """A way to resample. `make(from, to)` starts a stream between two rates."""

    name: str
    make: Callable[[int, int], Stream]
    make_int16: Callable[[int, int], Callable[[Int16], Int16]]


class _Ours:
    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._stage = Downsampler(1) if to_hz < from_hz else Upsampler(1)

    def process(self, samples: Float) -> Float:
        return self._stage.process(_ROW, samples[None])[0]


class _Skypiax:
    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._down = to_hz < from_hz

    def process(self, samples: Float) -> Float:
        return samples[::2] if self._down else np.repeat(samples, 2)


class _Soxr:
    def __init__(self, from_hz: int, to_hz: int) -> None:
        import soxr

        self._stream = soxr.ResampleStream(from_hz, to_hz, 1, "float32", "HQ")

    def process(self, samples: Float) -> Float:
        return self._stream.resample_chunk(samples)


class _Samplerate:
    def __init__(self, kind: str, from_hz: int, to_hz: int) -> None:
        import samplerate

        self._stream = samplerate.Resampler(kind)
        self._ratio = to_hz / from_hz

    def process(self, samples: Float) -> Float:
        return self._stream.process(samples, self._ratio)


class _Speex:
    """speex_resampler_* of the library, for float or 16-bit samples."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._library = ctypes.CDLL(_SPEEX_LIBRARY)
        self._library.speex_resampler_init.restype = ctypes.c_void_p
        error = ctypes.c_int()
        self._state = ctypes.c_void_p(
            self._library.speex_resampler_init(
                1, from_hz, to_hz, _ASTERISKS_QUALITY, ctypes.byref(error)
            )
        )
        self._ratio = to_hz / from_hz

    def process(self, samples: Float) -> Float:
        return self._run(self._library.speex_resampler_process_float, samples)

    def process_int16(self, samples: Int16) -> Int16:
        return self._run(self._library.speex_resampler_process_int, samples)

    def _run(self, function: Any, samples: NDArray[Any]) -> NDArray[Any]:
        samples = np.ascontiguousarray(samples)
        out = np.zeros(int(len(samples) * self._ratio) + 64, samples.dtype)
        taken, made = ctypes.c_uint32(len(samples)), ctypes.c_uint32(len(out))
        function(
            self._state,
            0,
            samples.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(taken),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(made),
        )
        return out[: made.value]

    def __del__(self) -> None:
        self._library.speex_resampler_destroy(self._state)


def _rounding(
    make: Callable[[int, int], Stream],
) -> Callable[[int, int], Callable[[Int16], Int16]]:
    def start(from_hz: int, to_hz: int) -> Callable[[Int16], Int16]:
        stream = make(from_hz, to_hz)

        def process(pcm: Int16) -> Int16:
            samples = stream.process((pcm / np.float32(32768)).astype(np.float32))
            out = np.empty(len(samples), np.int16)
            to_int16(np.array(samples, np.float32), out)
            return out

        return process

    return start


def _rounded(name: str, make: Callable[[int, int], Stream]) -> Resampler:
    return Resampler(name, make, _rounding(make))


OURS = _rounded("ours", _Ours)
SKYPIAX = _rounded("skypiax", _Skypiax)


def rivals() -> tuple[list[Resampler], list[str]]:
    """Return the rivals of this machine, and what is missing in words."""
    found, missing = [], []
    try:
        ctypes.CDLL(_SPEEX_LIBRARY)
    except OSError:
        missing.append("speex (Debian's package libspeexdsp1)")
    else:
        speex = Resampler("speex q5", _Speex, lambda a, b: _Speex(a, b).process_int16)
        found.append(speex)
    if importlib.util.find_spec("soxr"):
        found.append(_rounded("soxr HQ", _Soxr))
    else:
        missing.append("soxr")
    if importlib.util.find_spec("samplerate"):
        for kind, name in (("sinc_medium", "medium"), ("sinc_best", "best")):
            found.append(
                _rounded(
                    f"libsamplerate {name}",
                    lambda a, b, kind=kind: _Samplerate(kind, a, b),
                )
            )
    else:
        missing.append("samplerate")
    return [*found, SKYPIAX], missing
