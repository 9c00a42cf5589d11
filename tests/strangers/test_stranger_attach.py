"""Attaching: order, permission, a user who is not there; what each command gets back.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.conftest import ACCOUNT, Join

# Errors whose texts were seen verbatim; others are known by their number.
REPLIES = [
    ("PING", "PONG"),
    ("GET CURRENTUSERHANDLE", f"CURRENTUSERHANDLE {ACCOUNT}"),
    ("GET USERSTATUS", "USERSTATUS ONLINE"),
    ("GET SKYPEVERSION", r"SKYPEVERSION \d+\.\d+\.\d+\.\d+"),
    ("GET CONNSTATUS", "CONNSTATUS ONLINE"),
    ("SEARCH ACTIVECALLS", "CALLS ?"),
    ("SEARCH MISSEDCALLS", r"CALLS ?.*"),
    ("SEARCH FRIENDS", r"USERS \w+(, \w+)*"),
    ("GET USER echo123 FULLNAME", "USER echo123 FULLNAME .+"),
    ("GET USER echo123 BUDDYSTATUS", "USER echo123 BUDDYSTATUS 3"),
    ("GET USER echo123 ONLINESTATUS", "USER echo123 ONLINESTATUS ONLINE"),
    ("GET PROFILE PSTN_BALANCE", r"PROFILE PSTN_BALANCE \d+"),
    ("GET PROFILE PSTN_BALANCE_CURRENCY", r"PROFILE PSTN_BALANCE_CURRENCY [A-Z]*"),
    ("GET PRIVILEGE SKYPEOUT", "PRIVILEGE SKYPEOUT (TRUE|FALSE)"),
    ("SET USERSTATUS ONLINE", "USERSTATUS ONLINE"),
    ("SET AUTOAWAY OFF", "AUTOAWAY OFF"),
    ("SET WINDOWSTATE HIDDEN", "WINDOWSTATE HIDDEN"),
    ("SET AGC OFF", "AGC OFF"),
    ("SET AEC OFF", "AEC OFF"),
    ("MINIMIZE", "OK"),
    ("FOCUS", "OK"),
    ("SET CALL STATUS FINISHED", "ERROR 19 Invalid call id"),
    ("CALL no-such-user-at-all", "ERROR 92 CALL: Unrecognised identity"),
    ("CALL 12125551212", "ERROR 92 CALL: Unrecognised identity"),
    ("GET CALL 99999 STATUS", "ERROR 12 Unknown call"),
    ("FROBNICATE 7", "ERROR 2 Unknown command"),
    ("GET NONSENSE", r"ERROR 7 .*"),
    ("SEARCH NONSENSE", r"ERROR 3 .*"),
    ("SET NONSENSE ON", "ERROR 18 SET: invalid WHAT"),
    ("SET CALL 99999 STATUS FINISHED", r"ERROR 20 .*"),
    ("ALTER CALL 99999 HANGUP", r"ERROR 556 CALL: Invalid call ID given"),
    ("ALTER CALL", r"ERROR 555.*"),
    ("ALTER", r"ERROR 526.*"),
    ("ALTER NONSENSE 1 X", r"ERROR 527.*"),
]
GARBAGE = [
    "",
    " ",
    "#",
    "#1",
    "# PING",
    "CALL",
    "CALL ,",
    "CALL  ,  , ",
    "SET",
    "GET",
    "GET CALL",
    "GET CALL x STATUS",
    "GET CALL -1 STATUS",
    "GET CALL 99999999999999999999999999 STATUS",
    "SET CALL \u0664 STATUS FINISHED",
    "ALTER CALL x ANSWER",
    "PROTOCOL",
    "PROTOCOL eleven",
    "PROTOCOL -1",
    "SEARCH",
    "\u2603" * 300,
    "X" * 100_000,
    "GET USER " + "u" * 5000 + " FULLNAME",
    'ALTER CALL 1 SET_INPUT PORT="',
    "a\nb\r\nc",
    "\ud7ff\U0010ffff",
]


async def test_three_lines_follow_the_protocol_reply_in_their_order(
    join: Join,
) -> None:
    app = await join()
    app.say("NAME order")
    await app.heard.line("OK")
    app.say("PROTOCOL 7")
    await app.heard.line("USERSTATUS .*")
    wanted = [
        "OK",
        "PROTOCOL 7",
        "CONNSTATUS ONLINE",
        f"CURRENTUSERHANDLE {ACCOUNT}",
        "USERSTATUS ONLINE",
    ]
    assert app.heard.lines == wanted


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (5, 5), (7, 7), (999, 8)])
async def test_protocol_is_the_lesser_of_asked_and_known(
    join: Join, asked: int, given: int
) -> None:
    app = await join()
    assert await app.ask("NAME level") == "OK"
    assert await app.ask(f"PROTOCOL {asked}") == f"PROTOCOL {given}"


async def test_before_a_name_every_command_is_refused(join: Join) -> None:
    app = await join()
    for command in ("PING", "PROTOCOL 7", "GET USERSTATUS", "CALL echo123"):
        assert re.fullmatch("ERROR 68( .*)?", await app.ask(command)), command


async def test_a_user_who_refuses_gives_error_68(skype: Emulator, join: Join) -> None:
    await skype.post("/authorise", {"mode": "no"})
    app = await join()
    assert await app.answer_to("NAME unwanted", "ERROR.*") == "ERROR 68"
    assert await app.answer_to("PROTOCOL 7", "ERROR.*") == "ERROR 68"


async def test_a_name_waits_for_the_user_and_other_commands_are_refused_meanwhile(
    skype: Emulator, join: Join
) -> None:
    await skype.post("/authorise", {"mode": "ask"})
    app = await join()
    app.say("NAME patient")
    assert await app.answer_to("PROTOCOL 7", "ERROR.*") == "ERROR 68"
    assert app.heard.lines == ["ERROR 68"]
    await skype.post("/applications", {"allowed": True})
    await app.heard.line("OK")
    mark = app.say("PROTOCOL 7")
    await app.heard.line("USERSTATUS .*", since=mark)
    assert app.heard.lines[mark] == "PROTOCOL 7"


async def test_a_prompt_that_is_denied_ends_in_error_68(
    skype: Emulator, join: Join
) -> None:
    await skype.post("/authorise", {"mode": "ask"})
    app = await join()
    mark = app.say("NAME denied")
    assert await app.ask("PING") == "ERROR 68"
    await skype.post("/applications", {"allowed": False})
    await app.heard.line("ERROR 68", since=mark)


async def test_with_nobody_signed_in_a_name_gets_connstatus_offline_and_no_more(
    skype: Emulator, join: Join
) -> None:
    await skype.post("/account", {"signed_in": False})
    try:
        app = await join()
        assert await app.answer_to("NAME early", ".*") == "CONNSTATUS OFFLINE"
        assert await app.ask("NAME early") == "CONNSTATUS OFFLINE"
        before = list(app.heard.lines)
    finally:
        await skype.post("/account", {"signed_in": True})
    later = await join()
    await later.attach("later")
    assert app.heard.lines == before  # it has to ask again
    await app.attach("early")


async def test_each_command_gets_the_documented_reply(join: Join) -> None:
    app = await join()
    await app.attach("replies")
    wrong = []
    for command, pattern in REPLIES:
        reply = await app.ask(command)
        if not re.fullmatch(pattern, reply):
            wrong.append(f"{command} -> {reply!r}, not {pattern!r}")
    assert wrong == []


@pytest.mark.parametrize(
    ("command", "number"), [("SEARCH MISSEDCALLS bob", 6), ("SEARCH FRIENDS bob", 67)]
)
async def test_searches_that_allow_no_target_refuse_one(
    over_dbus: Join, command: str, number: int
) -> None:
    app = await over_dbus()
    await app.attach("searcher")
    assert re.fullmatch(f"ERROR {number}( .*)?", await app.ask(command))


async def test_without_a_token_the_reply_has_none(join: Join) -> None:
    app = await join()
    await app.attach("bare")
    for command, pattern in REPLIES[:8]:
        assert not (await app.answer_to(command, pattern)).startswith("#")


@pytest.mark.parametrize("token", ["#0", "#output", "#a-b_c.d", "#4711", "#\u00e4"])
async def test_any_token_comes_back_as_it_was(join: Join, token: str) -> None:
    app = await join()
    await app.attach("token")
    assert await app.ask("PING", token=token) == "PONG"
    assert await app.ask("FROBNICATE", token=token) == "ERROR 2 Unknown command"


async def test_what_is_set_is_told_again_as_a_notification(join: Join) -> None:
    app = await join()
    await app.attach("setter")
    mark = app.heard.mark
    assert await app.ask("SET USERSTATUS AWAY") == "USERSTATUS AWAY"
    try:
        await app.heard.line("USERSTATUS AWAY", since=mark)
    finally:
        await app.ask("SET USERSTATUS ONLINE")


async def test_every_application_hears_a_change(join: Join) -> None:
    apps = [await join() for _ in range(3)]
    for number, app in enumerate(apps):
        await app.attach(f"one of {number}")
    marks = [app.heard.mark for app in apps]
    await apps[0].ask("SET USERSTATUS DND")
    try:
        for app, mark in zip(apps, marks, strict=True):
            await app.heard.line("USERSTATUS DND", since=mark)
    finally:
        await apps[0].ask("SET USERSTATUS ONLINE")


async def test_an_application_without_permission_hears_nothing(
    skype: Emulator, join: Join
) -> None:
    stranger, app = await join(), await join()
    assert await stranger.ask("PING") == "ERROR 68"
    await app.attach("permitted")
    await app.ask("SET USERSTATUS NA")
    await app.ask("SET USERSTATUS ONLINE")
    number = await skype.ring("bob")
    await app.status(number, "RINGING")
    assert stranger.heard.lines == ["#1 ERROR 68"]


async def test_levels_and_permissions_are_each_applications_own(
    skype: Emulator, join: Join
) -> None:
    old, new, later = await join(), await join(), await join()
    await old.attach("old one", 2)
    await new.attach("new one", 999)
    assert await later.ask("PING") == "ERROR 68"
    number = await skype.ring("bob")
    await new.status(number, "RINGING")
    assert await new.ask(f"ALTER CALL {number} ANSWER") == f"ALTER CALL {number} ANSWER"
    await new.status(number, "INPROGRESS")
    await new.ask(f"ALTER CALL {number} HOLD")
    await new.status(number, "LOCALHOLD")
    await old.status(number, "ONHOLD")


@pytest.mark.parametrize("attached", [True, False])
async def test_garbage_harms_nobody(join: Join, attached: bool) -> None:
    app, other = await join(), await join()
    await other.attach("bystander")
    if attached:
        await app.attach("garbage")
    for text in GARBAGE:
        app.say(text)
    if attached:
        assert await app.ask("PING", token="#end") == "PONG"
    else:
        assert await app.ask("PING", token="#end") == "ERROR 68"
    assert await other.ask("PING") == "PONG"
    assert not [line for line in app.heard.lines if "Traceback" in line]


async def test_commands_in_a_row_are_answered_in_their_order(join: Join) -> None:
    app = await join()
    await app.attach("hasty")
    mark = app.heard.mark
    for number in range(100):
        app.say(f"#{number} PING")
    await app.heard.line("#99 PONG", since=mark)
    replies = app.heard.found(r"#(\d+) PONG", mark)
    assert [int(reply[1]) for reply in replies] == list(range(100))


async def test_two_applications_that_talk_at_once_each_get_their_own(
    join: Join,
) -> None:
    apps = [await join() for _ in range(4)]
    for number, app in enumerate(apps):
        await app.attach(f"crowd {number}")

    async def talk(number: int) -> None:
        for turn in range(25):
            token = f"#{number}.{turn}"
            reply = await apps[number].ask("GET USERSTATUS", token=token)
            assert reply == "USERSTATUS ONLINE"

    await asyncio.gather(*map(talk, range(4)))
    for number, app in enumerate(apps):
        theirs = app.heard.found(r"#(\d)\.\d+ .*")
        assert {int(reply[1]) for reply in theirs} == {number}
