"""The Skype backend with somebody who watches its line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from skypechan.backends.base import LineState
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.leg import SkypeLeg
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.timing import Timing
from skypechan.call.events import LineAnswered
from skypechan.clock import SystemClock
from tests.doubles.line_observer import Events, RecordingObserver


class SkypeLine:
    """A line and what has been told of it."""

    def __init__(self, backend: SkypeBackend) -> None:
        self.backend = backend
        self.observer = RecordingObserver()

    async def place(self, address: str) -> tuple[SkypeLeg, Events]:
        """Call somebody."""
        events = Events()
        return await self.backend.place(address, events), events

    async def talk(self) -> tuple[SkypeLeg, Events]:
        """Call the echoing contact, who answers."""
        leg, events = await self.place("echo")
        await events.first(LineAnswered)
        return leg, events

    async def waits_for(self, words: str, seconds: float = 10) -> None:
        """Return once the line waits for its client, for a reason with these words."""

        def waits() -> bool:
            waiting = self.observer.state is LineState.WAITING_FOR_CLIENT
            return waiting and words in self.observer.reason

        await self.observer.until(waits, seconds, f"{words}: {self.observer.states}")


@asynccontextmanager
async def running_line(
    settings: SkypeSettings, timing: Timing | None = None
) -> AsyncIterator[SkypeLine]:
    """Run the backend; that it ends before its time is an error."""
    line = SkypeLine(SkypeBackend(settings, SystemClock(), timing=timing))
    task = asyncio.create_task(line.backend.run(line.observer))
    yield line
    assert not task.done()
    task.cancel()
    await asyncio.wait([task], timeout=10)
    assert task.cancelled()
