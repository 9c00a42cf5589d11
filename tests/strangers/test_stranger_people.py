"""People at the emulator: contact requests, presence, the profile, voicemail.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import re

import pytest

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.application import Application
from tests.strangers.conftest import Join
from tests.strangers.steps import attached_at


@pytest.fixture
async def app(join: Join) -> Application:
    """An attached application of level 7."""
    return await attached_at(join, 7)


async def wants_in(skype: Emulator, app: Application, handle: str, text: str) -> int:
    """Let somebody ask to be a contact; the place in what was heard before it."""
    mark = app.heard.mark
    await skype.post("/contact_requests", {"from": handle, "text": text})
    line = re.escape(f"USER {handle} RECEIVEDAUTHREQUEST {text}")
    await app.heard.line(line, since=mark, times=2)
    return mark


async def waiting(app: Application) -> set[str]:
    """Who waits for an answer to a contact request."""
    found = await app.ask("SEARCH USERSWAITINGMYAUTHORIZATION")
    assert found.startswith("USERS")
    return set(found.removeprefix("USERS ").split(", ")) - {"", "USERS"}


async def friends(app: Application) -> list[str]:
    """Who is a contact."""
    return (await app.ask("SEARCH FRIENDS")).removeprefix("USERS ").split(", ")


async def user(app: Application, handle: str, name: str) -> str:
    """A property of somebody."""
    reply = await app.ask(f"GET USER {handle} {name}")
    head = f"USER {handle} {name}"
    assert reply.startswith(head), reply
    return reply.removeprefix(head).removeprefix(" ")


async def test_a_contact_request_waits_until_it_is_accepted(
    app: Application, skype: Emulator, request: pytest.FixtureRequest
) -> None:
    handle = f"wants.{request.node.callspec.id}"
    text = "Please \u2603, let me in; #1 SET USER x"
    mark = await wants_in(skype, app, handle, text)
    assert await user(app, handle, "RECEIVEDAUTHREQUEST") == text
    assert await user(app, handle, "ISAUTHORIZED") == "FALSE"
    assert await user(app, handle, "BUDDYSTATUS") in ("0", "2")
    assert handle in await waiting(app)
    assert not app.heard.found(rf"USER {handle} ISAUTHORIZED TRUE", mark)
    accepted = f"USER {handle} ISAUTHORIZED TRUE"
    assert await app.ask(f"SET USER {handle} ISAUTHORIZED TRUE") == accepted
    for line in (
        "RECEIVEDAUTHREQUEST ?",
        "ISAUTHORIZED TRUE",
        "ISBLOCKED FALSE",
        "BUDDYSTATUS 3",
        r"ONLINESTATUS \w+",
    ):
        await app.heard.line(f"USER {handle} {line}", since=mark)
    assert handle not in await waiting(app)
    assert await user(app, handle, "RECEIVEDAUTHREQUEST") == ""
    assert await user(app, handle, "BUDDYSTATUS") == "3"
    assert handle in (await app.ask("SEARCH FRIENDS")).removeprefix("USERS ").split(
        ", "
    )


async def test_a_contact_request_is_refused(
    app: Application, skype: Emulator, request: pytest.FixtureRequest
) -> None:
    handle = f"refused.{request.node.callspec.id}"
    mark = await wants_in(skype, app, handle, "me too")
    refused = f"USER {handle} ISAUTHORIZED FALSE"
    assert await app.ask(f"SET USER {handle} ISAUTHORIZED FALSE") == refused
    assert handle not in await waiting(app)
    assert await user(app, handle, "BUDDYSTATUS") in ("0", "1", "2")
    assert not app.heard.found(
        rf"USER {handle} (ISAUTHORIZED TRUE|BUDDYSTATUS 3)", mark
    )
    friends = (await app.ask("SEARCH FRIENDS")).removeprefix("USERS ").split(", ")
    assert handle not in friends


async def test_presence_of_a_contact_is_told_when_it_changes(
    app: Application, skype: Emulator
) -> None:
    try:
        for status in ("AWAY", "OFFLINE", "ONLINE"):
            mark = app.heard.mark
            await skype.put("/contacts/tone", {"online": status})
            await app.heard.line(f"USER tone ONLINESTATUS {status}", since=mark)
            assert await user(app, "tone", "ONLINESTATUS") == status
    finally:
        await skype.put("/contacts/tone", {"online": "ONLINE"})


async def test_properties_of_people_have_the_shape_they_are_known_by(
    over_dbus: Join,
) -> None:
    app = await attached_at(over_dbus, 7)
    truth = "(TRUE|FALSE)"
    wrong = []
    for name, pattern in (
        ("HANDLE", "echo123"),
        ("FULLNAME", ".+"),
        ("DISPLAYNAME", ".*"),
        ("BIRTHDAY", r"\d{8}|0?"),
        ("SEX", "MALE|FEMALE|UNKNOWN|"),
        ("LANGUAGE", r"(\w+ .+)?"),
        ("COUNTRY", r"(\w+ .+)?"),
        ("HASCALLEQUIPMENT", truth),
        ("IS_VIDEO_CAPABLE", truth),
        ("IS_VOICEMAIL_CAPABLE", truth),
        ("CAN_LEAVE_VM", truth),
        ("BUDDYSTATUS", "[0-3]"),
        ("ISAUTHORIZED", truth),
        ("ISBLOCKED", truth),
        ("LASTONLINETIMESTAMP", r"\d*"),
        ("MOOD_TEXT", ".*"),
        ("RICH_MOOD_TEXT", ".*"),
        ("TIMEZONE", r"\d+"),
        ("NROF_AUTHED_BUDDIES", r"\d+"),
        ("IS_CF_ACTIVE", truth),
        ("ALIASES", ".*"),
        ("SPEEDDIAL", ".*"),
        ("RECEIVEDAUTHREQUEST", ""),
    ):
        value = await user(app, "echo123", name)
        if not re.fullmatch(pattern, value):
            wrong.append((name, value))
    assert wrong == []
    reply = await app.ask("GET USER echo123 NONSENSE")
    assert re.fullmatch("ERROR (10|13|16)( .*)?", reply)
    reply = await app.ask("GET USER")
    assert re.fullmatch(r"ERROR (7|8|9|26|34|70)( .*)?", reply)


async def test_the_balance_and_the_rest_of_the_profile_are_told(
    app: Application,
) -> None:
    reply = await app.ask("GET PROFILE PSTN_BALANCE")
    assert reply[21:].isdecimal()  # as skypopen cuts it
    wrong = []
    for name, pattern in (
        ("PSTN_BALANCE_CURRENCY", "[A-Z]{3}"),
        ("FULLNAME", ".*"),
        ("CALL_FORWARD_RULES", ".*"),
        ("CALL_NOANSWER_TIMEOUT", r"\d+"),
        ("CALL_APPLY_CF", "TRUE|FALSE"),
        ("CALL_SEND_TO_VM", "TRUE|FALSE"),
        ("MOOD_TEXT", ".*"),
        ("TIMEZONE", r"\d+"),
        ("IPCOUNTRY", "[a-z]{2}"),
    ):
        reply = await app.ask(f"GET PROFILE {name}")
        if not re.fullmatch(f"PROFILE {name} ({pattern})", reply):
            wrong.append(reply)
    assert wrong == []
    reply = await app.ask("GET PROFILE NONSENSE")
    assert re.fullmatch(r"ERROR (7|10|13|16|55[23])( .*)?", reply)
    mark = app.heard.mark
    mood = "PROFILE MOOD_TEXT \u2603 out for lunch"
    assert await app.ask(f"SET {mood}") == mood
    await app.heard.line(mood, since=mark)
    assert await app.ask("GET PROFILE MOOD_TEXT") == mood
    await app.ask("SET PROFILE MOOD_TEXT ")


# Voicemail


def statuses(app: Application, kind: str, number: int | str, mark: int) -> list[str]:
    """The statuses of an object as told since a place, repetitions left out."""
    words = [m[1] for m in app.heard.found(rf"{kind} {number} STATUS (\w+)", mark)]
    return [word for at, word in enumerate(words) if word not in words[at - 1 : at]]


async def test_leaving_a_voicemail_tells_each_step_of_message_and_call(
    over_dbus: Join, over_x11: Join, skype: Emulator
) -> None:
    app, other = await attached_at(over_x11, 7), await attached_at(over_dbus, 7)
    mark = app.heard.mark
    reply = await app.ask("VOICEMAIL tone")
    left = re.fullmatch(r"VOICEMAIL (\d+) STATUS BLANK", reply)
    assert left, reply
    message = left[1]
    number = int((await app.heard.line(r"CALL (\d+) STATUS ROUTING"))[1])
    await app.status(number, "VM_RECORDING", seconds=15)
    await app.heard.line(f"CALL {number} VM_DURATION 1", since=mark)
    await app.ask(f"ALTER CALL {number} HANGUP")
    for each in (app, other):
        await each.status(number, "VM_SENT")
        await each.heard.line(f"VOICEMAIL {message} STATUS UPLOADED")
        assert statuses(each, "CALL", number, 0)[-4:] == [
            "VM_PLAYING_GREETING",
            "VM_RECORDING",
            "VM_UPLOADING",
            "VM_SENT",
        ]
        told = statuses(each, "VOICEMAIL", message, 0)
        assert told[-3:] == ["RECORDING", "UPLOADING", "UPLOADED"]
        for name, pattern in (
            ("TYPE", "OUTGOING"),
            ("PARTNER_HANDLE", "tone"),
            ("ALLOWED_DURATION", r"\d+"),
            ("DURATION", "[1-9]"),
        ):
            value = await each.ask(f"GET VOICEMAIL {message} {name}")
            assert re.fullmatch(f"VOICEMAIL {message} {name} ({pattern})", value)
    found = await app.ask("SEARCH VOICEMAILS")
    assert message in found.removeprefix("VOICEMAILS ").split(", ")
    delete = f"ALTER VOICEMAIL {message} DELETE"
    assert await app.ask(delete) == delete
    await other.heard.line(f"VOICEMAIL {message} STATUS DELETING")


async def test_a_callee_whose_voicemail_answers_never_is_in_progress(
    over_dbus: Join, over_x11: Join
) -> None:
    app, old = await attached_at(over_dbus, 7), await attached_at(over_x11, 2)
    number = await app.call("voicemail")
    await app.status(number, "VM_PLAYING_GREETING")
    allowed = await app.heard.line(rf"CALL {number} VM_ALLOWED_DURATION (\d+)")
    assert int(allowed[1]) > 0
    await app.heard.line(f"CALL {number} VM_DURATION 0")
    mark = app.heard.mark
    await app.ask(f"ALTER CALL {number} HANGUP")
    over = rf"CALL {number} STATUS (VM_CANCELLED|VM_SENT|VM_FAILED|CANCELLED|FINISHED)"
    await app.heard.line(over, since=mark)
    assert "INPROGRESS" not in app.statuses(number)
    assert (await old.ask("SEARCH ACTIVECALLS")).rstrip() == "CALLS"


async def test_what_is_no_voicemail_is_an_error(over_x11: Join) -> None:
    app = await attached_at(over_x11, 7)
    for command, numbers in (
        ("VOICEMAIL no-such-user", r"8|9|26|34|70|92|110|5\d\d"),
        ("VOICEMAIL", r"4|8|9|26|34|70|92|110|5\d\d"),
        ("GET VOICEMAIL 999999 STATUS", r"7|528|529|51[2-4]|53\d"),
        ("ALTER VOICEMAIL 999999 DELETE", r"51[2-4]|52\d|53\d"),
        ("ALTER VOICEMAIL", r"51[2-4]|52\d|53\d"),
    ):
        reply = await app.ask(command)
        assert re.fullmatch(rf"ERROR ({numbers})( .*)?", reply), (command, reply)
