"""The gateway before a Skype in trouble: absent, signed out, held, late, at a loss.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import RINGS, SipAgent
from tests.doubles.sip_values import Behaviour, EndedBy
from tests.strangers.between import talking
from tests.strangers.conftest import line_ready, line_state
from tests.strangers.standin import Standin
from tests.strangers.standin_values import ENDED, Quirks

Appear = Callable[..., Awaitable[Standin]]
PLAIN = Quirks()
both = pytest.mark.parametrize("transport", ["dbus", "x11"])


async def state_becomes(running: Gateway, name: str, wanted: str) -> None:
    """Return once the line is in that state; raises TimeoutError."""
    async with asyncio.timeout(15):
        while await line_state(running, name) != wanted:  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.02)


# Outgoing calls: how each end at Skype shows at the phone


@pytest.mark.parametrize(
    ("status", "failure", "sip_status"),
    [
        ("BUSY", 0, {486}),
        ("REFUSED", 0, {403, 603}),
        ("MISSED", 0, {480}),
        ("CANCELLED", 0, {480, 487}),
        ("WAITING_REDIAL_COMMAND", 0, {403, 480, 486, 603}),
        ("FINISHED", 0, {480}),
        ("FAILED", 1, {480, 500, 503}),
        ("FAILED", 2, {404}),
        ("FAILED", 3, {480}),
        ("FAILED", 4, {500, 502, 503}),
        ("FAILED", 6, {415, 488, 500, 503}),
        ("FAILED", 9, {403, 603}),
        ("FAILED", 99, {480, 500, 503}),
    ],
)
async def test_each_end_before_an_answer_has_its_answer_at_the_phone(
    phone: SipAgent, appear: Appear, status: str, failure: int, sip_status: set[int]
) -> None:
    skype = await appear("dbus", PLAIN)
    mark = skype.said.mark
    sip = phone.call("call-dbus-rings")
    await sip.response(180, 10)
    call = await skype.newest(mark)
    if failure:
        skype.notify(f"CALL {call.number} FAILUREREASON {failure}")
    skype.change(call, status)
    final = await sip.final_response(3)
    call.status = "FINISHED"  # whatever it was called
    assert final.status in sip_status


@pytest.mark.parametrize(
    ("error", "sip_status"),
    [
        ("ERROR 36 Not online", {480, 500, 503}),
        ("ERROR 92 CALL: Unrecognised identity", {404}),
        ("ERROR 96 CALL: some words", {486, 503, 600}),
        ("ERROR 99 CALL", {486, 503, 600}),
        ("ERROR 9901 internal error", {480, 500, 503}),
    ],
)
async def test_each_refusal_of_a_call_has_its_answer_at_the_phone(
    phone: SipAgent, appear: Appear, error: str, sip_status: set[int]
) -> None:
    skype = await appear("dbus", replace(PLAIN, refusal=error))
    sip = phone.call("call-dbus-good")
    assert (await sip.final_response(3)).status in sip_status
    assert not skype.calls


async def test_early_media_and_prices_are_no_answer(
    phone: SipAgent, appear: Appear
) -> None:
    skype = await appear("dbus", PLAIN)
    mark = skype.said.mark
    sip = phone.call("call-dbus-rings")
    await sip.response(180, 10)
    call = await skype.newest(mark)
    for line in (
        "RATE 1234",
        "RATE_PRECISION 3",
        "RATE_CURRENCY EUR",
        "STATUS EARLYMEDIA",
        "VAA_INPUT_STATUS FALSE",
    ):
        skype.notify(f"CALL {call.number} {line}")
    with pytest.raises(TimeoutError):
        await sip.answered(0.3)
    skype.change(call, "INPROGRESS")
    await sip.answered(5)
    await sip.hang_up()
    await skype.state(call, "FINISHED")


@both
async def test_a_call_given_up_before_skype_has_named_it_is_ended_once_it_has(
    phone: SipAgent, appear: Appear, transport: str, running_gateway: Gateway
) -> None:
    skype = await appear(transport, PLAIN)
    skype.quirks = replace(PLAIN, reply_delay_s=0.5, route_delay_s=0.6)
    mark = skype.said.mark
    sip = phone.call(f"call-{transport}-rings")
    call = await skype.newest(mark)
    await sip.cancel()
    await skype.state(call, *ENDED)
    await running_gateway.idle()
    skype.quirks = PLAIN
    skype.notify(f"CALL {call.number} STATUS RINGING")  # of a call that is over
    sip = phone.call(f"call-{transport}-good")
    await sip.answered(10)
    await sip.hang_up()
    await skype.state(skype.calls[max(skype.calls)], "FINISHED")


@pytest.mark.parametrize(
    "lost",
    [
        ".* SET_INPUT",
        "ALTER CALL .* HANGUP",
        "SET ",
    ],
)
async def test_a_lost_reply_leaves_no_call_behind(
    phone: SipAgent, appear: Appear, lost: str, running_gateway: Gateway
) -> None:
    skype = await appear("dbus", replace(PLAIN, lost=lost))
    mark = skype.said.mark
    sip = phone.call("call-dbus-good")
    await sip.answered(10)
    call = await skype.newest(mark)
    await skype.said.line("> .*SET_INPUT.*", since=mark)
    await sip.hang_up()
    await skype.state(call, *ENDED, seconds=2)
    await running_gateway.idle(15)


# Calls from Skype


@both
async def test_a_caller_who_is_gone_when_the_phone_answers(
    phone: SipAgent, appear: Appear, transport: str
) -> None:
    skype = await appear(transport, PLAIN)
    phone.behaviour = RINGS
    call = skype.ring("bob")
    sip = await phone.next_call(5)
    call.status = "MISSED"  # the notification is still on its way
    sip.answer()
    await skype.said.line("< .*ERROR 559.*", seconds=5)
    await sip.ended(5)
    assert sip.ended_by in (EndedBy.THEM, EndedBy.CANCELLED)


async def test_a_second_caller_does_not_disturb_the_first(
    phone: SipAgent, appear: Appear
) -> None:
    skype = await appear("dbus", PLAIN)
    call, sip = await talking(skype, phone)
    second = skype.ring("carol")
    await skype.state(second, "REFUSED", "MISSED", seconds=5)
    assert call.status == "INPROGRESS"
    await sip.rtp.wait_for_audio(10, 2)
    await sip.hang_up()
    await skype.state(call, "FINISHED")


async def test_a_caller_with_a_hostile_name_gets_through(
    phone: SipAgent, appear: Appear
) -> None:
    skype = await appear("dbus", PLAIN)
    phone.behaviour = Behaviour(answer_after_s=0.1)
    name = 'Bob, "Uuid: x",To: y ${SHELL(id)} <sip:evil@x>;tag=1 \u2603 \U0001f600'
    call = skype.ring("b.o-b_1", name)
    sip = await phone.next_call(5)
    await sip.answered(5)
    await skype.state(call, "INPROGRESS")
    skype.partner_hangs_up(call)
    await sip.ended(5)


# During a call


@pytest.mark.parametrize("hold", ["LOCALHOLD", "REMOTEHOLD", "ONHOLD"])
async def test_a_call_survives_being_held(
    phone: SipAgent, appear: Appear, hold: str
) -> None:
    skype = await appear("dbus", PLAIN)
    call, sip = await talking(skype, phone)
    skype.change(call, hold)
    await sip.rtp.wait_for_audio(15, 3)
    skype.change(call, "INPROGRESS")
    await sip.rtp.wait_for_audio(15, 3)
    assert not sip.ended_by
    assert len(skype.said.found("> .*SET_INPUT.*")) == 1  # not asked for sound again
    skype.partner_hangs_up(call)
    await sip.ended(5)


@both
async def test_the_phone_is_released_when_skype_is_gone(
    phone: SipAgent, appear: Appear, transport: str, running_gateway: Gateway
) -> None:
    skype = await appear(transport, PLAIN)
    call, sip = await talking(skype, phone)
    await skype.die()
    await sip.ended(5)
    assert sip.ended_by is EndedBy.THEM
    await state_becomes(running_gateway, transport, "waiting_for_client")
    call.status = "FINISHED"


async def test_a_redirection_that_fails_ends_the_call_at_both_ends(
    phone: SipAgent, appear: Appear
) -> None:
    skype = await appear("dbus", replace(PLAIN, sound_error="ERROR 589 ALTER CALL"))
    mark = skype.said.mark
    sip = phone.call("call-dbus-good")
    await sip.final_response(10)
    await sip.ended(10)
    await skype.state(await skype.newest(mark), "FINISHED")


async def test_a_partner_far_away_may_send_many_digits_at_once(
    phone: SipAgent, appear: Appear
) -> None:
    skype = await appear("dbus", PLAIN)
    call, sip = await talking(skype, phone)
    skype.partner_dials(call, "0011223344##")
    assert await sip.rtp.wait_for_digits(12, 10) == "0011223344##"
    await sip.hang_up()
    await skype.state(call, "FINISHED")


# Attaching


@both
async def test_the_line_waits_for_somebody_to_sign_in(
    appear: Appear, transport: str, running_gateway: Gateway
) -> None:
    quirks = replace(PLAIN, signed_out=True)
    skype = await appear(transport, quirks, wait=False)
    await skype.said.line("< .*CONNSTATUS OFFLINE", seconds=10)
    assert await line_state(running_gateway, transport) != "ready"
    skype.quirks = PLAIN
    await skype.attached(15)
    await line_ready(running_gateway, transport)


@both
async def test_the_line_waits_for_a_user_who_thinks_about_it(
    appear: Appear, transport: str, running_gateway: Gateway
) -> None:
    skype = await appear(transport, replace(PLAIN, thinks=True), wait=False)
    await skype.said.line("> .*NAME .*", seconds=10)
    assert await line_state(running_gateway, transport) != "ready"
    skype.decide()
    await skype.attached(15)
    await line_ready(running_gateway, transport)


async def test_a_client_of_an_older_level_is_good_enough(
    phone: SipAgent, appear: Appear
) -> None:
    skype = await appear("dbus", replace(PLAIN, level=5))
    call, sip = await talking(skype, phone)
    await sip.hang_up()
    await skype.state(call, "FINISHED")


async def test_another_account_than_the_configured_one_is_not_used(
    appear: Appear, running_gateway: Gateway
) -> None:
    skype = await appear("dbus", replace(PLAIN, account="mallory"), wait=False)
    await skype.said.line("< .*CURRENTUSERHANDLE mallory", seconds=10)
    await state_becomes(running_gateway, "dbus", "signed_out")
    lines = await running_gateway.get("/api/lines")
    assert any("mallory" in line["reason"] for line in lines)


async def test_signing_out_takes_the_line_away_and_signing_in_brings_it_back(
    appear: Appear, running_gateway: Gateway
) -> None:
    skype = await appear("dbus", PLAIN)
    for line in ("USERSTATUS LOGGEDOUT", "CONNSTATUS LOGGEDOUT"):
        skype.notify(line)
    await state_becomes(running_gateway, "dbus", "signed_out")
    for line in ("CONNSTATUS ONLINE", "CURRENTUSERHANDLE alice", "USERSTATUS ONLINE"):
        skype.notify(line)
    await line_ready(running_gateway, "dbus", 15)


async def test_a_call_that_was_left_over_is_ended_at_the_next_attach(
    appear: Appear,
) -> None:
    skype = await appear("dbus", PLAIN, wait=False, left_over=True)
    (call,) = skype.calls.values()
    await skype.state(call, *ENDED, seconds=5)
