"""How long audio is gathered before the next pass: up to 4 ms, by the load.

A pass costs some 0.15 ms, however few frames it finds, and 0.02 ms for each frame; so
frames that come one by one saturate a core with half as many calls as frames that are
taken together. With few calls nothing is gathered: waiting would be delay for nothing.
The window is chosen ten times a second, from the share of time that work on audio
has taken: passes, frames of rough sources, silence.
"""

from __future__ import annotations

_JUDGED_S = 0.1
_AGAIN_S = 0.008
"""A socket that is ready again sooner has a backlog: pieces are of 10 ms or more."""

_MOST_DRAINED = 16  # passes at once: a third of a second, and no flood for ever

_STEPS = (
    # window; a busier engine takes the next one, a less busy one the one before
    (0.0000, 0.46, 0.00),
    (0.0005, 0.80, 0.12),
    (0.0010, 0.78, 0.38),
    (0.0020, 0.78, 0.55),
    (0.0040, 1.00, 0.64),
)
"""Far enough apart that none goes to and fro: half of a window W adds 0.15 ms / W."""

_MORE_TIMES = 2  # calls that begin are no load that lasts
_ALL_SHARE = 0.90  # where audio takes so much, what is late waits for us
_FULL_SHARE, _FULL_TIMES = 0.95, 10  # of the last step; a second is no accident


class Window:
    """The deadline of each pass, counted from the start of the one before.

    A deadline from its end would let the period grow with the load, and a backlog
    with it.
    """

    def __init__(self) -> None:
        self.share = 0.0
        """How much of the time work on audio took when that was last judged."""
        self._step = 0
        self._more_times = 0
        self._full_times = 0
        self._busy_s = 0.0
        self._judged_s = 0.0
        self._began_s = 0.0
        self._drained = 0

    @property
    def seconds(self) -> float:
        """How long is gathered at present."""
        return _STEPS[self._step][0]

    @property
    def takes_all(self) -> bool:
        """Whether audio takes nearly all the time at present."""
        return self.share > _ALL_SHARE

    @property
    def is_full(self) -> bool:
        """Whether passes have taken all there is for a second, however they gather."""
        return self._full_times >= _FULL_TIMES

    def note_work(self, seconds: float) -> None:
        """Take note of work on audio that was done beside the passes."""
        self._busy_s += seconds

    def next_s(self, begin_s: float, end_s: float, *, again: bool) -> float:
        """Take note of a pass, and return when the next one may begin.

        `again`: a socket of this pass was ready in the last one too. Where that is a
        backlog it is drained at once.
        """
        self._busy_s += end_s - begin_s
        if end_s - self._judged_s >= _JUDGED_S:
            self._choose(self._busy_s / (end_s - self._judged_s))
            self._busy_s, self._judged_s = 0.0, end_s
        is_behind = again and begin_s - self._began_s < _AGAIN_S
        self._began_s = begin_s
        self._drained = self._drained + 1 if is_behind else 0
        if 0 < self._drained <= _MOST_DRAINED:
            return end_s
        return begin_s + self.seconds

    def _choose(self, share: float) -> None:
        self.share = share
        _, more, less = _STEPS[self._step]
        is_last = self._step == len(_STEPS) - 1
        is_full = is_last and share > _FULL_SHARE
        self._full_times = self._full_times + 1 if is_full else 0
        self._more_times = self._more_times + 1 if share > more else 0
        if self._more_times >= _MORE_TIMES and not is_last:
            self._step += 1
            self._more_times = 0
        elif share < less:
            self._step -= 1
