"""The dispatcher against a scripted AMI: what only a failing Asterisk shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from skypechan.asterisk.ami.link import BRIEF_S
from skypechan.asterisk.channel import Phase
from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.pbx import PbxRequest, PbxState
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    PbxAnswered,
    PbxDigit,
    PbxEarlyMedia,
    PbxHeld,
    PbxReleased,
    PbxResumed,
)
from skypechan.errors import CallError, DeadlineError, LinkDownError, LocalWireError
from tests.doubles.ami_server import AmiServer, refuse, silence
from tests.doubles.clock import FakeClock
from tests.doubles.pbx_driver import LegLog, PbxDriver
from tests.doubles.scripted_asterisk import (
    CALL,
    CALLER,
    driving,
    globals_of,
    knows,
    requested,
    wants_line,
)


async def test_asterisk_is_told_where_we_are(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    told = globals_of(asterisk)
    assert len(told.pop("SKYPECHAN_GATEWAY_skypechan")) == 32
    assert told == {
        "SKYPECHAN_SOCKET": str(ready.server.listening),
        "SKYPECHAN_SOCKET_skypechan": str(ready.server.listening),
        "SKYPECHAN_WIDEBAND": "slin16",
    }


async def test_contacts_are_told_to_the_dialplan(
    asterisk: AmiServer, clock: FakeClock
) -> None:
    contacts = {"echo123": Contact(CALL, "ANY", "echo123")}
    async with driving(asterisk, clock, contacts) as driver:
        await driver.state(PbxState.READY)
        told = globals_of(asterisk)
        assert told["SKYPECHAN_CONTACT_echo123"] == str(CALL)
        assert told["SKYPECHAN_CONTACT_skypechan_echo123"] == str(CALL)


@pytest.mark.parametrize(
    ("version", "best"), [("20.6.0", "slin"), ("", "slin"), ("22.7.0", "slin16")]
)
async def test_the_format_is_what_the_release_can_do(
    version: str, best: str, clock: FakeClock
) -> None:
    async with knows(version) as server, driving(server, clock) as driver:
        await driver.state(PbxState.READY)
        assert globals_of(server)["SKYPECHAN_WIDEBAND"] == best


async def test_without_our_dialplan_it_is_not_ready_and_looks_again(
    clock: FakeClock,
) -> None:
    async with knows("22.10.1", "0") as server, driving(server, clock) as driver:
        await driver.state(PbxState.NOT_READY)
        assert "#include" in driver.pbx.reason
        server.answers["Getvar"] = knows("22.10.1").answers["Getvar"]
        await clock.advance(5)
        await driver.state(PbxState.READY)


async def test_a_missing_right_is_named(clock: FakeClock) -> None:
    async with knows("22.10.1") as server:
        server.answers["Setvar"] = refuse("Permission denied")
        async with driving(server, clock) as driver:
            await driver.state(PbxState.NOT_READY)
            assert "write = call" in driver.pbx.reason


async def test_a_refused_login_is_a_state_of_its_own(clock: FakeClock) -> None:
    async with knows("22.10.1") as server:
        server.answers["Login"] = refuse("Authentication failed")
        async with driving(server, clock) as driver:
            await driver.state(PbxState.LINK_REFUSED)
            del server.answers["Login"]
            await clock.advance(59)
            assert server.logins == 1
            await clock.advance(2)
            await driver.state(PbxState.READY)


async def passes(clock: FakeClock, step_s: float, until: Callable[[], bool]) -> None:
    """Let time pass in steps, between which answers come over a socket."""
    async with asyncio.timeout(3):
        while not until():
            await clock.advance(step_s)


async def test_a_request_taken_too_late_is_not_pulled_back(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, log = await requested(ready, asterisk)
    await clock.advance(1.6)
    with pytest.raises(CallError):
        await request.leg.take()
    assert len(log.of(PbxReleased)) == 1
    assert not asterisk.named("Redirect")
    assert not ready.pbx.legs


async def test_a_dialplan_that_waits_no_longer_ends_the_leg(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    request, log = await requested(ready, asterisk)
    await request.leg.take()
    asterisk.event("UserEvent", UserEvent="SkypechanGivenUp", Uuid=str(CALL), **CALLER)
    await log.until(PbxReleased)
    moves = len(asterisk.named("Redirect"))
    await request.leg.ring()
    await request.leg.release(HangupCause.USER_BUSY)
    assert len(asterisk.named("Redirect")) == moves


async def test_a_redirect_that_meets_another_is_repeated(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, _ = await requested(ready, asterisk)
    asterisk.answers["Redirect"] = refuse("Redirect failed, channel not up.")
    ringing = asyncio.create_task(request.leg.ring())
    await asterisk.received("Redirect")
    del asterisk.answers["Redirect"]
    await passes(clock, 0.005, ringing.done)
    await ringing
    exten = [dict(action)["Exten"] for action in asterisk.named("Redirect")]
    assert set(exten) == {"ringing"}
    assert len(exten) >= 2


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("Redirect", "Channel does not exist: 1.1"),
        ("Setvar", "No such channel"),
    ],
)
async def test_a_caller_who_leaves_while_he_is_moved_gave_up(
    action: str,
    message: str,
    asterisk: AmiServer,
    ready: PbxDriver,
    clock: FakeClock,
) -> None:
    """The refusal may come before the event of the channel's end."""
    request, log = await requested(ready, asterisk)
    asterisk.answers[action] = refuse(message)
    taking = asyncio.create_task(request.leg.take())
    await asterisk.received("Redirect")
    asterisk.event("Hangup", **CALLER, Cause="127")
    await log.until(PbxReleased)
    await clock.advance(0.1)
    with pytest.raises(CallError, match="gave up"):
        await taking
    assert log.events == [
        PbxReleased(HangupCause.NORMAL_CLEARING, "the caller gave up")
    ]
    assert len(asterisk.named("Redirect")) == 1


