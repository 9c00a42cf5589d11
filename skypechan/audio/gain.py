"""Gain in dB for many calls: ramped when it changes, limited when it boosts.

A boost never clips hard: blocks of 1 ms whose peak would pass -1 dBFS are turned
down at once and released over 80 ms. The limiter does not look ahead, so it adds no
delay. A row at 0 dB that is neither ramping nor still releasing leaves as it came, bit
by bit.
"""

from __future__ import annotations

import functools

import numpy as np

from skypechan.audio.pcm import Float32, Int16, Rows, peaks_of

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
    """Gain, mute and peak limiter at `rate_hz` for `capacity` calls.

    What a call needs is kept in plain numbers: up to 30 rows a pass they are quicker
    than a dozen calls of numpy.
    """

    def __init__(self, capacity: int, rate_hz: int) -> None:
        self._block = rate_hz // _BLOCKS_A_SECOND
        self._target = [1.0] * capacity
        self._current = [1.0] * capacity
        self._reduction: dict[int, float] = {}  # of the rows that are limited
        self._busy: set[int] = set()  # the rows that are not left untouched
        time = np.arange(1, self._block + 1, dtype=np.float32)
        self._release_shape = time / self._block
        self._attack_shape = np.minimum(time * _ATTACK_SHARE / self._block, 1)

    def reset(self, row: int, gain_db: float = 0.0, muted: bool = False) -> None:
        """Start a call with this gain, without a ramp."""
        self._reduction.pop(row, None)
        self.set(row, gain_db, muted)
        self._current[row] = self._target[row]
        self._settle([row])

    def set(self, row: int, gain_db: float, muted: bool = False) -> None:
        """Reach this gain within the call's next frame.

        Raises ValueError outside -40 to 40 dB.
        """
        check_gain(gain_db)
        self._target[row] = 0.0 if muted else 10 ** (gain_db / 20)
        self._busy.add(row)
        self._settle([row])

    def process(
        self, rows: Rows, samples: Float32, peaks: list[float]
    ) -> list[int] | None:
        """Apply to `[k, n]` of calls `rows` and to their `peaks`, in place.

        Returns how many samples of each row were limited, None where none was: the
        usual case.
        """
        calls = rows.tolist()
        if self._busy.isdisjoint(calls):
            return None
        current = [self._current[row] for row in calls]
        target = [self._target[row] for row in calls]
        if current == target:  # a ramp of one gain takes ten times as long
            samples *= np.array(target, np.float32)[:, None]
            peaks[:] = [peak * gain for peak, gain in zip(peaks, target, strict=True)]
            if max(peaks) <= CEILING and self._reduction.keys().isdisjoint(calls):
                return None
        else:
            _ramp(samples, current, target)
            peaks[:] = peaks_of(samples)
            for row, gain in zip(calls, target, strict=True):
                self._current[row] = gain
        boosted = [max(gains) > 1 for gains in zip(current, target, strict=True)]
        limited = self._limit(calls, samples, peaks, boosted)
        self._settle(calls)
        return limited

    def _settle(self, rows: list[int]) -> None:
        """Leave rows alone that have come to rest at 0 dB."""
        reduced = self._reduction
        for row in rows:
            if self._current[row] == self._target[row] == 1 and row not in reduced:
                self._busy.discard(row)

    def _limit(
        self,
        rows: list[int],
        samples: Float32,
        peaks: list[float],
        boosted: list[bool],
    ) -> list[int] | None:
        """Turn down what is too loud; only boosted rows start, all may release."""
        chosen = [
            i
            for i, (row, peak) in enumerate(zip(rows, peaks, strict=True))
            if row in self._reduction or (boosted[i] and peak > CEILING)
        ]
        if not chosen:
            return None
        louder = samples[chosen]
        wanted = self._wanted(louder)
        wanted[[not boosted[i] for i in chosen]] = 0
        before = [self._reduction.pop(rows[i], 0.0) for i in chosen]
        acting, after = self._turn_down(louder, np.array(before, np.float32), wanted)
        samples[chosen] = louder
        limited = [0] * len(rows)
        for i, count, reduction, peak in zip(
            chosen, acting, after, peaks_of(louder), strict=True
        ):
            limited[i], peaks[i] = count, peak
            if reduction:
                self._reduction[rows[i]] = reduction
        return limited

    def _wanted(self, samples: Float32) -> Float32:
        """`[k, blocks]` reduction that takes each block's peak to the ceiling."""
        count, length = samples.shape
        blocks = -(-length // self._block)
        padded = np.zeros((count, blocks * self._block), np.float32)
        np.abs(samples, out=padded[:, :length])
        peaks = padded.reshape(count, blocks, self._block).max(axis=2)
        wanted: Float32 = 1 - CEILING / np.maximum(peaks, CEILING)
        return wanted

    def _turn_down(
        self, samples: Float32, before: Float32, wanted: Float32
    ) -> tuple[list[int], list[float]]:
        """Reduce by what each block wants or what earlier ones have left, in place.

        Returns how many samples of each row were limited, what it is reduced by now.
        """
        count, length = samples.shape
        after = _released(before, wanted)
        edges = np.concatenate([before[:, None], after], axis=1)
        change = np.diff(edges)[:, :, None]
        shape = np.where(change > 0, self._attack_shape, self._release_shape)
        reduction = edges[:, :-1, None] + change * shape
        reduction = reduction.reshape(count, -1)[:, :length]
        samples *= 1 - reduction
        bend(samples)
        acting = np.count_nonzero(reduction > _ACTING, axis=1)
        return acting.tolist(), after[:, -1].tolist()


def _ramp(samples: Float32, current: list[float], target: list[float]) -> None:
    """Go from each row's `current` gain to its `target`, in place."""
    before = np.array(current, np.float32)[:, None]
    change = np.array(target, np.float32)[:, None] - before
    samples *= before + change * _rising(samples.shape[1])


@functools.cache
def _rising(length: int) -> Float32:
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
