"""Frames that can be told apart by the level of their samples.

A constant level passes every filter, rate matcher and codec of the way, so a sample
near the end of a frame says which one it is. Silence has no mark.
"""

from __future__ import annotations

from dataclasses import dataclass, field

MARKS = 100
"""As many frames follow each other before a level comes again: two seconds."""

_STEP = 250
_HALF = MARKS // 2
_BEFORE_END_BYTES = 32  # room for a frame that is longer than most


def level_of(mark: int) -> int:
    """Return the sample value that frames with this mark are filled with."""
    return _STEP * (mark + 1) if mark < _HALF else -_STEP * (mark - _HALF + 1)


def mark_of(sample: float) -> int | None:
    """Return which mark a sample has; None for silence and whatever has none."""
    steps = round(sample / _STEP)
    if not 0 < abs(steps) <= _HALF:
        return None
    return steps - 1 if steps > 0 else _HALF - steps - 1


@dataclass(slots=True, eq=False)
class Reception:
    """What has been heard of one stream.

    `heard_ns` has the arrival of each frame by its number; `made_up` has an entry for
    each that was put in, as silence or by repeating what was heard before, fading or
    not: the number of the newest one by then, -1 before any. With `is_exact` frames are
    of `frame_bytes`; else some samples shorter or longer, and what comes at once is
    looked at in steps of that, backwards from its end. `gain_db` is what the way adds.
    """

    frame_bytes: int
    is_exact: bool
    gain_db: float
    heard_ns: dict[int, int] = field(default_factory=dict)
    made_up: list[int] = field(default_factory=list)
    _newest: int = -1
    _begun: bytes = b""

    def take(self, data: memoryview, at_ns: int) -> None:
        """Take what arrived at a time."""
        if self._begun:
            data = memoryview(self._begun + data)
        end = self._whole(len(data))
        self._begun = bytes(data[end:])
        for after in range(round(end / self.frame_bytes) - 1, -1, -1):
            at = end - after * self.frame_bytes - _BEFORE_END_BYTES
            sample = int.from_bytes(data[at : at + 2], "little", signed=True)
            self._hear(sample / 10 ** (self.gain_db / 20), at_ns)

    def _whole(self, size: int) -> int:
        """Return how much of what came can be looked at."""
        if self.is_exact:
            return size - size % self.frame_bytes
        return size & ~1 if size >= self.frame_bytes * 3 // 4 else 0

    def _hear(self, sample: float, at_ns: int) -> None:
        """Take a frame's level. A level that fades goes back through the marks."""
        mark = mark_of(sample)
        ahead = 0 if mark is None else (mark - self._newest) % MARKS
        if 0 < ahead < _HALF:
            self._newest += ahead
            self.heard_ns[self._newest] = at_ns
        else:
            self.made_up.append(self._newest)
