"""Waiting for a condition with a deadline, woken by whoever changes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Changes:
    """Wakes everyone who waits until something about an object becomes true."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Let every waiter look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(
        self, condition: Callable[[], object], seconds: float, what: str
    ) -> None:
        """Return once ``condition()`` is true.

        Raises TimeoutError that names ``what`` after ``seconds``.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not condition():
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                message = f"no {what} within {seconds:g} s"
                raise TimeoutError(message) from None
            finally:
                self._waiters.discard(waiter)
