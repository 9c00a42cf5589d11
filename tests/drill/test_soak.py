"""Many calls for long, many calls one after another: nothing is lost, nothing grows.

The whole gateway beside a real Asterisk, at whose calls an echo is the far end. In full
(`make drill MINUTES=30 CALLS=50`) calls talk for MINUTES, and then 10,000 are made
however long that takes. CALLS is how many talk at once: half of what gateway, Asterisk
and echo bear together on the machine, 50 where nobody says.

What is lost is what the gateway says of itself; nobody counts at the far ends.

While calls talk and are made, the gateway is looked at from outside alone: to have it
search its memory would be a stall, and would hide what it does not find by itself. What
is lost is bounded, and so the machine may have nothing else to do meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.process import Process
from skypechan.desktop.users import workspace
from tests.doubles.caller import DIALPLAN, LOGIN, MODULES, Caller
from tests.doubles.lost_audio import WAYS, Lost, ways_of
from tests.drill.usage import Held, Use, held_by, use_of, watched_gateway
from tests.system.parts import CHECKOUT, eventually

FULL = "SKYPECHAN_DRILL_MINUTES" in os.environ
CALLS = int(os.environ.get("SKYPECHAN_DRILL_CALLS", "50" if FULL else "4"))
TALK_S = float(os.environ["SKYPECHAN_DRILL_MINUTES"]) * 60 if FULL else 2.0
SHORT_CALLS = 10_000 if FULL else 10
WARM_UP_S = 60.0 if FULL else 0.1
TOLD_CALLS = 500
SAMPLES = 60 if FULL else 4
LINES = max(CALLS, 20)
_LINES = 30
SETTLED_S = 60.0

# What a call may use more of at the end than when all was warm.
MORE_MEMORY_KB = 4_000
MORE_DELAY_MS = 5.0  # of the median call
MORE_DELAY_OF_ONE_MS = 40.0  # that much of a stall's backlog is passed on
MOST_HELD_MS = 100.0  # of a source that is late too often
MORE_HELD_MS = 20.0  # of the median of such: a frame
# What the machine may cost all calls together, by stalls of its own.
LEAST_FRAMES = 0.999
MOST_LOST = 0.001  # of the audio: cut out, made up, or silence in its place

SAMPLE = CHECKOUT / "asterisk-conf"
LINE = """
[lines.echo{number}]
backend = "echo"
"""


@dataclass(slots=True)
class Soak:
    """Gateway, Asterisk, and what the gateway has used so far."""

    asterisk: LocalAsterisk
    gateway: Gateway
    caller: Caller
    uses: list[Use] = field(default_factory=list)

    def said(self) -> str:
        """The last words of both programs."""
        both = (self.asterisk.process, self.gateway.process)
        return "\n".join(line for one in both for line in list(one.lines)[-_LINES:])

    def held(self) -> Held:
        """What the gateway holds now."""
        return held_by(self.gateway.process.pid)

    async def measure(self) -> Use:
        """Take note of what the gateway uses now."""
        self.uses.append(await use_of(self.gateway.process))
        return self.uses[-1]

    async def has_not_grown(self, warm: Use) -> None:
        """Compare with what it used when it was as idle, and warm.

        What calls have used the gateway gives back by itself while nobody talks.
        """
        most_kb = warm.memory_kb + MORE_MEMORY_KB

        async def given_back() -> bool:
            return self.held().memory_kb <= most_kb

        if FULL:
            at_end = self.held()
            print(at_end)  # noqa: T201 - the drill's figures
            await eventually(
                given_back, SETTLED_S, lambda: f"{at_end}, then {self.held()}"
            )
        before_search = self.held()

        async def settled() -> bool:
            now = await self.measure()
            return now.tasks <= warm.tasks and now.descriptors <= warm.descriptors

        await eventually(settled, SETTLED_S, lambda: f"{warm} after {self.uses[-1]}")
        after = self.uses[-1]
        print(f"{warm}\n{before_search}\n{after}")  # noqa: T201 - the drill's figures
        if FULL:
            assert after.objects <= warm.objects * 1.05 + 5_000


@pytest.fixture
async def soak() -> AsyncIterator[Soak]:
    with workspace() as folder:
        files = {
            "manager.conf": (SAMPLE / "manager.conf.in").read_text() + LOGIN,
            "extensions.conf": (SAMPLE / "extensions.conf").read_text() + DIALPLAN,
            "modules.conf": (SAMPLE / "modules.conf").read_text() + MODULES,
        }
        found = installation(CHECKOUT, os.environ)
        asterisk = LocalAsterisk(found, folder / "asterisk", SAMPLE, files=files)
        web_port = free_port()
        async with asterisk:
            config = config_head(asterisk.settings, web_port)
            config += "".join(LINE.format(number=number) for number in range(LINES))
            program = watched_gateway(folder / "gateway", config)
            caller = Caller(asterisk)
            async with await Process.start(program) as process, caller.running():
                gateway = Gateway(process, f"http://{HOST}:{web_port}")
                await gateway.ready()
                yield Soak(asterisk, gateway, caller)


async def _talking(soak: Soak, calls: int) -> list[str]:
    """Make calls, and return their channels when all of them talk."""
    channels = [await soak.caller.talk() for _ in range(calls)]
    live: list[dict[str, Any]] = []

    async def joined() -> bool:
        live[:] = await soak.gateway.calls()
        up = [one for one in live if one["state"] == "established" and one["media"]]
        return len(up) == calls

    await eventually(joined, 60, lambda: f"{calls} calls that talk: {len(live)} live")
    return channels


async def _end(soak: Soak, channels: list[str]) -> None:
    for channel in channels:
        await soak.caller.hang_up(channel)
    await soak.caller.all_ended(30)
    await soak.gateway.idle(30)


@dataclass(frozen=True, slots=True)
class Sample:
    """All calls at a time of the loop's clock, and what the gateway holds then."""

    at_s: float
    calls: list[dict[str, Any]]
    held: Held

    @classmethod
    async def of(cls, soak: Soak) -> Sample:
        calls = await soak.gateway.calls()
        return cls(asyncio.get_running_loop().time(), calls, soak.held())

    def waiting_ms(self) -> dict[str, float]:
        """Of each call, what waits at the client and unsent, of both ways.

        What is held because its source is late too often is no part of it.
        """
        return {
            call["call"]: sum(
                way["queue_ms"] + (0 if way["smoothed"] else way["delay_ms"])
                for way in ways_of([call])
            )
            for call in self.calls
        }

    def held_ms(self) -> dict[str, float]:
        """What is held of each way whose source is late too often."""
        return {
            f"{call['call']} {way}": call["media"][way]["delay_ms"]
            for call in self.calls
            for way in WAYS
            if call["media"][way]["smoothed"]
        }

    def lost_since(self, before: Sample) -> Lost:
        """What became of the audio since an earlier one."""
        return Lost.between(before.calls, self.calls, self.at_s - before.at_s)

    def __str__(self) -> str:
        waiting_ms, held_ms = self.waiting_ms().values(), self.held_ms().values()
        return (
            f"{self.at_s:.1f} s: {self.held}, waiting ms: median"
            f" {statistics.median(waiting_ms):.1f}, most {max(waiting_ms):.1f};"
            f" {len(held_ms)} smoothed, most {max(held_ms, default=0):.1f}"
        )


