"""Collections of garbage are kept away from audio.

A full collection walks through every object that could be part of a cycle, and nothing
else has a turn meanwhile: 50 ms with two hundred lines. So none comes by itself. While
nobody talks one is made, and what it leaves is set aside (`gc.freeze`), for that mostly
stays for good; what calls have used goes back to the system. Where somebody always
talks, garbage is looked for amid calls, each minute, and only in what has come since:
that is soon done. Set aside is nothing then: calls would be, and not be found again.
Only the first time it is all that there is, which is the lines for the most part.

Collections of what is new come by themselves, but of little at a time: with Python's
own thresholds some take 3 to 6 ms when many lines have something to do at once.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from skypechan.clock import Clock

_LOOK_S = 1.0
_LOOKS_WHILE_IDLE, _LOOKS_AMID_CALLS = 30, 60  # from one search to the next
_FIRST_LOOKS = 5  # until all lines are there, mostly
# After so many new objects; after so many of these collections; never by itself.
_THRESHOLDS = (100, 2, 2**31 - 1)


class Collector(Protocol):
    """What is used of the module `gc`."""

    def freeze(self) -> None:
        """Set aside all that lives."""

    def unfreeze(self) -> None:
        """Let it be walked through again."""

    def collect(self) -> int:
        """Find garbage in all that is not set aside."""

    def get_count(self) -> tuple[int, int, int]:
        """Tell how much is new in each generation."""


def settle() -> None:
    """Set aside all that lives, and give back what only the start has used.

    To be called when all is there that lives for good. 1.3 MB of 43 are given back.
    """
    gc.collect()
    gc.freeze()
    give_back()


def give_back() -> None:
    """Give the system what the C library holds free, where it can (glibc).

    Free pieces lie between used ones: by itself it gives back only what is at the end.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@asynccontextmanager
async def housekeeping(
    clock: Clock, is_idle: Callable[[], bool]
) -> AsyncIterator[None]:
    """Keep full collections away meanwhile."""
    usual = gc.get_threshold()
    gc.set_threshold(*_THRESHOLDS)
    running = Housekeeping(clock, is_idle).run()
    task = asyncio.create_task(running, name="housekeeping")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        gc.set_threshold(*usual)


class Housekeeping:
    """Looks each second; `is_idle` tells whether no call lives."""

    def __init__(
        self,
        clock: Clock,
        is_idle: Callable[[], bool],
        collector: Collector = gc,
        give_back: Callable[[], None] = give_back,
    ) -> None:
        self._clock = clock
        self._is_idle = is_idle
        self._collector = collector
        self._give_back = give_back
        self._looks = _LOOKS_WHILE_IDLE - _FIRST_LOOKS
        self._is_first = True

    async def run(self) -> None:
        """Look each second, until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            self._look()

    def _look(self) -> None:
        self._looks += 1
        _, *older = self._collector.get_count()
        if not any(older):
            return
        if self._is_idle() and self._looks >= _LOOKS_WHILE_IDLE:
            self._collector.unfreeze()
            self._collector.collect()
            self._collector.freeze()
            self._give_back()
        elif self._looks < _LOOKS_AMID_CALLS:
            return
        elif self._is_first:
            self._collector.freeze()
        else:
            self._collector.collect()
        self._looks, self._is_first = 0, False
