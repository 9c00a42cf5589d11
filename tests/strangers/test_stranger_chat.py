"""Written messages at the emulator: chats, both kinds of objects, statuses, SEEN.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
import re

import pytest

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.application import Application
from tests.strangers.conftest import ACCOUNT, Join

GIANT = 60_000
TEXTS = [
    "Hello",
    "#1 PING",
    "CHATMESSAGE 1 STATUS SENT",
    '<b>"x"</b> & ${SHELL(id)}, \\n %41 ;\'--',
    "\u2603\U0001f600\u00e4 \u0627\u0644\u0639 \u200f\u202e \u0301",
]


@pytest.fixture
async def app(join: Join) -> Application:
    """An attached application of level 7."""
    app = await join()
    await app.attach("chats")
    return app


async def sent(app: Application, command: str, word: str = "CHATMESSAGE") -> int:
    """Write a message and wait until it is told as sent; its number."""
    mark = app.heard.mark
    reply = await app.ask(command)
    begun = re.fullmatch(rf"{word} (\d+) STATUS (SENDING|SENT)", reply)
    assert begun, reply
    await app.heard.line(rf"{word} {begun[1]} STATUS SENT", since=mark)
    return int(begun[1])


async def received(app: Application, skype: Emulator, handle: str, text: str) -> int:
    """Let somebody write; the message's number as the application was told it."""
    mark = app.heard.mark
    written = await skype.post("/messages", {"from": handle, "text": text})
    line = rf"CHATMESSAGE {written['message']} STATUS RECEIVED"
    await app.heard.line(line, since=mark)
    return int(written["message"])


async def value(app: Application, message: int, name: str, word: str = "") -> str:
    """A property of a message."""
    word = word or "CHATMESSAGE"
    reply = await app.ask(f"GET {word} {message} {name}")
    head = f"{word} {message} {name} "
    assert reply.startswith(head), reply[:200]
    return reply.removeprefix(head)


async def texts_at(skype: Emulator, handle: str) -> list[str]:
    """What was written by somebody, as the people at both ends see it."""
    every = await skype.get("/messages")
    return [message["text"] for message in every if message["from"] == handle]


async def chat_with(app: Application, handle: str) -> str:
    """Create a chat; its name."""
    mark = app.heard.mark
    reply = await app.ask(f"CHAT CREATE {handle}")
    created = re.fullmatch(r"CHAT (#\S+/\$\S*) STATUS DIALOG", reply)
    assert created, reply
    await app.heard.until(
        lambda: all(";" in m[1] for m in app.heard.found(r"CHAT (\S+) .*", mark)),
        "names of chats",
    )
    return created[1]


async def test_a_message_arrives_and_its_author_is_told_that_it_was_sent(
    app: Application, skype: Emulator
) -> None:
    for text in TEXTS:
        message = await sent(app, f"MESSAGE echo {text}")
        assert await value(app, message, "BODY") == text
        assert (await texts_at(skype, ACCOUNT))[-1] == text
    assert await value(app, message, "FROM_HANDLE") == ACCOUNT  # one's own comes back
    assert await value(app, message, "TYPE") == "SAID"
    assert await value(app, message, "STATUS") == "SENT"


async def test_a_chat_is_created_and_written_to_by_its_name(
    app: Application, skype: Emulator
) -> None:
    name = await chat_with(app, "echo")
    assert {ACCOUNT, "echo"} <= set(re.findall(r"\w+", name))
    message = await sent(app, f"CHATMESSAGE {name} Hello, by name; twice #2")
    assert await value(app, message, "CHATNAME") == name
    assert (await texts_at(skype, ACCOUNT))[-1] == "Hello, by name; twice #2"
    answer = await received(app, skype, "echo", "Hello back")
    assert await value(app, answer, "CHATNAME") == name
    for search in ("CHATS", "ACTIVECHATS", "RECENTCHATS"):
        found = await app.ask(f"SEARCH {search}")
        assert name in found.removeprefix("CHATS ").split(", "), search


async def test_a_received_message_is_fetched_and_marked_as_seen(
    app: Application, skype: Emulator
) -> None:
    for text in TEXTS:
        message = await received(app, skype, "drugdiler", text)
        assert await value(app, message, "BODY") == text
    assert await value(app, message, "TYPE") == "SAID"
    assert await value(app, message, "STATUS") == "RECEIVED"
    assert await value(app, message, "FROM_HANDLE") == "drugdiler"
    assert await value(app, message, "FROM_DISPNAME") in ("Drug Diler", "drug diler")
    missed = await app.ask("SEARCH MISSEDCHATMESSAGES")
    assert str(message) in missed.removeprefix("CHATMESSAGES ").split(", ")
    mark = app.heard.mark
    read = f"CHATMESSAGE {message} STATUS READ"
    assert await app.ask(f"SET CHATMESSAGE {message} SEEN") == read
    await app.heard.line(read, since=mark)
    assert await value(app, message, "STATUS") == "READ"
    missed = await app.ask("SEARCH MISSEDCHATMESSAGES")
    assert str(message) not in missed.removeprefix("CHATMESSAGES").split(", ")


