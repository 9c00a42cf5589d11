"""When garbage is looked for, and what is set aside."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from skypechan.gateway.housekeeping import Housekeeping, housekeeping
from tests.doubles.clock import FakeClock

SEARCH = ["unfreeze", "collect", "freeze"]


class House:
    """Calls or none, and a collector that takes note."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.is_idle = True
        self.full_collections = 0
        self.new = 0
        self.done: list[str] = []
        self.keeping = Housekeeping(self.clock, lambda: self.is_idle, self)

    def freeze(self) -> None:
        self.done.append("freeze")

    def unfreeze(self) -> None:
        self.done.append("unfreeze")

    def collect(self) -> int:
        self.done.append("collect")
        self.full_collections += 1
        self.new = 0
        return 0

    def get_stats(self) -> list[dict[str, Any]]:
        return [{}, {}, {"collections": self.full_collections}]

    def get_count(self) -> tuple[int, int, int]:
        return (7, self.new, 0)

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


async def test_nothing_is_done_where_nothing_is_new(house: House) -> None:
    assert await house.seconds(90) == []


async def test_garbage_is_looked_for_while_nobody_talks_and_not_at_once_again(
    house: House,
) -> None:
    house.new = 3
    assert await house.seconds(30) == SEARCH
    house.new = 3
    assert await house.seconds(29) == []
    assert await house.seconds(1) == SEARCH


async def test_what_a_collection_amid_calls_has_left_is_set_aside(house: House) -> None:
    house.is_idle, house.new = False, 3
    assert await house.seconds(30) == []
    house.full_collections += 1
    assert await house.seconds(3) == ["freeze"]
    house.is_idle = True
    assert await house.seconds(1) == SEARCH
    assert await house.seconds(10) == []


async def test_a_gateway_that_is_never_idle_looks_for_garbage_too_but_seldom(
    house: House,
) -> None:
    house.is_idle = False
    for _ in range(2):
        house.new = 3
        assert await house.seconds(599) == []
        assert await house.seconds(1) == SEARCH


async def test_calls_that_were_set_aside_are_found_amid_calls() -> None:
    """With the collector itself: nothing else finds them."""

    class Call:
        def __init__(self) -> None:
            self.itself = self

    clock, live = FakeClock(), Call()
    gone = weakref.ref(live)
    async with housekeeping(clock, lambda: False):
        gc.collect()  # as if by itself
        await clock.advance(1.0)
        del live
        gc.collect()
        await clock.advance(1.0)
        assert gone() is not None
        new = [{one} for one in range(2000)]  # as there always is, where calls are
        for _ in range(600):
            await clock.advance(1.0)
        assert gone() is None
        assert new
    gc.unfreeze()
