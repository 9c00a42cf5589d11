"""Conferences in Asterisk: several Skype users and phones hear each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from skypechan.audio.probe import tone
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.system.exchange import (
    Exchange,
    Operator,
    RedirectBoth,
    phone_hears,
    skype_hears,
)

ONE_HZ, TWO_HZ, PHONE_HZ, HIGH_HZ = 500, 800, 1200, 900


async def in_the_room(phone: SipAgent, frequency_hz: float) -> Call:
    """A phone in the room that says one tone."""
    call = phone.call("room")
    await call.answered(3)
    call.rtp.play(tone(frequency_hz, 15.0))
    return call


async def test_two_skype_users_and_a_phone_hear_each_other_also_when_one_leaves(
    exchange: Exchange, exchange_gateway: Gateway, sipphone: SipAgent
) -> None:
    first = await exchange.one.ring("to-room-a", voice=f"tone:{ONE_HZ}")
    second = await exchange.two.ring("to-room-b", voice=f"tone:{TWO_HZ}")
    call = await in_the_room(sipphone, PHONE_HZ)
    await phone_hears(call, ONE_HZ, TWO_HZ)
    await skype_hears(exchange.one, first, TWO_HZ, PHONE_HZ)
    await skype_hears(exchange.two, second, ONE_HZ, PHONE_HZ)
    await exchange.one.hang_up(first)
    await phone_hears(call, TWO_HZ)
    await skype_hears(exchange.two, second, PHONE_HZ)
    await call.hang_up()
    assert (await exchange_gateway.record(skype_call=str(first)))["status"] == "ANSWER"
    (left,) = await exchange_gateway.calls()
    assert (left["line"], left["state"]) == ("two", "established")
    await exchange.two.hang_up(second)


async def by_option(exchange: Exchange, phone: SipAgent, operator: Operator) -> Call:
    """Call a Skype user with the option G of Dial."""
    call = phone.call("option-room")
    await call.answered(5)
    return call


async def by_manager(exchange: Exchange, phone: SipAgent, operator: Operator) -> Call:
    """Call a Skype user, and have both ends moved together later."""
    call = phone.call("call-one-high")
    await phone_hears(call, HIGH_HZ)
    ends = [await exchange.channel(x) for x in ("PJSIP/", "AudioSocket/")]
    await operator.do(RedirectBoth(*ends, "from-sipphone", "room"))
    return call


Taking = Callable[[Exchange, SipAgent, Operator], Awaitable[Call]]


@pytest.mark.parametrize("take", [by_option, by_manager], ids=lambda x: x.__name__)
async def test_a_skype_user_who_was_called_is_taken_into_a_room(
    take: Taking,
    exchange: Exchange,
    exchange_gateway: Gateway,
    operator: Operator,
    sipphone: SipAgent,
    desk: SipAgent,
) -> None:
    call = await take(exchange, sipphone, operator)
    number = await exchange.one.newest()
    call.rtp.play(tone(PHONE_HZ, 15.0))
    other = await in_the_room(desk, ONE_HZ)
    await skype_hears(exchange.one, number, ONE_HZ, PHONE_HZ)
    await phone_hears(other, HIGH_HZ, PHONE_HZ)
    await call.hold()
    await skype_hears(exchange.one, number, ONE_HZ)
    (live,) = await exchange_gateway.calls()
    assert live["held_by"] == []
    await call.hang_up()
    await skype_hears(exchange.one, number, ONE_HZ)
    await exchange.one.hang_up(number)
    await other.hang_up()


@pytest.mark.parametrize("form", ["call", "local"])
async def test_several_addresses_are_one_skype_conference(
    form: str, exchange: Exchange, exchange_gateway: Gateway, sipphone: SipAgent
) -> None:
    call = sipphone.call(f"{form}-one-high%7Cprompt")
    await call.answered(5)
    call.rtp.play(tone(PHONE_HZ, 15.0))
    await phone_hears(call, HIGH_HZ, PHONE_HZ)  # one says its tone, one says ours
    assert len(await exchange.one.live()) == len(("high", "prompt"))
    await call.hang_up()
    record = await exchange_gateway.record(address="high, prompt")
    assert (record["status"], record["line"]) == ("ANSWER", "one")


async def test_a_line_that_cannot_call_several_at_once_refuses(
    exchange_gateway: Gateway, sipphone: SipAgent
) -> None:
    call = sipphone.call("call-echo0-high%7Clow")
    assert (await call.final_response(5)).status == 500
    record = await exchange_gateway.record(address="high, low", line="echo0")
    assert record["reason"] == "the line cannot call several at once"


async def test_a_conference_with_a_number_that_may_not_be_called_calls_nobody(
    exchange: Exchange, exchange_gateway: Gateway, sipphone: SipAgent
) -> None:
    before = await exchange.one.newest()
    call = sipphone.call("call-one-high%7C%2B19005551234")
    assert (await call.final_response(5)).status == 403
    assert await exchange.one.newest() == before
