"""How fast a far end's sound clock runs, told from when its audio arrives.

Of each arrival we keep how far it lags behind the audio received so far: time minus
seconds of audio. Networks and schedulers only ever delay, so the truth is the lower
envelope of these lags, and the drift of the clock is its slope. We keep one minimum
a second, the last 60, and fit a line to them once a second: least squares that trust
late minima less in each round, with a prior of no drift that calms the first seconds.
What is on time then defines what is late, and a histogram of lateness that forgets
in half a minute tells how rough the source is. A few late arrivals tell nothing: the
start of a call has some, and a sender that pauses for a moment.

Nothing here is a control loop: bursts and stalls arrive late and do not move the
envelope. A source that loses time (hold, a restarted sender) is late for ever by the
same amount; the line follows it at once and keeps its slope. Measured: within 1 ppm
after 30 s for a source that is late by 0.5 to 1.5 ms.

An arrival costs a microsecond of plain Python; the lines are fitted many at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

_MINIMA = 60  # seconds
_ROUNDS = 5
_PRIOR_SLOPE = 150e-6
_LEAST_SPREAD_S = 0.1e-3
_JUMP_S = 0.005  # the envelope never moves so far at once: the source has gained time
_LANDING_S = 1.0
_SILENCE_S = 0.001
_LOST_S = 0.008
_LOST_AFTER_S = 0.2
_BIN_S = 0.0005
_BINS = 160
_TOLD_S = _BINS * _BIN_S  # what is later is a stall, and tells nothing of roughness
_JUDGED = 200  # arrivals
_LEAST = 1_000  # as many are always reckoned with: 0.5 % are more than five late ones
_FORGET = math.exp(-1 / 30)
_QUANTILES = (0.995, 0.999)
_RECENT = 15
_TRUSTED = 0.3  # share of the minima whose distance from the line is taken for noise
_MOST_SLOPE = 2000e-6


class SourceClock:
    """The clock of one source against ours; nothing has come of it at `now_s`."""

    def __init__(self, now_s: float) -> None:
        self.lateness_s = 0.0
        """What 99.5 % of the last half minute's arrivals did not exceed."""
        self.outlier_s = 0.0
        """The same of 99.9 %."""
        self.is_judged = False
        """Whether enough has come to call the source rough or not."""
        self.arrived_s = -math.inf
        """When audio came last."""
        self.begun_s = -math.inf
        """When a part of a frame came last, if that is told."""
        self.returned_s = 0.0
        """When audio last came behind a silence."""
        self.is_paused = True
        """Whether nothing has come yet, or not since `pause`."""
        self.minima_s = np.full(_MINIMA, np.nan)
        """The least lag of each of the last seconds, the latest first."""
        self.minima_at_s = np.zeros(_MINIMA)
        self.histogram = np.zeros(_BINS)
        """How many arrivals were late by so many bins of 0.5 ms."""
        self._bins: list[int] = []  # of this second
        self._doubtful: list[int] = []  # they are late, or the source has lost time
        self._spoken_s = now_s  # when what came is over, by our clock
        self._line_s = 0.0  # the line's height at `_fitted_s`
        self._slope = 0.0
        self._fitted_s = now_s
        self._moved_s = 0.0
        self._lowest_s = math.inf
        self._lowest_at_s = 0.0
        self._late_since_s = 0.0
        self._landing_s = 0.0
        self._least_late_s = math.inf

    def note(self, seconds: float, now_s: float, overdue_s: float = 0.0) -> float:
        """Take note that `seconds` of audio came; how late it was taken.

        `overdue_s` of that may be our own lateness, and tells nothing of the source.
        """
        spoken_s = self._spoken_s = self._spoken_s + seconds
        lag_s = now_s - spoken_s
        late_s = lag_s - self._line_s - self._slope * (now_s - self._fitted_s)
        if late_s < 0 or self.is_paused or self._has_lost(late_s, now_s):
            move_s = min(late_s, self._least_late_s)
            self._move(move_s, now_s)
            self._doubtful.clear()
            late_s -= move_s
        if lag_s < self._lowest_s:
            self._lowest_s, self._lowest_at_s = lag_s, now_s
        since_s = now_s - self.arrived_s
        if since_s > seconds + _SILENCE_S:
            self.returned_s = now_s
        # What comes at once behind a late arrival is the same event.
        if late_s < _TOLD_S and since_s > seconds / 2:
            self._doubtful.append(int(max(late_s - overdue_s, 0.0) / _BIN_S))
        if self._least_late_s == math.inf:
            self._bins += self._doubtful
            self._doubtful.clear()
        self.arrived_s = now_s
        return late_s

    def _has_lost(self, late_s: float, now_s: float) -> bool:
        """Whether it is late for good: a stall's audio comes faster than that."""
        if late_s <= self.lateness_s + _LOST_S:
            self._least_late_s = math.inf
            return False
        if self._least_late_s == math.inf:
            self._late_since_s = now_s
        self._least_late_s = min(self._least_late_s, late_s)
        return now_s - self._late_since_s > _LOST_AFTER_S

    def _move(self, move_s: float, now_s: float) -> None:
        """Move the line; by more than noise explains, what it stands on as well.

        The first arrivals behind such a jump still tell where it has landed.
        """
        self._line_s += move_s
        is_jump = move_s < -_JUMP_S or move_s > 0
        if is_jump and math.isfinite(self.minima_s[0]):
            self._landing_s = now_s + _LANDING_S
        if is_jump or now_s < self._landing_s:
            self.minima_s += move_s
            self._moved_s += move_s
            self._lowest_s += move_s
        self._least_late_s = math.inf
        self.is_paused = False

    def pause(self) -> None:
        """The source has paused: what comes next is on time, whenever it comes."""
        self.is_paused = True
        self._least_late_s = math.inf

    def silent_s(self, now_s: float) -> float:
        """How long nothing has come."""
        if self.begun_s > self.arrived_s:
            return now_s - self.begun_s
        return now_s - self.arrived_s

    def behind_s(self, now_s: float) -> float:
        """How long ago the last audio that came was due to come; 0 if it is early."""
        line_s = self._line_s + self._slope * (now_s - self._fitted_s)
        return max(now_s - self._spoken_s - line_s, 0.0)

    @property
    def drift(self) -> float:
        """How much faster than ours it runs, as a fraction: 1e-6 is 1 ppm."""
        return -self._slope

    def clock_s(self, now_s: float) -> float:
        """What it shows: its speed without its losses of time."""
        line_s = self._line_s - self._moved_s + self._slope * (now_s - self._fitted_s)
        return now_s - line_s

    def close_second(self) -> bool:
        """Begin another second; whether anything came in the one that has passed."""
        self.histogram += np.bincount(self._bins, minlength=_BINS)
        self.histogram *= _FORGET
        self._bins.clear()
        if self._lowest_s == math.inf:
            return False
        for minima, latest in (
            (self.minima_s, self._lowest_s),
            (self.minima_at_s, self._lowest_at_s),
        ):
            minima[1:] = minima[:-1]
            minima[0] = latest
        self._lowest_s = math.inf
        return True

    def follow(self, line_s: float, slope: float, now_s: float) -> None:
        """Take a line that was fitted: its height at `now_s` and its slope."""
        self._line_s, self._fitted_s = line_s, now_s
        self._slope = min(max(slope, -_MOST_SLOPE), _MOST_SLOPE)


