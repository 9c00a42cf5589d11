"""What adds up over calls: how they ended, and what became of their audio."""

from __future__ import annotations

from collections import Counter

from skypechan.call.record import CallRecord

_COUNTED = (
    "frames",
    "dropped",
    "gaps",
    "filled",
    "clipped",
    "limited",
    "late",
    "concealed_ms",
    "skipped_ms",
)
"""The figures of audio that add up over calls, as records name them."""
_WAYS = ("to_pbx", "to_line")


class Totals:
    """Counts the calls that have ended; nothing in it ever falls."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()
        self._media = {f"{way}_{name}": 0.0 for way in _WAYS for name in _COUNTED}

    def add(self, record: CallRecord) -> None:
        """Count a call that has ended."""
        self._calls[f"{record.direction}/{record.status}"] += 1
        add_audio(self._media, record)

    def calls(self) -> dict[str, int]:
        """Return how many calls there were, by `direction/status`."""
        return dict(self._calls)

    def media(self) -> dict[str, float]:
        """Return the sums of all audio of ended calls, as records name the figures."""
        return dict(self._media)


def add_audio(sums: dict[str, float], record: CallRecord) -> None:
    """Add the figures of a record's audio, which has ended, to the sums."""
    for name in sums.keys() & record.audio.keys():
        sums[name] += record.audio[name]
