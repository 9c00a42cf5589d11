"""What an operator's own dialplan around skypechan.conf sees, against Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skypechan.asterisk import dialplan
from skypechan.asterisk.pbx import PbxRequest
from skypechan.call.causes import HangupCause
from skypechan.call.events import PbxAnswered, PbxEarlyMedia, PbxReleased
from skypechan.demo.parts.asterisk import LocalAsterisk
from tests.doubles.dialplan_steps import Steps
from tests.doubles.pbx_driver import (
    AudioEnd,
    LegLog,
    PbxDriver,
    running,
    settings_for,
)
from tests.doubles.sip_agent import SipAgent

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
async def gateway(asterisk: LocalAsterisk) -> AsyncIterator[PbxDriver]:
    """A gateway on an Asterisk that has the hooks for the time of a test."""
    extensions = asterisk.directory / "etc/extensions.conf"
    before = extensions.read_text()
    hooks = (CHECKOUT / "tests/data/dialplan-hooks.conf").read_text()
    asterisk.replace_file("extensions.conf", f"{before}\n{hooks}")
    await asterisk.cli("dialplan reload")
    async with running(PbxDriver(settings_for(asterisk))) as driver:
        yield driver
    asterisk.replace_file("extensions.conf", before)
    await asterisk.cli("dialplan reload")


@pytest.fixture
def steps(gateway: PbxDriver) -> Steps:
    return Steps(gateway.link)


async def answer(request: PbxRequest, log: LegLog) -> AudioEnd:
    await request.leg.answer()
    await log.until(PbxAnswered)
    return AudioEnd(await request.leg.audio())


async def test_the_hooks_run_in_order(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("hooked")
    request, log = await gateway.request()
    await request.leg.take()
    await request.leg.ring()
    await steps.until("ringing")
    audio = await answer(request, log)
    await call.answered(2)
    await call.hang_up()
    await steps.until("hangup")
    assert steps.names == ["ringing", "answered", "prepared", "h", "hangup"]
    assert {event.fields["uuid"] for event in steps.seen} == {request.uuid}
    assert steps.seen[2].fields["status"] == "ANSWER"
    audio.close()


async def test_an_answer_during_the_ringing_hook_goes_through(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("slowly")
    request, log = await gateway.request()
    await request.leg.ring()
    await steps.until("ringing")
    audio = await answer(request, log)
    await call.answered(1)
    assert (await steps.until("prepared")).fields["status"] == "ANSWER"
    await call.hang_up()
    audio.close()


async def test_a_failure_during_the_ringing_hook_returns_to_the_operator(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("slowly")
    request, _ = await gateway.request()
    await request.leg.ring()
    await steps.until("ringing")
    await request.leg.release(HangupCause.USER_BUSY)
    assert (await call.final_response(1)).status == 486
    assert (await steps.until("prepared")).fields["status"] == "BUSY"


@pytest.mark.parametrize(
    ("cause", "status", "sip"),
    [
        (HangupCause.USER_BUSY, "BUSY", 486),
        (HangupCause.NO_ANSWER, "NOANSWER", 480),
        (HangupCause.CALL_REJECTED, "CHANUNAVAIL", 403),
        (HangupCause.SUBSCRIBER_ABSENT, "CHANUNAVAIL", 480),
    ],
)
async def test_after_a_failure_all_variables_agree(
    cause: HangupCause,
    status: str,
    sip: int,
    gateway: PbxDriver,
    phone: SipAgent,
    steps: Steps,
) -> None:
    call = phone.call("hooked")
    request, _ = await gateway.request()
    await request.leg.release(cause, 'FAILUREREASON 3: "offline", ${EXTEN}')
    # The sample says Hangup() without a cause: HANGUPCAUSE alone makes the status.
    assert (await call.final_response(1)).status == sip
    told = (await steps.until("prepared")).fields
    assert told["status"] == told["dialstatus"] == status
    assert told["cause"] == told["hangupcause"] == str(int(cause))
    assert told["reason"].startswith("FAILUREREASON%203%3A%20%20offline")
    assert "$" not in told["reason"]
    await steps.until("h")
    assert steps.names == ["hangup", "prepared", "h"]


async def test_a_cancelling_caller_still_gets_the_operators_h(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("hooked")
    request, log = await gateway.request()
    await request.leg.take()
    await call.cancel()
    await log.until(PbxReleased)
    told = (await steps.until("h")).fields
    assert told["status"] == told["dialstatus"] == "CANCEL"
    await steps.until("hangup")
    assert steps.names == ["h", "hangup"]


async def test_without_a_gateway_the_variables_say_so(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("hooked")
    request, log = await gateway.request()  # and nobody takes it
    assert (await call.final_response(3)).status == 500
    await log.until(PbxReleased, 1)
    await request.leg.ring()  # what comes too late does not pull the channel back
    await request.leg.release(HangupCause.USER_BUSY)
    told = (await steps.until("prepared")).fields
    assert (told["status"], told["cause"]) == ("CHANUNAVAIL", "38")
    assert told["reason"] == "no%20gateway%20took%20the%20call"


async def test_with_option_g_the_dialplan_goes_on_after_the_call(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("then-voicemail")
    request, log = await gateway.request()
    audio = await answer(request, log)
    await call.answered(2)
    await request.leg.release(HangupCause.NORMAL_CLEARING)
    told = (await steps.until("returned")).fields
    assert told["status"] == told["dialstatus"] == "ANSWER"
    await call.ended(2)
    audio.close()


async def test_a_second_attempt_of_the_same_caller_is_a_new_call(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("one-after-the-other")
    first, _ = await gateway.request()
    await first.leg.release(HangupCause.USER_BUSY)
    second, log = await gateway.request()
    assert (first.address, second.address) == ("first", "second")
    assert first.uuid != second.uuid
    audio = await answer(second, log)
    await call.answered(2)
    await call.hang_up()
    await log.until(PbxReleased)
    audio.close()


async def test_the_first_of_two_lines_that_answers_has_the_call(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    call = phone.call("both")
    requests = dict([(await gateway.request()) for _ in range(2)])
    by_line = {request.line: (request, log) for request, log in requests.items()}
    one, log_of_one = by_line["one"]
    two, log_of_two = by_line["two"]
    await one.leg.release(HangupCause.USER_BUSY)
    await two.leg.ring()
    await call.response(180, 1)
    audio = await answer(two, log_of_two)
    await call.answered(1)
    assert log_of_one.of(PbxReleased)
    await asyncio.sleep(0.3)  # Local channels optimise themselves away meanwhile
    assert not log_of_two.of(PbxReleased)
    await call.hang_up()
    await log_of_two.until(PbxReleased, 1)
    audio.close()


async def test_losing_lines_of_a_ring_group_are_cancelled(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    call = phone.call("both")
    (first, first_log), (second, second_log) = [
        await gateway.request() for _ in range(2)
    ]
    await first.leg.ring()
    await second.leg.ring()
    audio = await answer(first, first_log)
    await call.answered(1)
    await second_log.until(PbxReleased, 1)
    await call.hang_up()
    await first_log.until(PbxReleased, 1)
    audio.close()


async def test_an_inbound_call_brings_its_variables_to_every_step(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    leg, log = await gateway.originate(caller="live:bob", caller_name="Bob, ${EXTEN}")
    call = await phone.next_call(2)
    await log.until(PbxAnswered)
    audio = AudioEnd(await leg.audio())
    await call.hang_up()
    await steps.until("hangup")
    assert steps.names == ["inbound", "answered", "hangup"]
    for event in steps.seen:
        told = event.fields
        assert told["uuid"] == leg.uuid
        assert told["caller"] == "live:bob"
        assert told["callername"] == "Bob%2C%20%24%7BEXTEN%7D"
        assert (told["line"], told["account"]) == ("skypeclient", "skypet123")
        assert (told["type"], told["call"]) == ("p2p", "c-1")
    await log.until(PbxReleased)
    audio.close()


async def test_the_inbound_hook_can_refuse(gateway: PbxDriver, steps: Steps) -> None:
    _, log = await gateway.originate(caller="unwanted")
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.CALL_REJECTED
    await steps.until("hangup")


async def test_the_inbound_hook_can_send_the_call_elsewhere(
    gateway: PbxDriver,
) -> None:
    leg, log = await gateway.originate(caller="echoed")
    await log.until(PbxAnswered)
    await leg.release(HangupCause.NORMAL_CLEARING)
    await log.until(PbxReleased)


async def test_a_self_test_is_not_rerouted_by_the_inbound_hook(
    gateway: PbxDriver, steps: Steps
) -> None:
    leg, log = await gateway.originate(
        caller="unwanted", target=dialplan.ECHO, kind=dialplan.SELF_TEST
    )
    await log.until(PbxAnswered)
    audio = AudioEnd(await leg.audio())
    await leg.release(HangupCause.NORMAL_CLEARING)
    await log.until(PbxReleased)
    await steps.until("hangup")
    assert steps.names == ["answered", "hangup"]
    assert steps.seen[0].fields["type"] == "self-test"
    audio.close()


async def test_the_hooks_run_once_around_early_media(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("then-voicemail")
    request, log = await gateway.request()
    await request.leg.take()
    await request.leg.play_early()
    await log.until(PbxEarlyMedia)
    audio = AudioEnd(await request.leg.audio())
    await steps.until("ringing")
    await request.leg.answer()
    await log.until(PbxAnswered)
    assert not request.leg.has_audio  # it is the same connection
    await call.answered(2)
    audio.close()
    returned = await steps.until("returned")
    assert returned.fields["dialstatus"] == "ANSWER"
    await call.ended(2)
    await steps.until("hangup")
    await steps.until("h")  # of another channel: either may be first
    await log.until(PbxReleased)
    assert sorted(steps.names) == ["answered", "h", "hangup", "returned", "ringing"]
    assert call.statuses == [100, 183, 200]


async def test_a_failure_in_early_media_returns_to_the_operator(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("hooked")
    request, log = await gateway.request()
    await request.leg.take()
    await request.leg.play_early()
    await log.until(PbxEarlyMedia)
    audio = AudioEnd(await request.leg.audio())
    await request.leg.release(HangupCause.USER_BUSY)
    assert (await call.final_response(1)).status == 486
    assert (await steps.until("prepared")).fields["status"] == "BUSY"
    audio.close()
    await steps.until("hangup")
    assert steps.names.count("hangup") == 1


async def test_early_media_during_the_ringing_hook_goes_through(
    gateway: PbxDriver, phone: SipAgent, steps: Steps
) -> None:
    call = phone.call("slowly")
    request, log = await gateway.request()
    await request.leg.ring()
    await steps.until("ringing")
    await request.leg.play_early()
    await call.response(183, 2)
    early = AudioEnd(await request.leg.audio())
    audio = await answer(request, log)  # by the operator's own Dial
    await call.answered(1)
    assert (await steps.until("prepared")).fields["status"] == "ANSWER"
    await call.hang_up()
    early.close()
    audio.close()


async def test_another_member_may_answer_while_one_is_heard_early(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    call = phone.call("both")
    (first, first_log), (second, second_log) = sorted(
        [await gateway.request(), await gateway.request()],
        key=lambda pair: pair[0].address,
    )
    for leg in (first.leg, second.leg):
        await leg.take()
    await first.leg.play_early()
    await first_log.until(PbxEarlyMedia)
    early = AudioEnd(await first.leg.audio())
    audio = await answer(second, second_log)
    await call.answered(2)
    await first_log.until(PbxReleased)
    await call.hang_up()
    await second_log.until(PbxReleased)
    early.close()
    audio.close()
