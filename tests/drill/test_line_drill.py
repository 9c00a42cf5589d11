"""Client, X server and bus are killed at random while calls are tried, 200 times.

Two lines, one over D-Bus and one over X11, each with its own client, run in this
process. After each kill both are ready again, and at the end nothing has grown:
descriptors, tasks, windows, memory.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from Xlib.display import Display

from skypechan.backends.base import LineState
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from skypechan.errors import SkypechanError
from tests.doubles.skype_emulator import ACCOUNT, SkypeEmulator
from tests.doubles.skype_line import SkypeLine, running_line

KILLS = 200 if "SKYPECHAN_DRILL_MINUTES" in os.environ else 6
WARM = 20 if KILLS == 200 else 2
"""Kills after which everything that is allocated once has been."""

READY_S = 2.0
"""From the return of what was killed, as the client says that it is there."""

SLACK_S = 1.0
"""A machine that does other things as well."""


@dataclass
class Stand:
    """A line, its client, and what both meet at."""

    desktop: PrivateBus | PrivateScreen
    client: SkypeEmulator
    line: SkypeLine
    waits: list[float] = field(default_factory=list)

    async def kill(self, what: str) -> None:
        if what == "client":
            await self.client.kill()
            return
        self.desktop.process.kill()
        await self.desktop.process.wait()
        await self.client.kill()

    async def revive(self, what: str) -> None:
        if what == "desktop":
            await self.desktop.start()
        await self.client.start()

    async def notices(self) -> None:
        """The loss is told, whatever was going on."""
        observer = self.line.observer
        await observer.until(
            lambda: observer.state is not LineState.READY, READY_S, "news of the loss"
        )

    async def reach_ready(self) -> None:
        start_s = time.monotonic()
        await self.line.observer.reach(LineState.READY, READY_S + SLACK_S)
        self.waits.append(time.monotonic() - start_s)


@asynccontextmanager
async def stand(desktop: PrivateBus | PrivateScreen) -> AsyncIterator[Stand]:
    if isinstance(desktop, PrivateBus):
        client = SkypeEmulator(bus_address=desktop.address)
        where = SkypeSettings(
            account=ACCOUNT, transport="dbus", dbus_address=desktop.address
        )
    else:
        cookie = str(desktop.xauthority)
        client = SkypeEmulator(display=desktop.display, xauthority=cookie)
        where = SkypeSettings(
            account=ACCOUNT,
            transport="x11",
            display=desktop.display,
            xauthority=cookie,
        )
    try:
        await client.start()
        async with running_line(where) as line:
            await line.observer.reach(LineState.READY)
            yield Stand(desktop, client, line)
    finally:
        await client.kill()


@pytest.fixture
async def stands(tmp_path: Path) -> AsyncIterator[list[Stand]]:
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(PrivateBus(tmp_path / "bus"))
        screen = PrivateScreen(tmp_path / "screen", screen="640x480x8")
        # A number that nobody else is given while its server is dead.
        screen._number = 500 + os.getpid() % 5_000
        await stack.enter_async_context(screen)
        yield [await stack.enter_async_context(stand(part)) for part in (bus, screen)]


@dataclass(frozen=True, slots=True)
class Use:
    """What one process holds while nothing happens."""

    descriptors: int
    tasks: int
    windows: int
    objects: int
    memory_kb: int


async def settled(stands: list[Stand]) -> Use:
    """Measured when the same is seen for a while: what was lost takes time to end."""
    seen: tuple[int, int] = (0, 0)
    for _ in range(40):
        now = (len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()))
        if now == seen:
            break
        seen = now
        await asyncio.sleep(0.1)
    gc.collect()
    screen = stands[1].desktop
    assert isinstance(screen, PrivateScreen)
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    windows = await asyncio.to_thread(_windows, screen)
    return Use(*seen, windows, len(gc.get_objects()), memory_kb)


def _windows(screen: PrivateScreen) -> int:
    os.environ["XAUTHORITY"] = str(screen.xauthority)
    display = Display(screen.display)
    try:
        return len(display.screen().root.query_tree().children)
    finally:
        display.close()


async def try_a_call(one: Stand, chance: random.Random, tried: list[int]) -> None:
    """Out or in, as far as it comes; whatever fails is what is being tried."""
    with suppress(SkypechanError):
        if chance.random() < 0.5:
            leg, _ = await one.line.place(chance.choice(("echo", "noanswer", "busy")))
            tried[0] += 1
            await asyncio.sleep(chance.uniform(0, 0.6))
            await leg.release()
        else:
            one.line.observer.offers.clear()
            await one.client.control("POST", "/calls", **{"from": "echo"})
            offered = await one.line.observer.next_offer(0.5)
            tried[0] += 1
            await asyncio.sleep(chance.uniform(0, 0.3))
            await offered.offer.leg.release()


async def calls(one: Stand, chance: random.Random, tried: list[int]) -> None:
    while True:
        with suppress(TimeoutError, AssertionError):
            await try_a_call(one, chance, tried)
        await asyncio.sleep(0.02)


async def test_every_line_is_ready_again_and_nothing_grows(
    stands: list[Stand], chance: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAUTHORITY", "")  # restored afterwards
    before: Use | None = None
    tried = [0]
    for number in range(KILLS):
        one = chance.choice(stands)
        what = chance.choice(("client", "client", "desktop"))
        trying = [asyncio.create_task(calls(each, chance, tried)) for each in stands]
        await asyncio.sleep(chance.uniform(0.1, 0.6))
        await one.kill(what)
        await one.notices()
        await asyncio.sleep(chance.choice((0.0, 0.1, 0.5)))
        await one.revive(what)
        await one.reach_ready()
        for task in trying:
            task.cancel()
        for outcome in await asyncio.gather(*trying, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome
        for each in stands:
            await each.line.observer.reach(LineState.READY)
            each.line.observer.offers.clear()
            del each.line.observer.states[:-1]
        if number % 25 == 24:
            print(f"{number + 1} kills, {tried[0]} calls begun", flush=True)  # noqa: T201
        if number == WARM - 1:
            before = await settled(stands)
    after = await settled(stands)
    waits = sorted(wait for each in stands for wait in each.waits)
    print(  # noqa: T201 - the drill's figures
        f"{len(waits)} kills, {tried[0]} calls begun: ready after "
        f"{waits[len(waits) // 2]:.2f} s (median), {waits[-1]:.2f} s (most)\n"
        f"{before}\n{after}"
    )
    assert before is not None
    assert after.descriptors <= before.descriptors
    assert after.tasks <= before.tasks
    assert after.windows <= before.windows
    assert after.objects <= before.objects * 1.05 + 5_000
    assert after.memory_kb <= before.memory_kb + 8_000
