"""The Skype backend with the emulator on a real bus: absence, refusals, deaths."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from skypechan.backends.base import LineState
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.timing import Timing
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    LineAnswered,
    LineHeld,
    LineReleased,
    LineResumed,
    LineRinging,
)
from skypechan.desktop.bus import PrivateBus
from skypechan.errors import CallError, LinkRefusedError
from skypechan.links.dbus import DbusLink
from tests.doubles.skype_emulator import ACCOUNT, SkypeEmulator
from tests.doubles.skype_line import SkypeLine, running_line

BACK_WITHIN_S = 2.0
"""From the client's return to a ready line."""

IMPATIENT = Timing(
    command_s=0.5,
    ping_s=0.2,
    ping_answer_s=0.2,
    refused_first_s=0.2,
    refused_most_s=0.4,
)


@pytest.fixture
async def daemon(tmp_path) -> AsyncIterator[PrivateBus]:
    daemon = PrivateBus(tmp_path)
    yield daemon
    await daemon.stop()


@pytest.fixture
async def emulator(daemon) -> AsyncIterator[SkypeEmulator]:
    """Not started yet; nor is the bus."""
    emulator = SkypeEmulator(daemon.address)
    yield emulator
    await emulator.kill()


def running(
    daemon: PrivateBus, timing: Timing | None = None, account: str = ACCOUNT
) -> AbstractAsyncContextManager[SkypeLine]:
    settings = SkypeSettings(account=account, dbus_address=daemon.address)
    return running_line(settings, timing)


@pytest.fixture
async def line(daemon, emulator) -> AsyncIterator[SkypeLine]:
    """A ready line with the emulator at its other end."""
    await daemon.start()
    await emulator.start()
    async with running(daemon) as line:
        await line.observer.reach(LineState.READY)
        yield line


# Absence and return.


async def test_gateway_bus_and_client_start_in_any_order(daemon, emulator):
    async with running(daemon) as line:
        await line.observer.reach(LineState.WAITING_FOR_CLIENT)
        assert "no bus" in line.observer.reason
        await daemon.start()
        await line.observer.until(
            lambda: "does not run" in line.observer.reason, 5, "the bus"
        )
        await emulator.start()
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_waiting_for_an_absent_client_costs_no_time(daemon):
    await daemon.start()
    async with running(daemon) as line:
        await line.observer.reach(LineState.WAITING_FOR_CLIENT)
        before_s = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - before_s < 0.1


async def test_client_that_is_killed_and_started_again_is_ready_in_time(line, emulator):
    await emulator.kill()
    await line.observer.reach(LineState.WAITING_FOR_CLIENT)
    await emulator.start()
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_bus_that_is_killed_and_started_again_is_ready_in_time(
    line, daemon, emulator
):
    await daemon.stop()
    await line.observer.reach(LineState.WAITING_FOR_CLIENT)
    await emulator.kill()
    await daemon.start()
    await emulator.start()
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_hung_client_degrades_the_line_until_it_wakes(daemon, emulator):
    await daemon.start()
    await emulator.start()
    async with running(daemon, IMPATIENT) as line:
        await line.observer.reach(LineState.READY)
        emulator.send_signal(signal.SIGSTOP)
        await line.observer.reach(LineState.DEGRADED)
        emulator.send_signal(signal.SIGCONT)
        await line.observer.reach(LineState.READY)


# Permission and sign-in.


async def test_line_waits_until_the_user_allows_it(daemon, emulator):
    await daemon.start()
    await emulator.start("--authorise", "ask")
    async with running(daemon) as line:
        await line.observer.reach(LineState.WAITING_FOR_PERMISSION)
        await emulator.control("POST", "/applications", allowed=True)
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_line_that_the_user_denies_is_refused(daemon, emulator):
    await daemon.start()
    await emulator.start("--authorise", "ask")
    async with running(daemon) as line:
        await line.observer.reach(LineState.WAITING_FOR_PERMISSION)
        await emulator.control("POST", "/applications", allowed=False)
        await line.observer.reach(LineState.REFUSED)


async def test_refused_line_is_ready_once_the_user_thinks_better(daemon, emulator):
    await daemon.start()
    await emulator.start("--authorise", "no")
    async with running(daemon, IMPATIENT) as line:
        await line.observer.reach(LineState.REFUSED)
        await emulator.control("POST", "/authorise", mode="yes")
        await line.observer.reach(LineState.READY)


async def test_line_follows_its_user_out_and_in(line, emulator):
    await emulator.control("POST", "/account", signed_in=False)
    await line.observer.reach(LineState.SIGNED_OUT)
    await emulator.control("POST", "/account", signed_in=True)
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_line_is_not_ready_while_its_client_connects(line, emulator):
    await emulator.control("POST", "/account", connection="CONNECTING")
    await line.observer.reach(LineState.CONNECTING)
    await emulator.control("POST", "/account", connection="ONLINE")
    await line.observer.reach(LineState.READY)


