"""Mutated lines and slices into both ends: nothing escapes and nothing grows.

What comes is real conversation, damaged: bytes changed, cut, doubled, spliced with
other lines. In full it is a million lines and a million slices for each end.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import resource
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from skypechan.backends.base import Offer
from skypechan.backends.skype.leg import SkypeLeg
from skypechan.backends.skype.protocol.chunks import Chunk, Joiner, cut
from skypechan.backends.skype.service import Service
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.timing import Timing
from skypechan.backends.skype.transport import TextSink, unheard
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.emulator.client import Client, StartTimer
from skypechan.emulator.party import CONTACTS
from skypechan.errors import LocalWireError, SkypechanError
from tests.doubles.clock import FakeClock

FULL = "SKYPECHAN_DRILL_MINUTES" in os.environ
LINES = 1_000_000 if FULL else 20_000
SETTLED = LINES // 2
"""Tables that keep a bounded number are full by then."""

COMMANDS = (
    "NAME skypechan",
    "PROTOCOL 8",
    "#1 CALL echo123",
    "CALL echo, busy, +4930123456",
    "ALTER CALL 181 ANSWER",
    'ALTER CALL 181 SET_INPUT PORT="32770"',
    '#out ALTER CALL 181 SET_OUTPUT PORT="32769"',
    "ALTER CALL 181 END HANGUP",
    "ALTER CALL 181 TRANSFER echo, tone",
    "SET CALL 181 STATUS FINISHED",
    "SET CALL 181 DTMF 5",
    "SET CALL 181 JOIN_CONFERENCE 184",
    "GET CALL 181 PARTNER_HANDLE",
    "GET CALL 181 CONF_PARTICIPANT 1",
    "GET USER echo123 FULLNAME",
    "SET USER echo123 ISAUTHORIZED TRUE",
    "GET PROFILE PSTN_BALANCE",
    "SET USERSTATUS AWAY",
    "SEARCH ACTIVECALLS",
    "SEARCH FRIENDS",
    "MESSAGE echo123 hello",
    "CHAT CREATE echo123, tone",
    "CHATMESSAGE #skypet123/$echo123;1 hello",
    "VOICEMAIL echo123",
    "CREATE SMS OUTGOING +4930123456",
    "CREATE GROUP friends",
    "DELETE GROUP 200",
    "PING",
    "MINIMIZE",
)
FINDS = (
    "CALLS 181, 184, 187",
    f"CALLS {'9' * 5_000}, 187",
    "USERS echo123, tone",
    "CHATMESSAGES 190, 191",
)
NOTIFICATIONS = (
    "OK",
    "PROTOCOL 8",
    "#1 OK",
    "#2 PROTOCOL 8",
    "ERROR 68",
    "#7 ERROR 559 CALL: Action failed",
    "CONNSTATUS ONLINE",
    "CURRENTUSERHANDLE skypet123",
    "USERSTATUS ONLINE",
    "#3 CALL 181 STATUS UNPLACED",
    "CALL 181 STATUS RINGING",
    "CALL 181 STATUS INPROGRESS",
    "CALL 181 DURATION 61",
    "CALL 181 FAILUREREASON 14",
    "CALL 181 CONF_ID 0",
    "CALL 181 RATE 1234",
    "CALL 181 RATE_PRECISION 2",
    "CALL 181 RATE_CURRENCY EUR",
    "CALL 181 PARTNER_HANDLE bob",
    "CALL 181 TYPE INCOMING_P2P",
    "CALL 181 DTMF 5",
    'ALTER CALL 181 SET_INPUT PORT="32770"',
    *FINDS,
    "USER echo123 FULLNAME Echo / Sound Test Service",
    "USER bob RECEIVEDAUTHREQUEST Please allow me to see when you are online",
    "CHATMESSAGE 190 STATUS RECEIVED",
    "VOICEMAIL 8014 STATUS RECORDING",
    "PROFILE PSTN_BALANCE 1234",
    "PONG",
)
PIECES = ("\0", " ", "#", '"', "\ud800", "\u2028", "9" * 400, "-1", "é", "\n", ",", "=")


def mutated(chance: random.Random, lines: tuple[str, ...]) -> str:
    """One line, often whole, else damaged in one to three ways."""
    line = chance.choice(lines)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
        at = chance.randint(0, len(line))
        match chance.randrange(6):
            case 0:
                line = line[:at]
            case 1:
                line = line[:at] + chance.choice(PIECES) + line[at:]
            case 2:
                line = line[:at] + chr(chance.randrange(0x500)) + line[at + 1 :]
            case 3:
                line = line[:at] + chance.choice(lines)[at:]
            case 4:
                line = f"#{chance.randrange(10_000)} {line}"
            case _:
                words = line.split(" ")
                chance.shuffle(words)
                line = " ".join(words)
    return line


def drilled(act: Callable[[int], None], size: Callable[[], object], what: str) -> None:
    """Act so often; from the middle on neither objects nor memory may grow."""
    start_s = time.monotonic()
    before = (0, 0)
    for number in range(LINES):
        if number == SETTLED:
            gc.collect()
            before = len(gc.get_objects()), _memory_kb()
        act(number)
    gc.collect()
    after = len(gc.get_objects()), _memory_kb()
    seconds = time.monotonic() - start_s
    print(  # noqa: T201 - the drill's figures
        f"{what}: {LINES:,} in {seconds:.0f} s; objects {before[0]:,} to {after[0]:,}, "
        f"peak memory {before[1]:,} to {after[1]:,} kB; holds {size()}"
    )
    assert after[0] <= before[0] * 1.05 + 2_000
    assert after[1] <= before[1] + 8_000


def _memory_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.timeout(0 if FULL else 60)
def test_mutated_commands_harm_no_client(chance: random.Random) -> None:
    """Calls age and time passes, so that what was begun also ends."""
    client = Client("skypet123", CONTACTS)
    applications = [f"dbus :1.{number}" for number in range(3)]
    for key in applications:
        client.receive(key, "NAME drill", 0)
        client.receive(key, "PROTOCOL 8", 0)
    timers: list[StartTimer] = []

    def act(number: int) -> None:
        key = chance.choice(applications)
        client.receive(key, mutated(chance, COMMANDS), number)
        effects = client.effects()
        timers.extend(item for item in effects if isinstance(item, StartTimer))
        while len(timers) > 20:
            timer = timers.pop(chance.randrange(len(timers)))
            client.expired(timer.call_id, timer.purpose, number)
        if number % 1_000 == 999:
            client.engine.end_all()
            client.forget(key)
            for text in ("NAME drill", "PROTOCOL 8"):
                client.receive(key, text, number)

    def size() -> dict[str, int]:
        return {
            "calls": len(client.engine.calls),
            "texts": len(client.chats.texts),
            "people": len(client.directory.people),
        }

    drilled(act, size, "commands")
    client.receive("dbus :1.9", "NAME after", 0)
    client.receive("dbus :1.9", "PING", 0)
    assert any("PONG" in str(effect) for effect in client.effects())


class Babbler:
    """A client that lets us in and then answers everything with anything."""

    def __init__(self, chance: random.Random) -> None:
        self.on_text: TextSink = unheard
        self._chance = chance

    def babble(self) -> None:
        line = mutated(self._chance, NOTIFICATIONS)
        self.on_text(line.replace("181", str(self._chance.randrange(181, 281))))

    async def send(self, text: str, within_s: float) -> str:
        token, _, command = text.partition(" ")
        match command.split():
            case ["NAME", *_]:
                return f"{token} OK"
            case ["PROTOCOL", *_]:
                return f"{token} PROTOCOL 8"
            case ["SEARCH", *_]:
                return f"{token} {mutated(self._chance, FINDS)}"
        if self._chance.random() < 0.1:
            return ""
        return f"{token} {mutated(self._chance, NOTIFICATIONS)}"

    async def wait_gone(self) -> None:
        await asyncio.Event().wait()


class Babbled:
    """What we do with one client after the other, while each babbles."""

    def __init__(self, chance: random.Random) -> None:
        self.offered = 0
        self.legs: list[SkypeLeg] = []
        self._chance = chance
        self._clock = FakeClock()
        self.service, self.client = self._begin()

    def _begin(self) -> tuple[Service, Babbler]:
        client = Babbler(self._chance)
        service = Service(
            client,
            SkypeSettings(contact_requests="refuse", silent_mode=True),
            self._clock,
            Timing(),
            self._offered,
            unneeded,
            unneeded,
            unneeded,
            logging.getLogger("babble"),
        )
        service.talk.begin()
        return service, client

    async def act(self, number: int) -> None:
        self.client.babble()
        if number % 20 == 0:
            self.service.talk.spawn(self._do(self._chance.choice(DEEDS)))
        if number % 50 == 0:
            self.service.talk.begin()
            await self._clock.advance(1)
        if number % 2_000 == 0:
            await self.end()
            self.service, self.client = self._begin()

    async def end(self) -> None:
        self.service.calls.lost(HangupCause.DESTINATION_OUT_OF_ORDER, "it went away")
        await self.service.talk.close()
        assert all(leg.over for leg in self.legs)
        self.legs.clear()

    async def _do(self, deed: Callable[[Service], Awaitable[object]]) -> None:
        for leg in self.legs:
            assert leg.price is None or leg.price.amount.is_finite()
        with suppress(SkypechanError):
            await deed(self.service)

    def _offered(self, offer: Offer) -> EventSink:
        assert isinstance(offer.leg, SkypeLeg)
        self.offered += 1
        self.legs.append(offer.leg)
        return unneeded


def unneeded(_: object) -> None:
    """Take what nobody needs."""


DEEDS: tuple[Callable[[Service], Awaitable[object]], ...] = (
    lambda service: service.settle_in(),
    lambda service: service.calls.sweep(),
    lambda service: service.calls.place("bob", unneeded),
    lambda service: service.calls.place_conference(("bob", "eve"), unneeded),
    lambda service: service.calls.hang_up_all(),
    lambda service: service.mailbox.send("bob", "hello"),
    lambda service: service.contacts.find("bob"),
    lambda service: service.contacts.presence("bob"),
    lambda service: service.balance(),
)


@pytest.mark.timeout(0 if FULL else 60)
def test_mutated_notifications_harm_no_service(
    chance: random.Random, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a task of the client raises is logged as an error."""
    caplog.set_level(logging.ERROR)
    with asyncio.Runner() as runner:
        drill = runner.run(begun(chance))
        drilled(
            lambda number: runner.run(drill.act(number)),
            lambda: f"{drill.offered} calls were offered",
            "notifications",
        )
        runner.run(drill.end())
    assert caplog.messages == []


