"""Random programs are killed at random moments of random calls, again and again.

After each time everything is over, and the next calls work. The moments that matter are
known from tests/system/test_kills.py; here are those that nobody has thought of.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from skypechan.desktop.users import workspace
from skypechan.errors import SkypechanError
from tests.doubles.sip_agent import ANSWERS, BUSY, RINGS, SipAgent
from tests.doubles.sip_values import Behaviour, CallState
from tests.system.mortal_parts import MortalParts, mortal_parts
from tests.system.parts import eventually

PARTS = ("client", "desktop", "asterisk", "gateway")
CONTACTS = ("echo", "noanswer", "busy", "refuse")
BEHAVIOURS = (ANSWERS, RINGS, BUSY, Behaviour(answer_after_s=0.3))
SHORT_S = 8.0
SETTLED_S = 4.0
READY_S = 3.0


@pytest.fixture(params=["dbus", "x11"])
async def parts(request: pytest.FixtureRequest) -> AsyncIterator[MortalParts]:
    with workspace() as folder:
        async with mortal_parts(folder, request.param) as running:
            yield running


@dataclass(frozen=True, slots=True)
class Round:
    """What is going to happen, drawn before anything does."""

    direction: str
    contact: str
    behaviour: Behaviour
    kill_after_s: float
    hung_up_by: str
    victims: tuple[str, ...]
    dead_s: float

    @classmethod
    def drawn(cls, chance: random.Random) -> Round:
        victims = chance.sample(PARTS, chance.choice((1, 1, 1, 2)))
        return cls(
            direction=chance.choice(("to_line", "to_pbx")),
            contact=chance.choice(CONTACTS),
            behaviour=chance.choice(BEHAVIOURS),
            kill_after_s=chance.choice((0.0, 0.02, 0.1, 0.4, 0.8))
            + chance.uniform(0, 0.05),
            hung_up_by=chance.choice(("nobody", "nobody", "phone", "skype")),
            victims=tuple(victims),
            dead_s=chance.choice((0.0, 0.3, 1.5)),
        )


async def place(parts: MortalParts, phone: SipAgent, plan: Round) -> None:
    phone.behaviour = plan.behaviour
    if plan.direction == "to_line":
        phone.call(f"dial-60-{plan.contact}")
    else:
        await parts.skype.ring("to-phone-drill")


async def hang_up(parts: MortalParts, phone: SipAgent, who: str) -> None:
    """End what there is; a call that ends in the same moment refuses to be ended."""
    if who == "phone":
        for call in phone.calls:
            with contextlib.suppress(TimeoutError, AssertionError):
                if call.state is CallState.ANSWERED:
                    await call.hang_up(1)
                elif call.state is CallState.PLACED and call.ours:
                    await call.cancel(1)
    elif who == "skype":
        with contextlib.suppress(SkypechanError):
            for call in await parts.skype.live():
                await parts.skype.hang_up(int(call["call"]))


async def kill_and_revive(parts: MortalParts, plan: Round) -> None:
    for name in plan.victims:
        await parts.kill(name)
    await asyncio.sleep(plan.dead_s)
    # A client needs its desktop.
    for name in sorted(plan.victims, key=PARTS.index, reverse=True):
        if name == "client" and "desktop" in plan.victims:
            continue
        await parts.revive(name)


async def everything_is_over(parts: MortalParts, phone: SipAgent) -> None:
    """No half of a call is left without the other; then the whole ones are ended."""

    async def no_half_is_left() -> bool:
        whole = bool(await parts.skype.live()) and bool(await parts.gateway.now.calls())
        return whole or not phone.calls

    async def nothing_is_left() -> bool:
        return not (
            phone.calls
            or await parts.skype.live()
            or await parts.gateway.now.calls()
            or await parts.channels()
        )

    await eventually(no_half_is_left, SETTLED_S, lambda: f"end of {phone.calls}")
    await hang_up(parts, phone, "phone")
    await hang_up(parts, phone, "skype")
    await eventually(nothing_is_left, SETTLED_S, "end of everything")


async def next_calls_work(parts: MortalParts, phone: SipAgent) -> None:
    phone.behaviour = ANSWERS
    phone.incoming = asyncio.Queue()
    out = phone.call("dial-60-echo")
    await out.answered(5)
    await out.rtp.wait_for_audio(5, 2)
    await out.hang_up()
    await parts.gateway.now.idle()
    await parts.skype.ring("to-phone-drill")
    back = await phone.next_call(3)
    await back.answered(3)
    await back.rtp.wait_for_audio(5, 2)
    await back.hang_up()
    await parts.gateway.now.idle()


async def survive(parts: MortalParts, phone: SipAgent, plan: Round) -> None:
    gateway = parts.gateway.now
    await place(parts, phone, plan)
    await asyncio.sleep(plan.kill_after_s)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(hang_up(parts, phone, plan.hung_up_by))
        tasks.create_task(kill_and_revive(parts, plan))
    await parts.gateway.now.ready(READY_S)
    if "asterisk" in plan.victims:
        for call in phone.calls:  # nobody is there to end them
            await call.close()
        await phone.register()
    await everything_is_over(parts, phone)
    await next_calls_work(parts, phone)
    records = await parts.gateway.now.get("/api/records")
    assert all(record["ended"] and record["cause"] for record in records)
    assert parts.tracebacks() == []
    if "gateway" not in plan.victims:
        assert gateway is parts.gateway.now
        assert gateway.process.returncode is None


async def test_calls_work_after_whatever_was_killed_whenever(
    parts: MortalParts, chance: random.Random, drill_s: float
) -> None:
    loop = asyncio.get_running_loop()
    end_s = loop.time() + max(drill_s, SHORT_S)
    async with parts.phone() as phone:
        while loop.time() < end_s:
            plan = Round.drawn(chance)
            print(plan)  # noqa: T201 - shown when it fails
            await survive(parts, phone, plan)
