"""The gateway during a call: held by either side, transferred, digits in bursts; before
a Skype with the quirks that change how any of it is told.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call as SipCall
from tests.doubles.sip_values import EndedBy
from tests.strangers.between import answer, both_hear, ringing, taken, talking
from tests.strangers.standin import Standin
from tests.strangers.standin_values import ENDED, Call, Quirks

Appear = Callable[..., Awaitable[Standin]]
PLAIN = Quirks()
ODD = Quirks(
    doubled=True,
    gap=37,
    notified=True,
    reply_delay_s=0.1,
    unknown=True,
    giant=True,
    reason_14=True,
)
HELD = ["LOCALHOLD", "REMOTEHOLD", "ONHOLD"]
BURST = "1122*#3344"
skypes = pytest.mark.parametrize(
    "skype",
    [("dbus", PLAIN), ("dbus", ODD), ("x11", ODD)],
    ids=["dbus: plain", "dbus: odd", "x11: odd"],
    indirect=True,
)
plain = pytest.mark.parametrize("skype", [("dbus", PLAIN)], ids=["dbus"], indirect=True)


@pytest.fixture
async def skype(
    request: pytest.FixtureRequest, appear: Appear, running_gateway: Gateway
) -> AsyncIterator[Standin]:
    """The stand-in with the gateway attached; no call of it is left afterwards."""
    transport, quirks = request.param
    skype = await appear(transport, quirks)
    yield skype
    for call in skype.calls.values():
        await skype.state(call, *ENDED)
    await running_gateway.idle()


def redirections(skype: Standin, call: Call) -> int:
    """How often sound to Skype was asked for."""
    return len(skype.said.found(rf"> .*CALL {call.number} SET_INPUT.*"))


async def told_later(skype: Standin, sip: SipCall) -> None:
    """Return when the gateway has had time to act on all that Skype has told it.

    It does so in order: a digit of the partner's comes after it.
    """
    call = next(call for call in skype.calls.values() if not call.ended)
    count = len(sip.rtp.digits)
    skype.partner_dials(call, "0")
    await sip.rtp.wait_for_digits(count + 1, 5)


# Held


@skypes
async def test_a_call_is_held_by_both_sides_in_turn_and_goes_on(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await taken(skype, phone)
    for held in HELD:
        skype.change(call, held)
        await sip.rtp.wait_for_audio(3, 3)
        skype.change(call, "INPROGRESS")
    await both_hear(skype, call, sip)
    assert redirections(skype, call) == 1
    assert not sip.ended_by
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@plain
async def test_holding_and_resuming_without_a_pause_leaves_the_call_as_it_was(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await talking(skype, phone)
    for turn in range(30):
        skype.change(call, HELD[turn % 3])
        if turn % 4 != 0:  # another hold without a resume between
            skype.change(call, "INPROGRESS")
    skype.change(call, "INPROGRESS")
    await told_later(skype, sip)
    await both_hear(skype, call, sip)
    assert redirections(skype, call) == 1
    skype.partner_hangs_up(call)
    await sip.ended(5)
    assert sip.ended_by is EndedBy.THEM


@pytest.mark.parametrize("held", HELD)
@plain
async def test_a_held_call_is_hung_up_by_either_end(
    phone: SipAgent, skype: Standin, held: str
) -> None:
    call, sip = await talking(skype, phone)
    skype.change(call, held)
    await sip.hang_up()
    await skype.state(call, "FINISHED", seconds=3)
    call, sip = await taken(skype, phone, "carol")
    skype.change(call, held)
    skype.partner_hangs_up(call)
    await sip.ended(3)
    assert sip.ended_by is EndedBy.THEM


@plain
async def test_a_call_that_was_placed_and_held_at_once_is_no_new_answer(
    phone: SipAgent, skype: Standin
) -> None:
    mark = skype.said.mark
    sip = phone.call("call-dbus-rings")
    await sip.response(180, 10)
    call = await skype.newest(mark)
    for status in ("INPROGRESS", "REMOTEHOLD", "INPROGRESS", "LOCALHOLD", "INPROGRESS"):
        skype.change(call, status)
    await sip.answered(5)
    await both_hear(skype, call, sip)
    assert sip.statuses == [100, 180, 200]
    assert redirections(skype, call) == 1
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@skypes
async def test_the_phone_holds_and_resumes(phone: SipAgent, skype: Standin) -> None:
    call, sip = await taken(skype, phone)
    for _ in range(2):
        assert (await sip.hold()).status == 200
        await told_to_hold_or_not(skype, call)
        assert (await sip.resume()).status == 200
    await skype.state(call, "INPROGRESS")
    await both_hear(skype, call, sip)
    await sip.hang_up()
    await skype.state(call, "FINISHED")


async def told_to_hold_or_not(skype: Standin, call: Call) -> None:
    """Let the gateway speak; whether it tells Skype of the phone's hold is open."""
    stream = call.streams["INPUT"]
    heard = len(stream.heard)
    async with asyncio.timeout(3):
        while call.status == "INPROGRESS" and len(stream.heard) < heard + 3200:
            await stream.more()


