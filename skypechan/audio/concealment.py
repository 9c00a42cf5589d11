"""What is heard in place of audio that is not there, and cuts that are not heard.

Missing audio is bridged by the last pitch period, repeated: the seams overlap by half
a period, the join to what was heard last is carried as an offset that dies within 8
samples, and from 5 to 60 ms the whole fades to silence. Audio that returns is
cross-faded over 6 ms. The pitch is sought at 4 kHz and refined at the full rate.
This is the idea of ITU-T G.711 Appendix I without its delay.

To get rid of audio, a splice removes a stretch whose two ends look alike, at most
12.5 ms, a pitch period; a skip removes any length, its seam moved to where the ends
fit best.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from skypechan.audio.pcm import FULL_SCALE, Float32, Int16

_SEARCH_HZ = 4_000
_SHORTEST_S, _LONGEST_S = 0.0025, 0.015  # 400 to 67 Hz
_WINDOW_S = 0.0065
_HISTORY_S = 0.060
_JOIN_SAMPLES = 8
_HOLD_S, _SILENT_S = 0.005, 0.060
_FADE_S = 0.006
_QUIET = 0.003 * FULL_SCALE  # -50 dBFS: any seam will do
_NEARLY = 0.03
_ALIKE = 0.7  # correlation of the two ends of a splice
_SPLICE_S = 0.0125


class Concealer:
    """One call's audio as it is played, at `rate_hz`, and what stands in for it."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._history: deque[Int16] = deque()  # in pieces, put together when needed
        self._kept = int(_HISTORY_S * rate_hz)
        self._over = -self._kept  # samples beyond what is needed
        self._remember(np.zeros(self._kept, np.int16))
        self._period = np.zeros(1, np.float32)
        self._join = np.float32(0)
        self._made = 0  # samples made since audio was heard

    @property
    def is_silent(self) -> bool:
        """Whether a gap has lasted so long that it is silence by now."""
        return self._made >= _SILENT_S * self._rate_hz

    def heard(self, pcm: Int16) -> Int16:
        """Audio is here: `[n]` as it is to be played, cross-faded behind a gap."""
        if self._made and len(pcm):
            length = min(int(_FADE_S * self._rate_hz), len(pcm))
            pcm = pcm.copy()
            pcm[:length] = crossfaded(self._make(length), pcm[:length])
            self._made = 0
        self._remember(pcm)
        return pcm

    def conceal(self, length: int) -> Int16:
        """`[length]` in place of audio that is missing."""
        if not self._made:
            self._find_period()
        made: Int16 = np.rint(self._make(length)).astype(np.int16)
        self._made += length
        return made

    def _remember(self, pcm: Int16) -> None:
        self._history.append(pcm.copy())
        self._over += len(pcm)
        while self._over >= len(self._history[0]):
            self._over -= len(self._history.popleft())

    def _make(self, length: int) -> Float32:
        time = np.arange(self._made, self._made + length)
        made = self._period[time % len(self._period)]
        join = self._join * np.maximum(1 - time / _JOIN_SAMPLES, 0)
        hold, silent = _HOLD_S * self._rate_hz, _SILENT_S * self._rate_hz
        fade = np.clip((silent - time) / (silent - hold), 0, 1)
        faded: Float32 = ((made + join) * fade).astype(np.float32)
        return faded

    def _find_period(self) -> None:
        history = np.concatenate(self._history)[-self._kept :].astype(np.float32)
        length = pitch_period(history, self._rate_hz)
        half = length // 2
        period = history[-length:].copy()
        period[-half:] = _blend(period[-half:], history[-length - half : -length])
        self._join = history[-1] - history[-length - 1]
        self._period = period


def pitch_period(history: Float32, rate_hz: int) -> int:
    """The samples after which `[n]`, at least 40 ms, repeats itself best at its end."""
    ratio = rate_hz // _SEARCH_HZ
    usable = len(history) // ratio * ratio
    coarse = history[-usable:].reshape(-1, ratio).mean(axis=1)
    lags = np.arange(
        int(_SHORTEST_S * _SEARCH_HZ), int(_LONGEST_S * _SEARCH_HZ) + 1, dtype=np.intp
    )
    best = _best_lag(coarse, lags, int(_WINDOW_S * _SEARCH_HZ)) * ratio
    near = np.arange(best - ratio + 1, best + ratio, dtype=np.intp)
    return _best_lag(history, near, int(_WINDOW_S * rate_hz))


def _best_lag(signal: Float32, lags: np.ndarray, window: int) -> int:
    """The lag at which the last `window` samples correlate best with earlier ones."""
    end = len(signal)
    last = signal[-window:]
    earlier = np.stack(
        [signal[end - window - lag : end - lag] for lag in lags.tolist()]
    )
    energy = np.einsum("ij,ij->i", earlier, earlier)
    score = (earlier @ last) / np.sqrt(energy + 1.0)
    return int(lags[int(np.argmax(score))])


def crossfaded(leaving: Float32 | Int16, coming: Float32 | Int16) -> Int16:
    """`[n]` that begins as `leaving` and ends as `coming`, of the same length."""
    mixed: Int16 = np.rint(_blend(leaving, coming)).astype(np.int16)
    return mixed


def _blend(leaving: Float32 | Int16, coming: Float32 | Int16) -> Float32:
    share = np.arange(1, len(coming) + 1, dtype=np.float32) / (len(coming) + 1)
    blend = leaving * (1 - share) + coming * share
    return blend.astype(np.float32)


def spliced(pcm: Int16, rate_hz: int, anyhow: bool = False) -> Int16:
    """`[n]` shorter by up to 12.5 ms where that is not heard, else as it was.

    `anyhow` takes the best place even if it is not a good one. Needs 20 ms.
    """
    fade = int(_FADE_S * rate_hz)
    lags = np.arange(
        int(_SHORTEST_S * rate_hz), int(_SPLICE_S * rate_hz), dtype=np.intp
    )
    if len(pcm) < lags[-1] + fade:
        return pcm
    signal = pcm.astype(np.float32)
    lag, score = _best_seam(signal[:fade], signal, lags)
    if score < _ALIKE and not anyhow and np.abs(signal[: lag + fade]).max() > _QUIET:
        return pcm
    seam = crossfaded(signal[:fade], signal[lag : lag + fade])
    return np.concatenate([seam, pcm[lag + fade :]])


def skipped(pcm: Int16, length: int, rate_hz: int) -> Int16:
    """`[n]` without about its first `length` samples; goes on from where they began."""
    fade, reach = int(_FADE_S * rate_hz), int(_SPLICE_S * rate_hz)
    first = max(length - reach, 0)
    most = min(length, len(pcm) - fade)
    if most < first:
        return pcm[length:]
    signal = pcm.astype(np.float32)
    lag, _ = _best_seam(
        signal[:fade], signal, np.arange(first, most + 1, dtype=np.intp)
    )
    seam = crossfaded(signal[:fade], signal[lag : lag + fade])
    return np.concatenate([seam, pcm[lag + fade :]])


def _best_seam(head: Float32, signal: Float32, lags: np.ndarray) -> tuple[int, float]:
    """Where in `signal` something most like `head` lies, and how like it is, to 1.

    Of several that are nearly the best it is the last.
    """
    windows = np.lib.stride_tricks.sliding_window_view(signal, len(head))[lags]
    energy = np.einsum("ij,ij->i", windows, windows) * (head @ head)
    score = (windows @ head) / np.sqrt(energy + 1.0)
    best = int(np.flatnonzero(score >= score.max() - _NEARLY)[-1])
    return int(lags[best]), float(score[best])
