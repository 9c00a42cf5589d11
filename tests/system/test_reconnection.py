"""The AMI link breaks while calls are on: they go on, and nothing is done twice.

The link is a cable between the gateway and Asterisk that the test cuts and mends. Only
signalling goes through it: what is heard has a connection of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import workspace
from tests.conftest import _open_sockets as open_sockets
from tests.doubles.relay import Relay
from tests.doubles.sip_agent import ANSWERS, RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_messages import Credentials
from tests.system import parts
from tests.system.parts import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BACK_S = 2.0
SHORT_S = 0.1


@dataclass(frozen=True, slots=True)
class Scene:
    """The gateway, its cable to Asterisk, and those at both ends."""

    gateway: Gateway
    cable: Relay
    asterisk: LocalAsterisk
    skype: Emulator

    async def short_break(self) -> None:
        async with self.cable.away():
            await asyncio.sleep(SHORT_S)
        await self.gateway.ready(BACK_S)

    async def digits_at_skype(self, number: int, digits: str) -> None:
        async def heard() -> bool:
            told = await self.skype.get(f"/calls/{number}")
            return bool(told["digits_heard"] == digits)

        await eventually(heard, 3, f"digits {digits} at Skype")

    async def everything_is_over(self) -> None:
        await self.gateway.idle(BACK_S)
        assert await self.skype.live() == []

        async def no_channel() -> bool:
            told = await self.asterisk.cli("core show channels count")
            return told.startswith("0 ")

        await eventually(no_channel, 1, "end of all channels")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    asterisk: LocalAsterisk, bus: PrivateBus, emulator: Emulator
) -> AsyncIterator[Scene]:
    web_port = free_port()
    async with Relay(HOST, asterisk.settings.ami_port) as cable:
        config = parts.config(asterisk, bus.address, web_port, ami_port=cable.port)
        with workspace() as folder:
            async with parts.gateway(config, web_port, folder / "gateway") as gateway:
                yield Scene(gateway, cable, asterisk, emulator)


@pytest_asyncio.fixture(loop_scope="module")
async def phone(scene: Scene, asterisk: LocalAsterisk) -> AsyncIterator[SipAgent]:
    await scene.gateway.ready()
    settings = asterisk.settings
    credentials = Credentials("sipphone", settings.sip_secret)
    async with SipAgent(HOST, (HOST, settings.sip_port), credentials) as agent:
        await agent.register()
        yield agent
    await scene.everything_is_over()
    assert not [line for line in scene.gateway.process.lines if "Traceback" in line]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """In place of the common one: the cable's ends are others afterwards."""
    sockets = len(open_sockets())
    yield
    assert len(open_sockets()) == sockets


async def talking(scene: Scene, phone: SipAgent, direction: str) -> tuple[Call, int]:
    if direction == "to_line":
        call = phone.call("dial-20-echo")
        await call.answered(5)
        number = await scene.skype.newest()
    else:
        phone.behaviour = ANSWERS
        number = await scene.skype.ring("to-phone-back")
        call = await phone.next_call(3)
    await scene.skype.call(number, "INPROGRESS")
    await call.rtp.wait_for_audio(10, 3)
    return call, number


DIRECTIONS = pytest.mark.parametrize("direction", ["to_line", "to_pbx"])


@DIRECTIONS
async def test_people_who_talk_hear_nothing_of_it(
    scene: Scene, phone: SipAgent, direction: str
) -> None:
    call, number = await talking(scene, phone, direction)
    async with scene.cable.away():
        await call.rtp.wait_for_audio(60, 3)  # longer than a call without audio lives
        await scene.skype.heard(number, 8_000)
        await call.rtp.send_digits("15")
        await scene.digits_at_skype(number, "15")
    await scene.gateway.ready(BACK_S)
    await call.rtp.wait_for_audio(10, 3)
    await call.hang_up()
    record = await scene.gateway.record(direction=direction)
    assert (record["status"], record["cause"]) == ("ANSWER", 16)


async def test_a_hold_that_ended_meanwhile_is_over(
    scene: Scene, phone: SipAgent
) -> None:
    async def held_by() -> list[str]:
        [live] = await scene.gateway.calls()
        return list(live["held_by"])

    async def is_held() -> bool:
        return await held_by() == ["pbx"]

    async def is_not_held() -> bool:
        return await held_by() == []

    call, _ = await talking(scene, phone, "to_line")
    await call.hold()
    await eventually(is_held, 2, "hold")
    async with scene.cable.away():
        await call.resume()
        await call.rtp.wait_for_audio(5, 3)
        assert await is_held()
    await eventually(is_not_held, BACK_S, "end of the hold")
    await call.hang_up()