def _all_speak(before: Sample, after: Sample, soak: Soak) -> None:
    """The calls are the same, and on each way of each something has come meanwhile."""
    names = [[one["call"] for one in sample.calls] for sample in (before, after)]
    assert names[0] == names[1], soak.said()
    silent = [
        f"{call['call']} {way}"
        for earlier, call in zip(before.calls, after.calls, strict=True)
        for way in WAYS
        if call["media"][way]["frames"] <= earlier["media"][way]["frames"]
    ]
    assert not silent, f"nothing came: {silent}"


def _nothing_lost(lost: Lost) -> None:
    assert lost.dropped == 0
    assert lost.frames >= lost.expected * LEAST_FRAMES
    assert lost.share <= MOST_LOST


def _nothing_grew(samples: list[Sample]) -> None:
    """Delay of each call, memory and descriptors, the last quarter by the first."""
    quarter = len(samples) // 4
    early, late = samples[:quarter], samples[-quarter:]
    waiting_ms = _growth_ms(early, late, Sample.waiting_ms)
    held_ms = _growth_ms(early, late, Sample.held_ms)
    print(f"more waits, ms: {_told(waiting_ms)}; more is held: {_told(held_ms)}")  # noqa: T201
    assert statistics.median(waiting_ms) <= MORE_DELAY_MS
    assert max(waiting_ms) <= MORE_DELAY_OF_ONE_MS
    assert statistics.median(held_ms or [0]) <= MORE_HELD_MS
    latest_ms = [ms for one in late for ms in one.held_ms().values()]
    assert max(latest_ms, default=0) <= MOST_HELD_MS
    warm_kb = max(sample.held.memory_kb for sample in early)
    assert samples[-1].held.memory_kb <= warm_kb + MORE_MEMORY_KB
    assert _least_descriptors(late) <= _least_descriptors(early)


