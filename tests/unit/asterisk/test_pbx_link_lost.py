"""The dispatcher while there is no link to Asterisk, and when it comes back."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from skypechan.asterisk.ami.link import BRIEF_S
from skypechan.asterisk.channel import Phase
from skypechan.asterisk.pbx import PbxState
from skypechan.call.causes import HangupCause
from skypechan.call.events import PbxAnswered, PbxReleased
from skypechan.errors import DeadlineError, LinkDownError
from tests.doubles.ami_server import AmiServer, silence
from tests.doubles.clock import FakeClock
from tests.doubles.pbx_driver import PbxDriver
from tests.doubles.scripted_asterisk import (
    CALL,
    CALLER,
    audio_channel,
    driving,
    globals_of,
    knows,
    lists,
    requested,
    variables_of,
)


def runs(server: AmiServer, channel: str, call: UUID) -> None:
    """A channel is in the dialplan for that call."""
    uuid = (("Variable", "SKYPECHAN_UUID"), ("Value", str(call)))
    server.actions.append([("Action", "Setvar"), ("Channel", channel), *uuid])


def taken_by(server: AmiServer, channel: str) -> str:
    return variables_of(server, channel)["SKYPECHAN_TAKEN_BY"]


async def test_a_caller_is_told_which_gateway_took_the_call(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, _ = await requested(ready, asterisk)
    await request.leg.take()
    by = variables_of(asterisk, "1.1")["SKYPECHAN_TAKEN_BY"]
    assert by == globals_of(asterisk)["SKYPECHAN_GATEWAY_skypechan"]
    async with knows("22.10.1") as server, driving(server, clock) as other:
        await other.state(PbxState.READY)
        assert globals_of(server)["SKYPECHAN_GATEWAY_skypechan"] != by


async def test_a_lost_link_is_set_up_again(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    told = len(asterisk.named("Setvar"))
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    await clock.advance(1)
    await ready.state(PbxState.READY)
    assert len(asterisk.named("Setvar")) == 2 * told


async def test_an_asterisk_that_was_away_for_long_is_found_within_a_second(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    port = asterisk.port
    await asterisk.stop()
    await ready.state(PbxState.LINK_DOWN)
    for _ in range(20):
        await clock.advance(1)
    await asterisk.listen(port)
    await clock.advance(1)
    await ready.state(PbxState.READY)


@pytest.mark.parametrize("move", ["take", "ring"])
async def test_a_move_that_a_brief_break_cut_off_is_made_again(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock, move: str
) -> None:
    request, log = await requested(ready, asterisk)
    if move == "ring":
        await request.leg.take()
        await clock.advance(0.02)
    moved = len(asterisk.named("Redirect"))
    asterisk.answers["Redirect"] = silence
    asterisk.answers["Status"] = lists(CALLER)
    moving = asyncio.create_task(getattr(request.leg, move)())
    await asterisk.received("Redirect", moved + 1)
    del asterisk.answers["Redirect"]
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    await clock.advance(0.5)
    await moving
    first, again = asterisk.named("Redirect")[moved:]
    assert dict(first)["Exten"] == dict(again)["Exten"]
    assert not log.events


async def test_an_answer_that_a_break_cut_off_is_not_given_again(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    """The channel may have returned to a dialplan that is none of ours."""
    request, log = await requested(ready, asterisk)
    asterisk.answers["Redirect"] = silence
    answering = asyncio.create_task(request.leg.answer())
    await asterisk.received("Redirect")
    asterisk.drop()
    with pytest.raises(LinkDownError):
        await answering
    assert len(asterisk.named("Redirect")) == 1
    await log.until(PbxReleased)


async def test_a_leg_whose_channel_went_away_unseen_is_released(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    _, log = await requested(ready, asterisk)
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    assert not log.events
    await clock.advance(1)
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert "no link to Asterisk" in released.reason
    assert not ready.pbx.legs


async def test_a_leg_whose_channel_still_lives_goes_on(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, log = await requested(ready, asterisk)
    await request.leg.take()
    audio = audio_channel(ready, request.uuid, "1.1")
    asterisk.answers["Status"] = lists(CALLER, audio)
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    await clock.advance(1)
    await ready.state(PbxState.READY)
    assert not log.events
    assert request.leg.audio_channel is not None
    asterisk.event("Hangup", Uniqueid="1.2", Linkedid="1.1", Cause="16")
    await log.until(PbxReleased)


@pytest.mark.parametrize("phase", [Phase.WAITING, Phase.EARLY])
async def test_a_caller_who_was_given_up_unseen_is_let_go(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock, phase: Phase
) -> None:
    request, log = await requested(ready, asterisk)
    await request.leg.take()
    request.leg.phase = phase
    asterisk.answers["Status"] = lists(CALLER)
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    # What the dialplan does when it finds no session of ours.
    taken_by = ("Variable", "SKYPECHAN_TAKEN_BY")
    asterisk.actions.append(
        [("Action", "Setvar"), ("Channel", "1.1"), taken_by, ("Value", "")]
    )
    await clock.advance(0.5)
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.NETWORK_OUT_OF_ORDER
    assert not asterisk.named("Hangup")


@pytest.mark.parametrize("kind", ["waiting", "originated"])
async def test_without_a_link_for_a_second_a_call_without_audio_is_lost(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock, kind: str
) -> None:
    if kind == "waiting":
        _, log = await requested(ready, asterisk)
    else:
        _, log = await ready.originate()
    await asterisk.stop()
    await ready.state(PbxState.LINK_DOWN)
    await clock.advance(0.9)
    assert not log.events
    await clock.advance(0.2)
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.NETWORK_OUT_OF_ORDER
    assert not ready.pbx.legs


async def test_an_originated_call_is_kept_alive_until_it_has_its_audio(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    def leases() -> list[str]:
        return [dict(one)["Timeout"] for one in asterisk.named("AbsoluteTimeout")]

    leg, log = await ready.originate()
    own = leg.channel.uniqueid
    channel = {"Channel": "Local/s@skypechan-inbound-1;1", "Linkedid": own}
    asterisk.event("Newchannel", Uniqueid=own, **channel)
    await asterisk.received("AbsoluteTimeout")
    for count in (2, 3):
        await clock.advance(1)
        await asterisk.received("AbsoluteTimeout", count)
    assert leases() == ["3", "3", "3"]
    audio = {"UserEvent": "SkypechanAudio", "Uuid": leg.uuid, "Format": "slin16"}
    asterisk.event("UserEvent", **audio, Uniqueid=own, **channel)
    endpoint = ready.server.listening
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(b"\x01\x00\x10" + leg.audio_uuid.bytes)
    await log.until(PbxAnswered)
    await clock.advance(1)
    await asterisk.received("AbsoluteTimeout", 4)
    await clock.advance(3)
    assert leases() == ["3", "3", "3", str(10 * 365 * 86_400)]
    (await leg.audio()).socket.close()
    asterisk.event("Hangup", Uniqueid=own, **channel, Cause="16")
    await log.until(PbxReleased)
    writer.close()
    await writer.wait_closed()


async def test_a_caller_who_cannot_be_told_the_end_is_left_to_the_dialplan(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    """It goes on waiting for a gateway of our name; so it is told that none took it."""
    told = len(asterisk.named("Setvar"))
    request, log = await requested(ready, asterisk)
    await request.leg.take()
    port = asterisk.port
    await asterisk.stop()
    await ready.state(PbxState.LINK_DOWN)
    ringing = asyncio.create_task(request.leg.ring())
    await clock.advance(BRIEF_S)
    with pytest.raises(LinkDownError):
        await ringing
    released = await log.until(PbxReleased)
    assert isinstance(released, PbxReleased)
    assert released.cause is HangupCause.NETWORK_OUT_OF_ORDER
    runs(asterisk, "1.1", CALL)
    told += len(asterisk.named("Setvar"))
    await asterisk.listen(port)
    await clock.advance(1)
    await ready.state(PbxState.READY)
    await clock.advance(1)
    await asterisk.received("Setvar", told + 1)
    assert taken_by(asterisk, "1.1") == ""


@pytest.mark.parametrize("waits_on", [True, False])
async def test_an_answer_of_asterisk_that_is_lost_ends_no_other_call(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock, waits_on: bool
) -> None:
    one, log = await requested(ready, asterisk)
    await one.leg.take()
    other_caller = {"Channel": "PJSIP/y-2", "Uniqueid": "2.1", "Linkedid": "2.1"}
    other, other_log = await requested(
        ready, asterisk, **other_caller, Uuid=str(uuid4())
    )
    await other.leg.take()
    runs(asterisk, "1.1", CALL if waits_on else uuid4())
    asterisk.answers["Redirect"] = silence
    await clock.advance(0.1)
    looks = len(asterisk.named("Getvar"))
    with pytest.raises(DeadlineError):
        await one.leg.ring()
    await log.until(PbxReleased)
    await asterisk.received("Getvar", looks + 1)
    del asterisk.answers["Redirect"]
    await other.leg.ring()
    assert (taken_by(asterisk, "1.1") == "") is waits_on
    assert (
        taken_by(asterisk, "2.1") == globals_of(asterisk)["SKYPECHAN_GATEWAY_skypechan"]
    )
    assert other_log.events == []


async def test_what_is_to_be_told_during_a_short_outage_is_told_after_it(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, log = await requested(ready, asterisk)
    await request.leg.take()
    asterisk.answers["Status"] = lists(CALLER)
    told = len(asterisk.named("Redirect"))
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    ringing = asyncio.create_task(request.leg.ring())
    await clock.advance(0.1)
    assert not ringing.done()
    await clock.advance(0.2)
    await ringing
    assert ("Exten", "ringing") in asterisk.named("Redirect")[told]
    assert len(asterisk.named("Redirect")) == told + 1
    assert not log.events


async def test_an_originated_call_that_cannot_be_hung_up_is_not_kept_alive(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    leg, log = await ready.originate()
    own = leg.channel.uniqueid
    channel = {"Channel": "Local/s@skypechan-inbound-1;1", "Linkedid": own}
    asterisk.event("Newchannel", Uniqueid=own, **channel)
    await asterisk.received("AbsoluteTimeout")
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    await leg.release(HangupCause.NORMAL_CLEARING)
    await log.until(PbxReleased)
    asterisk.answers["Status"] = lists({"Uniqueid": own, **channel})
    await clock.advance(0.5)
    await ready.state(PbxState.READY)
    await clock.advance(3)
    assert len(asterisk.named("AbsoluteTimeout")) == 1


async def test_a_call_answered_while_there_was_no_link_comes_up_with_it(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    leg, log = await ready.originate()
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    endpoint = ready.server.listening
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(b"\x01\x00\x10" + leg.audio_uuid.bytes)
    async with asyncio.timeout(3):
        while not ready.server.accepted:
            await clock.advance(0)
    assert not log.events
    audio = audio_channel(ready, leg.uuid, leg.channel.linkedid)
    asterisk.answers["Status"] = lists(audio)
    await clock.advance(1)
    await log.until(PbxAnswered)
    connection = await leg.audio()
    assert connection.rate_hz == 8_000
    connection.socket.close()
    asterisk.event("Hangup", **audio, Cause="16")
    await log.until(PbxReleased)
    writer.close()
    await writer.wait_closed()
