"""Skype users where other trunks are: queues, ring groups, Follow Me, FreePBX."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest

from skypechan.audio.probe import tone
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import BUSY, RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_values import Behaviour, EndedBy
from tests.system.exchange import (
    ECHO_LINES,
    MUSIC_HZ,
    Exchange,
    Operator,
    phone_hears,
    skype_hears,
)
from tests.system.parts import eventually

PHONE_HZ = 700
SLOWLY = Behaviour(answer_after_s=0.6)


async def hears_itself(call: Call) -> None:
    call.rtp.play(tone(PHONE_HZ, 5.0))
    await phone_hears(call, PHONE_HZ)


async def records_since(gateway: Gateway, count: int) -> list[Any]:
    """The records behind the first so many, once no call lives."""
    await gateway.idle()
    return list(await gateway.get("/api/records"))[count:]


@pytest.fixture
async def before(exchange_gateway: Gateway) -> int:
    """How many records there are."""
    return len(await exchange_gateway.get("/api/records"))


async def skype_rings(gateway: Gateway) -> None:
    """Return once the only call to a line rings; raises TimeoutError."""

    async def rings() -> bool:
        return [call["state"] for call in await gateway.calls()] == ["ringing"]

    await eventually(rings, 5, "Skype user who rings")


async def established_on(gateway: Gateway, line: str) -> None:
    """Return once a call on a line is up; raises TimeoutError."""

    async def is_up() -> bool:
        calls = await gateway.calls()
        return (line, "established") in [(x["line"], x["state"]) for x in calls]

    await eventually(is_up, 5, f"call on {line}")


def outcome(records: list[Any]) -> list[tuple[str, str, str]]:
    """Who was called, how that ended and why."""
    return sorted((x["address"], x["status"], x["reason"]) for x in records)


async def test_a_ring_group_is_answered_by_the_phone(
    sipphone: SipAgent, desk: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    desk.behaviour = SLOWLY
    call = sipphone.call("group-desk")
    there = await desk.next_call(3)
    await call.answered(5)
    call.rtp.play(tone(PHONE_HZ, 5.0))
    await phone_hears(there, PHONE_HZ)
    records = await records_since(exchange_gateway, before)
    assert outcome(records) == [("noanswer", "CANCEL", "answered elsewhere")]
    assert records[0]["answered"] is None
    await call.hang_up()


async def test_a_ring_group_is_answered_by_the_skype_user(
    sipphone: SipAgent, desk: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    desk.behaviour = RINGS
    call = sipphone.call("group-skype")
    there = await desk.next_call(3)
    await call.answered(5)
    await there.ended(2)
    assert there.ended_by is EndedBy.CANCELLED
    assert 26 in [reason.cause for reason in there.reasons]
    await hears_itself(call)
    await call.hang_up()
    records = await records_since(exchange_gateway, before)
    assert outcome(records) == [("prompt", "ANSWER", "normal clearing")]


async def test_a_ring_group_whose_members_are_all_busy_is_busy(
    sipphone: SipAgent, desk: SipAgent
) -> None:
    desk.behaviour = BUSY
    call = sipphone.call("group-busy")
    assert (await call.final_response(5)).status == 486


async def test_a_caller_who_gives_up_stops_the_whole_ring_group(
    sipphone: SipAgent, desk: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    desk.behaviour = RINGS
    call = sipphone.call("group-desk")
    there = await desk.next_call(3)
    await call.response(180, 3)
    await call.cancel()
    await there.ended(2)
    records = await records_since(exchange_gateway, before)
    assert outcome(records) == [("noanswer", "CANCEL", "the caller gave up")]


async def test_a_queue_goes_to_the_skype_user_who_is_not_busy(
    sipphone: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    call = sipphone.call("queue-of-skype")
    await phone_hears(call, MUSIC_HZ)
    await hears_itself(call)
    await call.hang_up()
    records = await records_since(exchange_gateway, before)
    assert outcome(records) == [
        ("busy", "BUSY", "busy"),
        ("prompt", "ANSWER", "normal clearing"),
    ]


async def test_a_queue_goes_to_the_phone_and_skype_stops_ringing(
    sipphone: SipAgent, desk: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    desk.behaviour = SLOWLY
    call = sipphone.call("queue-of-both")
    there = await desk.next_call(3)
    call.rtp.play(tone(PHONE_HZ, 5.0))
    await phone_hears(there, PHONE_HZ)
    records = await records_since(exchange_gateway, before)
    assert outcome(records) == [("noanswer", "CANCEL", "answered elsewhere")]
    await call.hang_up()


async def test_a_queue_leaves_a_line_alone_whose_lamp_says_that_it_is_in_use(
    sipphone: SipAgent, desk: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    other = sipphone.call("call-one-high")
    await phone_hears(other, 900)
    call = desk.call("queue-of-lines")
    await hears_itself(call)
    await call.hang_up()
    await other.hang_up()
    records = await records_since(exchange_gateway, before)
    assert sorted((x["line"], x["address"]) for x in records) == [
        ("one", "high"),
        ("two", "prompt"),
    ]


async def test_a_caller_who_leaves_a_queue_stops_skype_ringing(
    sipphone: SipAgent, desk: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    desk.behaviour = RINGS
    call = sipphone.call("queue-of-both")
    await skype_rings(exchange_gateway)
    await call.hang_up()
    records = await records_since(exchange_gateway, before)
    assert [x[:2] for x in outcome(records)] == [("noanswer", "CANCEL")]


async def test_a_skype_caller_waits_in_a_queue_of_phones(
    exchange: Exchange, sipphone: SipAgent, desk: SipAgent
) -> None:
    desk.behaviour = RINGS
    number = await exchange.one.ring("to-queue", voice="tone:900")
    await skype_hears(exchange.one, number, MUSIC_HZ)
    there = await desk.next_call(3)
    there.answer()
    there.rtp.play(tone(PHONE_HZ, 5.0))
    await phone_hears(there, 900)
    await skype_hears(exchange.one, number, PHONE_HZ)
    await exchange.one.hang_up(number)
    await there.ended(2)


async def test_follow_me_finds_the_skype_user_who_accepts_by_a_digit(
    exchange: Exchange, sipphone: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    call = sipphone.call("follow")
    await established_on(exchange_gateway, "two")
    number = await exchange.two.newest()
    call.rtp.play(tone(PHONE_HZ, 9.0))

    async def accepts() -> bool:
        # What is pressed during the announcement is not heard.
        await exchange.two.post(f"/calls/{number}/digits", {"digits": "1"})
        with suppress(TimeoutError):
            await phone_hears(call, PHONE_HZ, seconds=0.7)
            return True
        return False

    await eventually(accepts, 8, "voice through Follow Me")
    await call.hang_up()
    records = await records_since(exchange_gateway, before)
    assert [x[:2] for x in outcome(records)] == [("busy", "BUSY"), ("prompt", "ANSWER")]


async def test_a_local_channel_that_stays_talks_also_after_a_hold(
    sipphone: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    call = sipphone.call("kept-one-prompt")
    await hears_itself(call)
    assert (await call.hold()).status == 200
    assert (await call.resume()).status == 200
    await hears_itself(call)
    await call.hang_up()
    records = await records_since(exchange_gateway, before)
    assert outcome(records) == [("prompt", "ANSWER", "normal clearing")]


async def test_a_custom_trunk_of_freepbx_reaches_a_number(
    sipphone: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    call = sipphone.call("94930123456")
    await call.answered(5)
    await hears_itself(call)
    await call.hang_up()
    records = await records_since(exchange_gateway, before)
    assert outcome(records) == [("+4930123456", "ANSWER", "normal clearing")]


async def test_a_custom_trunk_tells_its_handlers_and_options_what_they_expect(
    exchange: Exchange, sipphone: SipAgent, operator: Operator
) -> None:
    call = sipphone.call("94930123456")
    await call.answered(5)
    await call.hang_up()
    await exchange.is_empty()
    steps = ("predial", "ringing", "answered", "hangup", "h", "handler")
    assert Counter(await operator.steps()) == dict.fromkeys(steps, 1)


async def test_a_trunk_that_may_not_call_leaves_the_call_to_the_next(
    exchange: Exchange, sipphone: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    call = sipphone.call("919005551234")
    assert (await call.final_response(5)).status == 503
    records = await records_since(exchange_gateway, before)
    assert [(x["address"], x["cause"]) for x in records] == [("+19005551234", 21)] * 2


async def test_the_operators_limit_ends_the_call(
    sipphone: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    call = sipphone.call("option-limit")
    await call.answered(5)
    await call.ended(3)
    assert call.ended_ns - call.answered_ns > 0.9e9
    records = await records_since(exchange_gateway, before)
    assert [x["released_by"] for x in records] == ["pbx"]


async def test_the_operators_feature_keys_transfer_and_are_not_sent_on(
    exchange: Exchange, sipphone: SipAgent, desk: SipAgent
) -> None:
    call = sipphone.call("option-keys")
    await phone_hears(call, 900)
    number = await exchange.one.newest()
    await call.rtp.send_digits("#1")
    await asyncio.sleep(0.4)  # as long as a finger needs
    await call.rtp.send_digits("301")
    there = await desk.next_call(8)
    there.rtp.play(tone(PHONE_HZ, 5.0))
    await phone_hears(there, 900)
    await skype_hears(exchange.one, number, PHONE_HZ)
    assert (await exchange.one.call(number, "INPROGRESS"))["digits_heard"] == ""
    await there.hang_up()


SELECTORS = ("ANY", "RR", "LRU")
PLACES = ("group-echo", "queue-of-echo", *(f"call-{x}-echo" for x in SELECTORS))


async def test_calls_from_many_places_at_once_each_have_a_line_of_their_own(
    sipphone: SipAgent, desk: SipAgent, exchange_gateway: Gateway, before: int
) -> None:
    desk.behaviour = RINGS
    calls = [sipphone.call(PLACES[i % len(PLACES)]) for i in range(ECHO_LINES)]
    for call in calls:
        call.rtp.play(tone(PHONE_HZ, 9.0))
    for call in calls:
        await phone_hears(call, PHONE_HZ)
    lines = {call["line"] for call in await exchange_gateway.calls()}
    assert len(lines) == ECHO_LINES
    for call in calls:
        await call.hang_up()
    records = await records_since(exchange_gateway, before)
    assert [x["status"] for x in records] == ["ANSWER"] * ECHO_LINES
    assert {x["line"] for x in records} == lines
