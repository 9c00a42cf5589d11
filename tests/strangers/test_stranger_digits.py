"""Digits at the emulator: bursts both ways, in every form, and what is none.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.application import Application
from tests.strangers.conftest import Join
from tests.strangers.steps import answered, attached_at

DIGITS = "0011223344556677889900**##1*#" * 3
NO_DIGITS = [
    "A",
    "B",
    "C",
    "D",
    "a",
    "12",
    "+",
    "-1",
    "\u0664",
    "\u0661",
    "\u00b2",
    "$",
]


@pytest.fixture
async def app(join: Join) -> Application:
    """An attached application of level 7."""
    return await attached_at(join, 7)


async def heard(skype: Emulator, number: int) -> str:
    """The digits that the partner got."""
    call = await skype.get(f"/calls/{number}")
    return str(call["digits_heard"])


def told(app: Application, number: int) -> str:
    """The digits of the partner, as notified."""
    return "".join(m[1] for m in app.heard.found(rf"CALL {number} DTMF (.*)"))


@pytest.mark.parametrize("verb", ["SET", "ALTER"])
async def test_a_burst_of_digits_arrives_whole_and_in_order(
    app: Application, skype: Emulator, verb: str
) -> None:
    number = await answered(app, skype)
    mark = app.heard.mark
    for place, digit in enumerate(DIGITS):  # nobody waits for a reply
        app.say(f"#{place} {verb} CALL {number} DTMF {digit}")
    reply = rf"#(\d+) {verb} CALL {number} DTMF (\S)"
    await app.heard.line(reply, since=mark, times=len(DIGITS))
    replies = app.heard.found(reply, mark)
    assert [int(m[1]) for m in replies] == list(range(len(DIGITS)))
    assert "".join(m[2] for m in replies) == DIGITS
    assert await heard(skype, number) == DIGITS


async def test_a_burst_of_the_partner_is_told_whole_and_in_order(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    await skype.post(f"/calls/{number}/digits", {"digits": DIGITS, "gap_s": 0})
    await app.heard.line(rf"CALL {number} DTMF .", times=len(DIGITS))
    assert told(app, number) == DIGITS


async def test_bursts_both_ways_at_once_are_not_mixed_up(
    over_dbus: Join, over_x11: Join, skype: Emulator
) -> None:
    apps = [await attached_at(over_dbus, 7), await attached_at(over_x11, 7)]
    number = await answered(apps[0], skype)
    sending = skype.post(f"/calls/{number}/digits", {"digits": DIGITS, "gap_s": 0.002})

    async def dial() -> None:
        for digit in "123456789*":
            command = f"SET CALL {number} DTMF {digit}"
            assert await apps[1].ask(command) == command

    await asyncio.gather(sending, dial())
    for app in apps:
        await app.heard.line(rf"CALL {number} DTMF .", times=len(DIGITS))
        assert told(app, number) == DIGITS
    assert await heard(skype, number) == "123456789*"


async def test_only_digits_star_and_hash_are_digits(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    for bad in NO_DIGITS:
        reply = await app.ask(f"SET CALL {number} DTMF {bad}")
        assert re.fullmatch("ERROR 42( .*)?", reply), bad
        reply = await app.ask(f"ALTER CALL {number} DTMF {bad}")
        assert re.fullmatch("ERROR (42|55[89])( .*)?", reply), bad
    for command in (f"SET CALL {number} DTMF", f"ALTER CALL {number} DTMF"):
        assert re.match(r"ERROR \d+", await app.ask(command)), command
    assert await heard(skype, number) == ""
    await app.ask(f"SET CALL {number} DTMF 7")
    assert await heard(skype, number) == "7"


async def test_a_telephone_is_dialled_through_by_digits(
    over_x11: Join, skype: Emulator
) -> None:
    app = await attached_at(over_x11, 7)
    number = await app.call("+4930123456")
    await app.status(number, "INPROGRESS")
    for digit in "42#":
        command = f"SET CALL {number} DTMF {digit}"
        assert await app.ask(command) == command
    assert (await heard(skype, number)).endswith("42#")


async def test_digits_that_are_sent_too_early_or_too_late(
    app: Application, skype: Emulator
) -> None:
    number = await app.call("noanswer")
    mark = app.heard.mark
    for place, digit in enumerate("0123456789*#"):
        app.say(f"#{place} SET CALL {number} DTMF {digit}")
    reply = rf"#(\d+) SET CALL {number} DTMF \S"
    await app.heard.line(reply, since=mark, times=12)
    lines = app.heard.lines
    rings = lines.index(f"CALL {number} STATUS RINGING")
    assert rings < lines.index(f"#0 SET CALL {number} DTMF 0", mark)
    places = [int(m[1]) for m in app.heard.found(reply, mark)]
    assert places == list(range(12))
    await app.ask(f"ALTER CALL {number} HANGUP")
    await app.status(number, "CANCELLED")
    for command in (f"SET CALL {number} DTMF 1", f"ALTER CALL {number} DTMF 1"):
        reply_now = await app.ask(command)
        assert re.fullmatch("ERROR (41|559)( .*)?", reply_now), command
    reply_now = await app.ask("SET CALL 999999 DTMF 1")
    assert re.fullmatch("ERROR 20( .*)?", reply_now)
