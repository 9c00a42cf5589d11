"""An event loop in a thread of its own, for parts that outlive a test.

Each test has its own loop; what is started once for many tests (Asterisk, a bus) needs
one that goes on between them, to read its output and to reap it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self, TypeVar

_Result = TypeVar("_Result")


class LoopThread:
    """Runs coroutines and async contexts; leaving it leaves the contexts, last first.

    The thread lives until the end: children with a parent-death signal die with the
    thread that started them, not with the process.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, _Result], seconds: float = 60) -> _Result:
        """Run a coroutine there and wait here for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    async def wait(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine there, awaited from the caller's loop."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return await asyncio.wrap_future(future)

    def enter(self, context: AbstractAsyncContextManager[_Result]) -> _Result:
        """Enter a context that stays until the thread ends, or until `leave`."""
        return self.run(self._stack.enter_async_context(context))

    def sub(self) -> Contexts:
        """A place for contexts that end earlier."""
        return Contexts(self)


class Contexts:
    """Contexts of a `LoopThread` that end together, with the ``with`` block."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(self._stack.aclose())

    def enter(self, context: AbstractAsyncContextManager[_Result]) -> _Result:
        """Enter a context that ends with this block."""
        return self._thread.run(self._stack.enter_async_context(context))
