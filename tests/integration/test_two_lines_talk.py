"""Two lines of a gateway, each with a client of its own, on one network of clients."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import numpy as np
import pytest

from skypechan.backends.base import LineState, Presence
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    LineAnswered,
    LineDigit,
    LineEarlyMedia,
    LineHeld,
    LineReleased,
    LineResumed,
)
from skypechan.clock import SystemClock
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.errors import CallError
from tests.doubles.emulated import emulator_at, pitch_hz
from tests.doubles.line_observer import Events, RecordingObserver

SECONDS = 10.0


class Line:
    """One backend attached to one emulated client."""

    def __init__(self, emulator, address: str, **settings) -> None:
        self.emulator = emulator
        self.observer = RecordingObserver()
        self.backend = SkypeBackend(
            SkypeSettings(dbus_address=address, **settings), SystemClock()
        )
        self.messages: asyncio.Queue = asyncio.Queue()
        self.requests: asyncio.Queue = asyncio.Queue()
        self.backend.on_message = self.messages.put_nowait
        self.backend.on_contact_request = self.requests.put_nowait

    async def ready(self) -> None:
        await self.observer.until(
            lambda: self.observer.state is LineState.READY, SECONDS, "ready"
        )

    async def offered(self):
        await self.observer.until(lambda: self.observer.offers, SECONDS, "an offer")
        offered = self.observer.offers[-1]
        return offered.offer, offered.events


async def line(stack, directory, account, port, *options, **settings):
    bus = await stack.enter_async_context(PrivateBus(directory))
    network = ("--network", f"127.0.0.1:{port}", "--account", account, *options)
    emulator = await stack.enter_async_context(emulator_at(bus.address, *network))
    found = Line(emulator, bus.address, **settings)
    task = asyncio.create_task(found.backend.run(found.observer))

    async def stop():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)
    await found.ready()
    return found


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def lines(stack, tmp_path):
    port = free_port()
    names = ("alice", "bob", "carol")
    found = [await line(stack, tmp_path / name, name, port) for name in names]
    for name, item in zip(names, found, strict=True):
        others = ",".join(other for other in names if other != name)
        answer = await item.emulator.get(f"/account?network={others}&timeout_s=10")
        assert len(answer["network"]) == 2
    return found


async def connected(alice, bob):
    events = Events()
    leg = await alice.backend.place("bob", events)
    offer, theirs = await bob.offered()
    assert offer.caller == "alice"
    await offer.leg.answer()
    await events.first(LineAnswered)
    await theirs.first(LineAnswered)
    return leg, events, offer.leg, theirs


async def test_two_lines_call_each_other(lines):
    alice, bob, _ = lines
    leg, events, their_leg, theirs = await connected(alice, bob)
    await leg.send_digit("7")
    assert (await theirs.first(LineDigit)).digit == "7"
    await leg.hold()
    await theirs.first(LineHeld)
    await leg.resume()
    await theirs.first(LineResumed)
    assert events.of(LineHeld) == []
    await their_leg.release()
    await theirs.first(LineReleased)
    assert (await events.first(LineReleased)).cause is HangupCause.NORMAL_CLEARING


@pytest.mark.parametrize("answered", [False, True])
async def test_line_sends_its_caller_on_to_another_line(lines, answered):
    alice, bob, carol = lines
    events = Events()
    leg = await alice.backend.place("bob", events)
    offer, theirs = await bob.offered()
    if answered:
        await offer.leg.answer()
        await events.first(LineAnswered)
    sending = asyncio.create_task(offer.leg.transfer("carol"))
    last, lasts = await carol.offered()
    assert last.caller == "alice"
    await last.leg.answer()
    await lasts.first(LineAnswered)
    await sending
    assert theirs.released.reason == "transferred"
    await events.first(LineAnswered)
    await leg.release()
    await lasts.first(LineReleased)


async def test_caller_whom_the_other_line_refuses_stays(lines):
    alice, bob, carol = lines
    events = Events()
    await alice.backend.place("bob", events)
    offer, theirs = await bob.offered()
    sending = asyncio.create_task(offer.leg.transfer("carol"))
    last, _ = await carol.offered()
    await last.leg.release()
    with pytest.raises(CallError):
        await sending
    await offer.leg.answer()
    await theirs.first(LineAnswered)
    await events.first(LineAnswered)


async def test_lines_write_to_each_other_and_know_who_is_there(lines):
    alice, bob, _ = lines
    await alice.backend.send_message("bob", "are you there?")
    async with asyncio.timeout(SECONDS):
        message = await bob.messages.get()
    assert (message.sender, message.text) == ("alice", "are you there?")
    assert await alice.backend.presence("bob") is Presence.ONLINE
    assert await alice.backend.presence("offline") is Presence.OFFLINE
    balance = await alice.backend.balance()
    assert (balance.amount, balance.currency) == (10_000, "EUR")


async def test_contact_request_reaches_the_operator_and_is_answered(lines):
    alice, _, _ = lines
    await alice.emulator.post("/contact_requests", **{"from": "eve"}, text="hello")
    async with asyncio.timeout(SECONDS):
        request = await alice.requests.get()
    assert (request.who, request.text) == ("eve", "hello")
    await alice.backend.decide_contact("eve", accept=True)
    contacts = await alice.emulator.get("/contacts")
    (eve,) = [person for person in contacts if person["handle"] == "eve"]
    assert (eve["buddy"], eve["request"]) == (3, "")


async def test_voicemail_that_takes_the_call_is_no_answer(lines):
    alice, _, _ = lines
    events = Events()
    leg = await alice.backend.place("voicemail", events)
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.NO_ANSWER
    assert events.of(LineAnswered) == []
    call = await alice.emulator.call(leg.call_id, until="VM_CANCELLED")
    assert call["status"] == "VM_CANCELLED"


async def test_conference_is_one_leg_and_ends_as_one(lines):
    alice, bob, carol = lines
    events = Events()
    leg = await alice.backend.place_conference(("bob", "carol"), events)
    for item in (bob, carol):
        offer, theirs = await item.offered()
        await offer.leg.answer()
        await theirs.first(LineAnswered)
    await events.first(LineAnswered)
    await leg.release()
    for item in (bob, carol):
        _, theirs = await item.offered()
        await theirs.first(LineReleased)


async def test_ringback_of_a_telephone_is_heard_before_the_answer(lines):
    alice, _, _ = lines
    await alice.emulator.put("/contacts/+4912345678", answer_s=1.5, voice="tone:900")
    events = Events()
    leg = await alice.backend.place("+4912345678", events)
    await events.first(LineEarlyMedia)
    port = await leg.open_audio()
    with port.from_line, port.to_line:
        assert events.of(LineAnswered) == []
        assert pitch_hz(await hear(port, 8_000)) == pytest.approx(425, abs=5)
        await events.first(LineAnswered)
        # Behind what had been sent before the answer: ringback and its pause.
        heard = [pitch_hz(await hear(port, 8_000)) for _ in range(5)]
        assert heard[-1] == pytest.approx(900, abs=5)
        assert leg.price is not None
        await leg.release()
        await events.first(LineReleased)


async def hear(port, count):
    """The next samples from the line."""
    content = b""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(SECONDS):
        while len(content) < 2 * count:
            piece = await loop.sock_recv(port.from_line, 2 * count - len(content))
            assert piece, "the line has closed"
            content += piece
    return np.frombuffer(content, "<i2")
