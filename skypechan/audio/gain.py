"""Gain in dB for many calls: ramped when it changes, limited when it boosts.

A boost never clips hard: blocks of 1 ms whose peak would pass -1 dBFS are turned
down at once and released over 80 ms. The limiter does not look ahead, so it adds no
delay. A row at 0 dB that is neither ramping nor still releasing is left untouched,
bit by bit.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from skypechan.audio.pcm import Float32, Int16, Rows

LEAST_GAIN_DB = -40.0
MOST_GAIN_DB = 40.0
CEILING = 0.891  # -1 dBFS
_KNEE = 0.95  # what the attack was too slow for bends from here on
_RELEASE_S = 0.080
_BLOCKS_A_SECOND = 1000
_ATTACK_SHARE = 5  # a fifth of the block
_RELEASED = 1e-4  # a reduction of 0.001 dB ends here
_ACTING = 0.01  # a reduction of 0.09 dB counts as limiting
_FADE_S = 0.005


def check_gain(gain_db: float) -> None:
    """Raise ValueError unless the gain lies within -40 to 40 dB."""
    if not LEAST_GAIN_DB <= gain_db <= MOST_GAIN_DB:
        raise ValueError(f"a gain of {gain_db} dB is not within -40 to 40 dB")


class Gain:
    """Gain, mute and peak limiter at `rate_hz` for `capacity` calls."""

    def __init__(self, capacity: int, rate_hz: int) -> None:
        self._block = rate_hz // _BLOCKS_A_SECOND
        self._target = np.ones(capacity, np.float32)
        self._current = np.ones(capacity, np.float32)
        self._reduction = np.zeros(capacity, np.float32)
        self._busy = np.zeros(capacity, np.bool_)
        time = np.arange(1, self._block + 1, dtype=np.float32)
        self._release_shape = time / self._block
        self._attack_shape = np.minimum(time * _ATTACK_SHARE / self._block, 1)

    def reset(self, row: int, gain_db: float = 0.0, muted: bool = False) -> None:
        """Start a call with this gain, without a ramp."""
        self._reduction[row] = 0
        self.set(row, gain_db, muted)
        self._current[row] = self._target[row]
        self._busy[row] = self._target[row] != 1

    def set(self, row: int, gain_db: float, muted: bool = False) -> None:
        """Reach this gain within the call's next frame.

        Raises ValueError outside -40 to 40 dB.
        """
        check_gain(gain_db)
        self._target[row] = 0 if muted else 10 ** (gain_db / 20)
        self._busy[row] = True

    def process(self, rows: Rows, samples: Float32) -> npt.NDArray[np.intp] | None:
        """Apply to `[k, n]` of calls `rows`, in place.

        Returns how many samples of each row were limited, None where none was: the
        usual case.
        """
        busy = self._busy[rows]
        count = np.count_nonzero(busy)
        if not count:
            return None
        if count == len(rows):
            return self._apply(rows, samples)
        chosen = np.flatnonzero(busy)
        louder = samples[chosen]
        acting = self._apply(rows[chosen], louder)
        samples[chosen] = louder
        if acting is None:
            return None
        limited = np.zeros(len(rows), np.intp)
        limited[chosen] = acting
        return limited

    def _apply(self, rows: Rows, samples: Float32) -> npt.NDArray[np.intp] | None:
        current, target = self._current[rows], self._target[rows]
        if np.count_nonzero(current != target):
            change = (target - current)[:, None] * _ramp(samples.shape[1])
            samples *= current[:, None] + change
            self._current[rows] = target
        else:  # a ramp of one gain takes ten times as long
            samples *= target[:, None]
        loudest = max(samples.max(), -samples.min())
        if loudest <= CEILING and not np.count_nonzero(self._reduction[rows]):
            self._busy[rows] = target != 1
            return None
        limited = self._limit(rows, samples, np.maximum(current, target) > 1)
        self._busy[rows] = (target != 1) | (self._reduction[rows] > 0)
        return limited

    def _limit(
        self, rows: Rows, samples: Float32, boosted: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.intp]:
        """Turn down what is too loud; only boosted rows start, all may release."""
        count, length = samples.shape
        blocks = -(-length // self._block)
        padded = np.zeros((count, blocks * self._block), np.float32)
        np.abs(samples, out=padded[:, :length])
        peaks = padded.reshape(count, blocks, self._block).max(axis=2)
        wanted = 1 - CEILING / np.maximum(peaks, CEILING)
        wanted[~boosted] = 0
        limited = np.zeros(count, np.intp)
        chosen = np.flatnonzero(wanted.any(axis=1) | (self._reduction[rows] > 0))
        if chosen.size:
            louder = samples[chosen]
            limited[chosen] = self._turn_down(rows[chosen], louder, wanted[chosen])
            samples[chosen] = louder
        return limited

    def _turn_down(
        self, rows: Rows, samples: Float32, wanted: Float32
    ) -> npt.NDArray[np.intp]:
        """Reduce by what each block wants or what earlier ones have left, in place."""
        count, length = samples.shape
        before = self._reduction[rows]
        after = _released(before, wanted)
        self._reduction[rows] = after[:, -1]
        before = np.concatenate([before[:, None], after[:, :-1]], axis=1)
        rising = (after > before)[:, :, None]
        shape = np.where(rising, self._attack_shape, self._release_shape)
        reduction = before[:, :, None] + (after - before)[:, :, None] * shape
        reduction = reduction.reshape(count, -1)[:, :length]
        samples *= 1 - reduction
        bend(samples)
        acting: npt.NDArray[np.intp] = np.count_nonzero(reduction > _ACTING, axis=1)
        return acting


@functools.cache
def _ramp(length: int) -> Float32:
    """From just above 0 to 1 within `length` samples."""
    return np.arange(1, length + 1, dtype=np.float32) / np.float32(length)


def _released(before: Float32, wanted: Float32) -> Float32:
    """`[k, blocks]` reduction: the wanted one, or an older one that has decayed.

    Block by block this is `max(wanted, previous * keep)`. Divided by `keep ** b` the
    decay vanishes and a running maximum does all blocks at once.
    """
    keep = np.exp(-1 / (_RELEASE_S * _BLOCKS_A_SECOND))
    decay = keep ** np.arange(1, wanted.shape[1] + 1)
    held = np.maximum.accumulate(wanted / decay, axis=1)
    held = np.maximum(held, before[:, None])
    after: Float32 = (held * decay).astype(np.float32)
    after[after < _RELEASED] = 0
    return after


def bend(samples: Float32) -> None:
    """Bend what passes 0.95 so that it never reaches 1.0, in place."""
    size = np.abs(samples)
    over = size > _KNEE
    if over.any():
        room = 1 - _KNEE
        excess = (size[over] - _KNEE) / room
        bent = _KNEE + room * excess / (1 + excess)
        samples[over] = np.copysign(bent, samples[over])


def fade_in(pcm: Int16, rate_hz: int) -> None:
    """Let `[k, n]` begin at zero, over 5 ms, in place: audio after a silence."""
    length = min(int(_FADE_S * rate_hz), pcm.shape[1])
    ramp = np.arange(length, dtype=np.float32) / np.float32(length)
    pcm[:, :length] = np.rint(pcm[:, :length] * ramp)


def fade_out(last: Int16, length: int, rate_hz: int) -> Int16:
    """`[k, length]` that leaves the sample `last` of each row for zero, over 5 ms."""
    pcm = np.zeros((len(last), length), np.int16)
    fading = min(int(_FADE_S * rate_hz), length)
    ramp = 1 - np.arange(1, fading + 1, dtype=np.float32) / np.float32(fading)
    pcm[:, :fading] = np.rint(last[:, None] * ramp)
    return pcm
