"""Calls from the phone to a line, by each form of the dialplan, against Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import UUID

import pytest

from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.pbx import PbxRequest, PbxState
from skypechan.asterisk.versions import Version
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    PbxAnswered,
    PbxDigit,
    PbxHeld,
    PbxReleased,
    PbxResumed,
)
from skypechan.demo.parts.asterisk import LocalAsterisk
from tests.doubles.pbx_driver import (
    AudioEnd,
    LegLog,
    PbxDriver,
    running,
    settings_for,
)
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_messages import reasons_of

FORMS = ("prepare", "dial", "local")
UUID_OF_CONTACT = UUID("7c1b1a52-6a0e-4f0c-9f2e-5e1a3a0f1c77")


@pytest.fixture
async def gateway(asterisk: LocalAsterisk) -> AsyncIterator[PbxDriver]:
    contacts = {"echo123": Contact(UUID_OF_CONTACT, "ANY", "echo123")}
    async with running(PbxDriver(settings_for(asterisk), contacts)) as driver:
        yield driver


async def dialled_by(
    gateway: PbxDriver, phone: SipAgent, extension: str
) -> tuple[Call, PbxRequest, LegLog]:
    call = phone.call(extension)
    request, log = await gateway.request()
    return call, request, log


async def established(
    gateway: PbxDriver, phone: SipAgent, extension: str
) -> tuple[Call, PbxRequest, LegLog, AudioEnd]:
    call, request, log = await dialled_by(gateway, phone, extension)
    await request.leg.take()
    await request.leg.answer()
    await call.answered(3)
    await log.until(PbxAnswered)
    return call, request, log, AudioEnd(await request.leg.audio())


@pytest.mark.parametrize("form", FORMS)
async def test_the_phone_hears_ringing_and_answer_when_told_and_not_before(
    form: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    call, request, log = await dialled_by(gateway, phone, f"{form}-20-echo123")
    assert (request.line, request.address) == ("skypeclient", "echo123")
    assert not request.contact
    await request.leg.take()
    await asyncio.sleep(0.3)  # long enough for a ringing that should not come
    assert call.statuses == [100]
    await request.leg.ring()
    await call.response(180, 1)
    await asyncio.sleep(0.3)
    assert call.statuses == [100, 180]
    await request.leg.answer()
    await call.answered(1)
    await log.until(PbxAnswered)
    audio = AudioEnd(await request.leg.audio())
    assert audio.connection.rate_hz == 8_000
    await call.hang_up()
    released = await log.until(PbxReleased, 1)
    assert released == PbxReleased(HangupCause.NORMAL_CLEARING, "normal clearing")
    audio.close()
    assert not gateway.pbx.legs


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rings", [False, True])
@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (HangupCause.USER_BUSY, 486),
        (HangupCause.CALL_REJECTED, 403),
        (HangupCause.NO_ANSWER, 480),
        (HangupCause.UNALLOCATED, 404),
        (HangupCause.CONGESTION, 503),
    ],
)
async def test_a_failed_attempt_gives_its_sip_status(
    form: str,
    rings: bool,
    cause: HangupCause,
    status: int,
    gateway: PbxDriver,
    phone: SipAgent,
) -> None:
    call, request, log = await dialled_by(gateway, phone, f"{form}-20-echo123")
    await request.leg.take()
    if rings:
        await request.leg.ring()
        await call.response(180, 1)
    await request.leg.release(cause, "as the test wants")
    final = await call.final_response(1)
    assert final.status == status
    assert [reason.cause for reason in reasons_of(final.message)] == [int(cause)]
    assert log.events == [PbxReleased(cause, "as the test wants")]


@pytest.mark.parametrize("form", FORMS)
async def test_without_a_gateway_the_phone_gets_500_in_time(
    form: str, asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    call = phone.call(f"{form}-20-echo123")
    final = await call.final_response(3)
    assert final.status == 500
    assert (final.at_ns - call.placed_ns) / 1e9 < 2.5
    assert call.statuses == [100, 500]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rings", [False, True])
async def test_a_gateway_that_dies_does_not_let_the_phone_wait(
    form: str, rings: bool, asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    driver = PbxDriver(settings_for(asterisk))
    task = asyncio.create_task(driver.pbx.run())
    await driver.state(PbxState.READY)
    call, request, _ = await dialled_by(driver, phone, f"{form}-60-echo123")
    await request.leg.take()
    if rings:
        await request.leg.ring()
        await call.response(180, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    final = await call.final_response(3.5)
    assert [reason.cause for reason in call.reasons] == [38]
    assert final.status == 500


async def test_a_gateway_started_anew_is_not_taken_for_the_one_that_took_the_call(
    asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    first, second = (PbxDriver(settings_for(asterisk)) for _ in range(2))
    task = asyncio.create_task(first.pbx.run())
    await first.state(PbxState.READY)
    call, request, _ = await dialled_by(first, phone, "dial-60-echo123")
    await request.leg.take()
    await request.leg.ring()
    await call.response(180, 1)
    async with running(second):  # there is a session of our user all the time
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await call.final_response(3.5)).status == 500


async def test_a_gateway_that_forgets_a_call_does_not_let_the_phone_ring_for_ever(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    call, request, log = await dialled_by(gateway, phone, "dial-1-echo123")
    await request.leg.take()
    await request.leg.ring()
    assert (await call.final_response(9)).status == 480
    await log.until(PbxReleased, 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rings", [False, True])
async def test_a_cancelled_call_ends_its_leg_at_once(
    form: str, rings: bool, gateway: PbxDriver, phone: SipAgent
) -> None:
    call, request, log = await dialled_by(gateway, phone, f"{form}-20-echo123")
    await request.leg.take()
    if rings:
        await request.leg.ring()
        await call.response(180, 1)
    await call.cancel()
    assert (await call.final_response(1)).status == 487
    released = await log.until(PbxReleased, 1)
    assert released == PbxReleased(HangupCause.NORMAL_CLEARING, "the caller gave up")
    await request.leg.answer()  # what comes too late is harmless
    await request.leg.release(HangupCause.NORMAL_CLEARING)


HOSTILE_NAMES = [
    "Bob,Uuid: 00000000-dead,To: skypeclient/+19005551234",
    "O'Neil, Bob",
    'say "hi" \\ there',
    "${SHELL(id)} ${EXTEN} $[1+1]",
    "Zoë 漢字 🎧",
    "x" * 2000,
    "\u20ac" * 700,
]
LONGEST_NAME_BYTES = 79  # what chan_pjsip keeps of a display name


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
async def test_a_callers_name_is_nothing_but_a_name(
    name: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    call = phone.call("prepare-20-echo123", display_name=name)
    request, _ = await gateway.request()
    assert (request.line, request.address) == ("skypeclient", "echo123")
    assert request.uuid != "00000000-dead"
    kept = name.encode()[:LONGEST_NAME_BYTES].decode(errors="ignore")
    assert request.caller_name.removesuffix("\ufffd") == kept
    assert request.caller == "sipphone"
    assert request.sip_call_id == call.call_id
    await request.leg.release(HangupCause.USER_BUSY)
    await call.final_response(1)


@pytest.mark.parametrize(
    ("dialled_as", "address"),
    [
        ("live%3Abob", "live:bob"),
        ("live%253Abob", "live:bob"),
        ("+4930123", "+4930123"),
        ("a%252Cb%2526c%2540d%252Fe%2525", "a,b&c@d/e%"),
    ],
)
async def test_an_address_arrives_as_it_was_meant(
    dialled_as: str, address: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    # The SIP URI takes one layer of percent-encoding off.
    call, request, _ = await dialled_by(gateway, phone, f"dial-20-{dialled_as}")
    assert request.address == address
    assert request.ring_seconds == 20
    await request.leg.release(HangupCause.USER_BUSY)
    await call.final_response(1)


@pytest.mark.parametrize("dialled", ["a,5,U(x)", "b)c", "live:bob", "$[1+1]"])
async def test_what_a_phone_dials_is_never_an_argument(
    dialled: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    escaped = quote(dialled, safe="")
    call, request, _ = await dialled_by(gateway, phone, f"7{escaped}")
    assert (request.line, request.address) == ("ANY", dialled)
    assert request.ring_seconds == 60
    await request.leg.release(HangupCause.USER_BUSY)
    await call.final_response(1)


async def test_an_address_that_is_none_is_refused(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    call = phone.call("dial-20-a%250Ab")
    assert (await call.final_response(2)).status == 484
    assert not gateway.has_request


async def test_digits_go_both_ways_once_and_in_order(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    call, request, _, audio = await established(gateway, phone, "dial-20-echo123")
    await call.rtp.send_digits("1234*#")
    assert await audio.digits(6) == "1234*#"
    for digit in "9#0*":
        await request.leg.send_digit(digit)
    assert await call.rtp.wait_for_digits(4, 5) == "9#0*"
    await call.hang_up()
    audio.close()


async def test_digits_come_by_ami_from_a_release_whose_audio_does_not_tell_them(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    gateway.pbx.version = Version("22.3.0")
    call, _, log, audio = await established(gateway, phone, "dial-20-echo123")
    await call.rtp.send_digits("0123456789*#", duration_ms=60, pause_ms=40)
    await log.until(PbxDigit, 5, count=12)
    await call.hang_up()
    audio.close()
    assert log.of(PbxDigit) == [
        PbxDigit(digit, by_ami=True) for digit in "0123456789*#"
    ]


async def test_hold_and_resume_are_told(gateway: PbxDriver, phone: SipAgent) -> None:
    call, _, log, audio = await established(gateway, phone, "local-20-echo123")
    await call.hold()
    await log.until(PbxHeld)
    await call.resume()
    await log.until(PbxResumed)
    await call.hang_up()
    await log.until(PbxReleased)
    audio.close()


async def test_releasing_an_answered_leg_hangs_up_the_phone(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    call, request, log, audio = await established(gateway, phone, "prepare-20-echo123")
    await request.leg.release(HangupCause.NORMAL_CLEARING, "the far end hung up")
    await call.ended(1)
    released = await log.until(PbxReleased, 1)
    assert released == PbxReleased(HangupCause.NORMAL_CLEARING, "the far end hung up")
    audio.close()


@pytest.mark.parametrize("form", FORMS)
async def test_closing_the_audio_hangs_up_the_phone(
    form: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    call, _, log, audio = await established(gateway, phone, f"{form}-20-echo123")
    audio.close()
    await call.ended(1)
    await log.until(PbxReleased, 1)


async def test_ringing_and_answer_at_once_are_both_obeyed(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    for _ in range(10):
        call, request, log = await dialled_by(gateway, phone, "prepare-20-echo123")
        await request.leg.take()
        await request.leg.ring()
        await request.leg.answer()
        await call.answered(2)
        await log.until(PbxAnswered)
        await call.hang_up()
        await log.until(PbxReleased)


async def test_two_calls_to_one_contact_are_told_apart(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    calls = [phone.call("559") for _ in range(2)]
    requests = [await gateway.request() for _ in calls]
    audios = []
    for (request, log), call in zip(requests, calls, strict=True):
        await call.answered(2)
        assert request.contact
        assert (request.line, request.address) == ("ANY", "echo123")
        assert request.caller == "sipphone"
        await request.leg.answer()
        await log.until(PbxAnswered)
        audios.append(AudioEnd(await request.leg.audio()))
    assert requests[0][0].uniqueid != requests[1][0].uniqueid
    assert requests[0][0].uuid == requests[1][0].uuid == str(UUID_OF_CONTACT)
    await requests[0][0].leg.release(HangupCause.NORMAL_CLEARING)
    await requests[0][1].until(PbxReleased)
    await asyncio.wait(
        [asyncio.create_task(call.ended(3)) for call in calls],
        return_when=asyncio.FIRST_COMPLETED,
    )
    assert not requests[1][1].of(PbxReleased)
    for call in calls:
        if call in phone.calls:
            await call.hang_up()
    await requests[1][1].until(PbxReleased)
    for audio in audios:
        audio.close()


async def test_asterisk_knows_where_the_gateway_is(
    gateway: PbxDriver, asterisk: LocalAsterisk
) -> None:
    shown = await asterisk.cli("dialplan show globals")
    assert f"SKYPECHAN_SOCKET={gateway.server.advertised}" in shown
    assert "SKYPECHAN_WIDEBAND=slin16" in shown
    assert gateway.pbx.version.has_wideband
    assert gateway.pbx.state is PbxState.READY
