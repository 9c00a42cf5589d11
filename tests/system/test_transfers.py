"""Transfers and parking of a call with Skype: whoever moves, the Skype leg survives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from skypechan.asterisk.ami.messages import Redirect
from skypechan.audio.probe import tone
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import BUSY, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_values import CallState
from tests.system.exchange import (
    MUSIC_HZ,
    BlindTransfer,
    Exchange,
    Operator,
    phone_hears,
    skype_hears,
)

SKYPE_HZ, DESK_HZ, LOW_HZ = 900, 700, 600
CONTEXT = "from-sipphone"


@dataclass(frozen=True, slots=True)
class Talk:
    """A call of the first phone with a Skype user who says SKYPE_HZ."""

    exchange: Exchange
    gateway: Gateway
    operator: Operator
    phone: SipAgent
    desk: SipAgent
    call: Call
    number: int

    def uri(self, extension: str) -> str:
        """Where a REFER sends to."""
        host, port = self.phone.peer
        return f"sip:{extension}@{host}:{port}"

    async def goes_on_with(self, other: Call) -> None:
        """Return once Skype and another phone hear each other."""
        other.rtp.play(tone(DESK_HZ, 5.0))
        await phone_hears(other, SKYPE_HZ)
        await skype_hears(self.exchange.one, self.number, DESK_HZ)

    async def record(self) -> Any:
        """The call's record, which is its only one."""
        await self.gateway.idle()
        number = str(self.number)
        records = await self.gateway.get("/api/records")
        (record,) = [x for x in records if x["skype_call"] == number]
        return record


async def placed(
    exchange: Exchange, phone: SipAgent, form: str = "call"
) -> tuple[Call, int]:
    """The phone has called a Skype user."""
    call = phone.call(f"{form}-one-high")
    await call.answered(5)
    return call, await exchange.one.newest()


async def placed_as_by_a_ring_group(
    exchange: Exchange, phone: SipAgent
) -> tuple[Call, int]:
    """The same through a Local channel, which has optimised itself away."""
    return await placed(exchange, phone, "local")


async def taken(exchange: Exchange, phone: SipAgent) -> tuple[Call, int]:
    """A Skype user has called the phone."""
    number = await exchange.one.ring("somebody", voice=f"tone:{SKYPE_HZ}")
    return await phone.next_call(5), number


@pytest.fixture
async def talk(
    request: pytest.FixtureRequest,
    exchange: Exchange,
    exchange_gateway: Gateway,
    sipphone: SipAgent,
    desk: SipAgent,
    operator: Operator,
) -> Talk:
    begin = getattr(request, "param", placed)
    call, number = await begin(exchange, sipphone)
    await phone_hears(call, SKYPE_HZ)
    return Talk(exchange, exchange_gateway, operator, sipphone, desk, call, number)


async def refer(talk: Talk) -> Call:
    assert (await talk.call.transfer(talk.uri("desk"))).status == 202
    there = await talk.desk.next_call(3)
    await talk.call.changes.until(
        lambda: talk.call.transfer_status == 200, 5, "end of the transfer"
    )
    await talk.call.hang_up()
    return there


async def refer_after_asking(talk: Talk) -> Call:
    assert (await talk.call.hold()).status == 200
    asking = talk.phone.call("desk")
    there = await talk.desk.next_call(3)
    await asking.answered(3)
    assert (await talk.call.transfer_to(asking)).status == 202
    await asking.ended(3)
    if talk.call.state is not CallState.ENDED:
        await talk.call.hang_up()
    return there


async def transfer_by_manager(talk: Talk) -> Call:
    channel = await talk.exchange.channel("PJSIP/sipphone-")
    await talk.operator.do(BlindTransfer(channel, CONTEXT, "desk"))
    await talk.call.ended(3)
    return await talk.desk.next_call(3)


async def redirect_on_hold(talk: Talk) -> Call:
    assert (await talk.call.hold()).status == 200
    channel = await talk.exchange.channel("AudioSocket/")
    await talk.operator.do(Redirect(channel, CONTEXT, "desk"))
    await talk.call.ended(3)
    return await talk.desk.next_call(3)


async def park_on_hold(talk: Talk) -> Call:
    assert (await talk.call.hold()).status == 200
    assert (await talk.call.transfer(talk.uri("800"))).status == 202
    await skype_hears(talk.exchange.one, talk.number, MUSIC_HZ)
    if talk.call.state is not CallState.ENDED:
        await talk.call.hang_up()
    retrieved = talk.desk.call("801")
    await retrieved.answered(3)
    return retrieved


