"""Waiting that ends in time, by the gateway's own clock, and leaves no task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from skypechan.clock import Clock
from skypechan.errors import DeadlineError

T = TypeVar("T")


async def within(clock: Clock, seconds: float, work: Awaitable[T], what: str) -> T:
    """Return what `work` gives; DeadlineError, saying `what`, after `seconds`."""
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise DeadlineError(f"{what} within {seconds:g} s")
        return task.result()
    finally:
        await _reap(task, timer)


async def first_of(*waits: Coroutine[Any, Any, object]) -> None:
    """Return when one of several waits ends, and end the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _reap(*tasks)


async def _reap(*tasks: asyncio.Future[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
