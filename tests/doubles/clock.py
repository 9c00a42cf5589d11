"""A clock that a test moves by hand."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Implements `skypechan.clock.Clock`; time passes only in `advance`."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self._start = datetime(2026, 1, 1, tzinfo=UTC)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = 0

    def monotonic_s(self) -> float:
        return self._now_s

    def wall(self) -> datetime:
        return self._start + timedelta(seconds=self._now_s)

    async def sleep(self, seconds: float) -> None:
        self._order += 1
        woken = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_s + seconds, self._order, woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Let time pass, waking every sleeper at its moment."""
        end_s = self._now_s + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end_s:
            self._now_s, _, woken = heapq.heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await settle()
        self._now_s = end_s


async def settle() -> None:
    """Let every task that can run do so, until they all wait."""
    for _ in range(50):
        await asyncio.sleep(0)
