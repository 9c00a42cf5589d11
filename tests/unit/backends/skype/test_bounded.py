from __future__ import annotations

import asyncio

from skypechan.backends.skype.bounded import BoundedWork
from tests.doubles.clock import settle


class Workshop:
    """Does what is asked when it is let; `tasks` are the workers started."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task] = []
        self.done: list[int] = []
        self.going = asyncio.Event()
        self.at_once = self.most_at_once = 0
        self.work: BoundedWork[int] = BoundedWork("things", self.spawn, self.do)

    def spawn(self, work) -> None:
        self.tasks.append(asyncio.create_task(work))

    async def do(self, item: int) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.going.wait()
            if item < 0:
                raise ValueError(item)
            self.done.append(item)
        finally:
            self.at_once -= 1


async def test_each_thing_is_done_once_in_order():
    shop = Workshop()
    shop.going.set()
    assert [shop.work.add(item) for item in (1, 2, 1, 3)] == [True, True, False, True]
    await settle()
    assert shop.done == [1, 2, 3]
    assert not shop.work.add(2)
    shop.work.forget(2)
    assert shop.work.add(2)
    await settle()
    assert shop.done == [1, 2, 3, 2]


async def test_flood_waits_in_a_short_queue_and_the_rest_is_counted():
    shop = Workshop()
    taken = sum(shop.work.add(item) for item in range(5_000))
    await settle()
    assert shop.most_at_once == 1
    assert taken + shop.work.dropped == 5_000
    shop.going.set()
    await settle()
    while not all(task.done() for task in shop.tasks):
        await settle()
    assert len(shop.done) == taken < 300


async def test_thing_that_fails_does_not_hold_up_the_others():
    shop = Workshop()
    for item in (-1, -2, -3, -4, 5, 6):
        shop.work.add(item)
    shop.going.set()
    await settle()
    failed = await asyncio.gather(*shop.tasks, return_exceptions=True)
    assert sum(isinstance(item, ValueError) for item in failed) == 4
    assert sorted(shop.done) == [5, 6]


async def test_what_was_dropped_can_come_again():
    shop = Workshop()
    for item in range(1_000):
        shop.work.add(item)
    shop.going.set()
    await settle()
    while not all(task.done() for task in shop.tasks):
        await settle()
    assert shop.work.add(999)
    await settle()
    assert 999 in shop.done


async def test_memory_of_what_was_done_is_bounded():
    shop = Workshop()
    shop.going.set()
    for item in range(5_000):
        shop.work.add(item)
        await asyncio.sleep(0)
    await settle()
    assert len(shop.work._known) <= 1_024
