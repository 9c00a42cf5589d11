"""The gateway ends, in order or not: nobody is left in a call with nobody."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.http import ask
from tests.doubles.sip_agent import RINGS, SipAgent
from tests.doubles.sip_values import EndedBy
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system.figures import MEASURED
from tests.system.parts import Starter


async def test_ordered_end_takes_leave_of_both_sides(
    start_gateway: Starter, phone: SipAgent, skype: SkypeTranscript
) -> None:
    gateway = await asyncio.to_thread(start_gateway)
    call = phone.call("dial-30-echo")
    await call.answered(5)
    os.kill(gateway.process.pid, signal.SIGTERM)
    await call.ended(3)
    await skype.status("FINISHED", 3)
    assert call.ended_by is EndedBy.THEM


async def test_ordered_end_answers_no_call_that_rings(
    start_gateway: Starter, phone: SipAgent, skype: SkypeTranscript
) -> None:
    gateway = await asyncio.to_thread(start_gateway)
    call = phone.call("dial-30-noanswer")
    await call.response(180, 5)
    os.kill(gateway.process.pid, signal.SIGTERM)
    final = await call.final_response(5)
    assert final.status == 480
    assert 200 not in call.statuses
    await skype.status("CANCELLED", 3)


async def test_killed_gateway_ends_the_call_at_the_phone_at_once(
    start_gateway: Starter, phone: SipAgent, emulator: Emulator
) -> None:
    gateway = await asyncio.to_thread(start_gateway)
    call = phone.call("dial-30-echo")
    await call.answered(5)
    killed_ns = int(asyncio.get_running_loop().time() * 1e9)
    gateway.process.kill()
    await call.ended(2)
    MEASURED.add("gateway killed to BYE", (call.ended_ns - killed_ns) / 1e6)
    assert call.ended_by is EndedBy.THEM
    for left in await emulator.live():  # nobody could end it
        await emulator.post(f"/calls/{left['call']}/hang_up")


async def test_caller_of_a_gateway_that_dies_while_it_rings_is_told_soon(
    start_gateway: Starter, phone: SipAgent, emulator: Emulator
) -> None:
    gateway = await asyncio.to_thread(start_gateway)
    call = phone.call("dial-60-noanswer")
    await call.response(180, 5)
    gateway.process.kill()
    final = await call.final_response(3)
    assert final.status == 500
    for left in await emulator.live():
        await emulator.post(f"/calls/{left['call']}/hang_up")


async def test_caller_of_a_gateway_that_dies_in_early_media_is_told_soon(
    start_gateway: Starter, phone: SipAgent, emulator: Emulator
) -> None:
    gateway = await asyncio.to_thread(start_gateway)
    await emulator.put("/contacts/+49301001", {"manner": "manual"})
    call = phone.call("dial-60-+49301001")
    await call.response(183, 5)
    await call.rtp.wait_for_audio(10, 3)
    gateway.process.kill()
    final = await call.final_response(4)
    assert final.status == 500
    for left in await emulator.live():
        await emulator.post(f"/calls/{left['call']}/hang_up")


async def test_next_gateway_ends_what_the_killed_one_left_and_takes_calls(
    start_gateway: Starter, phone: SipAgent, emulator: Emulator
) -> None:
    gateway = await asyncio.to_thread(start_gateway)
    call = phone.call("dial-30-echo")
    await call.answered(5)
    gateway.process.kill()
    await call.ended(2)
    [left] = await emulator.live()
    await asyncio.to_thread(start_gateway)
    await emulator.call(left["call"], "FINISHED", 5)
    again = phone.call("dial-30-echo")
    await again.answered(5)
    await again.hang_up()


@pytest.mark.parametrize(
    ("number", "seconds"), [(signal.SIGTERM, 1.5), (signal.SIGKILL, 4)]
)
async def test_a_click_does_not_ring_on_without_its_gateway(
    start_gateway: Starter, phone: SipAgent, number: signal.Signals, seconds: float
) -> None:
    """Whoever answered it would find nobody there."""
    gateway = await asyncio.to_thread(start_gateway)
    phone.behaviour = RINGS
    wish = {"line": "ANY", "address": "echo", "to": "555@from-skypechan"}
    await ask(
        "POST", f"{gateway.url}/api/calls", wish, {"Authorization": "Bearer tests"}
    )
    incoming = await phone.next_call(5)
    # Longer than a lease: it is renewed as long as there is a gateway.
    with pytest.raises(TimeoutError):
        await incoming.ended(4)
    os.kill(gateway.process.pid, number)
    await incoming.ended(seconds)
