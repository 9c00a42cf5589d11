"""The engine's clock: a tick every 20 ms while there are calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TICK_S = 0.020

_DEAD_S = 5.0


class Ticker:
    """Calls `act` with the time of each tick, in seconds of `loop`'s clock."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, act: Callable[[float], None]
    ) -> None:
        self._loop = loop
        self._act = act
        self._timer: asyncio.TimerHandle | None = None
        self._acted_s = 0.0

    @property
    def is_alive(self) -> bool:
        """Tell whether the last seconds had a tick that was acted on to its end."""
        return self._timer is None or self._loop.time() - self._acted_s < _DEAD_S

    def start(self) -> None:
        """Tick from now on; harmless when it does."""
        if self._timer is None:
            self._acted_s = self._loop.time()
            self._wait_until(self._acted_s + TICK_S)

    def stop(self) -> None:
        """Tick no longer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait_until(self, due_s: float) -> None:
        self._timer = self._loop.call_at(due_s, self._tick, due_s)

    def _tick(self, due_s: float) -> None:
        now_s = self._loop.time()
        # What was missed is not made up for in a burst.
        next_s = due_s + TICK_S
        self._wait_until(next_s if next_s > now_s else now_s + TICK_S)
        self._act(now_s)
        self._acted_s = now_s
