"""When garbage is looked for, and what is set aside."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from skypechan.gateway.housekeeping import Housekeeping
from tests.doubles.clock import FakeClock


class House:
    """Lines and calls in number, and a collector that takes note."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ready = 0
        self.is_idle = True
        self.done: list[str] = []
        self.keeping = Housekeeping(
            self.clock, lambda: self.ready, lambda: self.is_idle, self
        )

    def freeze(self) -> None:
        self.done.append("freeze")

    def unfreeze(self) -> None:
        self.done.append("unfreeze")

    def collect(self) -> int:
        self.done.append("collect")
        return 0

    async def seconds(self, count: int) -> list[str]:
        """Let so many pass; return what was done meanwhile."""
        self.done.clear()
        for _ in range(count):
            await self.clock.advance(1.0)
        return list(self.done)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()
    running = asyncio.create_task(made.keeping.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


FULL = ["unfreeze", "collect", "freeze"]


async def test_nothing_is_done_while_lines_come(house: House) -> None:
    for _ in range(3):
        house.ready += 1
        assert await house.seconds(1) == []


async def test_lines_that_have_settled_are_set_aside_once(house: House) -> None:
    house.ready = 2
    assert await house.seconds(2) == ["freeze", *FULL]
    assert await house.seconds(5) == []


async def test_garbage_is_looked_for_when_nobody_talks_any_more(house: House) -> None:
    house.ready, house.is_idle = 2, False
    assert await house.seconds(4) == ["freeze"]
    house.is_idle = True
    assert await house.seconds(3) == FULL