Move = Callable[[Talk], Awaitable[Call]]
MOVES = [
    refer,
    refer_after_asking,
    transfer_by_manager,
    redirect_on_hold,
    park_on_hold,
]
BEGINNINGS = [placed_as_by_a_ring_group, taken]  # the other tests are of `placed`


@pytest.mark.parametrize("talk", BEGINNINGS, ids=lambda x: x.__name__, indirect=True)
@pytest.mark.parametrize("move", MOVES, ids=lambda x: x.__name__)
async def test_the_skype_leg_goes_on_with_whoever_it_is_moved_to(
    talk: Talk, move: Move
) -> None:
    (before,) = await talk.gateway.calls()
    there = await move(talk)
    await talk.goes_on_with(there)
    (now,) = await talk.gateway.calls()
    assert (now["call"], now["state"]) == (before["call"], "established")
    assert now["held_by"] == []
    await there.hang_up()
    record = await talk.record()
    assert record["answered"] == before["answered"]
    assert (record["status"], record["cause"]) == ("ANSWER", 16)
    assert record["released_by"] == "pbx"


async def test_a_moved_call_ends_when_skype_hangs_up(talk: Talk) -> None:
    there = await refer(talk)
    await talk.goes_on_with(there)
    await talk.exchange.one.hang_up(talk.number)
    await there.ended(3)
    assert (await talk.record())["released_by"] == "line"


async def test_a_transfer_to_nowhere_leaves_the_call_where_it_was(talk: Talk) -> None:
    assert (await talk.call.transfer(talk.uri("nowhere"))).status == 202
    await talk.call.changes.until(
        lambda: talk.call.transfer_status == 404, 5, "refusal of the transfer"
    )
    await talk.goes_on_with(talk.call)


async def test_a_transfer_to_a_busy_phone_ends_the_call(talk: Talk) -> None:
    talk.desk.behaviour = BUSY
    assert (await talk.call.transfer(talk.uri("desk"))).status == 202
    await talk.exchange.one.call(talk.number, "FINISHED")
    if talk.call.state is not CallState.ENDED:
        await talk.call.hang_up()
    assert (await talk.record())["status"] == "ANSWER"


@pytest.mark.parametrize("talk", BEGINNINGS, ids=lambda x: x.__name__, indirect=True)
async def test_two_skype_users_talk_when_the_phone_between_them_leaves(
    talk: Talk,
) -> None:
    assert (await talk.call.hold()).status == 200
    other = talk.phone.call("call-two-low")
    await other.answered(5)
    second = await talk.exchange.two.newest()
    assert (await talk.call.transfer_to(other)).status == 202
    await skype_hears(talk.exchange.one, talk.number, LOW_HZ)
    await skype_hears(talk.exchange.two, second, SKYPE_HZ)
    assert all(c.startswith("AudioSocket/") for c in await talk.exchange.channels())
    await talk.exchange.two.hang_up(second)
    assert (await talk.record())["released_by"] == "pbx"
    other_record = await talk.gateway.record(line="two")
    assert other_record["released_by"] == "line"


async def test_skype_can_be_sent_on_to_another_skype_user(talk: Talk) -> None:
    assert (await talk.call.transfer(talk.uri("call-two-low"))).status == 202
    await skype_hears(talk.exchange.one, talk.number, LOW_HZ)
    if talk.call.state is not CallState.ENDED:
        await talk.call.hang_up()
    second = await talk.exchange.two.newest()
    await skype_hears(talk.exchange.two, second, SKYPE_HZ)
    await talk.exchange.one.hang_up(talk.number)
    assert (await talk.record())["released_by"] == "line"
    other_record = await talk.gateway.record(line="two")
    assert (other_record["status"], other_record["released_by"]) == ("ANSWER", "pbx")


async def test_a_skype_caller_is_forwarded_to_another_skype_user(
    exchange: Exchange, exchange_gateway: Gateway, every_exchange_call_ends: None
) -> None:
    number = await exchange.one.ring("to-other", voice=f"tone:{SKYPE_HZ}")
    await skype_hears(exchange.one, number, LOW_HZ)
    second = await exchange.two.newest()
    await skype_hears(exchange.two, second, SKYPE_HZ)
    assert all(c.startswith("AudioSocket/") for c in await exchange.channels())
    await exchange.two.hang_up(second)
    await exchange.one.call(number, "FINISHED")


async def test_a_skype_caller_forwarded_to_a_busy_user_is_refused_for_that(
    exchange: Exchange, exchange_gateway: Gateway, every_exchange_call_ends: None
) -> None:
    number = await exchange.one.ring("to-busy")
    await exchange.one.call(number, "REFUSED")
    record = await exchange_gateway.record(skype_call=str(number), line="one")
    assert (record["cause"], record["status"]) == (17, "BUSY")
