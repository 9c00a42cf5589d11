"""Decisions that meet within milliseconds: seeded, so that a failure comes again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from skypechan.asterisk.channel import PbxLeg
from skypechan.call.causes import HangupCause
from skypechan.call.events import PbxAnswered, PbxReleased
from skypechan.call.routes import Target
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.errors import CallError
from tests.doubles.pbx_driver import LegLog, PbxDriver, running, settings_for
from tests.doubles.sip_agent import RINGS, SipAgent
from tests.doubles.sip_call import Behaviour, Call, CallState

FORMS = ("prepare", "dial", "local")
CALLS = 60


@pytest.fixture
async def gateway(asterisk: LocalAsterisk) -> AsyncIterator[PbxDriver]:
    async with running(PbxDriver(settings_for(asterisk))) as driver:
        yield driver


async def pause(chance: random.Random) -> None:
    """Now, soon, or after the dialplan has settled."""
    seconds = chance.choice([0.0, chance.uniform(0, 0.004), chance.uniform(0, 0.03)])
    if seconds:
        await asyncio.sleep(seconds)


async def nothing_is_left(asterisk: LocalAsterisk, gateway: PbxDriver) -> None:
    assert not gateway.pbx.legs
    assert not gateway.pbx._register._legs
    assert not gateway.server._expected
    async with asyncio.timeout(5):
        while "0 active channels" not in await asterisk.cli("core show channels"):
            continue  # each look takes the console some 50 ms


async def decide(leg: PbxLeg, chance: random.Random) -> set[int]:
    """Take a call and do something with it; return the SIP status that must come."""
    await leg.take()
    await pause(chance)
    if chance.random() < 0.7:
        await leg.ring()
        await pause(chance)
    if chance.random() < 0.5:
        await leg.answer()
        return {200}
    await leg.release(HangupCause.USER_BUSY)
    return {486}


@pytest.mark.parametrize("seed", range(3))
async def test_each_call_to_a_line_ends_as_decided(
    seed: int, gateway: PbxDriver, asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    chance = random.Random(seed)
    for _ in range(CALLS):
        call = phone.call(f"{chance.choice(FORMS)}-20-echo123")
        request, log = await gateway.request()
        allowed = await decide(request.leg, chance)
        final = await call.final_response(3)
        assert final.status in allowed, call.statuses
        if final.status == 200:
            await log.until(PbxAnswered)
            await pause(chance)
            await call.hang_up()
        await log.until(PbxReleased, 2)
        assert len(log.of(PbxReleased)) == 1
    await nothing_is_left(asterisk, gateway)


async def cancel_after(call: Call, chance: random.Random) -> None:
    await pause(chance)
    if call.state is CallState.PLACED:
        await call.cancel()


@pytest.mark.parametrize("seed", range(3))
async def test_a_cancel_may_meet_any_decision(
    seed: int, gateway: PbxDriver, asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    chance = random.Random(seed)
    for _ in range(CALLS):
        call = phone.call(f"{chance.choice(FORMS)}-20-echo123")
        request, log = await gateway.request()
        cancelling = asyncio.create_task(cancel_after(call, chance))
        allowed = {487}
        with suppress(CallError):  # the caller may be gone in the middle of it
            allowed |= await decide(request.leg, chance)
        await cancelling
        final = await call.final_response(3)
        assert final.status in allowed | {200, 486}, call.statuses
        if call.state is CallState.ANSWERED:
            await call.hang_up()
        await log.until(PbxReleased, 2)
        assert len(log.of(PbxReleased)) == 1
    await nothing_is_left(asterisk, gateway)


async def released(leg: PbxLeg, log: LegLog) -> None:
    await leg.release(HangupCause.NORMAL_CLEARING)
    await log.until(PbxReleased, 3)
    assert len(log.of(PbxReleased)) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_a_release_may_meet_any_state_of_a_call_to_the_pbx(
    seed: int, gateway: PbxDriver, asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    chance = random.Random(seed)
    for _ in range(CALLS):
        phone.behaviour = chance.choice([RINGS, Behaviour(answer_after_s=0.01)])
        target = chance.choice(["555", "600", "999999"])
        leg, log = await gateway.originate(target=Target(target, "from-skypechan"))
        await pause(chance)
        await released(leg, log)
    while not phone.incoming.empty():
        await phone.incoming.get_nowait().ended(3)
    await nothing_is_left(asterisk, gateway)
