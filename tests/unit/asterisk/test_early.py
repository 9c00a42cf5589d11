"""A caller hears the line before the answer: what Asterisk is asked, what follows."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from uuid import UUID

import pytest

from skypechan.asterisk.channel import PbxLeg, Phase
from skypechan.asterisk.pbx import PbxState
from skypechan.call.causes import HangupCause
from skypechan.call.events import PbxAnswered, PbxEarlyMedia, PbxReleased
from tests.doubles.ami_server import AmiServer
from tests.doubles.clock import FakeClock
from tests.doubles.pbx_driver import LegLog, PbxDriver
from tests.doubles.scripted_asterisk import (
    CALL,
    CALLER,
    audio_channel,
    globals_of,
    lists,
    requested,
    variables_of,
)

HOLDING, SIMPLE = "holding_bridge", "simple_bridge"


class Audio:
    """Asterisk's ends of audio connections of the call."""

    def __init__(self, driver: PbxDriver) -> None:
        self.sockets: list[socket.socket] = []
        self._driver = driver

    async def connect(self, uuid: UUID) -> socket.socket:
        listening = self._driver.server.listening
        connected = socket.create_connection((listening.host, listening.port))
        connected.setblocking(False)
        connected.sendall(b"\x01\x00\x10" + uuid.bytes)
        self.sockets.append(connected)
        return connected


@pytest.fixture
def audio(ready: PbxDriver) -> Iterator[Audio]:
    audio = Audio(ready)
    yield audio
    for connected in audio.sockets:
        connected.close()


def early_channel(asterisk: AmiServer, driver: PbxDriver) -> dict[str, str]:
    """The channel that was asked for last."""
    asked = dict(asterisk.named("Originate")[-1])
    return {
        "Channel": f"AudioSocket/{driver.server.listening}-{early_uuid(asterisk)}",
        "Uniqueid": asked["ChannelId"],
        "Linkedid": "2.1",
    }


def early_uuid(asterisk: AmiServer) -> UUID:
    asked = dict(asterisk.named("Originate")[-1])
    return UUID(asked["Channel"].split("/")[2])


async def at_rest(driver: PbxDriver) -> None:
    """A moment after a move, so that the next one may come."""
    assert isinstance(driver.clock, FakeClock)
    await driver.clock.advance(0.02)


async def heard(
    asterisk: AmiServer, driver: PbxDriver, audio: Audio
) -> tuple[PbxLeg, LegLog]:
    """A leg whose caller hears early media."""
    request, log = await requested(driver, asterisk)
    playing = asyncio.create_task(request.leg.play_early())
    await asterisk.received("Originate")
    channel = early_channel(asterisk, driver)
    asterisk.event("Newchannel", **channel)
    await audio.connect(early_uuid(asterisk))
    asterisk.event("BridgeEnter", BridgeTechnology=HOLDING, **channel)
    await log.until(PbxEarlyMedia)
    await playing
    await at_rest(driver)
    return request.leg, log


def moves(asterisk: AmiServer) -> list[str]:
    return [dict(action)["Exten"] for action in asterisk.named("Redirect")]


