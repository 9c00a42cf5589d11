"""`skypechan`, which tells on SIGUSR2 how long its event loop was busy at a stretch.

A slice is one callback of the loop: nothing else, audio included, gets a turn in it.
The line `slices {...}` has what has happened since the line before. Processor time is
what counts: other programs, which take the processor away in a slice, are not in it.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import gc
import heapq
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from skypechan.cli import main

_KEPT = 12
_EDGES_US = (100, 250, 500, 1_000, 2_000, 5_000, 10_000)


@dataclass(slots=True)
class Slices:
    """What was measured since the last `told`."""

    count: int = 0
    busy_us: int = 0
    below: list[int] = field(default_factory=lambda: [0] * (len(_EDGES_US) + 1))
    longest: list[tuple[int, int, int, str]] = field(default_factory=list)
    collections: list[tuple[int, int, str]] = field(default_factory=list)

    def add(self, took_us: int, passed_us: int, who: Callable[[], str]) -> None:
        """Take a slice by its processor time and by the clock on the wall."""
        self.count += 1
        self.busy_us += took_us
        self.below[sum(took_us >= edge for edge in _EDGES_US)] += 1
        if len(self.longest) < _KEPT or took_us > self.longest[0][0]:
            entry = (took_us, passed_us, self.count, who())
            (heapq.heappush if len(self.longest) < _KEPT else heapq.heapreplace)(
                self.longest, entry
            )

    def told(self) -> dict[str, Any]:
        """Return what there is, and begin anew."""
        figures = {
            "count": self.count,
            "busy_us": self.busy_us,
            "edges_us": list(_EDGES_US),
            "below": self.below,
            "longest": [
                {"cpu_us": took, "wall_us": passed, "who": who}
                for took, passed, _, who in sorted(self.longest, reverse=True)
            ],
            "longest_collection": max(self.collections, default=(0, 0, "")),
        }
        self.__init__()  # type: ignore[misc]
        return figures


SLICES = Slices()


def who_is(callback: Any) -> str:
    """Return whose callback it is: of a task, what the task does."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        name = getattr(owner.get_coro(), "__qualname__", "?")
        return f"task {name}"
    inner = getattr(callback, "func", callback)
    return str(getattr(inner, "__qualname__", repr(inner)))


def watch() -> None:
    """Time every callback of every loop of this process."""
    plain = asyncio.events.Handle._run  # noqa: SLF001 - the one place of all callbacks

    def timed(self: Any) -> None:
        callback = self._callback
        begun_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
        plain(self)
        took_us = (time.thread_time_ns() - begun_ns) // 1000
        passed_us = (time.perf_counter_ns() - wall_ns) // 1000
        SLICES.add(took_us, passed_us, lambda: who_is(callback))

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]  # noqa: SLF001
    begun = [0]

    def collected(phase: str, told: Mapping[str, int]) -> None:
        if phase == "start":
            begun[0] = time.thread_time_ns()
        else:
            took_us = (time.thread_time_ns() - begun[0]) // 1000
            thread = threading.current_thread().name
            SLICES.collections.append((took_us, told["generation"], thread))

    gc.callbacks.append(collected)


def _tell(_number: int, _frame: FrameType | None) -> None:
    # Not by print: a handler may interrupt itself, and buffers do not bear that.
    os.write(sys.stdout.fileno(), f"slices {json.dumps(SLICES.told())}\n".encode())


if __name__ == "__main__":
    watch()
    signal.signal(signal.SIGUSR2, _tell)
    sys.exit(main())