@DIRECTIONS
async def test_who_hangs_up_meanwhile_is_believed_at_once(
    scene: Scene, phone: SipAgent, direction: str
) -> None:
    call, number = await talking(scene, phone, direction)
    async with scene.cable.away():
        await call.hang_up()
        await scene.skype.call(number, "FINISHED")
    await scene.gateway.ready(BACK_S)


@DIRECTIONS
async def test_a_call_that_rings_can_still_be_answered(
    scene: Scene, phone: SipAgent, direction: str
) -> None:
    call, number = await ringing(scene, phone, direction)
    await scene.short_break()
    await answer(scene, call, number, direction)
    await call.answered(3)
    await scene.skype.call(number, "INPROGRESS")
    await call.rtp.wait_for_audio(10, 3)
    await call.hang_up()
    assert len(await placed(scene, number)) == 1


async def test_a_call_that_is_just_being_placed_goes_on(
    scene: Scene, phone: SipAgent
) -> None:
    async def is_placed() -> bool:
        return [one["state"] for one in await scene.gateway.calls()] == ["placing"]

    before = await scene.skype.newest()
    call = phone.call("dial-20-echo")
    await eventually(is_placed, 3, "call that is being placed")
    await scene.short_break()
    await call.answered(5)
    await call.rtp.wait_for_audio(10, 3)
    await call.hang_up()
    assert call.statuses == [100, 180, 200]
    assert len(await placed(scene, before + 1)) == 1


async def ringing(scene: Scene, phone: SipAgent, direction: str) -> tuple[Call, int]:
    if direction == "to_line":
        call = phone.call("dial-20-noanswer")
        await call.response(180, 5)
        return call, await scene.skype.newest()
    phone.behaviour = RINGS
    number = await scene.skype.ring("to-phone-back")
    return await phone.next_call(3), number


async def answer(scene: Scene, call: Call, number: int, direction: str) -> None:
    if direction == "to_line":
        await scene.skype.post(f"/calls/{number}/answer")
    else:
        call.answer()


async def placed(scene: Scene, number: int) -> list[object]:
    """The calls that the client has had from this one on."""
    calls = await scene.skype.get("/calls")
    return [one for one in calls if one["call"] >= number]


@DIRECTIONS
async def test_an_answer_while_it_is_away_counts_when_it_is_back(
    scene: Scene, phone: SipAgent, direction: str
) -> None:
    call, number = await ringing(scene, phone, direction)
    async with scene.cable.away():
        await answer(scene, call, number, direction)
        await asyncio.sleep(SHORT_S)
    await call.answered(3)
    await scene.skype.call(number, "INPROGRESS")
    await call.rtp.wait_for_audio(10, 3)
    await call.hang_up()


async def test_a_dialplan_that_looks_for_the_gateway_meanwhile_looks_again(
    scene: Scene, phone: SipAgent
) -> None:
    call, number = await ringing(scene, phone, "to_line")
    await asyncio.sleep(1.3)  # the dialplan looks one and a half seconds after the 180
    async with scene.cable.away():
        await asyncio.sleep(0.35)
    await scene.gateway.ready(BACK_S)
    await answer(scene, call, number, "to_line")
    await call.answered(3)
    await call.hang_up()


@DIRECTIONS
async def test_who_gives_up_while_it_is_away_is_missed_when_it_is_back(
    scene: Scene, phone: SipAgent, direction: str
) -> None:
    call, number = await ringing(scene, phone, direction)
    async with scene.cable.away():
        if direction == "to_line":
            await call.cancel()
        else:
            call.respond(486)
        await asyncio.sleep(SHORT_S)
    await scene.gateway.ready(BACK_S)
    await scene.gateway.idle(1)
    record = await scene.gateway.record(skype_call=str(number))
    assert record["reason"] == "the call ended while there was no link to Asterisk"


@DIRECTIONS
async def test_who_is_thrown_out_by_the_administrator_comes_back(
    scene: Scene, phone: SipAgent, direction: str
) -> None:
    async def came_back() -> bool:
        return len(ups()) > before

    def ups() -> list[str]:
        lines = scene.gateway.process.lines
        return [line for line in lines if "AMI link up" in line]

    call, _ = await talking(scene, phone, direction)
    before = len(ups())
    told = await scene.asterisk.cli("manager show connected")
    [session] = [line.split() for line in told.splitlines() if "skypechan" in line]
    await scene.asterisk.cli(f"manager kick session {session[-4]}")
    await eventually(came_back, BACK_S, "AMI link")
    await call.rtp.wait_for_audio(10, 3)
    await call.hang_up()


async def test_who_calls_while_it_is_away_is_given_up_and_never_dialled(
    scene: Scene, phone: SipAgent
) -> None:
    before = await scene.skype.newest()
    async with scene.cable.away():
        call = phone.call("dial-20-echo")
        final = await call.final_response(4)
        assert final.status == 500
    await scene.gateway.ready(BACK_S)
    assert await scene.skype.newest() == before
