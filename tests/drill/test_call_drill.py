"""Random calls, both ways and several at once, with whatever may happen to them.

In full it is 500 calls. After each round nobody is in a call with nobody, nothing is
left anywhere, and the records add up; at the end nothing has grown in the gateway.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Any

import pytest

from skypechan.desktop.users import workspace
from skypechan.errors import SkypechanError
from tests.drill.acts import BEHAVIOURS, hang_up, take
from tests.drill.arena import Arena, arena
from tests.drill.ledger import Attempts, Ledger, add_up
from tests.drill.rounds import GATEWAY_ROUNDS, Round, Step
from tests.drill.usage import Use
from tests.system.parts import CONTACT_UUID, eventually

FULL = "SKYPECHAN_DRILL_MINUTES" in os.environ
CALLS = 500 if FULL else 8
FAILED = ((20, 20),)
"""Seed and number of rounds that once failed: they come first."""

WARM_ROUNDS = 10
SETTLED_S, GONE_S, READY_S = 6.0, 12.0, 10.0
BRIEF_S = 1.0


@pytest.fixture
async def running() -> AsyncIterator[Arena]:
    with workspace() as folder:
        async with arena(folder) as parts:
            yield parts


@dataclass(slots=True)
class Drill:
    """Plays rounds, and remembers what is to be seen at the end."""

    arena: Arena
    ledger: Ledger
    calls: int = 0
    rounds: int = 0
    history: list[str] = field(default_factory=list)
    deaf_since: datetime | None = None
    uses: list[Use] = field(default_factory=list)
    left: dict[str, object] = field(default_factory=dict)

    async def play(self, plan: Round) -> None:
        """Play a round; what is wrong then is told with all that led to it."""
        begun = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        self.history = []
        try:
            await self._play(plan)
        except BaseException:
            print(f"round {plan.number} of seed {plan.seed}: {plan}")  # noqa: T201
            print("\n".join(self.history))  # noqa: T201
            said = [line for line in self.arena.log() if line >= begun]
            print("\n".join(said))  # noqa: T201
            raise
        self.calls += plan.calls
        self.rounds += 1

    async def _play(self, plan: Round) -> None:
        since = datetime.now(UTC)
        asked = len(self.arena.watch.asked)
        self.arena.placed.clear()
        self.deaf_since = None
        before = {name: await one.skype.newest() for name, one in self._stands()}
        for name, phone in self.arena.phones.items():
            phone.behaviour = BEHAVIOURS[plan.behaviours[name]]
        begun_s = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            for step in plan.steps:
                tasks.create_task(self._take(plan, step, begun_s))
        for _, stand in self._stands():
            await stand.be_well()
        await self.arena.ready(READY_S)
        whole = partial(self._is_whole, plan.contacts)
        await eventually(whole, SETTLED_S, self._what_is_left)
        await self._end(plan)
        await self.arena.ready(READY_S)
        await self.arena.watch.settle()
        rung = await self._rung(plan, before)
        gone = {victim.partition(" ")[2] for victim in plan.victims} - {""}
        attempts = Attempts(
            since=since,
            until=datetime.now(UTC),
            asked=tuple(self.arena.watch.asked[asked:]),
            contact=CONTACT_UUID,
            contacts=plan.contacts,
            rung=frozenset(rung),
            brief=frozenset(call for call, s in rung.items() if s < BRIEF_S),
            answered=self._answered(),
            lost_asked=self.deaf_since,
            lost_rung=frozenset(
                self.arena.stands if "gateway" in plan.victims else gone
            ),
        )
        await eventually(self._filed, 3, "files that agree")
        faults = add_up(self.ledger.new(), attempts)
        assert not faults, "\n".join(faults)
        tracebacks = [x for x in self.arena.log() if "Traceback" in x]
        assert not tracebacks, "the gateway has said a traceback"

    def _stands(self) -> list[tuple[str, Any]]:
        return list(self.arena.stands.items())

    async def _take(self, plan: Round, step: Step, begun_s: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, begun_s + step.at_s - loop.time()))
        at = f"{loop.time() - begun_s:6.3f} {step.who} {step.what} {step.detail}"
        if step.what != "dies":
            self.history.append(f"{at}: {await take(self.arena, step)}")
            return
        self.history.append(at)
        if step.who in ("cable", "gateway"):
            self.deaf_since = self.deaf_since or datetime.now(UTC)
        await self.arena.kill(step.who)
        await asyncio.sleep(plan.dead_s)
        await self.arena.revive(step.who)
        self.history.append(f"{loop.time() - begun_s:6.3f} {step.who} is back")

    async def _is_whole(self, contacts: int) -> bool:
        """Whether every half of a call has its other half.

        Asterisk shows channels by their names, and so those to a contact only once.
        """
        await self._look()
        calls = await self.arena.gateway.now.calls()
        skype = {name for name, one in self._stands() if await one.with_gateway()}
        audio = [x for x in await self.arena.channels() if x.startswith("AudioSocket/")]
        talking = [call for call in calls if call["state"] == "established"]
        is_whole = {call["line"] for call in calls} == skype
        return is_whole and len(talking) - contacts <= len(audio) <= len(calls)

    async def _end(self, plan: Round) -> None:
        """One side hangs up, and then whoever is left."""
        sides = [self._phones_leave, self._people_leave]
        for leave in sides if plan.phones_end_it else reversed(sides):
            await leave()
            self.history.append(leave.__name__)
        await eventually(self._is_over, GONE_S, self._what_is_left)

    async def _phones_leave(self) -> None:
        for phone in self.arena.phones.values():
            for call in phone.calls:
                with suppress(TimeoutError, AssertionError):  # it ends just now
                    await hang_up(call)

    async def _people_leave(self) -> None:
        for _, stand in self._stands():
            for call in await stand.live():
                with suppress(SkypechanError):
                    await stand.skype.hang_up(call["call"])

    async def _is_over(self) -> bool:
        await self._look()
        if self.left:  # a queue may have called again meanwhile
            await self._people_leave()
            await self._phones_leave()
        return not self.left

    async def _look(self) -> None:
        """Note what there is of calls, by where it is."""
        found = {
            "gateway": await self.arena.gateway.now.calls(),
            "Asterisk": await self.arena.channels(),
            "phones": [x for one in self.arena.phones.values() for x in one.calls],
        }
        found |= {name: await one.live() for name, one in self._stands()}
        self.left = {where: what for where, what in found.items() if what}

    def _what_is_left(self) -> str:
        return f"end of {self.left}"

    async def _rung(
        self, plan: Round, before: dict[str, int]
    ) -> dict[tuple[str, str], float]:
        """How long each call lived that came in at a client which did so, too."""
        rung = {}
        for name, stand in self._stands():
            if not plan.victims.isdisjoint((f"client {name}", f"desktop {name}")):
                continue
            for call in await stand.skype.get("/calls"):
                if call["type"].startswith("INCOMING") and call["call"] > before[name]:
                    stamps_ns = [stamp for stamp, _ in call["timeline"]]
                    lived_s = (stamps_ns[-1] - stamps_ns[0]) / 1e9
                    rung[name, str(call["call"])] = lived_s
        return rung

    def _answered(self) -> frozenset[str]:
        """The Call-IDs of the calls whose 200 was the answer of a line."""
        return frozenset(
            call.call_id
            for extension, call in self.arena.placed
            if call.answered_ns and extension.startswith(("call-", "prepare-"))
        )

    async def _filed(self) -> bool:
        read, rows = self.ledger.on_disk()
        told = await self.arena.gateway.now.get("/api/records")
        known = {record["call"] for record in read}
        return len(read) == len(rows) and {x["call"] for x in told[-100:]} <= known

    async def measure(self) -> None:
        """Note what the gateway uses now."""
        self.uses.append(await self.arena.use())

    async def has_not_grown(self) -> None:
        """Compare what it uses with what it used once it was warm; AssertionError."""
        warm = self.uses[WARM_ROUNDS : 2 * WARM_ROUNDS]
        tasks = max(use.tasks for use in warm)
        descriptors = max(use.descriptors for use in warm)

        async def settled() -> bool:
            await self.measure()
            now = self.uses[-1]
            return now.tasks <= tasks and now.descriptors <= descriptors

        await eventually(settled, SETTLED_S, lambda: f"{warm[-1]} after {self.uses}")
        before, after = warm[-1], self.uses[-1]
        print(f"{before}\n{after}")  # noqa: T201
        assert after.pid == before.pid
        assert after.objects <= before.objects * 1.05 + 5_000
        assert after.memory_kb <= before.memory_kb + 8_000


async def test_random_calls_leave_nothing_behind_but_their_records(
    running: Arena, drill_seed: int
) -> None:
    drill = Drill(running, Ledger(running.records))
    begun_s = asyncio.get_running_loop().time()
    for seed, number in FAILED:
        await drill.play(Round.drawn(seed, number))
    for number in count():
        if drill.calls >= CALLS:
            break
        await drill.play(Round.drawn(drill_seed, number))
        if number >= GATEWAY_ROUNDS:
            await drill.measure()
        if FULL:
            print(f"round {number}: {drill.calls} calls", flush=True)  # noqa: T201
    seconds = asyncio.get_running_loop().time() - begun_s
    print(  # noqa: T201 - the drill's figures
        f"seed {drill_seed}: {drill.calls} calls in {drill.rounds} rounds, "
        f"{seconds:.0f} s; {len(drill.ledger.records)} records"
    )
    for end, times in sorted(drill.ledger.ends().items()):
        print(f"  {times:4} {end}")  # noqa: T201
    if FULL:
        await drill.has_not_grown()
