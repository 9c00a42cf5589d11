"""uvloop's loop keeps the time that asyncio's own keeps. Where it is not installed, a
stand-in of its name: what is added to it is ours."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import sys
import time
import types
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

MakeLoop = Callable[[], asyncio.AbstractEventLoop]


class Rounding(asyncio.SelectorEventLoop):
    """Delays as uvloop has them: in whole milliseconds, and none where it is half."""

    def call_later(self, delay, callback, *args, context=None):
        if not (delay_ms := round(delay * 1000)):
            return self.call_soon(callback, *args, context=context)
        at_s = self.time() + delay_ms / 1000
        return super().call_at(at_s, callback, *args, context=context)


@pytest.fixture
def make_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeLoop]:
    if importlib.util.find_spec("uvloop") is None:
        stand_in = types.SimpleNamespace(Loop=Rounding, __version__="0.99")
        monkeypatch.setitem(sys.modules, "uvloop", stand_in)
    monkeypatch.delitem(sys.modules, "skypechan.loop", raising=False)
    yield importlib.import_module("skypechan.loop").Loop
    sys.modules.pop("skypechan.loop", None)


def test_its_clock_is_the_machines_and_no_coarser(make_loop: MakeLoop) -> None:
    async def told() -> list[float]:
        clock = asyncio.get_running_loop().time
        return [clock() for _ in range(9)]

    before = time.monotonic()
    with asyncio.Runner(loop_factory=make_loop) as runner:
        times = runner.run(told())
    assert before <= times[0] <= times[-1] <= time.monotonic()
    assert any(0 < later - sooner < 0.001 for sooner, later in pairwise(times))


@pytest.mark.parametrize("ahead_s", [-1.0, 0.0, 0.0003, 0.0101])
def test_timer_knows_its_time_and_is_never_early(
    make_loop: MakeLoop, ahead_s: float
) -> None:
    async def wait() -> tuple[float, float, float]:
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        due_s = loop.time() + ahead_s
        timer = loop.call_at(due_s, lambda: called.set_result(loop.time()))
        async with asyncio.timeout(10):
            return due_s, timer.when(), await called

    with asyncio.Runner(loop_factory=make_loop) as runner:
        due_s, told_s, called_s = runner.run(wait())
    assert told_s == due_s <= called_s


def test_timer_that_is_cancelled_calls_nothing(make_loop: MakeLoop) -> None:
    async def cancel() -> list[str]:
        loop, called = asyncio.get_running_loop(), list[str]()
        for ahead_s in (-1.0, 0.001):
            timer = loop.call_at(loop.time() + ahead_s, called.append, "cancelled")
            timer.cancel()
            timer.cancel()
        last = loop.create_future()
        loop.call_at(loop.time() + 0.005, last.set_result, None)
        async with asyncio.timeout(10):
            await last
        return called

    with asyncio.Runner(loop_factory=make_loop) as runner:
        assert runner.run(cancel()) == []