async def test_the_audio_is_in_the_bridge_before_the_caller_is_moved_there(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    leg, _ = await heard(asterisk, ready, audio)
    asked = dict(asterisk.named("Originate")[0])
    assert asked["Channel"].endswith("/c(slin16)")
    assert early_uuid(asterisk) != CALL  # else two channels could have one name
    assert asked["Variable"] == f"SKYPECHAN_UUID={CALL}"
    assert asked["Context"] == "skypechan-early"
    assert moves(asterisk) == ["early"]
    assert leg.phase is Phase.EARLY
    assert leg.has_audio
    await leg.release(HangupCause.USER_BUSY)


async def test_without_the_bridge_the_caller_hears_ringing(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    request, log = await requested(ready, asterisk)
    playing = asyncio.create_task(request.leg.play_early())
    await asterisk.received("Originate")
    asterisk.event("Newchannel", **early_channel(asterisk, ready))
    asterisk.event("Hangup", Cause="0", **early_channel(asterisk, ready))
    await playing
    await at_rest(ready)
    assert moves(asterisk) == ["ringing"]
    assert log.of(PbxEarlyMedia) == []
    assert not request.leg.has_audio
    await request.leg.release(HangupCause.USER_BUSY)


async def test_who_cannot_hear_the_line_hears_ringing_and_is_answered_over_another_way(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    leg, log = await heard(asterisk, ready, audio)
    await leg.ring()
    await at_rest(ready)
    assert moves(asterisk) == ["early", "ringback"]
    assert not leg.has_audio
    asterisk.event("Hangup", Cause="16", **early_channel(asterisk, ready))
    await leg.answer()
    assert "SKYPECHAN_EARLY" not in variables_of(asterisk, CALLER["Uniqueid"])
    asterisk.event("Newchannel", **audio_channel(ready, str(CALL), "1.1"))
    await audio.connect(CALL)
    await log.until(PbxAnswered)
    (await leg.audio()).socket.close()


async def test_an_answer_goes_on_with_the_same_connection(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    leg, log = await heard(asterisk, ready, audio)
    (await leg.audio()).socket.close()
    await leg.answer()
    variables = variables_of(asterisk, CALLER["Uniqueid"])
    assert variables["SKYPECHAN_EARLY"] == early_channel(asterisk, ready)["Channel"]
    assert variables["__SKYPECHAN_STATUS"] == "ANSWER"
    taken_over = early_channel(asterisk, ready) | {"Uniqueid": "9.9"}
    asterisk.event("BridgeEnter", BridgeTechnology=SIMPLE, **taken_over)
    await log.until(PbxAnswered)
    assert not leg.has_audio
    assert not ready.server._expected
    asterisk.event("Hangup", Cause="16", **taken_over)
    await log.until(PbxReleased)
    assert not ready.pbx._register._legs


async def test_an_answer_may_bring_another_connection(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    leg, log = await heard(asterisk, ready, audio)
    (await leg.audio()).socket.close()
    await leg.answer()
    other = audio_channel(ready, str(CALL), "1.1")
    asterisk.event("Newchannel", **other)
    await audio.connect(CALL)
    await log.until(PbxAnswered)
    assert leg.has_audio
    asterisk.event("Hangup", Cause="16", **early_channel(asterisk, ready))
    asterisk.event("Hangup", Cause="16", **other)
    await log.until(PbxReleased)
    assert len(log.of(PbxReleased)) == 1


async def test_a_caller_who_gives_up_ends_the_leg_and_its_audio(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    leg, log = await heard(asterisk, ready, audio)
    asterisk.event("Hangup", Cause="127", **CALLER)
    event = await log.until(PbxReleased)
    assert isinstance(event, PbxReleased)
    assert event.cause is HangupCause.NORMAL_CLEARING
    async with asyncio.timeout(3):
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(audio.sockets[0], 1) == b""
    assert leg.phase is Phase.ENDED


async def test_a_caller_who_hears_the_line_is_followed_over_a_gap_in_the_events(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    leg, log = await heard(asterisk, ready, audio)
    by = ("Value", globals_of(asterisk)["SKYPECHAN_GATEWAY_skypechan"])
    taken_by = ("Variable", "SKYPECHAN_TAKEN_BY")
    asterisk.actions.append([("Action", "Setvar"), ("Channel", "1.1"), taken_by, by])
    asterisk.answers["Status"] = lists(CALLER, early_channel(asterisk, ready))
    asterisk.drop()
    await ready.state(PbxState.LINK_DOWN)
    assert isinstance(ready.clock, FakeClock)
    await ready.clock.advance(0.5)
    await ready.state(PbxState.READY)
    assert leg.phase is Phase.EARLY
    asterisk.event("Hangup", Cause="127", **CALLER)
    await log.until(PbxReleased)


async def test_a_failure_lets_the_dialplan_go_on_with_its_cause(
    asterisk: AmiServer, ready: PbxDriver, audio: Audio
) -> None:
    leg, log = await heard(asterisk, ready, audio)
    await leg.release(HangupCause.USER_BUSY)
    assert moves(asterisk) == ["early", "return"]
    assert variables_of(asterisk, CALLER["Uniqueid"])["__SKYPECHAN_CAUSE"] == "17"
    assert len(log.of(PbxReleased)) == 1


async def test_asterisk_that_says_nothing_is_not_waited_for(
    asterisk: AmiServer, ready: PbxDriver
) -> None:
    request, _ = await requested(ready, asterisk)
    await request.leg.play_early()  # the deadline is a second of real time
    await at_rest(ready)
    assert moves(asterisk) == ["ringing"]
    await request.leg.release(HangupCause.USER_BUSY)