# Transferred or taken, by the user at the client


@pytest.mark.parametrize("end", ["TRANSFERRED", "MISSED", "FAILED"])
@plain
async def test_a_ringing_call_that_is_transferred_away_stops_ringing_at_the_phone(
    phone: SipAgent, skype: Standin, end: str
) -> None:
    call, sip = await ringing(skype, phone)
    skype.transfer(call, end)
    await sip.ended(5)
    assert sip.ended_by is EndedBy.CANCELLED
    assert not skype.said.found(rf"> .*CALL {call.number} ANSWER")


@skypes
async def test_a_call_that_is_answered_at_the_client_stops_ringing_and_goes_on(
    phone: SipAgent, skype: Standin, running_gateway: Gateway
) -> None:
    call, sip = await ringing(skype, phone)
    skype.change(call, "INPROGRESS")
    await sip.ended(5)
    assert sip.ended_by is EndedBy.CANCELLED
    await running_gateway.idle()
    assert call.status == "INPROGRESS"
    assert not skype.said.found(rf"> .*CALL {call.number} (ANSWER|HANGUP|END).*")
    skype.partner_hangs_up(call)


@skypes
async def test_a_ringing_call_whose_transfer_fails_can_be_answered(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await ringing(skype, phone)
    skype.transfer(call, "RINGING")
    await skype.state(call, "RINGING")
    assert not sip.ended_by
    await answer(skype, call, sip)
    await both_hear(skype, call, sip)
    skype.partner_hangs_up(call)
    await sip.ended(5)


@pytest.mark.parametrize("end", ["TRANSFERRED", "FINISHED"])
@skypes
async def test_the_phone_is_released_when_its_call_is_transferred_away(
    phone: SipAgent, skype: Standin, end: str
) -> None:
    call, sip = await taken(skype, phone)
    skype.notify(f"CALL {call.number} TRANSFER_ACTIVE TRUE")
    skype.notify(f"CALL {call.number} TRANSFERRED_TO carol")
    skype.transfer(call, end)
    await sip.ended(5)
    assert sip.ended_by is EndedBy.THEM


@skypes
async def test_a_talk_goes_on_when_its_transfer_fails(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await taken(skype, phone)
    for line in ("TRANSFER_ACTIVE TRUE", "TRANSFER_STATUS ROUTING", "TRANSFER_STATUS"):
        skype.notify(f"CALL {call.number} {line}")
    skype.transfer(call, "INPROGRESS")
    await skype.state(call, "INPROGRESS")
    skype.notify(f"CALL {call.number} TRANSFER_ACTIVE FALSE")
    await both_hear(skype, call, sip)
    assert not sip.ended_by
    assert redirections(skype, call) == 1
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@plain
async def test_a_phone_that_hangs_up_during_a_transfer_leaves_no_call(
    phone: SipAgent, skype: Standin
) -> None:
    skype.quirks = replace(PLAIN, transfer_s=5)
    call, sip = await taken(skype, phone)
    skype.transfer(call, "TRANSFERRED")
    await told_later(skype, sip)
    await sip.hang_up()
    await skype.state(call, "FINISHED", seconds=3)


@pytest.mark.parametrize("end", ["TRANSFERRED", "RINGING", "none"])
@plain
async def test_a_second_caller_is_sent_on_or_rejected_and_the_first_hears_nothing_of_it(
    phone: SipAgent, skype: Standin, appear: Appear, end: str
) -> None:
    other = await appear("x11", PLAIN)  # another account, idle
    if end != "none":
        skype.targets[other.account] = end
    call, sip = await talking(skype, phone)
    second = skype.ring("carol")
    if end == "RINGING":  # the transfer fails and it is what it was
        await skype.said.until(
            lambda: second.ended or skype.said.found("< .*STATUS TRANSFERRING"),
            "what becomes of the second caller",
        )
        await skype.state(second, "RINGING", *ENDED)
        skype.partner_hangs_up(second)
    else:
        await skype.state(second, "REFUSED", "MISSED", end)
    await both_hear(skype, call, sip)
    assert call.status == "INPROGRESS"
    assert phone.calls == [sip]
    await sip.hang_up()
    await skype.state(call, "FINISHED")


# Digits


async def digit_heard(sip: SipCall, symbol: str) -> None:
    """Return once the phone has heard that digit."""
    await sip.rtp.changes.until(
        lambda: symbol in [digit.symbol for digit in sip.rtp.digits], 5, symbol
    )


@skypes
async def test_bursts_of_digits_cross_whole_and_in_order(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await taken(skype, phone)
    skype.partner_dials(call, BURST)
    # Asterisk drops a digit that comes within 45 ms of the one before, and may be late.
    await sip.rtp.send_digits("5511223366", 80, 150)
    await skype.said.until(lambda: len(call.digits) >= 10, "digits at Skype")
    assert call.digits == "5511223366"
    assert await sip.rtp.wait_for_digits(len(BURST), 10) == BURST
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@plain
async def test_what_is_no_digit_or_of_no_call_of_ours_is_no_digit_at_the_phone(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await taken(skype, phone)
    for line in (
        f"CALL {call.number} DTMF",
        f"CALL {call.number} DTMF ",
        f"CALL {call.number} DTMF x",
        f"CALL {call.number} DTMF 12",
        f"CALL {call.number} DTMF \u0664",
        f"CALL {call.number + 1} DTMF 7",
        "CALL 999999 DTMF 7",
        "CALL x DTMF 7",
        f"call {call.number} dtmf 8",
    ):
        skype.notify(line)
    skype.partner_dials(call, "9#")
    await sip.rtp.wait_for_digits(2, 5)
    while (
        len(heard := "".join(d.symbol for d in sip.rtp.digits)) < 2 or heard[-1] != "#"
    ):
        await sip.rtp.wait_for_digits(len(heard) + 1, 5)
    assert heard in ("9#", "89#", "129#", "1289#")
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@plain
async def test_letters_of_the_phone_never_reach_skype_twice_and_spoil_no_digit(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await taken(skype, phone)
    mark = skype.said.mark
    await sip.rtp.send_digits("1A2BCD3", 60, 40)
    await skype.said.until(lambda: len(call.digits) >= 3, "digits at Skype")
    assert call.digits == "123"
    letters = skype.said.found("> .*DTMF [A-D]", mark)
    assert len(letters) <= 4  # Skype refuses them; nobody asks again
    assert not sip.ended_by
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@plain
async def test_digits_cross_while_a_call_is_held_or_are_dropped_and_never_late(
    phone: SipAgent, skype: Standin
) -> None:
    call, sip = await taken(skype, phone)
    skype.change(call, "REMOTEHOLD")
    await sip.rtp.send_digits("11", 60, 40)
    skype.change(call, "INPROGRESS")
    await sip.rtp.send_digits("7", 60, 40)
    await skype.said.until(lambda: "7" in call.digits, "digits at Skype")
    assert call.digits in ("7", "17", "117")
    skype.change(call, "LOCALHOLD")
    skype.partner_dials(call, "22")
    skype.change(call, "INPROGRESS")
    skype.partner_dials(call, "8")
    await digit_heard(sip, "8")
    assert "".join(digit.symbol for digit in sip.rtp.digits) in ("8", "28", "228")
    await sip.hang_up()
    await skype.state(call, "FINISHED")


LOSES = Quirks(lost=r"(SET|ALTER) CALL \d+ DTMF 5")


@pytest.mark.parametrize("skype", [("dbus", LOSES)], ids=["dbus"], indirect=True)
async def test_a_lost_reply_to_a_digit_holds_no_other_digit_back(phone, skype):
    call, sip = await taken(skype, phone)
    await sip.rtp.send_digits("5123", 60, 40)
    await skype.said.until(lambda: len(call.digits) >= 4, "digits at Skype", 3)
    assert call.digits == "5123"
    await sip.hang_up()
    await skype.state(call, "FINISHED")
