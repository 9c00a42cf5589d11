"""uvloop's event loop, timed as asyncio's own is. To import this is to need uvloop."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import Context

import uvloop

from skypechan.clock import SystemClock

VERSION: str = uvloop.__version__

_CLOCK = SystemClock()
_MS = 1000


class Loop(uvloop.Loop):  # type: ignore[misc]  # uvloop's types are not looked at
    """What uvloop counts in whole milliseconds is exact here.

    Audio needs that: passes of a fraction of a millisecond are measured and gathered
    for half of one, and a sound card's clock is told from ours by some millionths.
    """

    def time(self) -> float:
        """Return the machine's monotonic clock, in seconds."""
        return _CLOCK.monotonic_s()

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> Timer:
        """Call at a time of `time()`, or up to a millisecond later, never before."""
        now_s = self.time()
        # By itself uvloop rounds to the nearest, and so would call too early.
        wait_ms = math.ceil(when * _MS) - int(now_s * _MS) if when > now_s else 0
        handle = self.call_later(wait_ms / _MS, callback, *args, context=context)
        return Timer(when, handle.cancel)


class Timer:
    """A call to come. That of uvloop for a call at once does not know its time."""

    __slots__ = ("_cancel", "_when")

    def __init__(self, when: float, cancel: Callable[[], None]) -> None:
        self._when = when
        self._cancel = cancel

    def when(self) -> float:
        """Return the time that was asked for."""
        return self._when

    def cancel(self) -> None:
        """Have it not called. Harmless twice, and afterwards."""
        self._cancel()
