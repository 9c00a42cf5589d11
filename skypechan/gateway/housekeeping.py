"""Collections of garbage are kept away from audio.

A full collection walks through every object that could be part of a cycle, and nothing
else has a turn meanwhile: 50 ms with two hundred lines. What it leaves mostly stays for
good, so it is set aside (`gc.freeze`): the next full collection walks only through what
is new. What of the rest becomes garbage all the same, as calls do that lived just then,
is looked for while nobody talks. Where somebody always does, it is looked for amid
calls, but seldom: what they hear of it is a frame that comes late.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

from skypechan.clock import Clock

_LOOK_S = 1.0
_LOOKS_WHILE_IDLE, _LOOKS_AMID_CALLS = 30, 600  # from one search to the next
_FULL = 2  # the generation


class Collector(Protocol):
    """What is used of the module `gc`."""

    def freeze(self) -> None:
        """Set aside all that lives."""

    def unfreeze(self) -> None:
        """Let it be walked through again."""

    def collect(self) -> int:
        """Find garbage in all that is not set aside."""

    def get_stats(self) -> list[dict[str, Any]]:
        """Tell of each generation how often it was collected."""

    def get_count(self) -> tuple[int, int, int]:
        """Tell how much is new in each generation."""


@asynccontextmanager
async def housekeeping(
    clock: Clock, is_idle: Callable[[], bool]
) -> AsyncIterator[None]:
    """Keep collections away meanwhile."""
    running = Housekeeping(clock, is_idle).run()
    task = asyncio.create_task(running, name="housekeeping")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


class Housekeeping:
    """Looks each second; `is_idle` tells whether no call lives."""

    def __init__(
        self, clock: Clock, is_idle: Callable[[], bool], collector: Collector = gc
    ) -> None:
        self._clock = clock
        self._is_idle = is_idle
        self._collector = collector
        self._full_before = 0
        self._looks = 0

    async def run(self) -> None:
        """Look each second, until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            self._look()

    def _look(self) -> None:
        collector, full_before = self._collector, self._full_before
        self._full_before = self._full_collections()
        self._looks += 1
        _, *older = collector.get_count()
        patience = _LOOKS_WHILE_IDLE if self._is_idle() else _LOOKS_AMID_CALLS
        is_time = self._looks >= patience
        if is_time and (any(older) or self._full_before != full_before):
            collector.unfreeze()
            collector.collect()
            collector.freeze()
            self._full_before, self._looks = self._full_collections(), 0
        elif self._full_before != full_before:
            collector.freeze()

    def _full_collections(self) -> int:
        return int(self._collector.get_stats()[_FULL]["collections"])