async def test_a_caller_who_leaves_while_he_still_moves_gave_up(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, log = await requested(ready, asterisk)
    asterisk.answers["Redirect"] = refuse("Redirect failed, channel not up.")
    ringing = asyncio.create_task(request.leg.ring())
    await asterisk.received("Redirect")
    asterisk.answers["Redirect"] = refuse("Channel does not exist: 1.1")
    await passes(clock, 0.005, lambda: len(asterisk.named("Redirect")) > 1)
    asterisk.event("Hangup", **CALLER, Cause="127")
    await log.until(PbxReleased)
    await passes(clock, 0.005, ringing.done)
    with pytest.raises(CallError, match="gave up"):
        await ringing


async def test_a_gone_channel_whose_end_was_missed_is_told_as_asterisk_says_it(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, _ = await requested(ready, asterisk)
    asterisk.answers["Redirect"] = refuse("Channel does not exist: 1.1")
    ringing = asyncio.create_task(request.leg.ring())
    await asterisk.received("Redirect")
    await passes(clock, 0.5, ringing.done)
    with pytest.raises(CallError, match="does not exist"):
        await ringing
    assert len(asterisk.named("Redirect")) == 1


def stays_at(context: str, extension: str) -> AmiServer:
    """An Asterisk whose channels are at a place of the dialplan."""
    server = knows("22.10.1")
    getvar = server.answers["Getvar"]

    def answer(server: AmiServer, action: Mapping[str, str]) -> None:
        place = {"CONTEXT": context, "EXTEN": extension}.get(action["Variable"])
        if place is None:
            getvar(server, action)
        else:
            server.respond(action, Value=place)

    server.answers["Getvar"] = answer
    return server


@pytest.mark.parametrize("extension", ["prepare", "taken", "ringing", "wait"])
async def test_a_channel_that_forgets_its_hangup_is_hung_up(
    extension: str, clock: FakeClock
) -> None:
    async with (
        stays_at("skypechan", extension) as server,
        driving(server, clock) as driver,
    ):
        await driver.state(PbxState.READY)
        await requested(driver, server)
        server.event("HangupRequest", **CALLER)
        await driver.originate()  # its response comes behind the event
        await clock.advance(0.31)
        action = await server.received("Hangup")
        assert ("Channel", "1.1") in action


async def test_a_channel_that_hangs_up_elsewhere_is_left_in_peace(
    clock: FakeClock,
) -> None:
    async with (
        stays_at("from-internal", "h") as server,
        driving(server, clock) as driver,
    ):
        await driver.state(PbxState.READY)
        await requested(driver, server)
        server.event("HangupRequest", **CALLER)
        await driver.originate()
        await clock.advance(0.31)
        await server.received("Getvar", 5)
        await driver.originate()
        assert not server.named("Hangup")


async def test_a_channel_that_has_ended_is_not_asked_about(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    await requested(ready, asterisk)
    asked = len(asterisk.named("Getvar"))
    asterisk.event("HangupRequest", **CALLER)
    asterisk.event("Hangup", **CALLER, Cause="127")
    await ready.originate()
    await clock.advance(0.31)
    await ready.originate()
    assert len(asterisk.named("Getvar")) == asked


async def test_refusing_a_caller_who_has_gone_ends_the_leg(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, log = await requested(ready, asterisk)
    for name in ("Redirect", "Setvar"):
        asterisk.answers[name] = refuse("Channel does not exist: 1.1")
    releasing = asyncio.create_task(request.leg.release(HangupCause.USER_BUSY, "busy"))
    await asterisk.received("Redirect")
    await passes(clock, 0.5, releasing.done)
    assert log.events == [PbxReleased(HangupCause.USER_BUSY, "busy")]


async def test_releasing_without_a_link_ends_the_leg_and_says_so(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    request, log = await requested(ready, asterisk)
    await asterisk.stop()
    await ready.state(PbxState.LINK_DOWN)
    releasing = asyncio.create_task(request.leg.release(HangupCause.USER_BUSY))
    await clock.advance(BRIEF_S)
    with pytest.raises(LinkDownError):
        await releasing
    assert len(log.of(PbxReleased)) == 1


async def test_a_refused_origination_leaves_nothing(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    asterisk.answers["Originate"] = refuse("Permission denied")
    with pytest.raises(CallError, match="write = originate"):
        await ready.originate()
    assert not ready.pbx.legs


async def test_an_origination_that_never_began_is_released(
    asterisk: AmiServer, ready: PbxDriver, clock: FakeClock
) -> None:
    leg, log = await ready.originate()
    uniqueid = leg.channel.uniqueid
    asterisk.event("OriginateResponse", Response="Failure", Uniqueid=uniqueid)
    async with asyncio.timeout(3):
        while leg.phase is not Phase.ENDED:
            await asyncio.sleep(0.01)  # for the event, which comes over a socket
            await clock.advance(0.1)
    assert log.of(PbxReleased)[0].cause is HangupCause.NO_ROUTE


async def test_a_failure_told_before_its_channel_waits_for_the_true_cause(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    leg, log = await ready.originate()
    uniqueid = leg.channel.uniqueid
    halves = (uniqueid, uniqueid.removesuffix("1") + "2")
    asterisk.event("OriginateResponse", Response="Failure", Uniqueid=uniqueid)
    for half in halves:
        channel = {"Channel": "Local/x", "Uniqueid": half, "Linkedid": uniqueid}
        asterisk.event("Newchannel", **channel)
        asterisk.event("Hangup", **channel, Cause="1")
    await log.until(PbxReleased)
    assert log.of(PbxReleased)[0].cause is HangupCause.UNALLOCATED


async def test_old_releases_tell_digits_by_ami_and_new_ones_do_not(
    clock: FakeClock,
) -> None:
    for version, digits in (("20.6.0", [PbxDigit("5", by_ami=True)]), ("22.10.1", [])):
        async with knows(version) as server, driving(server, clock) as driver:
            await driver.state(PbxState.READY)
            _, log = await requested(driver, server)
            audio = {
                "Channel": f"AudioSocket/127.0.0.1:9-{CALL}",
                "Uniqueid": "1.2",
                "Linkedid": "1.1",
            }
            server.event("Newchannel", **audio)
            server.event("DTMFEnd", **audio, Digit="5", Direction="Sent")
            server.event("DTMFEnd", **audio, Digit="6", Direction="Received")
            server.event("Hangup", **audio, Cause="16")
            await log.until(PbxReleased)
            assert log.of(PbxDigit) == digits


async def test_what_is_no_digit_is_not_sent(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    request, _ = await requested(ready, asterisk)
    with pytest.raises(LocalWireError):
        await request.leg.send_digit("x")
    with pytest.raises(CallError):
        await request.leg.send_digit("1")
    with pytest.raises(CallError):
        await request.leg.audio()


async def test_a_request_without_a_uuid_is_only_logged(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    wants_line(asterisk, Uuid="00000000-dead")
    request, _ = await requested(ready, asterisk)
    assert request.uuid == str(CALL)
    assert not ready.has_request


async def test_an_address_that_is_none_is_refused_at_once(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    wants_line(asterisk, To="skypeclient%2Fa%250Ab")
    redirect = await asterisk.received("Redirect")
    assert ("Exten", "return") in redirect
    causes = [dict(action) for action in asterisk.named("Setvar")]
    assert any(
        action["Variable"] == "__SKYPECHAN_CAUSE" and action["Value"] == "28"
        for action in causes
    )
    assert not ready.has_request


async def test_with_nobody_to_take_requests_they_are_refused(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    ready.pbx.on_request = None
    wants_line(asterisk)
    assert ("Exten", "return") in await asterisk.received("Redirect")


async def test_events_wait_for_the_one_they_are_told_to(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    requests: asyncio.Queue[PbxRequest] = asyncio.Queue()
    ready.pbx.on_request = requests.put_nowait
    wants_line(asterisk)
    asterisk.event("Hangup", **CALLER, Cause="127")
    await ready.originate()  # its response comes behind the events
    log = LegLog()
    requests.get_nowait().leg.report_to(log)
    assert log.events == [
        PbxReleased(HangupCause.NORMAL_CLEARING, "the caller gave up")
    ]


async def test_a_hold_that_is_told_before_the_answer_is_reported_with_it(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    leg, log = await ready.originate()
    own = leg.channel.uniqueid
    phone = {"Channel": "PJSIP/x-1", "Uniqueid": "1.7", "Linkedid": own}
    asterisk.event("Hold", **phone)
    audio = {"UserEvent": "SkypechanAudio", "Uuid": leg.uuid, "Format": "slin16"}
    asterisk.event("UserEvent", **audio, Uniqueid=own, Linkedid=own)
    endpoint = ready.server.listening
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    writer.write(b"\x01\x00\x10" + leg.audio_uuid.bytes)
    await log.until(PbxHeld)
    assert log.events == [PbxAnswered(), PbxHeld()]
    asterisk.event("Unhold", **phone)
    await log.until(PbxResumed)
    (await leg.audio()).socket.close()
    writer.close()
    await writer.wait_closed()


async def test_calls_to_one_contact_get_each_their_own_channel(
    asterisk: AmiServer, clock: FakeClock
) -> None:
    contacts = {"echo123": Contact(CALL, "ANY", "echo123")}
    async with driving(asterisk, clock, contacts) as driver:
        await driver.state(PbxState.READY)
        endpoint = driver.server.listening
        for number in "12":
            caller = {"Uniqueid": f"{number}.0", "Linkedid": f"{number}.0"}
            name = f"PJSIP/x-{number}"
            asterisk.event(
                "Newchannel", Channel=name, CallerIDNum=f"10{number}", **caller
            )
            _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
            writer.write(b"\x01\x00\x10" + CALL.bytes)
            asterisk.event(
                "Newchannel",
                Channel=f"AudioSocket/{endpoint}-{CALL}",
                Uniqueid=f"{number}.1",
                Linkedid=f"{number}.0",
            )
            request, log = await driver.request()
            assert (request.caller, request.address) == (f"10{number}", "echo123")
            assert request.contact
            assert request.uniqueid == f"{number}.1"
            await request.leg.take()
            await request.leg.ring()
            await request.leg.play_early()  # Asterisk has answered: the way is open
            assert log.of(PbxEarlyMedia)
            (await request.leg.audio()).socket.close()
            await request.leg.answer()
            assert log.of(PbxAnswered)
            asterisk.event("Hangup", Uniqueid=f"{number}.1", Cause="16")
            await log.until(PbxReleased)
            writer.close()
            await writer.wait_closed()
        assert not asterisk.named("Redirect")


async def test_contacts_waiting_for_their_channel_go_with_the_link(
    asterisk: AmiServer, clock: FakeClock
) -> None:
    contacts = {"echo123": Contact(CALL, "ANY", "echo123")}
    async with driving(asterisk, clock, contacts) as driver:
        await driver.state(PbxState.READY)
        endpoint = driver.server.listening
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        writer.write(b"\x01\x00\x10" + CALL.bytes)
        async with asyncio.timeout(3):
            while not driver.server.accepted:
                await clock.advance(0)
            asterisk.drop()
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_silent_asterisk_fails_actions_in_time(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    asterisk.answers["Originate"] = silence
    with pytest.raises(DeadlineError):
        await ready.originate()
    assert not ready.pbx.legs
