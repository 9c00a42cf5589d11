"""Work that strangers cause, bounded: one at a time, so many waiting."""

from __future__ import annotations

import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

_log = logging.getLogger(__name__)

_MOST_WAITING: Final = 256
_MOST_REMEMBERED: Final = 1024

T = TypeVar("T")

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class BoundedWork(Generic[T]):
    """Does one thing for each item, each item once, one after the other as they came.

    What comes while too many wait is dropped and counted; a flood costs neither
    memory nor the client's attention.
    """

    def __init__(
        self, name: str, spawn: Spawn, do: Callable[[T], Awaitable[None]]
    ) -> None:
        self.dropped = 0
        self._name = name
        self._spawn = spawn
        self._do = do
        self._waiting: deque[T] = deque()
        self._working = False
        self._known: OrderedDict[T, None] = OrderedDict()

    def add(self, item: T) -> bool:
        """Take an item; False for one that was taken before, and in a flood."""
        if item in self._known:
            return False
        if len(self._waiting) >= _MOST_WAITING:
            if not self.dropped:
                _log.warning("! too many %s at once, some are dropped", self._name)
            self.dropped += 1
            return False
        self._known[item] = None
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        self._waiting.append(item)
        if not self._working:
            self._start()
        return True

    def forget(self, item: T) -> None:
        """Let an item be taken again."""
        self._known.pop(item, None)

    def _start(self) -> None:
        self._working = True
        self._spawn(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._do(self._waiting.popleft())
        finally:
            self._working = False
            if self._waiting:
                self._start()  # one item that fails does not hold up the others