async def test_wrong_account_is_named(daemon, emulator):
    await daemon.start()
    await emulator.start()
    async with running(daemon, account="someone.else") as line:
        await line.observer.reach(LineState.SIGNED_OUT)
        assert line.observer.reason == (
            f"{ACCOUNT} is signed in on the client, not someone.else"
        )


async def test_notify_of_a_stranger_on_the_bus_is_refused(line, daemon, emulator):
    account = await emulator.control("GET", "/account")
    ((_, gateway),) = (
        application["application"].split() for application in account["applications"]
    )
    stranger = await DbusLink.connect(daemon.address)
    try:
        with pytest.raises(LinkRefusedError):
            await stranger.call(
                gateway,
                "/com/Skype/Client",
                "com.Skype.API.Client",
                "Notify",
                "CONNSTATUS OFFLINE",
                5,
            )
    finally:
        stranger.close()
        await stranger.wait_lost()
    assert line.observer.state is LineState.READY


# Causes.


@pytest.mark.parametrize(
    ("address", "cause", "reason", "rings"),
    [
        ("busy", HangupCause.USER_BUSY, "busy", False),
        ("refuse", HangupCause.CALL_REJECTED, "refused", True),
        (
            "offline",
            HangupCause.SUBSCRIBER_ABSENT,
            "FAILUREREASON 3: user is offline",
            False,
        ),
        (
            "blocked",
            HangupCause.CALL_REJECTED,
            "FAILUREREASON 9: call blocked by the recipient",
            False,
        ),
    ],
)
async def test_call_that_fails_has_the_cause_of_its_failure(
    line, address, cause, reason, rings
):
    _, events = await line.place(address)
    assert await events.first(LineReleased) == LineReleased(cause, reason)
    assert bool(events.of(LineRinging)) == rings
    assert events.of(LineAnswered) == []


async def test_call_that_nobody_answers_ends_as_such(line, emulator):
    await emulator.control("PUT", "/contacts/noanswer", no_answer_s=0.5)
    _, events = await line.place("noanswer")
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.NO_ANSWER


async def test_ringing_call_that_we_cancel_is_cleared(line, emulator):
    leg, events = await line.place("noanswer")
    await events.first(LineRinging)
    await leg.release()
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.NORMAL_CLEARING
    assert (await emulator.call(leg.leg_id))["status"] == "CANCELLED"


@pytest.mark.parametrize("address", ["nobody.at.all", "12125551212"])
async def test_call_to_nobody_is_refused_at_once(line, address):
    with pytest.raises(CallError) as raised:
        await line.place(address)
    assert raised.value.cause is HangupCause.UNALLOCATED


async def test_call_while_another_is_up_is_congestion(line):
    await line.talk()
    with pytest.raises(CallError) as raised:
        await line.place("tone")
    assert raised.value.cause is HangupCause.CONGESTION


async def test_offer_that_we_turn_away_is_refused_at_the_client(line, emulator):
    await emulator.control("POST", "/calls", **{"from": "carol"})
    offered = await line.observer.next_offer(1)
    await offered.offer.leg.release()
    await offered.events.first(LineReleased)
    assert (await emulator.call(offered.offer.leg.leg_id))["status"] == "REFUSED"


async def test_far_end_that_holds_and_resumes_is_told(line, emulator):
    leg, events = await line.talk()
    await emulator.control("POST", f"/calls/{leg.leg_id}/hold")
    await events.first(LineHeld)
    await emulator.control("POST", f"/calls/{leg.leg_id}/resume")
    await events.first(LineResumed)
    assert len(events.of(LineAnswered)) == 1


# Deaths during a call.


async def test_client_that_dies_during_a_call_releases_it_once(line, emulator):
    leg, events = await line.talk()
    port = await leg.open_audio()
    with port.from_line, port.to_line:
        await emulator.kill()
        released = await events.first(LineReleased)
        assert released.cause is HangupCause.DESTINATION_OUT_OF_ORDER
        await leg.release()
        assert events.released is released


async def test_bus_that_dies_during_a_call_releases_it_once(line, daemon):
    leg, events = await line.talk()
    await daemon.stop()
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.DESTINATION_OUT_OF_ORDER
    await leg.release()
    assert events.released is released


async def test_call_of_a_dead_gateway_is_ended_by_the_next_one(daemon, emulator):
    await daemon.start()
    await emulator.start()
    left = await emulator.control("POST", "/place", to="echo")
    await emulator.call(left["call"], until="INPROGRESS")
    async with running(daemon) as line:
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)
        assert (await emulator.call(left["call"]))["ended"]


async def test_call_whose_first_reply_is_lost_goes_on(daemon, emulator):
    await daemon.start()
    await emulator.start()
    async with running(daemon, Timing(command_s=0.5)) as line:
        await line.observer.reach(LineState.READY)
        await emulator.control("POST", "/faults", drop_replies=1)
        _, events = await line.talk()
        assert events.all == [LineRinging(), LineAnswered()]


async def test_end_that_the_client_does_not_tell_is_found_out(line, emulator):
    leg, events = await line.talk()
    await emulator.control("POST", "/faults", drop_notifications=2)
    await leg.release()
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.NORMAL_CLEARING
    assert (await emulator.call(leg.leg_id))["ended"]
