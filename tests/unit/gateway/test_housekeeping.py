"""When garbage is looked for, and what is set aside."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from skypechan.gateway.housekeeping import Housekeeping, housekeeping
from tests.doubles.clock import FakeClock

SEARCH = ["unfreeze", "collect", "freeze", "give back"]


class House:
    """Calls or none, and a collector that takes note."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.is_idle = True
        self.new = 0
        self.done: list[str] = []
        self.keeping = Housekeeping(
            self.clock,
            lambda: self.is_idle,
            self,
            self.give_back,
        )

    def freeze(self) -> None:
        self.done.append("freeze")

    def unfreeze(self) -> None:
        self.done.append("unfreeze")

    def give_back(self) -> None:
        self.done.append("give back")

    def collect(self) -> int:
        self.done.append("collect")
        self.new = 0
        return 0

    def get_count(self) -> tuple[int, int, int]:
        return (7, self.new, 0)

    async def after_the_first(self) -> None:
        """Let the first search have been made."""
        self.new = 3
        assert await self.seconds(5) == SEARCH

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


async def test_garbage_is_looked_for_while_nobody_talks_soon_and_not_at_once_again(
    house: House,
) -> None:
    house.new = 3
    assert await house.seconds(5) == SEARCH
    house.new = 3
    assert await house.seconds(29) == []
    assert await house.seconds(1) == SEARCH


async def test_amid_calls_garbage_is_looked_for_seldom_and_nothing_is_set_aside(
    house: House,
) -> None:
    await house.after_the_first()
    house.is_idle = False
    for _ in range(2):
        house.new = 3
        assert await house.seconds(59) == []
        assert await house.seconds(1) == ["collect"]


async def test_a_gateway_that_is_never_idle_sets_its_lines_aside_once(
    house: House,
) -> None:
    house.is_idle, house.new = False, 3
    assert await house.seconds(34) == []
    assert await house.seconds(1) == ["freeze"]
    assert await house.seconds(60) == ["collect"]


async def test_an_idle_moment_is_taken_after_half_a_minute_without(
    house: House,
) -> None:
    await house.after_the_first()
    house.is_idle, house.new = False, 3
    assert await house.seconds(30) == []
    house.is_idle = True
    assert await house.seconds(1) == SEARCH


async def test_no_full_collection_comes_by_itself_meanwhile() -> None:
    before = gc.get_threshold()
    async with housekeeping(FakeClock(), lambda: True):
        assert gc.get_threshold()[-1] > 1_000_000
    assert gc.get_threshold() == before


async def test_a_call_that_has_ended_is_found_amid_calls() -> None:
    """With the collector itself: nothing else finds it."""

    class Call:
        def __init__(self) -> None:
            self.itself = self

    clock = FakeClock()
    async with housekeeping(clock, lambda: False):
        new = [{one} for one in range(2000)]  # as there always is, where calls are
        for _ in range(35):  # at the first time what is there is set aside
            await clock.advance(1.0)
        live = Call()
        gone = weakref.ref(live)
        for _ in range(2):
            gc.collect(1)  # it is as old as can be
        del live
        new += [{one} for one in range(2000)]
        for _ in range(60):
            await clock.advance(1.0)
        assert gone() is None
        assert new
    gc.unfreeze()
