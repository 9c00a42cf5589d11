"""The legs that live, and which of them an event of Asterisk's concerns."""

from __future__ import annotations

from collections import defaultdict

from skypechan.asterisk.channel import PbxLeg


class LegRegister:
    """Legs by what events name: ids of channels and of linked calls, UUIDs of audio."""

    def __init__(self) -> None:
        self._keys: dict[PbxLeg, set[str]] = {}
        self._legs: defaultdict[str, set[PbxLeg]] = defaultdict(set)

    @property
    def all(self) -> frozenset[PbxLeg]:
        """Every leg that lives."""
        return frozenset(self._keys)

    def add(self, leg: PbxLeg, *keys: str) -> None:
        """Let events with these keys concern a leg, beside those it has already."""
        self._keys.setdefault(leg, set()).update(keys)
        for key in keys:
            self._legs[key].add(leg)

    def drop(self, leg: PbxLeg) -> None:
        """Forget a leg; harmless when it is not known."""
        for key in self._keys.pop(leg, ()):
            self._legs[key].discard(leg)
            if not self._legs[key]:
                del self._legs[key]

    def of(self, *keys: str) -> frozenset[PbxLeg]:
        """Return the legs that an event with any of these keys concerns."""
        return frozenset().union(*(self._legs.get(key, ()) for key in keys))