async def begun(chance: random.Random) -> Babbled:
    """Begin inside the event loop."""
    return Babbled(chance)


@pytest.mark.timeout(0 if FULL else 60)
def test_mutated_slices_harm_no_joiner(chance: random.Random) -> None:
    joiner = Joiner()
    senders = range(0x400001, 0x400001 + 40)

    def act(number: int) -> None:
        sender = chance.choice(senders)
        for chunk in damaged(chance):
            for text in joiner.take(sender, chunk).texts:
                assert "\0" not in text
        if number % 100 == 0:
            joiner.forget(sender)

    drilled(act, lambda: f"{len(senders)} senders", "slices")
    fresh = 0x500000
    [chunk] = cut("PING")
    assert joiner.take(fresh, chunk).texts == ("PING",)


def damaged(chance: random.Random) -> list[Chunk]:
    """The slices of one line: some lost, swapped, doubled, of other bytes."""
    try:
        chunks = list(cut(mutated(chance, COMMANDS + NOTIFICATIONS)))
    except LocalWireError:
        return [Chunk(chance.random() < 0.5, chance.randbytes(20))]
    match chance.randrange(5):
        case 0:
            chance.shuffle(chunks)
        case 1:
            del chunks[chance.randrange(len(chunks))]
        case 2:
            chunks += chunks[: chance.randrange(len(chunks)) + 1]
        case 3:
            at = chance.randrange(len(chunks))
            chunks[at] = Chunk(chance.random() < 0.5, chance.randbytes(20))
    return chunks
