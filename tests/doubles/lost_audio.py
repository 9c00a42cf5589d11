"""What became of the audio of live calls, by what the gateway tells of itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

WAYS = ("to_pbx", "to_line")

_FRAMES_A_SECOND, _FRAME_MS = 50, 20.0

Call = dict[str, Any]
"""A call as `/api/calls` has it."""


@dataclass(frozen=True, slots=True)
class Lost:
    """What became of it between two looks, both ways of all calls together.

    Frames as they came in, of 20 ms: how many there were, should have been, came late,
    found no room, and had silence in their place. Milliseconds that were made up, and
    that were cut out.
    """

    frames: int
    expected: float
    late: int
    dropped: int
    filled: int
    concealed_ms: float
    skipped_ms: float

    @classmethod
    def between(
        cls, first: Iterable[Call], last: Iterable[Call], seconds: float
    ) -> Self:
        """Compare two looks, so many seconds apart, at the calls that are in both."""
        before = {call["call"]: call["media"] for call in first if call["media"]}
        both = [
            (before[call["call"]][way], call["media"][way])
            for call in last
            if call["media"] and call["call"] in before
            for way in WAYS
        ]

        def more(what: str) -> Any:
            return sum(late[what] - early[what] for early, late in both)

        return cls(
            frames=more("frames"),
            expected=round(seconds * _FRAMES_A_SECOND * len(both), 1),
            late=more("late"),
            dropped=more("dropped"),
            filled=more("filled"),
            concealed_ms=round(more("concealed_ms"), 1),
            skipped_ms=round(more("skipped_ms"), 1),
        )

    @property
    def filled_ms(self) -> float:
        """Silence in the place of what did not come."""
        return self.filled * _FRAME_MS

    @property
    def share(self) -> float:
        """How much of the audio was cut out, made up, or silence in its place."""
        lost_ms = self.filled_ms + self.concealed_ms + self.skipped_ms
        return lost_ms / (self.expected * _FRAME_MS) if self.expected else 0.0


def ways_of(calls: Sequence[Call]) -> list[dict[str, Any]]:
    """Return the figures of both ways of each."""
    return [call["media"][way] for call in calls for way in WAYS]
