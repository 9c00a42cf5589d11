"""Both sides act at once, or one more comes: nothing is stuck, nothing is left."""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import RINGS, SipAgent
from tests.doubles.sip_values import Behaviour, CallState
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system.parts import eventually

pytestmark = pytest.mark.usefixtures("every_call_ends")

FORMS = ("prepare", "dial", "local")
SEEDS = range(10)


@pytest.mark.parametrize("seed", SEEDS)
async def test_cancel_about_the_answer_ends_both_sides(
    phone: SipAgent, skype: SkypeTranscript, gateway: Gateway, seed: int
) -> None:
    chance = random.Random(seed)
    call = phone.call(f"{chance.choice(FORMS)}-30-echo")
    await call.response(180, 5)
    ringing = await skype.status("RINGING", 1)
    # The contact answers 0.38 s after it first rings: aim before and behind that.
    await asyncio.sleep(0.38 + chance.uniform(-0.015, 0.020))
    if call.state is CallState.PLACED:
        await call.cancel()
    final = await call.final_response(2)
    assert final.status in (200, 487)
    if call.state is CallState.ANSWERED:
        await call.hang_up()
    await gateway.idle(2)
    await skype.changes.until(
        lambda: skype.statuses[-1].status in ("CANCELLED", "FINISHED"), 2, "end"
    )
    assert {status.call_id for status in skype.statuses} == {ringing.call_id}


@pytest.mark.parametrize("seed", SEEDS)
async def test_hang_up_right_behind_the_answer_ends_both_sides(
    phone: SipAgent, skype: SkypeTranscript, gateway: Gateway, seed: int
) -> None:
    chance = random.Random(seed)
    call = phone.call(f"{chance.choice(FORMS)}-30-echo")
    await call.answered(5)
    await asyncio.sleep(chance.uniform(0, 0.02))
    await call.hang_up()
    await skype.status("FINISHED", 2)
    await gateway.idle(2)


@pytest.mark.parametrize("seed", SEEDS)
async def test_skype_caller_gives_up_as_the_phone_answers(
    phone: SipAgent, emulator: Emulator, gateway: Gateway, seed: int
) -> None:
    chance = random.Random(seed)
    phone.behaviour = Behaviour(answer_after_s=0.1)
    number = await emulator.ring("to-phone-race")
    call = await phone.next_call(5)
    await asyncio.sleep(0.1 + chance.uniform(-0.010, 0.015))
    await emulator.post(f"/calls/{number}/hang_up")
    await call.ended(3)
    await gateway.idle(3)
    assert await emulator.live() == []


async def test_second_call_to_a_line_in_use_is_refused_and_the_first_goes_on(
    phone: SipAgent, gateway: Gateway, skype: SkypeTranscript
) -> None:
    first = phone.call("dial-30-echo")
    await first.answered(5)
    second = phone.call("dial-30-tone")
    final = await second.final_response(5)
    assert final.status == 503
    assert [reason.cause for reason in second.reasons] == [34]
    assert 180 not in second.statuses
    await first.rtp.wait_for_audio(10, 2)
    await first.hang_up()
    assert skype.commands(r"^CALL ") == ["CALL echo"]


async def test_second_skype_caller_is_turned_away_and_the_first_goes_on(
    phone: SipAgent, emulator: Emulator
) -> None:
    first = await emulator.ring("to-phone-first")
    call = await phone.next_call(5)
    await call.answered(5)
    await emulator.call(first, "INPROGRESS")
    second = await emulator.ring("to-phone-second")
    await emulator.call(second, "REFUSED")
    assert (await emulator.call(first, "INPROGRESS"))["input_open"]
    await call.rtp.wait_for_audio(10, 2)
    await call.hang_up()


async def test_phone_is_called_while_it_rings_out(
    phone: SipAgent, emulator: Emulator, gateway: Gateway
) -> None:
    """The line is taken by the call out: the caller from Skype is turned away."""
    phone.behaviour = RINGS
    call = phone.call("dial-30-noanswer")
    await call.response(180, 5)
    number = await emulator.ring("to-phone-late")
    await emulator.call(number, "REFUSED")
    await call.cancel()
    assert (await call.final_response(2)).status == 487
    assert phone.incoming.empty()


async def test_calls_leave_no_descriptor_open_in_the_gateway(
    phone: SipAgent, gateway: Gateway, emulator: Emulator
) -> None:
    async def one_of_each() -> None:
        out = phone.call("dial-30-echo")
        await out.answered(5)
        await out.hang_up()
        await gateway.idle()
        busy = phone.call("local-30-busy")
        await busy.final_response(5)
        await emulator.ring("to-phone-fd")
        into = await phone.next_call(5)
        await into.answered(5)
        await into.hang_up()
        await gateway.idle()

    descriptors = f"/proc/{gateway.process.pid}/fd"
    await one_of_each()
    before = len(os.listdir(descriptors))
    for _ in range(5):
        await one_of_each()

    async def as_before() -> bool:
        return len(os.listdir(descriptors)) <= before

    await eventually(as_before, 3, f"as few descriptors as {before}")