async def test_messages_have_the_older_name_below_level_3(
    over_dbus: Join, over_x11: Join, skype: Emulator
) -> None:
    old, new = await over_x11(), await over_dbus()
    await old.attach("old one", 2)
    await new.attach("new one", 5)
    message = await sent(old, "MESSAGE echo from the old one", "MESSAGE")
    await new.heard.line(f"CHATMESSAGE {message} STATUS SENT")
    message = await received(new, skype, "echo", "to both")
    await old.heard.line(f"MESSAGE {message} STATUS RECEIVED")
    mark = new.heard.mark
    reply = await old.ask(f"SET MESSAGE {message} SEEN")
    assert re.fullmatch(rf"MESSAGE {message} (STATUS READ|SEEN( TRUE)?)", reply)
    await new.heard.line(f"CHATMESSAGE {message} STATUS READ", since=mark)
    assert not old.heard.found(r"CHAT.*")
    assert not new.heard.found(r"MESSAGE .*")


async def test_a_giant_text_is_whole_at_both_ends(
    app: Application, skype: Emulator
) -> None:
    text = ("\u2603 x " * GIANT)[:GIANT].strip()
    message = await received(app, skype, "echo", text)
    assert await value(app, message, "BODY") == text
    await sent(app, f"MESSAGE echo {text}")
    assert (await texts_at(skype, ACCOUNT))[-1] == text
    assert await app.ask("PING") == "PONG"


async def test_many_messages_at_once_are_each_told_and_none_is_mixed_up(
    app: Application, skype: Emulator
) -> None:
    count = 40
    mark = app.heard.mark
    for number in range(count):
        app.say(f"#out{number} MESSAGE echo out {number}")
    await asyncio.gather(
        *(
            skype.post("/messages", {"from": "echo", "text": f"in {number}"})
            for number in range(count)
        )
    )
    received = r"CHATMESSAGE (\d+) STATUS RECEIVED"
    await app.heard.line(received, since=mark, times=count)
    await app.heard.until(
        lambda: (
            len({m[1] for m in app.heard.found(r"CHATMESSAGE (\d+) STATUS SENT")})
            >= count
        ),
        "messages that were sent",
    )
    begun = app.heard.found(r"#out(\d+) CHATMESSAGE (\d+) STATUS \w+", mark)
    assert [int(m[1]) for m in begun] == list(range(count))
    arrived = {int(m[1]) for m in app.heard.found(received, mark)}
    assert len(arrived | {int(m[2]) for m in begun}) == 2 * count
    for m in begun[::13]:
        assert await value(app, int(m[2]), "BODY") == f"out {m[1]}"
    bodies = [await value(app, number, "BODY") for number in arrived]
    assert sorted(bodies) == sorted(f"in {number}" for number in range(count))


async def test_every_application_is_told_of_a_message_but_one_without_permission(
    over_dbus: Join, over_x11: Join, skype: Emulator
) -> None:
    writer, reader, stranger = await over_x11(), await over_dbus(), await over_dbus()
    await writer.attach("writer")
    await reader.attach("reader")
    message = await sent(writer, "MESSAGE echo for all to see")
    await reader.heard.line(f"CHATMESSAGE {message} STATUS SENT")
    message = await received(writer, skype, "echo", "for all to read")
    await reader.heard.line(f"CHATMESSAGE {message} STATUS RECEIVED")
    assert await stranger.ask(f"GET CHATMESSAGE {message} BODY") == "ERROR 68"
    assert await stranger.ask("MESSAGE echo unseen") == "ERROR 68"
    assert len(stranger.heard.lines) == 2
    assert "unseen" not in await texts_at(skype, ACCOUNT)


async def test_members_who_are_added_are_answered_without_the_chats_name(
    app: Application,
) -> None:
    name = await chat_with(app, "echo")
    reply = await app.ask(f"ALTER CHAT {name} ADDMEMBERS advokat")
    assert reply == "ALTER CHAT ADDMEMBERS"


async def test_what_cannot_be_written_or_found_is_an_error(app: Application) -> None:
    for command, numbers in (
        ("MESSAGE", "4|8|26|34|43|70"),
        ("MESSAGE echo", "43"),
        ("MESSAGE no-such-user hello", "8|9|26|34|70"),
        ("CHAT CREATE no-such-user", r"8|9|26|34|70|5\d\d"),
        ("CHATMESSAGE #nobody/$here;1 hello", r"105|5\d\d"),
        ("GET CHATMESSAGE 999999 BODY", "14|15"),
        ("GET CHATMESSAGE x BODY", "14|15"),
        ("SET CHATMESSAGE 999999 SEEN", "30|31"),
        ("SET MESSAGE 999999 SEEN", "30|31"),
        ("GET CHAT #nobody/$here;1 STATUS", r"105|5\d\d"),
    ):
        reply = await app.ask(command)
        assert re.fullmatch(rf"ERROR ({numbers})( .*)?", reply), (command, reply)