def refit(clocks: Sequence[SourceClock], now_s: float) -> None:
    """Close the second that has passed for `clocks`. To be called once a second."""
    heard = [clock for clock in clocks if clock.close_second()]
    if heard:
        _fit(heard, now_s)
    if clocks:
        _judge(clocks)


def _judge(clocks: Sequence[SourceClock]) -> None:
    """See how late audio comes at worst, where enough has come to tell."""
    total = np.cumsum([clock.histogram for clock in clocks], axis=1)
    count = total[:, -1:]
    judged = count[:, 0] >= _JUDGED
    reckoned = np.maximum(count, _LEAST)
    late_s = [
        np.count_nonzero(total < count - (1 - share) * reckoned, axis=1) * _BIN_S
        for share in _QUANTILES
    ]
    for clock, is_judged, found_s in zip(
        clocks, judged.tolist(), np.transpose(late_s).tolist(), strict=True
    ):
        clock.is_judged = is_judged
        clock.lateness_s, clock.outlier_s = found_s


def _fit(clocks: Sequence[SourceClock], now_s: float) -> None:
    height = np.array([clock.minima_s for clock in clocks])
    time = np.array([clock.minima_at_s for clock in clocks]) - now_s
    known = np.isfinite(height)
    height[~known] = time[~known] = 0
    weight = known.astype(np.float64)
    spread_s = np.full(len(clocks), _LEAST_SPREAD_S)
    every = np.arange(len(clocks))
    for _ in range(_ROUNDS):
        line_s, slope = _weighted_line(time, height, weight, spread_s)
        over = height - line_s[:, None] - slope[:, None] * time
        size = np.sort(np.where(known, np.abs(over), np.inf), axis=1)
        middle = (known.sum(axis=1) * _TRUSTED).astype(np.intp)
        spread_s = np.maximum(size[every, middle], _LEAST_SPREAD_S)
        ratio = np.maximum(over, 0) / spread_s[:, None]
        weight = known / (1 + ratio * ratio)
    # On time is what the earliest of the last arrivals were.
    recent = np.where(known, over, np.inf)[:, :_RECENT].min(axis=1)
    lines = zip(clocks, (line_s + np.minimum(recent, 0)).tolist(), slope, strict=True)
    for clock, height_s, steepness in lines:
        clock.follow(height_s, float(steepness), now_s)


def _weighted_line(
    time: Float64, height: Float64, weight: Float64, spread_s: Float64
) -> tuple[Float64, Float64]:
    """Height at time 0 and slope of each row; the prior counts as one more witness."""
    total = weight.sum(axis=1)
    middle = (weight * time).sum(axis=1) / total
    mean = (weight * height).sum(axis=1) / total
    away = weight * (time - middle[:, None])
    prior = (spread_s / _PRIOR_SLOPE) ** 2
    moment = (away * (time - middle[:, None])).sum(axis=1) + prior
    slope = (away * (height - mean[:, None])).sum(axis=1) / moment
    return mean - slope * middle, slope
