"""Calls from a line to the phone and to the sample's extensions, against Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import unquote

import pytest

from skypechan.asterisk.channel import PbxLeg
from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.pbx import PbxState
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    PbxAnswered,
    PbxHeld,
    PbxReleased,
    PbxResumed,
    PbxRinging,
)
from skypechan.call.routes import Target
from skypechan.demo.parts.asterisk import LocalAsterisk
from tests.doubles.pbx_driver import (
    AudioEnd,
    LegLog,
    PbxDriver,
    running,
    settings_for,
)
from tests.doubles.sip_agent import BUSY, DECLINES, RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_values import Behaviour, CallState, EndedBy


@pytest.fixture
async def gateway(asterisk: LocalAsterisk) -> AsyncIterator[PbxDriver]:
    contacts: dict[str, Contact] = {}
    async with running(PbxDriver(settings_for(asterisk), contacts)) as driver:
        yield driver


def to(extension: str) -> Target:
    return Target(extension, "from-skypechan")


async def talking(
    gateway: PbxDriver, phone: SipAgent
) -> tuple[PbxLeg, LegLog, Call, AudioEnd]:
    """A call to the phone that it has answered, and its audio at our end."""
    leg, log = await gateway.originate()
    call = await phone.next_call(2)
    await log.until(PbxAnswered)
    return leg, log, call, AudioEnd(await leg.audio())


async def test_the_leg_is_answered_only_when_the_phone_is(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    phone.behaviour = Behaviour(ring_after_s=0.1, answer_after_s=0.6)
    leg, log = await gateway.originate()
    call = await phone.next_call(2)
    await log.until(PbxRinging)
    await log.until(PbxAnswered)
    rang_s, answered_s = log.times_s
    assert answered_s - rang_s > 0.45
    audio = AudioEnd(await leg.audio())
    # A ulaw phone is not given 16 kHz: Asterisk's own resampler delays.
    assert audio.connection.rate_hz == 8_000
    message = await audio.next()
    assert message is not None
    assert message.rate_hz == 8_000
    await call.hang_up()
    assert await log.until(PbxReleased, 1) == PbxReleased(
        HangupCause.NORMAL_CLEARING, "normal clearing"
    )
    audio.close()
    assert [type(event) for event in log.events] == [
        PbxRinging,
        PbxAnswered,
        PbxReleased,
    ]


async def test_an_extension_that_answers_gets_the_best_format(
    gateway: PbxDriver,
) -> None:
    leg, log = await gateway.originate(target=to("600"))
    await log.until(PbxAnswered)
    audio = AudioEnd(await leg.audio())
    assert audio.connection.rate_hz == 16_000
    message = await audio.next()
    assert message is not None
    assert (message.rate_hz, len(message.payload)) == (16_000, 640)
    await leg.release(HangupCause.NORMAL_CLEARING)
    await log.until(PbxReleased, 1)
    audio.close()


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        (BUSY, HangupCause.USER_BUSY),
        (DECLINES, HangupCause.CALL_REJECTED),
        (Behaviour(reject=404), HangupCause.UNALLOCATED),
        (Behaviour(reject=480), HangupCause.NO_ANSWER),
    ],
    ids=["486", "603", "404", "480"],
)
async def test_a_refusing_phone_gives_the_true_cause(
    behaviour: Behaviour, cause: HangupCause, gateway: PbxDriver, phone: SipAgent
) -> None:
    phone.behaviour = behaviour
    _, log = await gateway.originate()
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is cause
    assert not log.of(PbxAnswered)
    assert not gateway.pbx.legs


async def test_a_dial_that_times_out_is_no_answer(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    phone.behaviour = RINGS
    _, log = await gateway.originate(target=Target("test-back", "from-sipphone"))
    released = await log.until(PbxReleased, 4)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.NO_ANSWER


async def test_a_phone_that_is_not_registered_is_told(gateway: PbxDriver) -> None:
    _, log = await gateway.originate()
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.SUBSCRIBER_ABSENT


async def test_an_extension_that_does_not_exist_is_unallocated(
    gateway: PbxDriver,
) -> None:
    _, log = await gateway.originate(target=to("999999"))
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.UNALLOCATED


async def test_a_call_released_right_behind_its_origination_is_gone(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    phone.behaviour = RINGS
    for _ in range(5):
        leg, log = await gateway.originate()
        await leg.release(HangupCause.NORMAL_CLEARING, "the caller gave up")
        released = await log.until(PbxReleased, 2)
        assert released == PbxReleased(
            HangupCause.NORMAL_CLEARING, "the caller gave up"
        )
    while not phone.incoming.empty():
        await phone.incoming.get_nowait().ended(2)


async def test_a_call_released_while_it_rings_cancels_the_phone(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    phone.behaviour = RINGS
    leg, log = await gateway.originate()
    call = await phone.next_call(2)
    await log.until(PbxRinging)
    await leg.release(HangupCause.NORMAL_CLEARING)
    await call.ended(1)
    assert call.ended_by is EndedBy.CANCELLED
    await log.until(PbxReleased, 1)


HOSTILE_NAMES = [
    "O'Neil, Bob",
    'Bob" <sip:root@example.com>;x="',
    "${SHELL(id)} $[1+1] %41",
    "Zoë 漢字 🎧",
]


async def test_the_phone_of_a_gateway_that_dies_stops_ringing(
    asterisk: LocalAsterisk, phone: SipAgent
) -> None:
    phone.behaviour = RINGS
    driver = PbxDriver(settings_for(asterisk))
    task = asyncio.create_task(driver.pbx.run())
    await driver.state(PbxState.READY)
    await driver.originate(ring_seconds=60.0)
    call = await phone.next_call(2)
    await asyncio.sleep(3.2)  # as long as it lives without a word of ours
    assert call.state is CallState.PLACED
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await call.ended(3.5)
    assert "0 active channels" in await asterisk.cli("core show channels count")


@pytest.mark.parametrize("extension", ["555", "600"])
async def test_an_answered_call_lasts_longer_than_one_that_rings_would_without_us(
    extension: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    leg, log = await gateway.originate(target=to(extension))
    await log.until(PbxAnswered)
    audio = AudioEnd(await leg.audio())
    await asyncio.sleep(3.5)
    assert not log.of(PbxReleased)
    await leg.release(HangupCause.NORMAL_CLEARING)
    await log.until(PbxReleased, 1)
    audio.close()


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=range(len(HOSTILE_NAMES)))
async def test_the_phone_shows_the_callers_true_name(
    name: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    phone.behaviour = BUSY
    _, log = await gateway.originate(caller="live:zoe", caller_name=name)
    call = await phone.next_call(2)
    assert call.invite is not None
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    header = call.invite.get("From")
    assert header.startswith(f'"{escaped}" <sip:')
    assert unquote(header.rpartition("<sip:")[2]).startswith("live:zoe@")
    await log.until(PbxReleased)


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", "b\x00\x1b[2J", "n" * 2000, ""])
async def test_a_name_of_any_content_harms_nothing(
    name: str, gateway: PbxDriver, phone: SipAgent
) -> None:
    phone.behaviour = BUSY
    _, log = await gateway.originate(caller_name=name)
    call = await phone.next_call(2)
    assert call.invite is not None
    assert not call.invite.get("X-Evil")
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.USER_BUSY


async def test_digits_reach_an_ivr_and_come_back(gateway: PbxDriver) -> None:
    leg, log = await gateway.originate(target=to("610"))
    await log.until(PbxAnswered)
    audio = AudioEnd(await leg.audio())
    for digit in "1234*#":
        await leg.send_digit(digit)
    assert await audio.digits(6, 15) == "1234*#"
    await log.until(PbxReleased, 5)
    audio.close()


async def test_digits_go_both_ways_with_the_phone(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    leg, _, call, audio = await talking(gateway, phone)
    await call.rtp.send_digits("1234*#")
    assert await audio.digits(6) == "1234*#"
    for digit in "1234*#":
        await leg.send_digit(digit)
    assert await call.rtp.wait_for_digits(6, 5) == "1234*#"
    await call.hang_up()
    audio.close()


async def test_hold_and_resume_by_the_phone_are_told(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    _, log, call, audio = await talking(gateway, phone)
    await call.hold()
    await log.until(PbxHeld)
    await call.resume()
    await log.until(PbxResumed)
    await call.hang_up()
    await log.until(PbxReleased, 1)
    audio.close()


async def test_a_phone_that_transfers_the_call_leaves_the_leg_up(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    leg, log, call, audio = await talking(gateway, phone)
    # A person talks first: a REFER that comes while Asterisk still joins the channels
    # ends the call.
    for _ in range(10):
        assert await audio.next() is not None
    await call.transfer(f"sip:600@{phone.peer[0]}")
    await call.changes.until(lambda: call.transfer_status >= 200, 3, "end of REFER")
    await call.hang_up()
    for _ in range(25):  # the silence that comes back from the echo
        assert await audio.next() is not None
    assert not log.of(PbxReleased)
    await leg.release(HangupCause.NORMAL_CLEARING)
    await log.until(PbxReleased)
    audio.close()


async def test_a_leg_whose_audio_nobody_takes_leaves_nothing(
    gateway: PbxDriver, phone: SipAgent
) -> None:
    _, log = await gateway.originate()
    call = await phone.next_call(2)
    await log.until(PbxAnswered)
    await call.hang_up()
    await log.until(PbxReleased, 1)  # that no socket is left is checked for each test


async def test_many_calls_at_once_are_not_mixed_up(gateway: PbxDriver) -> None:
    calls = [await gateway.originate(target=to("600")) for _ in range(10)]
    await asyncio.gather(*(log.until(PbxAnswered, 5) for _, log in calls))
    connections = [await leg.audio() for leg, _ in calls]
    uuids = [str(connection.uuid) for connection in connections]
    assert uuids == [leg.uuid for leg, _ in calls]
    await asyncio.gather(*(leg.release(HangupCause.USER_BUSY) for leg, _ in calls))
    await asyncio.gather(*(log.until(PbxReleased, 5) for _, log in calls))
    for connection in connections:
        connection.socket.close()
