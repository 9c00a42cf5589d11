"""Held calls at the emulator: by either side, in both forms, at each level, with sound.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.application import Application
from tests.strangers.conftest import Join
from tests.strangers.sound import SoundPort, Stream, share_of, sine
from tests.strangers.steps import answered, attached_at

CANNOT_HOLD = r"ERROR (22|103|559)( .*)?"
CANNOT_RESUME = r"ERROR (23|104|559)( .*)?"


async def resumed(app: Application, number: int, command: str) -> str:
    """Resume and wait until the call is told to go on; the reply."""
    mark = app.heard.mark
    reply = await app.ask(command)
    await app.heard.line(f"CALL {number} STATUS INPROGRESS", since=mark)
    return reply


@pytest.mark.parametrize(
    ("level", "local", "remote"),
    [
        (1, "ONHOLD", "ONHOLD"),
        (4, "ONHOLD", "ONHOLD"),
        (5, "LOCALHOLD", "REMOTEHOLD"),
        (6, "LOCALHOLD", "REMOTEHOLD"),
        (7, "LOCALHOLD", "REMOTEHOLD"),
        (8, "LOCALHOLD", "REMOTEHOLD"),
    ],
)
async def test_each_level_has_its_word_for_a_held_call(
    over_dbus: Join,
    over_x11: Join,
    skype: Emulator,
    level: int,
    local: str,
    remote: str,
) -> None:
    app = await attached_at(over_x11 if level % 2 else over_dbus, level)
    number = await answered(app, skype)
    reply = await app.ask(f"SET CALL {number} STATUS ONHOLD")
    assert reply in (f"CALL {number} STATUS {word}" for word in ("ONHOLD", local))
    await app.status(number, local)
    assert await app.ask(f"GET CALL {number} STATUS") == f"CALL {number} STATUS {local}"
    resume = f"SET CALL {number} STATUS INPROGRESS"
    assert await resumed(app, number, resume) == f"CALL {number} STATUS INPROGRESS"
    mark = app.heard.mark
    await skype.post(f"/calls/{number}/hold", {"by": "partner"})
    await app.heard.line(f"CALL {number} STATUS {remote}", since=mark)
    told = await app.ask(f"GET CALL {number} STATUS")
    assert told == f"CALL {number} STATUS {remote}"
    await app.ask(f"SET CALL {number} STATUS FINISHED")
    await app.status(number, "FINISHED")
    assert set(app.statuses(number)) == {
        "RINGING",
        "INPROGRESS",
        local,
        remote,
        "FINISHED",
    }


@pytest.mark.parametrize(
    ("hold", "resume"),
    [
        ("ALTER CALL {} HOLD", "SET CALL {} STATUS INPROGRESS"),
        ("SET CALL {} STATUS ONHOLD", "ALTER CALL {} RESUME"),
    ],
)
async def test_both_forms_hold_and_resume_each_others_calls(
    join: Join, skype: Emulator, hold: str, resume: str
) -> None:
    app = await attached_at(join, 7)
    number = await app.call("echo")
    assert re.fullmatch(CANNOT_HOLD, await app.ask(hold.format(number)))
    await app.status(number, "INPROGRESS")
    for _ in range(3):  # again and again
        mark = app.heard.mark
        await app.ask(hold.format(number))
        await app.heard.line(f"CALL {number} STATUS LOCALHOLD", since=mark)
        await resumed(app, number, resume.format(number))
    await app.ask(hold.format(number))
    await app.ask(f"ALTER CALL {number} HANGUP")
    await app.status(number, "FINISHED")
    assert app.statuses(number)[-2:] == ["LOCALHOLD", "FINISHED"]


async def test_what_cannot_be_held_or_resumed_says_so(
    over_x11: Join, skype: Emulator
) -> None:
    app = await attached_at(over_x11, 7)
    number = await skype.ring("bob")
    await app.status(number, "RINGING")
    assert re.fullmatch(CANNOT_HOLD, await app.ask(f"ALTER CALL {number} HOLD"))
    assert re.fullmatch(CANNOT_RESUME, await app.ask(f"ALTER CALL {number} RESUME"))
    await app.ask(f"ALTER CALL {number} ANSWER")
    await app.status(number, "INPROGRESS")
    assert re.fullmatch(CANNOT_RESUME, await app.ask(f"ALTER CALL {number} RESUME"))
    await skype.post(f"/calls/{number}/hold", {"by": "partner"})
    await app.status(number, "REMOTEHOLD")
    assert re.fullmatch(CANNOT_RESUME, await app.ask(f"ALTER CALL {number} RESUME"))
    await skype.hang_up(number)
    await app.status(number, "FINISHED")
    for command in (f"ALTER CALL {number} HOLD", f"SET CALL {number} STATUS ONHOLD"):
        assert "ERROR" in await app.ask(command)


async def test_a_partner_may_hang_up_a_call_that_either_side_holds(
    over_dbus: Join, skype: Emulator
) -> None:
    app = await attached_at(over_dbus, 7)
    number = await answered(app, skype)
    await app.ask(f"ALTER CALL {number} HOLD")
    await app.status(number, "LOCALHOLD")
    await skype.hang_up(number)
    await app.status(number, "FINISHED")
    number = await answered(app, skype)
    await skype.post(f"/calls/{number}/hold", {"by": "partner"})
    await app.status(number, "REMOTEHOLD")
    await app.ask(f"ALTER CALL {number} END HANGUP")
    await app.status(number, "FINISHED")


async def until_tone(stream: Stream, hertz: float, seconds: float = 4) -> None:
    """Return once the last 200 ms read are this tone."""
    async with asyncio.timeout(seconds):
        while len(stream.heard) < 6400 or share_of(stream.heard[-6400:], hertz) < 0.9:
            await stream.more()


@pytest.mark.parametrize("by", ["user", "partner"])
async def test_sound_goes_on_after_a_hold_on_the_ports_it_had(
    join: Join, skype: Emulator, by: str
) -> None:
    app = await attached_at(join, 7)
    number = await answered(app, skype, voice="tone:700")
    async with SoundPort() as microphone, SoundPort() as speaker:
        await app.ask(f'ALTER CALL {number} SET_INPUT PORT="{microphone.port}"')
        await app.ask(f'ALTER CALL {number} SET_OUTPUT PORT="{speaker.port}"')
        voice, ear = await microphone.connected(), await speaker.connected()
        await until_tone(ear, 700)
        if by == "user":
            await app.ask(f"ALTER CALL {number} HOLD")
            await app.status(number, "LOCALHOLD")
            await voice.play(sine(1900, 0.1))
            await resumed(app, number, f"ALTER CALL {number} RESUME")
        else:
            await skype.post(f"/calls/{number}/hold", {"by": "partner"})
            await app.status(number, "REMOTEHOLD")
            mark = app.heard.mark
            await voice.play(sine(1900, 0.1))
            await skype.post(f"/calls/{number}/resume", {"by": "partner"})
            await app.heard.line(f"CALL {number} STATUS INPROGRESS", since=mark)
        del ear.reads[:]
        await until_tone(ear, 700)
        await voice.play(sine(500, 0.4))
        assert not ear.ended.is_set()
        assert not voice.ended.is_set()
        assert len(microphone.streams) == len(speaker.streams) == 1
        await app.ask(f"ALTER CALL {number} HANGUP")
        await app.status(number, "FINISHED")
    heard = await skype.get(f"/calls/{number}/heard.pcm")
    assert share_of(heard[-6400:], 500) > 0.8
    assert share_of(heard, 1900) < 0.05  # what was said meanwhile nobody heard


async def test_taking_a_second_call_holds_the_first_and_both_can_be_changed(
    join: Join, skype: Emulator
) -> None:
    app = await attached_at(join, 7)
    first = await answered(app, skype)
    second = await skype.ring("carol")
    await app.status(second, "RINGING")
    await app.ask(f"ALTER CALL {second} ANSWER")
    await app.status(second, "INPROGRESS")
    await app.status(first, "LOCALHOLD")
    found = await app.ask("SEARCH ACTIVECALLS")
    assert {str(first), str(second)} == set(re.findall(r"\d+", found))
    mark = app.heard.mark
    await app.ask(f"ALTER CALL {first} RESUME")
    await app.heard.line(f"CALL {first} STATUS INPROGRESS", since=mark)
    await app.heard.line(f"CALL {second} STATUS LOCALHOLD", since=mark)
    await app.ask(f"ALTER CALL {first} HANGUP")
    await app.status(first, "FINISHED")
    held = await app.ask(f"GET CALL {second} STATUS")
    assert held == f"CALL {second} STATUS LOCALHOLD"
    await resumed(app, second, f"ALTER CALL {second} RESUME")
    await app.ask(f"ALTER CALL {second} HANGUP")
    await app.status(second, "FINISHED")


async def test_every_application_hears_of_a_hold_in_its_own_word(
    over_dbus: Join, over_x11: Join, skype: Emulator
) -> None:
    old, new = await attached_at(over_dbus, 2), await attached_at(over_x11, 8)
    number = await answered(new, skype)
    await old.ask(f"SET CALL {number} STATUS ONHOLD")
    await new.status(number, "LOCALHOLD")
    await old.status(number, "ONHOLD")
    await new.ask(f"ALTER CALL {number} RESUME")
    await old.heard.line(f"CALL {number} STATUS INPROGRESS", times=2)
    await skype.hang_up(number)
    for app, held in ((old, "ONHOLD"), (new, "LOCALHOLD")):
        await app.status(number, "FINISHED")
        assert app.statuses(number) == [
            "RINGING",
            "INPROGRESS",
            held,
            "INPROGRESS",
            "FINISHED",
        ]


async def test_commands_in_a_burst_leave_the_call_in_one_state_for_all(
    over_dbus: Join, over_x11: Join, skype: Emulator
) -> None:
    apps = [await attached_at(over_dbus, 7), await attached_at(over_x11, 8)]
    number = await skype.ring("bob")
    for app in apps:
        await app.status(number, "RINGING")
    for app in apps:
        for verb in ("ANSWER", "HOLD", "RESUME", "HOLD", "HOLD", "RESUME", "ANSWER"):
            app.say(f"#{verb} ALTER CALL {number} {verb}")
        app.say("#end PING")
    for app in apps:
        await app.heard.line("#end PONG")
        for token, reply in (m.groups() for m in app.heard.found(r"#([A-Z]+) (.*)")):
            allowed = rf"ALTER CALL {number} {token}|ERROR (22|23|103|104|559)( .*)?"
            assert re.fullmatch(allowed, reply)
    taken = [app.heard.found(rf"#ANSWER ALTER CALL {number} ANSWER") for app in apps]
    assert len(taken[0] + taken[1]) == 1  # only one has answered
    status = (await apps[0].ask(f"GET CALL {number} STATUS")).split()[-1]
    assert status in ("INPROGRESS", "LOCALHOLD")
    for app in apps:
        await app.settles(number, status)
    await skype.hang_up(number)
    for app in apps:
        await app.status(number, "FINISHED")
    assert apps[0].statuses(number) == apps[1].statuses(number)