def _growth_ms(
    early: list[Sample], late: list[Sample], what: Callable[[Sample], dict[str, float]]
) -> list[float]:
    """How much more it has become of each that both have, by the medians of both."""
    before, after = (_medians_ms(samples, what) for samples in (early, late))
    return [after[name] - ms for name, ms in before.items() if name in after]


def _medians_ms(
    samples: list[Sample], what: Callable[[Sample], dict[str, float]]
) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for sample in samples:
        for name, ms in what(sample).items():
            found.setdefault(name, []).append(ms)
    return {name: statistics.median(all_ms) for name, all_ms in found.items()}


def _told(grown_ms: list[float]) -> str:
    if not grown_ms:
        return "of none"
    return f"median {statistics.median(grown_ms):.1f}, most {max(grown_ms):.1f}"


def _least_descriptors(samples: list[Sample]) -> int:
    """Those of our own questions come and go."""
    return min(sample.held.descriptors for sample in samples)


async def test_calls_that_talk_for_long_lose_nothing_and_nothing_grows(
    soak: Soak,
) -> None:
    await _end(soak, await _talking(soak, CALLS))
    idle = await soak.measure()
    channels = await _talking(soak, CALLS)
    samples = [await Sample.of(soak)]
    for _ in range(SAMPLES):
        await asyncio.sleep(TALK_S / SAMPLES)
        samples.append(await Sample.of(soak))
        print(f"{samples[-1]}; {samples[-1].lost_since(samples[-2])}", flush=True)  # noqa: T201
        assert len(samples[-1].calls) == CALLS, soak.said()
        if FULL:  # within half a second a stall may be all there is
            _all_speak(samples[-2], samples[-1], soak)
    _all_speak(samples[0], samples[-1], soak)
    lost = samples[-1].lost_since(samples[0])
    print(f"{CALLS} calls: {lost}, {lost.share:.5f} of the audio")  # noqa: T201
    if FULL:
        _nothing_lost(lost)
        _nothing_grew(samples[1:])
    await _end(soak, channels)
    await soak.has_not_grown(idle)


@dataclass(slots=True)
class Rung:
    """Short calls, one after another; their records are looked at each TOLD_CALLS."""

    soak: Soak
    made: int = 0
    filed: set[str] = field(default_factory=set)

    async def ring(self) -> None:
        """Make one, and return when it has ended."""
        await self.soak.caller.ring()
        await self.soak.caller.all_ended(30)
        self.made += 1
        if self.made % TOLD_CALLS == 0:
            await self.all_filed()
            print(f"{self.made} calls: {self.soak.held()}", flush=True)  # noqa: T201

    async def all_filed(self) -> None:
        """Every call made so far has one record, and it was answered."""
        await self.soak.gateway.idle(30)
        records = await self.soak.gateway.get(f"/api/records?limit={TOLD_CALLS}")
        ends = Counter((one["status"], one["cause"]) for one in records)
        assert list(ends) == [("ANSWER", 16)], f"{ends}\n{self.soak.said()}"
        self.filed.update(one["call"] for one in records)
        assert len(self.filed) == self.made


async def test_short_calls_one_after_another_leave_their_records_and_nothing_else(
    soak: Soak,
) -> None:
    loop, rung = asyncio.get_running_loop(), Rung(soak)
    begun_s = loop.time()
    while loop.time() - begun_s < WARM_UP_S:
        await rung.ring()
    await rung.all_filed()
    warm = await soak.measure()
    print(f"{rung.made} calls to be warm")  # noqa: T201 - the drill's figures
    while rung.made < SHORT_CALLS:
        await rung.ring()
    await rung.all_filed()
    passed_s = loop.time() - begun_s
    print(f"{rung.made} calls in {passed_s:.0f} s, {rung.made / passed_s:.1f} a second")  # noqa: T201
    lines = await soak.gateway.get("/api/lines")
    assert sum(line["calls_total"] for line in lines) == SHORT_CALLS
    await soak.has_not_grown(warm)
