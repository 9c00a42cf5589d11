"""The only place where signalling code reads time or sleeps.

Objects that wait take a `Clock`, so that a test can move time itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the gateway sees it."""

    def monotonic_s(self) -> float:
        """Return seconds that never jump."""

    def wall(self) -> datetime:
        """Return the time of day, in UTC, for records and logs."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def monotonic_s(self) -> float:
        """Return the system's monotonic clock, shared by all processes."""
        return time.monotonic()

    def wall(self) -> datetime:
        """Return the time of day in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait in the running event loop."""
        await asyncio.sleep(seconds)


class Backoff:
    """Waiting times of a retry: doubling from `first_s` to `most_s`, with jitter.

    The jitter of up to a quarter keeps many lines from knocking in step.
    """

    def __init__(self, first_s: float = 0.5, most_s: float = 10.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._next_s = first_s

    def next_s(self) -> float:
        """Return the next waiting time in seconds."""
        wait_s = self._next_s
        self._next_s = min(self._next_s * 2, self._most_s)
        return wait_s * random.uniform(0.75, 1.0)  # noqa: S311 - not a secret

    def reset(self) -> None:
        """Start over: the last try succeeded."""
        self._next_s = self._first_s
