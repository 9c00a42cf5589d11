"""How late an event loop comes to what is due: a stall shows as a long lag."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

_EVERY_S = 0.005


class LoopLag:
    """Measures from `async with` on; `most_s` is the longest lag so far."""

    def __init__(self) -> None:
        self.most_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        self._wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._handle is not None
        self._handle.cancel()
        self.most_s = max(self.most_s, self._loop.time() - self._due_s)

    def _wait(self) -> None:
        self._due_s = self._loop.time() + _EVERY_S
        self._handle = self._loop.call_at(self._due_s, self._beat)

    def _beat(self) -> None:
        self.most_s = max(self.most_s, self._loop.time() - self._due_s)
        self._wait()
