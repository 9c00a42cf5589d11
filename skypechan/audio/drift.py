"""How fast a far end's sound clock runs, told from when its audio arrives.

Of each arrival we keep how far it lags behind the audio received so far: time minus
seconds of audio. Networks and schedulers only ever delay, so the truth is the lower
envelope of these lags, and the drift of the clock is its slope. We keep one minimum
a second, the last 60, and fit a line to them once a second: least squares that trust
late minima less in each round, with a prior of no drift that calms the first seconds.
What is on time then defines what is late, and a histogram of lateness that forgets
in half a minute tells how rough the source is.

Nothing here is a control loop: bursts and stalls arrive late and do not move the
envelope. A source that loses time (hold, a restarted sender) is late for ever by the
same amount; the line follows it at once and keeps its slope. Measured: within 1 ppm
after 30 s for a source that is late by 0.5 to 1.5 ms.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from skypechan.audio.pcm import Rows

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
_BINS = 160  # up to 80 ms: what is later is a stall, and tells nothing of roughness
_JUDGED = 200  # arrivals: of fewer, one outlier would be 0.5 %
_FORGET = np.exp(-1 / 30)
_QUANTILES = (0.995, 0.999)
_RECENT = 15
_TRUSTED = 0.3  # share of the minima whose distance from the line is taken for noise
_MOST_SLOPE = 2000e-6


class ClockFit:
    """The clocks of `capacity` sources, each against ours."""

    def __init__(self, capacity: int) -> None:
        self.lateness_s = np.zeros(capacity)
        """What 99.5 % of the last half minute's arrivals did not exceed, once known."""
        self.outlier_s = np.zeros(capacity)
        """The same of 99.9 %."""
        self.arrived_s = np.zeros(capacity)
        """When audio came last."""
        self.begun_s = np.zeros(capacity)
        """When a part of a frame came last, if that is told."""
        self.returned_s = np.zeros(capacity)
        """When audio last came behind a silence."""
        self.is_judged = np.zeros(capacity, np.bool_)
        """Whether enough has come to call a source rough or not."""
        self.is_paused = np.ones(capacity, np.bool_)
        """Whether nothing has come yet, or not since `pause`."""
        self._spoken_s = np.zeros(capacity)  # when what came is over, by our clock
        self._line_s = np.zeros(capacity)  # the line's height at `_fitted_s`
        self._slope = np.zeros(capacity)
        self._fitted_s = np.zeros(capacity)
        self._moved_s = np.zeros(capacity)
        self._lowest_s = np.full(capacity, np.inf)
        self._lowest_at_s = np.zeros(capacity)
        self._minima_s = np.full((capacity, _MINIMA), np.nan)
        self._minima_at_s = np.zeros((capacity, _MINIMA))
        self._histogram = np.zeros((capacity, _BINS))
        self._late_since_s = np.zeros(capacity)
        self._landing_s = np.zeros(capacity)
        self._least_late_s = np.full(capacity, np.inf)

    def reset(self, row: int, now_s: float) -> None:
        """Start a source of which nothing has come."""
        for table in (
            *(self.lateness_s, self.outlier_s, self._line_s),
            *(self._slope, self._moved_s, self._landing_s, self._histogram),
            self.is_judged,
        ):
            table[row] = 0
        self._spoken_s[row] = self._fitted_s[row] = now_s
        self.arrived_s[row] = -np.inf
        self._lowest_s[row] = self._least_late_s[row] = np.inf
        self._minima_s[row] = np.nan
        self.is_paused[row] = True

    def note(self, rows: Rows, seconds: float, now_s: float) -> Float64:
        """Take note that `seconds` of audio came for `rows`; how late it was."""
        spoken_s = self._spoken_s[rows] + seconds
        self._spoken_s[rows] = spoken_s
        lag_s = now_s - spoken_s
        line_s = self._line_s[rows]
        line_s += self._slope[rows] * (now_s - self._fitted_s[rows])
        late_s: Float64 = lag_s - line_s
        moving = late_s < 0
        moving |= self.is_paused[rows]
        moving |= self._has_lost(rows, late_s, now_s)
        if np.count_nonzero(moving):
            chosen = rows[moving]
            move_s = np.minimum(late_s[moving], self._least_late_s[chosen])
            self._move(chosen, move_s, now_s)
            late_s[moving] -= move_s
        lower = lag_s < self._lowest_s[rows]
        if np.count_nonzero(lower):
            self._lowest_s[rows[lower]] = lag_s[lower]
            self._lowest_at_s[rows[lower]] = now_s
        bins = (late_s * (1 / _BIN_S)).astype(np.intp)
        since_s = now_s - self.arrived_s[rows]
        returned = since_s > seconds + _SILENCE_S
        if np.count_nonzero(returned):
            self.returned_s[rows[returned]] = now_s
        # What comes at once behind a late arrival is the same event.
        counted = (bins < _BINS) & (since_s > seconds / 2)
        self._histogram[rows[counted], bins[counted]] += 1
        self.arrived_s[rows] = now_s
        return late_s

    def _has_lost(
        self, rows: Rows, late_s: Float64, now_s: float
    ) -> npt.NDArray[np.bool_]:
        """Which are late for good: what a stall held back comes faster than that."""
        late = late_s > self.lateness_s[rows] + _LOST_S
        least_s = self._least_late_s[rows]
        known = least_s < np.inf
        if not np.count_nonzero(late | known):
            return late
        least_s = np.minimum(least_s, late_s)
        first = late & ~known
        self._late_since_s[rows[first]] = now_s
        self._least_late_s[rows] = np.where(late, least_s, np.inf)
        return late & (now_s - self._late_since_s[rows] > _LOST_AFTER_S)

    def _move(self, rows: Rows, move_s: Float64, now_s: float) -> None:
        """Move the lines; by more than noise explains, what they stand on as well.

        The first arrivals behind such a jump still tell where it has landed.
        """
        self._line_s[rows] += move_s
        jump = (move_s < -_JUMP_S) | (move_s > 0)
        known = np.isfinite(self._minima_s[rows, 0])
        self._landing_s[rows[jump & known]] = now_s + _LANDING_S
        jump |= now_s < self._landing_s[rows]
        jumping, jump_s = rows[jump], move_s[jump]
        self._minima_s[jumping] += jump_s[:, None]
        self._moved_s[jumping] += jump_s
        self._lowest_s[jumping] += jump_s
        self._least_late_s[rows] = np.inf
        self.is_paused[rows] = False

    def pause(self, rows: Rows) -> None:
        """The sources have paused: what comes next is on time, whenever it comes."""
        self.is_paused[rows] = True
        self._least_late_s[rows] = np.inf

    def silent_s(self, rows: Rows, now_s: float) -> Float64:
        """How long nothing has come."""
        heard_s = np.maximum(self.arrived_s[rows], self.begun_s[rows])
        silent_s: Float64 = now_s - heard_s
        return silent_s

    def behind_s(self, rows: Rows, now_s: float) -> Float64:
        """How long ago the last audio that came was due to come; 0 if it is early."""
        lag_s = now_s - self._spoken_s[rows]
        line_s = self._line_s[rows]
        line_s += self._slope[rows] * (now_s - self._fitted_s[rows])
        behind_s: Float64 = np.maximum(lag_s - line_s, 0)
        return behind_s

    def drift(self, rows: Rows) -> Float64:
        """How much faster than ours each clock runs, as a fraction: 1e-6 is 1 ppm."""
        return -self._slope[rows]

    def clock_s(self, rows: Rows, now_s: Float64 | float) -> Float64:
        """What each far end's clock shows: its speed without its losses of time."""
        line_s = self._line_s[rows] - self._moved_s[rows]
        line_s += self._slope[rows] * (now_s - self._fitted_s[rows])
        clock_s: Float64 = now_s - line_s
        return clock_s

    def refit(self, rows: Rows, now_s: float) -> None:
        """Close the second that has passed for `rows`. To be called once a second."""
        heard = rows[np.isfinite(self._lowest_s[rows])]
        self._minima_s[heard] = np.roll(self._minima_s[heard], 1, axis=1)
        self._minima_at_s[heard] = np.roll(self._minima_at_s[heard], 1, axis=1)
        self._minima_s[heard, 0] = self._lowest_s[heard]
        self._minima_at_s[heard, 0] = self._lowest_at_s[heard]
        self._lowest_s[heard] = np.inf
        if heard.size:
            self._fit(heard, now_s)
        self._histogram[rows] *= _FORGET
        total = np.cumsum(self._histogram[rows], axis=1)
        self.is_judged[rows] = total[:, -1] >= _JUDGED
        for share, table in zip(
            _QUANTILES, (self.lateness_s, self.outlier_s), strict=True
        ):
            beyond = total < share * total[:, -1:]
            late_s = np.count_nonzero(beyond, axis=1) * _BIN_S
            table[rows] = np.where(self.is_judged[rows], late_s, 0)

    def _fit(self, rows: Rows, now_s: float) -> None:
        known = np.isfinite(self._minima_s[rows])
        height = np.where(known, self._minima_s[rows], 0)
        time = np.where(known, self._minima_at_s[rows] - now_s, 0)
        weight = known.astype(np.float64)
        spread_s = np.full(len(rows), _LEAST_SPREAD_S)
        every = np.arange(len(rows))
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
        self._line_s[rows] = line_s + np.minimum(recent, 0)
        self._slope[rows] = np.clip(slope, -_MOST_SLOPE, _MOST_SLOPE)
        self._fitted_s[rows] = now_s


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
