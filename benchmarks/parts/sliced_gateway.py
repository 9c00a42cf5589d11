"""`skypechan`, which tells on SIGUSR2 how long its event loop was busy at a stretch.

A slice is one callback of the loop: nothing else, audio included, gets a turn in it.
The line `slices {...}` has what has happened since the line before. Processor time is
what counts: other programs, which take the processor away in a slice, are not in it.
What a long slice is about is seen by looking at it, through a timer, while it lasts.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import gc
import json
import os
import signal
import sys
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import skypechan
from skypechan.cli import main

_EDGES_US = (100, 250, 500, 1_000, 2_000, 5_000, 10_000)
_NAMED_US = 1_000
_LOOK_AFTER_S, _LOOK_EACH_S = 0.0008, 0.0004
_AUDIO = frozenset({"Engine._pass", "Engine._play_due", "Ticker._tick"})
_HOUSE = str(Path(skypechan.__file__).parent)


@dataclass(slots=True)
class Named:
    """Slices of one name that were longer than a millisecond, microseconds."""

    over_1_ms: int = 0
    over_2_ms: int = 0
    longest_us: int = 0
    wall_us: int = 0
    garbage_us: int = 0

    def add(self, took_us: int, passed_us: int, garbage_us: int) -> None:
        """Take one; `wall_us` and `garbage_us` are those of the longest."""
        self.over_1_ms += 1
        self.over_2_ms += took_us >= 2 * _NAMED_US
        if took_us > self.longest_us:
            self.longest_us, self.wall_us = took_us, passed_us
            self.garbage_us = garbage_us


@dataclass(slots=True)
class Kind:
    """All slices of audio, or all others."""

    count: int = 0
    busy_us: int = 0
    below: list[int] = field(default_factory=lambda: [0] * (len(_EDGES_US) + 1))
    longest_us: int = 0
    named: dict[str, Named] = field(default_factory=dict)

    def add(self, took_us: int) -> None:
        """Take a slice by its processor time."""
        self.count += 1
        self.busy_us += took_us
        self.below[bisect_right(_EDGES_US, took_us)] += 1
        self.longest_us = max(self.longest_us, took_us)

    def told(self) -> dict[str, Any]:
        """Return all of it, the longest name first."""
        named = sorted(
            self.named.items(), key=lambda item: item[1].longest_us, reverse=True
        )
        return {
            "count": self.count,
            "busy_us": self.busy_us,
            "below": self.below,
            "longest_us": self.longest_us,
            "named": [
                {"name": name, **{key: getattr(one, key) for key in one.__slots__}}
                for name, one in named
            ],
        }


class Slices:
    """What was measured since the last `told`, and what is seen of this slice."""

    def __init__(self) -> None:
        self.audio, self.other = Kind(), Kind()
        self.seen: Counter[str] = Counter()
        self.garbage_us = 0
        self.generation = 0

    def add(self, callback: Any, took_us: int, passed_us: int) -> None:
        """Take a slice by its processor time and by the clock on the wall."""
        who = (
            _who(callback)
            if took_us >= _NAMED_US
            else getattr(callback, "__qualname__", "")
        )
        kind = self.audio if who in _AUDIO else self.other
        kind.add(took_us)
        if took_us >= _NAMED_US:
            name = self._name(who, took_us)
            kind.named.setdefault(name, Named()).add(
                took_us, passed_us, self.garbage_us
            )
        self.seen.clear()
        self.garbage_us = self.generation = 0

    def _name(self, who: str, took_us: int) -> str:
        if self.garbage_us > took_us / 2:
            return f"collection of garbage, generation {self.generation}"
        where = self.seen.most_common(1)
        return f"{who}: {where[0][0]}" if where else who

    def collected(self, took_us: int, generation: int) -> None:
        """Take a collection of garbage within this slice."""
        self.garbage_us += took_us
        self.generation = max(self.generation, generation)

    def look(self, _number: int, frame: FrameType | None) -> None:
        """See what the slice is about."""
        self.seen[_place(frame)] += 1

    def told(self) -> dict[str, Any]:
        """Return what there is, and begin anew."""
        figures = {
            "edges_us": list(_EDGES_US),
            "audio": self.audio.told(),
            "other": self.other.told(),
        }
        self.audio, self.other = Kind(), Kind()
        return figures


SLICES = Slices()


def _who(callback: Any) -> str:
    """Return whose callback it is: of a task, what the task does."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        name = getattr(owner.get_coro(), "__qualname__", "?")
        return f"task {name}"
    inner = getattr(callback, "func", callback)
    return str(getattr(inner, "__qualname__", repr(inner)))


def _place(frame: FrameType | None) -> str:
    """Return the function of ours that runs, and what of others it has called."""
    innermost = frame.f_code.co_qualname if frame else ""
    while frame is not None and not frame.f_code.co_filename.startswith(_HOUSE):
        frame = frame.f_back
    ours = frame.f_code.co_qualname if frame else ""
    return innermost if innermost == ours or not ours else f"{ours} > {innermost}"


def watch() -> None:
    """Time every callback of every loop of this process."""
    plain = asyncio.events.Handle._run  # noqa: SLF001 - the one place of all callbacks
    signal.signal(signal.SIGALRM, SLICES.look)

    def timed(self: Any) -> None:
        callback = self._callback
        signal.setitimer(signal.ITIMER_REAL, _LOOK_AFTER_S, _LOOK_EACH_S)
        begun_ns, wall_ns = time.thread_time_ns(), time.perf_counter_ns()
        plain(self)
        took_us = (time.thread_time_ns() - begun_ns) // 1000
        passed_us = (time.perf_counter_ns() - wall_ns) // 1000
        signal.setitimer(signal.ITIMER_REAL, 0)
        SLICES.add(callback, took_us, passed_us)

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]  # noqa: SLF001
    begun = [0]

    def collected(phase: str, told: Mapping[str, int]) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if phase == "start":
            begun[0] = time.thread_time_ns()
        else:
            took_us = (time.thread_time_ns() - begun[0]) // 1000
            SLICES.collected(took_us, told["generation"])

    gc.callbacks.append(collected)


def _tell(_number: int, _frame: FrameType | None) -> None:
    # Not by print: a handler may interrupt itself, and buffers do not bear that.
    os.write(sys.stdout.fileno(), f"slices {json.dumps(SLICES.told())}\n".encode())


if __name__ == "__main__":
    watch()
    signal.signal(signal.SIGUSR2, _tell)
    sys.exit(main())
