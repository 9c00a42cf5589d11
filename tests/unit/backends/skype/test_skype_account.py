"""What a line does besides calls: messages, contacts, money, settings, raw commands."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

import pytest

from skypechan.backends.base import (
    Charging,
    Conferencing,
    ContactRequest,
    Contacts,
    LineState,
    Message,
    Messaging,
    Money,
    Presence,
    Raw,
    Tracing,
)
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.errors import CallError, CommandError, LinkDownError
from skypechan.log import trace, wire_log
from tests.doubles.clock import FakeClock, settle
from tests.doubles.line_observer import RecordingObserver
from tests.doubles.scripted_client import ScriptedClient, ScriptedDesktop

# Messages.

FROM_BOB = {
    "GET CHATMESSAGE 4 TYPE": "CHATMESSAGE 4 TYPE SAID",
    "GET CHATMESSAGE 4 FROM_HANDLE": "CHATMESSAGE 4 FROM_HANDLE bob",
    "GET CHATMESSAGE 4 FROM_DISPNAME": "CHATMESSAGE 4 FROM_DISPNAME Bob Day",
    "GET CHATMESSAGE 4 BODY": "CHATMESSAGE 4 BODY are you there?",
    "GET CHATMESSAGE 4 CHATNAME": "CHATMESSAGE 4 CHATNAME #bob/$alice;1",
    "SET CHATMESSAGE 4 SEEN": "CHATMESSAGE 4 STATUS READ",
}
SEEN = "SET CHATMESSAGE 4 SEEN"


@pytest.fixture
def received(bench):
    messages = []
    bench.backend.on_message = messages.append
    return messages


async def test_message_is_fetched_reported_once_and_marked_as_seen(bench, received):
    client = await bench.ready()
    client.answers |= FROM_BOB
    arrived = "CHATMESSAGE 4 STATUS RECEIVED"
    await bench.say(client, arrived, arrived)
    await bench.say(client, arrived, "CHATMESSAGE 4 STATUS READ")
    assert received == [
        Message("bob", "Bob Day", "are you there?", "#bob/$alice;1", "4")
    ]
    assert client.count(SEEN) == 1


@pytest.mark.parametrize(
    "odd",
    [
        {"GET CHATMESSAGE 4 FROM_HANDLE": "CHATMESSAGE 4 FROM_HANDLE Alice"},
        {"GET CHATMESSAGE 4 TYPE": "CHATMESSAGE 4 TYPE ADDEDMEMBERS"},
        {"GET CHATMESSAGE 4 BODY": "ERROR 15 Unknown message"},
        {"GET CHATMESSAGE 4 BODY": "CHATMESSAGE 5 BODY another one's"},
    ],
)
async def test_what_nobody_wrote_to_us_is_no_message(bench, received, odd):
    client = await bench.ready()
    client.answers |= FROM_BOB | odd
    await bench.say(client, "CHATMESSAGE 4 STATUS RECEIVED")
    assert received == []
    assert client.count(SEEN) == 1


BODY = "GET CHATMESSAGE 4 BODY"


async def test_message_with_a_lost_reply_is_asked_for_once_more(bench, received):
    client = await bench.ready()
    client.answers |= FROM_BOB | {BODY: None}
    await bench.say(client, "CHATMESSAGE 4 STATUS RECEIVED")
    client.answers |= FROM_BOB
    await bench.clock.advance(6)
    assert [message.text for message in received] == ["are you there?"]
    assert client.count(SEEN) == 1


async def test_message_that_is_not_told_stays_unread_and_can_come_again(
    bench, received
):
    client = await bench.ready()
    client.answers |= FROM_BOB | {BODY: None}
    await bench.say(client, "CHATMESSAGE 4 STATUS RECEIVED")
    await bench.clock.advance(30)
    assert received == []
    assert client.count(BODY) == 2
    assert client.count(SEEN) == 0
    client.answers |= FROM_BOB
    await bench.say(client, "CHATMESSAGE 4 STATUS RECEIVED")
    assert [message.text for message in received] == ["are you there?"]


async def test_messages_are_reported_in_the_order_they_came(bench, received):
    client = await bench.ready()
    later = {
        ask.replace(" 4 ", " 5 "): told.replace(" 4 ", " 5 ")
        for ask, told in FROM_BOB.items()
    }
    client.answers |= FROM_BOB | later | {BODY: None}
    await bench.say(
        client, "CHATMESSAGE 4 STATUS RECEIVED", "CHATMESSAGE 5 STATUS RECEIVED"
    )
    client.answer(BODY, FROM_BOB[BODY])
    await settle()
    assert [message.message_id for message in received] == ["4", "5"]


async def test_message_of_an_old_protocol_level_is_reported_too(bench, received):
    client = await bench.ready()
    client.answers |= {
        "GET MESSAGE 4 TYPE": "MESSAGE 4 TYPE TEXT",
        "GET MESSAGE 4 PARTNER_HANDLE": "MESSAGE 4 PARTNER_HANDLE bob",
        "GET MESSAGE 4 PARTNER_DISPNAME": "MESSAGE 4 PARTNER_DISPNAME ",
        "GET MESSAGE 4 BODY": "MESSAGE 4 BODY hi",
    }
    await bench.say(client, "MESSAGE 4 STATUS RECEIVED")
    assert received == [Message("bob", "bob", "hi", "", "4")]
    assert client.count("SET MESSAGE 4 SEEN") == 1


async def test_messages_can_be_ignored_but_are_marked_as_seen(run_line):
    async with run_line(SkypeSettings(messages="ignore")) as bench:
        client = await bench.ready()
        await bench.say(client, "CHATMESSAGE 4 STATUS RECEIVED")
        assert client.count(SEEN) == 1
        assert not any(line.startswith("GET CHATMESSAGE") for line in client.heard)


async def test_flood_of_messages_is_bounded(bench):
    client = await bench.ready()
    for number in range(10_000):
        client.say(f"CHATMESSAGE {number} STATUS RECEIVED")
    work = bench.backend._service.mailbox._work
    assert work.dropped > 9_000
    assert len(work._waiting) <= 256
    await settle()
    asked = {line.split()[2] for line in client.heard if "GET CHATMESSAGE" in line}
    assert len(asked) == 1


async def test_missed_messages_are_read_when_we_come(bench, received):
    answers = FROM_BOB | {
        "SEARCH USERSWAITINGMYAUTHORIZATION": "USERS ",
        "SEARCH MISSEDCHATMESSAGES": "CHATMESSAGES 4",
        "SET WINDOWSTATE HIDDEN": "WINDOWSTATE HIDDEN",
        "SET USERSTATUS ONLINE": "USERSTATUS ONLINE",
    }
    await bench.start(ScriptedClient(**answers))
    await settle()
    await settle()
    assert [message.text for message in received] == ["are you there?"]


async def test_message_is_sent_in_one_line_and_has_a_number(bench):
    client = await bench.ready()
    client.answers["MESSAGE bob two lines"] = "CHATMESSAGE 9 STATUS SENDING"
    assert isinstance(bench.backend, Messaging)
    assert await bench.backend.send_message("bob", "two\nlines") == "9"


@pytest.mark.parametrize("reply", ["ERROR 26 invalid user handle", "PONG"])
async def test_refused_message_raises(bench, reply):
    client = await bench.ready()
    client.answers["MESSAGE bob hi"] = reply
    with pytest.raises(CallError):
        await bench.backend.send_message("bob", "hi")
    with pytest.raises(CallError):
        await bench.backend.send_message("two words\0", "hi")


# Contacts.

REQUEST = "USER bob RECEIVEDAUTHREQUEST Please allow me"
ACCEPT, REFUSE = "SET USER bob ISAUTHORIZED TRUE", "SET USER bob ISAUTHORIZED FALSE"


async def test_contact_request_is_put_to_the_operator_once(bench):
    requests = []
    bench.backend.on_contact_request = requests.append
    client = await bench.ready()
    await bench.say(client, REQUEST, REQUEST, "USER bob ISAUTHORIZED FALSE")
    assert requests == [ContactRequest("bob", "Please allow me")]
    assert client.count(ACCEPT) == client.count(REFUSE) == 0
    await bench.say(client, "USER bob RECEIVEDAUTHREQUEST ", REQUEST)
    assert len(requests) == 2


async def test_contact_request_that_is_withdrawn_at_once_is_not_told(bench):
    requests = []
    bench.backend.on_contact_request = requests.append
    client = await bench.ready()
    await bench.say(client, REQUEST, "USER bob RECEIVEDAUTHREQUEST ")
    assert requests == []
    await bench.say(client, REQUEST)
    assert requests == [ContactRequest("bob", "Please allow me")]


@pytest.mark.parametrize("word", ["RECEIVEDAUTHREQUEST ", "ISAUTHORIZED TRUE"])
async def test_an_answer_that_a_person_gave_at_the_client_is_told(bench, word):
    answered = []
    bench.backend.on_contact_answered = answered.append
    client = await bench.ready()
    await bench.say(client, REQUEST, "USER bob ISAUTHORIZED FALSE")
    assert answered == []
    await bench.say(client, f"USER bob {word}")
    assert answered == ["bob"]


async def test_contact_request_is_refused_or_accepted_by_name(run_line):
    settings = SkypeSettings(contact_requests="refuse", contacts_allowed=("Bob",))
    async with run_line(settings) as bench:
        client = await bench.ready()
        client.answers[ACCEPT] = "USER bob ISAUTHORIZED TRUE"
        await bench.say(client, REQUEST, "USER eve RECEIVEDAUTHREQUEST me too")
        assert client.count(ACCEPT) == 1
        assert client.count("SET USER eve ISAUTHORIZED FALSE") == 1


async def test_operator_decides(bench):
    client = await bench.ready()
    client.answers[ACCEPT] = "USER bob ISAUTHORIZED TRUE"
    client.answers[REFUSE] = "ERROR 9 Unknown user"
    assert isinstance(bench.backend, Contacts)
    await bench.backend.decide_contact("bob", accept=True)
    with pytest.raises(CommandError):
        await bench.backend.decide_contact("bob", accept=False)


@pytest.mark.parametrize(
    ("word", "presence"),
    [
        ("ONLINE", Presence.ONLINE),
        ("DND", Presence.BUSY),
        ("NA", Presence.AWAY),
        ("OFFLINE", Presence.OFFLINE),
        ("DREAMING", Presence.UNKNOWN),
    ],
)
async def test_presence_is_asked_for(bench, word, presence):
    client = await bench.ready()
    client.answers["GET USER bob ONLINESTATUS"] = f"USER bob ONLINESTATUS {word}"
    assert await bench.backend.presence("bob") is presence


async def test_directory_is_searched_and_the_find_is_bounded(bench):
    client = await bench.ready()
    client.answers["SEARCH USERS bob"] = "USERS bob, bobby"
    assert await bench.backend.find("bob") == ("bob", "bobby")
    everybody = ", ".join(f"bob{number}" for number in range(1_000))
    client.answers["SEARCH USERS bob"] = f"USERS {everybody}"
    assert len(await bench.backend.find("bob")) == 100
    client.answers["SEARCH USERS bob"] = "ERROR 4 Empty target not allowed"
    with pytest.raises(CommandError):
        await bench.backend.find("bob")


# Money, raw commands.


async def test_balance_is_an_amount_with_a_currency(bench):
    client = await bench.ready()
    client.answers |= {
        "GET PROFILE PSTN_BALANCE": "PROFILE PSTN_BALANCE 1234",
        "GET PROFILE PSTN_BALANCE_CURRENCY": "PROFILE PSTN_BALANCE_CURRENCY EUR",
    }
    assert isinstance(bench.backend, Charging)
    assert await bench.backend.balance() == Money(Decimal("12.34"), "EUR")
    client.answers["GET PROFILE PSTN_BALANCE"] = "PROFILE PSTN_BALANCE much"
    with pytest.raises(CommandError):
        await bench.backend.balance()


async def test_only_allowed_commands_are_sent_raw(run_line):
    settings = SkypeSettings(raw_commands=("get  profile", "MINIMIZE"))
    async with run_line(settings) as bench:
        client = await bench.ready()
        assert isinstance(bench.backend, Raw)
        assert bench.backend.capabilities.raw
        client.answers |= {
            "GET PROFILE FULLNAME": "PROFILE FULLNAME Al",
            "MINIMIZE": "ERROR 2 Unknown command",
        }
        assert await bench.backend.send_raw("Get PROFILE FULLNAME") == (
            "PROFILE FULLNAME Al"
        )
        assert await bench.backend.send_raw("MINIMIZE") == "ERROR 2 Unknown command"
        heard = len(client.heard)
        for text in ("GET PROFILES", "CALL bob", "", "#1 GET PROFILE", "MINIMIZE\nX"):
            with pytest.raises(CommandError):
                await bench.backend.send_raw(text)
        assert len(client.heard) == heard


async def test_no_command_is_allowed_by_itself(bench):
    await bench.ready()
    assert not bench.backend.capabilities.raw
    with pytest.raises(CommandError):
        await bench.backend.send_raw("PING")


async def test_line_that_is_not_ready_does_nothing_of_all_this(bench):
    assert isinstance(bench.backend, Conferencing)
    for act in (
        bench.backend.send_message("bob", "hi"),
        bench.backend.decide_contact("bob", accept=True),
        bench.backend.presence("bob"),
        bench.backend.find("bob"),
        bench.backend.balance(),
        bench.backend.send_raw("PING"),
    ):
        with pytest.raises(LinkDownError):
            await act


# The wire.


async def test_wire_of_a_traced_line_is_logged_under_its_name_in_single_lines(caplog):
    wire = wire_log("second")
    desktop = ScriptedDesktop()
    backend = SkypeBackend(SkypeSettings(), FakeClock(), desktop.open, wire=wire)
    assert isinstance(backend, Tracing)
    serving = asyncio.create_task(backend.run(RecordingObserver()))
    client = ScriptedClient()
    desktop.start(client)
    await settle()
    assert caplog.messages == []
    trace(wire, on=True)
    client.say("USER bob MOOD_TEXT one\r\n< CALL 1 STATUS RINGING\x1b[2J")
    trace(wire, on=False)
    client.say("USER bob MOOD_TEXT two")
    serving.cancel()
    await asyncio.wait([serving])
    assert caplog.record_tuples == [
        (
            "skypechan.wire.second",
            logging.DEBUG,
            "< USER bob MOOD_TEXT one??< CALL 1 STATUS RINGING?[2J",
        )
    ]


# House rules, and what is found.


async def test_client_is_told_how_to_behave(bench):
    client = await bench.ready()
    for rule in ("AUTOAWAY OFF", "AGC OFF", "WINDOWSTATE HIDDEN", "USERSTATUS ONLINE"):
        assert client.count(f"SET {rule}") == 1
    assert client.count("SET SILENT_MODE ON") == 0


async def test_client_can_be_left_as_it_is(run_line):
    settings = SkypeSettings(user_status="keep", hide_window=False)
    async with run_line(settings) as bench:
        client = await bench.ready()
        assert not any(
            "WINDOW" in line or "USERSTATUS" in line for line in client.heard
        )


async def test_silent_mode_is_kept_but_not_fought_for(run_line):
    async with run_line(SkypeSettings(silent_mode=True)) as bench:
        client = await bench.ready()
        client.answers["SET SILENT_MODE ON"] = "ERROR 18 SET: invalid WHAT"
        assert client.count("SET SILENT_MODE ON") == 1
        for _ in range(1000):
            client.say("SILENT_MODE OFF")
        await bench.clock.advance(0.5)
        assert client.count("SET SILENT_MODE ON") == 1
        await bench.clock.advance(1)
        assert client.count("SET SILENT_MODE ON") == 2


@pytest.mark.parametrize(("wish", "ended"), [("end", 1), ("leave", 0)])
async def test_calls_found_alive_are_ended_or_left_alone(run_line, wish, ended):
    async with run_line(SkypeSettings(live_calls=wish)) as bench:
        client = await bench.start(ScriptedClient(**{"SEARCH ACTIVECALLS": "CALLS 7"}))
        await bench.say(client, "CALL 7 DURATION 100", "CALL 7 STATUS LOCALHOLD")
        assert client.count("ALTER CALL 7 END HANGUP") >= ended
        assert (client.count("ALTER CALL 7 HANGUP") > 0) is bool(ended)
        assert bench.observer.offers == []


async def test_call_with_a_number_beyond_all_numbers_is_no_call(bench):
    client = ScriptedClient()
    client.answers["SEARCH ACTIVECALLS"] = f"CALLS {'9' * 5_000}, 7"
    await bench.start(client)
    await bench.clock.advance(1)
    ended = [line for line in client.heard if line.endswith(" HANGUP")]
    assert ended == ["ALTER CALL 7 HANGUP", "ALTER CALL 7 END HANGUP"]
    assert bench.observer.state is LineState.READY
