"""Many calls for long, many calls one after another: nothing is lost, nothing grows.

The whole gateway beside a real Asterisk, at whose calls an echo is the far end. A test
lasts its share of the minutes asked for; the second at most for 10,000 calls.
SKYPECHAN_DRILL_CALLS is how many calls talk at once in the first: half of what
`benchmarks/capacity.py` finds to be clean on the machine, 50 where nobody says.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.process import Process
from skypechan.desktop.users import workspace
from tests.doubles.caller import DIALPLAN, LOGIN, MODULES, Caller
from tests.drill.usage import Use, use_of, watched_gateway
from tests.system.parts import CHECKOUT, eventually

FULL = "SKYPECHAN_DRILL_MINUTES" in os.environ
CALLS = int(os.environ.get("SKYPECHAN_DRILL_CALLS", "50" if FULL else "4"))
SHORT_CALLS = 10_000 if FULL else 10
SHORT_S = 2.0
SAMPLES = 60 if FULL else 4
LINES = max(CALLS, 20)
FRAMES_A_SECOND = 50
_LINES = 30
SETTLED_S = 30.0

# What a call may use more of at the end than when all was warm.
MORE_MEMORY_KB = 4_000
MORE_DELAY_MS = 5.0
LEAST_FRAMES = 0.999

SAMPLE = CHECKOUT / "asterisk-conf"
CONFIG = """\
[asterisk]
ami = "{host}:{ami_port}"
ami_secret = "{ami_secret}"
audiosocket_listen = "{host}:0"

[web]
listen = "{host}:{web_port}"
"""
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

    async def measure(self) -> Use:
        """Take note of what the gateway uses now."""
        self.uses.append(await use_of(self.gateway.process))
        return self.uses[-1]

    async def has_not_grown(self, warm: Use) -> None:
        """Compare with what it used when it was as idle, and warm."""

        async def settled() -> bool:
            now = await self.measure()
            return now.tasks <= warm.tasks and now.descriptors <= warm.descriptors

        await eventually(settled, SETTLED_S, lambda: f"{warm} after {self.uses[-1]}")
        after = self.uses[-1]
        print(f"{warm}\n{after}")  # noqa: T201 - the drill's figures
        if FULL:
            assert after.objects <= warm.objects * 1.05 + 5_000
            assert after.memory_kb <= warm.memory_kb + MORE_MEMORY_KB


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
            config = CONFIG.format(
                host=HOST,
                ami_port=asterisk.settings.ami_port,
                ami_secret=asterisk.settings.ami_secret,
                web_port=web_port,
            )
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


def _ways(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [call["media"][way] for call in calls for way in ("to_pbx", "to_line")]


def _sum(calls: list[dict[str, Any]], what: str) -> float:
    return sum(float(way[what]) for way in _ways(calls))


def _silent(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    """The ways of calls on which nothing has come in meanwhile."""
    return [
        f"{call['call']} {way}"
        for earlier, call in zip(before, after, strict=True)
        for way in ("to_pbx", "to_line")
        if call["media"][way]["frames"] <= earlier["media"][way]["frames"]
    ]


def _delay_ms(calls: list[dict[str, Any]]) -> float:
    return statistics.median([call["media"]["to_pbx"]["delay_ms"] for call in calls])


async def test_calls_that_talk_for_long_lose_nothing_and_nothing_grows(
    soak: Soak, drill_s: float
) -> None:
    seconds = drill_s if FULL else SHORT_S
    await _end(soak, await _talking(soak, CALLS))
    idle = await soak.measure()
    channels = await _talking(soak, CALLS)
    first, begun_s = await soak.gateway.calls(), asyncio.get_running_loop().time()
    uses, delays_ms, last = [], [], first
    for _ in range(SAMPLES):
        await asyncio.sleep(seconds / SAMPLES)
        before, last = last, await soak.gateway.calls()
        assert len(last) == CALLS, soak.said()
        if FULL:
            silent = _silent(before, last)
            assert not silent, f"after {len(uses)} samples nothing came: {silent}"
        uses.append(await soak.measure())
        delays_ms.append(_delay_ms(last))
        if FULL:
            print(f"{uses[-1]}, delay {delays_ms[-1]:.1f} ms", flush=True)  # noqa: T201
    passed_s = asyncio.get_running_loop().time() - begun_s
    lost = {
        what: _sum(last, what) - _sum(first, what)
        for what in ("dropped", "filled", "concealed_ms", "skipped_ms", "late")
    }
    frames = _sum(last, "frames") - _sum(first, "frames")
    expected = passed_s * FRAMES_A_SECOND * 2 * CALLS
    print(  # noqa: T201 - the drill's figures
        f"{CALLS} calls for {passed_s:.0f} s: {frames:.0f} frames of {expected:.0f}, "
        f"{lost}; delay {delays_ms[0]:.1f} ms at first, {delays_ms[-1]:.1f} at last"
    )
    assert {one["call"] for one in last} == {one["call"] for one in first}
    for before, after in zip(_ways(first), _ways(last), strict=True):
        assert after["frames"] > before["frames"]
    if FULL:
        assert lost["dropped"] == 0
        assert frames >= expected * LEAST_FRAMES
        quarter = len(uses) // 4
        warm_kb = max(use.memory_kb for use in uses[:quarter])
        assert uses[-1].memory_kb <= warm_kb + MORE_MEMORY_KB
        assert statistics.median(delays_ms[-quarter:]) <= (
            statistics.median(delays_ms[:quarter]) + MORE_DELAY_MS
        )
        descriptors = [float(use.descriptors) for use in uses]
        assert statistics.median(descriptors[-quarter:]) <= statistics.median(
            descriptors[:quarter]
        )
    await _end(soak, channels)
    await soak.has_not_grown(idle)


async def test_short_calls_one_after_another_leave_their_records_and_nothing_else(
    soak: Soak, drill_s: float
) -> None:
    loop = asyncio.get_running_loop()
    warm_up = min(SHORT_CALLS // 5, 500)
    warm: Use | None = None
    made, begun_s = 0, loop.time()
    for number in range(1, SHORT_CALLS + 1):
        if FULL and loop.time() - begun_s > drill_s:
            break
        await soak.caller.ring()
        await soak.caller.all_ended(30)
        made = number
        if number == warm_up:
            await soak.gateway.idle(30)
            warm = await soak.measure()
        if number % 500 == 0:
            print(f"{number} calls: {await soak.measure()}", flush=True)  # noqa: T201
    await soak.gateway.idle(30)
    passed_s = loop.time() - begun_s
    print(f"{made} calls in {passed_s:.0f} s, {made / passed_s:.1f} a second")  # noqa: T201
    lines = await soak.gateway.get("/api/lines")
    assert sum(line["calls_total"] for line in lines) == made
    records = await soak.gateway.get("/api/records")
    assert {(one["status"], one["cause"]) for one in records} == {("ANSWER", 16)}
    assert warm is not None
    await soak.has_not_grown(warm)
