"""What the gateway may expect of every backend: the seam in `backends/base.py`."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from skypechan.backends.base import LineState
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    LineAnswered,
    LineDigit,
    LineReleased,
    LineRinging,
)
from skypechan.errors import CallError, CommandError, LinkError
from skypechan.gateway.feed import Feed
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.people import People
from skypechan.gateway.settings import LineSettings
from tests.doubles.clock import FakeClock
from tests.doubles.line_observer import DEADLINE_S, Events

DIGITS = "1234*#"


async def placed(line):
    """A leg that the far end has answered."""
    events = Events()
    leg = await line.backend.place(line.far.address, events)
    await events.first(LineAnswered)
    return leg, events


async def offered(line):
    await line.far.call("carol", "Carol C.")
    offered = await line.observer.next_offer()
    return offered.offer, offered.events


async def heard_level(port, hz: float, seconds: float) -> float:
    """Level of a tone in what comes back, relative to what is sent, in dB."""
    loop = asyncio.get_running_loop()
    count = int(port.rate_hz * seconds)
    turns = np.arange(count) * hz / port.rate_hz
    tone = (8_000 * np.sin(2 * np.pi * turns)).astype("<i2")
    await loop.sock_sendall(port.to_line, tone.tobytes())
    heard, best = b"", 0.0
    async with asyncio.timeout(DEADLINE_S):
        while best < 0.95:
            piece = await loop.sock_recv(port.from_line, 65_536)
            assert piece, "the audio ended"
            heard += piece
            samples = np.frombuffer(heard[: len(heard) // 2 * 2], "<i2").astype(float)
            turns = np.arange(samples.size) * hz / port.rate_hz
            projection = abs(np.exp(-2j * np.pi * turns) @ samples)
            best = projection / (8_000 * count / 2)
    return float(20 * np.log10(best))


async def test_line_becomes_ready_and_names_its_account(bench):
    await bench.observer.reach(LineState.READY)
    assert bench.observer.account == bench.far.account


async def test_placed_call_rings_once_before_it_is_answered_once(line):
    leg, events = await placed(line)
    assert events.all[:2] == [LineRinging(), LineAnswered()]
    assert leg.leg_id
    await leg.release()
    await events.first(LineReleased)
    assert len(events.of(LineRinging)) == len(events.of(LineAnswered)) == 1


async def test_audio_goes_there_and_comes_back(line):
    leg, events = await placed(line)
    port = await leg.open_audio()
    with port.to_line, port.from_line:
        assert not port.to_line.getblocking()
        assert not port.from_line.getblocking()
        level_db = await heard_level(port, 1_000.0, 0.5)
        assert -1.0 < level_db < 1.0
        await leg.release()
        await events.first(LineReleased)


async def test_audio_ends_with_the_call(line):
    leg, _ = await placed(line)
    port = await leg.open_audio()
    loop = asyncio.get_running_loop()
    with port.to_line, port.from_line:
        await line.far.hang_up(leg)
        async with asyncio.timeout(DEADLINE_S):
            while await loop.sock_recv(port.from_line, 65_536):
                pass


async def test_digits_reach_the_far_end_in_order(line):
    leg, _ = await placed(line)
    for digit in DIGITS:
        assert digit in line.backend.capabilities.digits_out
        await leg.send_digit(digit)
    assert await line.far.digits_heard(leg, len(DIGITS)) == DIGITS


async def test_digits_of_the_far_end_are_told_once_and_in_order(line):
    leg, events = await placed(line)
    await line.far.press(leg, DIGITS)
    await events.until(
        lambda: len(events.of(LineDigit)) >= len(DIGITS), DEADLINE_S, "digits"
    )
    assert [event.digit for event in events.of(LineDigit)] == list(DIGITS)


async def test_digit_that_the_line_has_not_is_refused(line):
    leg, _ = await placed(line)
    assert "A" not in line.backend.capabilities.digits_out
    with pytest.raises(CallError):
        await leg.send_digit("A")


async def test_our_release_is_confirmed_once_however_often_we_ask(line):
    leg, events = await placed(line)
    await asyncio.gather(leg.release(), leg.release())
    released = await events.first(LineReleased)
    await leg.release()
    assert released.cause is HangupCause.NORMAL_CLEARING
    assert events.released is released


async def test_release_by_the_far_end_is_told_once(line):
    leg, events = await placed(line)
    await line.far.hang_up(leg)
    released = await events.first(LineReleased)
    await leg.release()
    assert released.cause is HangupCause.NORMAL_CLEARING
    assert events.released is released


async def test_ended_leg_refuses_everything_but_a_release(line):
    leg, events = await placed(line)
    await leg.release()
    await events.first(LineReleased)
    for action in (leg.answer(), leg.send_digit("1"), leg.open_audio()):
        with pytest.raises(CallError):
            await action
    await leg.release()
    assert events.released


async def test_offered_call_names_its_caller_and_waits_for_our_answer(line):
    offer, events = await offered(line)
    assert (offer.caller, offer.caller_name) == ("carol", "Carol C.")
    assert offer.kind == "p2p"
    assert events.of(LineAnswered) == []
    await offer.leg.answer()
    await events.first(LineAnswered)


async def test_answered_offer_has_audio_both_ways(line):
    offer, events = await offered(line)
    await offer.leg.answer()
    await events.first(LineAnswered)
    port = await offer.leg.open_audio()
    with port.to_line, port.from_line:
        assert -1.0 < await heard_level(port, 700.0, 0.3) < 1.0


async def test_offer_that_we_turn_away_is_released_without_an_answer(line):
    offer, events = await offered(line)
    await offer.leg.release()
    await events.first(LineReleased)
    assert events.released
    assert events.of(LineAnswered) == []


async def test_caller_that_gives_up_releases_the_offer(line):
    offer, events = await offered(line)
    await line.far.hang_up(offer.leg)
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.NORMAL_CLEARING


async def test_line_takes_a_call_after_a_call(line):
    for _ in range(3):
        leg, events = await placed(line)
        port = await leg.open_audio()
        port.from_line.close()
        port.to_line.close()
        await leg.release()
        await events.first(LineReleased)
        assert events.released


async def test_stopping_releases_every_leg_once(line):
    leg, events = await placed(line)
    port = await leg.open_audio()
    await line.stop()
    port.from_line.close()
    port.to_line.close()
    assert events.released


async def test_line_that_is_stopped_takes_no_calls(line):
    await line.stop()
    with pytest.raises(LinkError):
        await line.backend.place(line.far.address, Events())


async def test_what_concerns_people_works_or_is_refused_as_the_capabilities_say(line):
    clock = FakeClock()
    lines = Lines([Line("first", LineSettings(), line.backend, clock)])
    people, can = People(lines, Feed(clock), clock), line.backend.capabilities
    people.listen(lines["first"])
    address = line.far.address
    for able, asked in (
        (can.messages, people.send_message("first", address, "hello")),
        (can.presence, people.presence("first", address)),
        (can.contacts, people.find("first", address)),
        (can.contacts, people.decide_contact("first", address, accept=True)),
        (can.balance, people.balance("first")),
    ):
        if able:
            await asked
        else:
            with pytest.raises(CommandError, match="line first's client cannot "):
                await asked
    with pytest.raises(CommandError):
        await people.send_raw("first", "PING")
