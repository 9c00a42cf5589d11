"""When each piece of a stream leaves: a sound card's clock, and what delays it.

Pure and seeded. Order is kept, as TCP keeps it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from enum import Enum, unique
from typing import Final

PIECE_S: Final = 0.010


@unique
class Lateness(Enum):
    """How late pieces are.

    `stall` holds everything for 100 to 500 ms about once a minute, then sends it all
    at once; the other names tell the chance and the most in milliseconds.
    """

    NONE = "none"
    WELL = "well"
    BURST_40 = "burst40"
    FULL_40 = "full40"
    STALL = "stall"


class SoundClock:
    """Tells one stream's pieces their times, in seconds of a monotonic clock.

    `ppm` makes it fast (positive) or slow. `ppm` and `lateness` may be changed on the
    way; the seed is `chance`'s.
    """

    def __init__(
        self,
        start_s: float,
        chance: random.Random,
        ppm: float = 0.0,
        lateness: Lateness = Lateness.NONE,
    ) -> None:
        self._chance = chance
        self._ideal_s = start_s
        self._stall_s, self._stall_end_s = start_s, start_s
        self._draw_stall()
        self.ppm = ppm
        self.lateness = lateness
        self.due_s = start_s

    def advance(self) -> None:
        """The piece that was due has left: the next one gets its time."""
        self._ideal_s += PIECE_S * (1 - self.ppm * 1e-6)
        self.due_s = max(self.due_s, self._ideal_s + _LATE[self.lateness](self))

    def lose(self, seconds: float) -> None:
        """Go on later, as a card does whose program was stopped."""
        self._ideal_s += seconds
        self.due_s += seconds

    def _draw_stall(self) -> None:
        self._stall_s = self._stall_end_s + self._chance.uniform(30.0, 90.0)
        self._stall_end_s = self._stall_s + self._chance.uniform(0.1, 0.5)

    def _well(self) -> float:
        return 0.0005 + min(self._chance.expovariate(1 / 0.0003), 0.001)

    def _burst_40(self) -> float:
        late_s = self._chance.uniform(0, 0.040) if self._chance.random() < 0.05 else 0
        return self._well() + late_s

    def _full_40(self) -> float:
        return self._chance.uniform(0, 0.040)

    def _stalled(self) -> float:
        if self._ideal_s >= self._stall_end_s:
            self._draw_stall()
        held = self._ideal_s >= self._stall_s
        return self._well() + (self._stall_end_s - self._ideal_s if held else 0)


_LATE: Final[dict[Lateness, Callable[[SoundClock], float]]] = {
    Lateness.NONE: lambda _: 0.0,
    Lateness.WELL: SoundClock._well,  # noqa: SLF001 - one of its own
    Lateness.BURST_40: SoundClock._burst_40,  # noqa: SLF001
    Lateness.FULL_40: SoundClock._full_40,  # noqa: SLF001
    Lateness.STALL: SoundClock._stalled,  # noqa: SLF001
}
