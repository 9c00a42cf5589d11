"""Collections of garbage are kept away from audio.

A full collection walks through every object that could be part of a cycle, and nothing
else has a turn meanwhile: 50 ms with two hundred lines. What is there when the lines
have settled mostly stays, so it is set aside (`gc.freeze`), and collections that come
by themselves walk through what is new. What of it becomes garbage all the same is
looked for while nobody talks.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from skypechan.clock import Clock

_LOOK_S = 1.0


class Collector(Protocol):
    """What is used of the module `gc`."""

    def freeze(self) -> None:
        """Set aside all that lives."""

    def unfreeze(self) -> None:
        """Let it be walked through again."""

    def collect(self) -> int:
        """Find garbage in all that is not set aside."""


@asynccontextmanager
async def housekeeping(
    clock: Clock, ready: Callable[[], int], is_idle: Callable[[], bool]
) -> AsyncIterator[None]:
    """Keep collections away meanwhile."""
    running = Housekeeping(clock, ready, is_idle).run()
    task = asyncio.create_task(running, name="housekeeping")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Housekeeping:
    """Sets aside what the lines keep, whenever the number of ready ones has settled.

    `ready` tells that number, `is_idle` whether no call lives.
    """

    def __init__(
        self,
        clock: Clock,
        ready: Callable[[], int],
        is_idle: Callable[[], bool],
        collector: Collector = gc,
    ) -> None:
        self._clock = clock
        self._ready = ready
        self._is_idle = is_idle
        self._collector = collector
        self._seen = 0
        self._is_unsettled = False
        self._owes_search = False

    async def run(self) -> None:
        """Look each second, until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            self._look()

    def _look(self) -> None:
        before, self._seen = self._seen, self._ready()
        if self._seen != before:
            self._is_unsettled = True
            return
        if self._is_unsettled:
            self._is_unsettled, self._owes_search = False, True
            self._collector.freeze()
        if self._owes_search and self._is_idle():
            self._owes_search = False
            self._collector.unfreeze()
            self._collector.collect()
            self._collector.freeze()
