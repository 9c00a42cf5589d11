"""skypechan deep in an operator's own dialplan: his stack, his h, his handlers."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from skypechan.asterisk.pbx import PbxRequest
from skypechan.call.causes import HangupCause
from skypechan.call.events import PbxAnswered, PbxReleased
from skypechan.call.routes import Target
from tests.doubles.dialplan_steps import Steps
from tests.doubles.pbx_driver import (
    AudioEnd,
    LegLog,
    PbxDriver,
    running,
    settings_for,
)
from tests.doubles.sip_agent import RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.system import exchange as exchanges
from tests.system.exchange import Exchange

FORMS = ("prepare", "dial")


@pytest.fixture
async def gateway(exchange: Exchange) -> AsyncIterator[PbxDriver]:
    async with running(PbxDriver(settings_for(exchange.asterisk))) as driver:
        yield driver
        await exchange.is_empty()


@pytest.fixture
def steps(gateway: PbxDriver) -> Steps:
    return Steps(gateway.link)


@pytest.fixture
async def phone(exchange: Exchange, gateway: PbxDriver) -> AsyncIterator[SipAgent]:
    async with exchanges.phone(exchange, "sipphone") as agent:
        yield agent


async def answer(request: PbxRequest, log: LegLog) -> AudioEnd:
    await request.leg.answer()
    await log.until(PbxAnswered)
    return AudioEnd(await request.leg.audio())


async def ring(request: PbxRequest, call: Call, *, early: bool) -> None:
    """Let the caller hear ringing, or the far end before it answers."""
    await request.leg.take()
    await (request.leg.play_early() if early else request.leg.ring())
    await call.response(183 if early else 180, 2)


async def all_steps(exchange: Exchange, steps: Steps) -> Counter[str]:
    """How often each step was taken when nothing more can come."""
    await exchange.is_empty()
    await steps.settle()
    return Counter(steps.names)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("early", [False, True])
async def test_after_a_failure_the_operators_stack_is_as_it_was(
    early: bool,
    form: str,
    exchange: Exchange,
    gateway: PbxDriver,
    phone: SipAgent,
    steps: Steps,
) -> None:
    call = phone.call(f"stack-{form}")
    request, _ = await gateway.request()
    await ring(request, call, early=early)
    await request.leg.release(HangupCause.USER_BUSY)
    assert (await call.final_response(2)).status == 486
    once = ("ringing", "hangup", "inner", "outer", "back", "handler")
    assert await all_steps(exchange, steps) == dict.fromkeys(once, 1)
    held = {event.fields["step"]: event.fields["holds"] for event in steps.seen}
    assert (held["inner"], held["outer"], held["back"]) == (
        "two-inner",
        "one-outer",
        "-",
    )
    assert held["handler"] == "one"
    assert {event.fields["uuid"] for event in steps.seen} == {request.uuid}
    assert {event.fields["status"] for event in steps.seen[1:]} == {"BUSY"}


async def test_what_an_h_finds_without_us(
    exchange: Exchange, gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("stack-wait")
    await steps.until("waits")
    await call.cancel()
    await call.final_response(2)
    once = ("waits", "h", "handler")
    assert await all_steps(exchange, steps) == dict.fromkeys(once, 1)
    assert (await steps.until("h")).fields["holds"] == "two-inner"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("early", [False, True])
async def test_a_caller_who_cancels_has_h_and_handlers_run_once_with_what_they_know(
    early: bool,
    form: str,
    exchange: Exchange,
    gateway: PbxDriver,
    phone: SipAgent,
    steps: Steps,
) -> None:
    call = phone.call(f"stack-{form}")
    request, log = await gateway.request()
    await ring(request, call, early=early)
    await call.cancel()
    await log.until(PbxReleased)
    once = ("ringing", "h", "hangup", "handler")
    assert await all_steps(exchange, steps) == dict.fromkeys(once, 1)
    held = {event.fields["step"]: event.fields["holds"] for event in steps.seen}
    assert (held["h"], held["handler"]) == ("two-inner", "one")
    for event in steps.seen[1:]:
        assert event.fields["status"] == event.fields["dialstatus"] == "CANCEL"
        assert event.fields["uuid"] == request.uuid


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("early", [False, True])
async def test_a_caller_who_hangs_up_has_h_and_handlers_run_once(
    early: bool,
    form: str,
    exchange: Exchange,
    gateway: PbxDriver,
    phone: SipAgent,
    steps: Steps,
) -> None:
    call = phone.call(f"stack-{form}")
    request, log = await gateway.request()
    await ring(request, call, early=early)
    audio = await answer(request, log)
    await call.answered(2)
    await call.hang_up()
    await log.until(PbxReleased)
    audio.close()
    seen = await all_steps(exchange, steps)
    seen.pop("inner", None)  # prepare returns before the call, dial not at all
    assert seen == dict.fromkeys(("ringing", "h", "hangup", "handler"), 1)
    held = {event.fields["step"]: event.fields["holds"] for event in steps.seen}
    assert (held["h"], held["handler"]) == ("two-inner", "one")
    assert {event.fields["status"] for event in steps.seen[1:]} == {"ANSWER"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("early", [False, True])
async def test_a_far_end_that_hangs_up_gives_the_call_back_to_the_operators_stack(
    early: bool,
    form: str,
    exchange: Exchange,
    gateway: PbxDriver,
    phone: SipAgent,
    steps: Steps,
) -> None:
    call = phone.call(f"stack-{form}")
    request, log = await gateway.request()
    await ring(request, call, early=early)
    audio = await answer(request, log)
    await call.answered(2)
    audio.close()
    await call.ended(2)
    once = ("ringing", "inner", "outer", "back", "hangup", "handler")
    assert await all_steps(exchange, steps) == dict.fromkeys(once, 1)


@pytest.mark.parametrize("extension", ["option-own-b", "option-keys"])
async def test_a_call_with_options_of_the_operator_ends_once(
    extension: str,
    exchange: Exchange,
    gateway: PbxDriver,
    phone: SipAgent,
    steps: Steps,
) -> None:
    call = phone.call(extension)
    request, log = await gateway.request()
    audio = await answer(request, log)
    await call.answered(2)
    await call.hang_up()
    await log.until(PbxReleased)
    audio.close()
    own = "predial" if extension == "option-own-b" else "answered"
    assert await all_steps(exchange, steps) == {own: 1, "hangup": 1}
    assert (await steps.until("hangup")).fields["uuid"] == request.uuid


@pytest.mark.parametrize("form", FORMS)
async def test_a_handler_pushed_by_a_hook_stays_the_operators(
    form: str, exchange: Exchange, gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call(f"stack-{form}-yes")
    request, _ = await gateway.request()
    await request.leg.ring()
    await steps.until("ringing")
    await request.leg.release(HangupCause.USER_BUSY)
    await call.final_response(2)
    seen = await all_steps(exchange, steps)
    assert (seen["pushed"], seen["hangup"], seen["handler"]) == (1, 1, 1)


async def test_a_call_sent_on_to_another_line_has_each_end_told_as_its_own(
    exchange: Exchange,
    gateway: PbxDriver,
    phone: SipAgent,
    steps: Steps,
) -> None:
    call = phone.call("call-one-first")
    first, first_log = await gateway.request()
    audio = await answer(first, first_log)
    await call.answered(2)
    await call.rtp.wait_for_audio(1, 3)  # a REFER before that finds no bridge
    host, port = phone.peer
    assert (await call.transfer(f"sip:call-two-second@{host}:{port}")).status == 202
    second, _ = await gateway.request()
    await second.leg.release(HangupCause.USER_BUSY)
    await first_log.until(PbxReleased)
    audio.close()
    await call.hang_up()
    assert await all_steps(exchange, steps) == {"hangup": 2}
    told = [(e.fields["uuid"], e.fields["status"]) for e in steps.seen]
    assert told == [(second.uuid, "BUSY"), (first.uuid, "ANSWER")]


async def test_an_inbound_call_that_is_forwarded_ends_with_the_cause_of_the_other(
    exchange: Exchange, gateway: PbxDriver, steps: Steps
) -> None:
    target = Target("call-two-second", "from-sipphone")
    leg, log = await gateway.originate(target=target)
    request, _ = await gateway.request()
    await request.leg.release(HangupCause.USER_BUSY)
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.USER_BUSY
    assert await all_steps(exchange, steps) == {"hangup": 2}
    told = [event.fields["uuid"] for event in steps.seen]
    assert told == [request.uuid, leg.uuid]


async def test_a_line_whose_ring_group_was_answered_elsewhere_says_so(
    exchange: Exchange, gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    async with exchanges.phone(exchange, "desk") as desk:
        desk.behaviour = RINGS
        call = phone.call("group-desk")
        request, log = await gateway.request()
        await request.leg.take()
        there = await desk.next_call(3)
        there.answer()
        released = await log.until(PbxReleased)
        await call.hang_up()
    cause = HangupCause.NORMAL_CLEARING
    assert released == PbxReleased(cause, "answered elsewhere")
    assert await all_steps(exchange, steps) == {"hangup": 1}
    told = steps.seen[0].fields
    assert (told["status"], told["reason"]) == ("CANCEL", "answered elsewhere")
