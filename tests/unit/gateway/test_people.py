"""What people write to the lines, and what is asked and said for the operator."""

from __future__ import annotations

import logging

import pytest

from skypechan.backends.base import ContactRequest, Message
from skypechan.backends.echo.backend import EchoBackend
from skypechan.errors import CallError, CommandError, LinkDownError
from skypechan.gateway.feed import Feed, Kind
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.people import People
from skypechan.gateway.settings import LineSettings
from tests.doubles.clock import FakeClock
from tests.doubles.talkative import TalkativeBackend

HOSTILE = "hello\r\n2026 ERROR forged \x1b[2J<b>"


class House:
    """Two lines: a client that can do everything, and one that can do nothing."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.client = TalkativeBackend()
        self.lines = Lines(
            Line(name, LineSettings(), backend, clock)
            for name, backend in (("able", self.client), ("dumb", EchoBackend()))
        )
        self.feed = Feed(clock)
        self.people = People(self.lines, self.feed, clock)
        for line in self.lines:
            self.people.listen(line)


@pytest.fixture
def house() -> House:
    return House()


def test_a_message_is_kept_noted_and_logged_as_one_line(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    house.client.on_message(Message("bob", "Bob Day", HOSTILE, "#chat", "4"))
    (message,) = house.people.messages()
    assert (message.line, message.sender, message.text) == ("able", "bob", HOSTILE)
    (entry,) = house.feed.entries()
    assert (entry.kind, entry.line) == (Kind.MESSAGE, "able")
    assert entry.details == {"who": "bob", "text": HOSTILE}
    (logged,) = caplog.messages
    assert logged.isprintable()
    assert "line able: message of bob: hello??2026" in logged


def test_giant_messages_and_floods_of_them_are_bounded(house: House) -> None:
    for number in range(2_000):
        house.client.on_message(Message("b" * 10_000, "", "x" * 100_000, "", "1"))
        house.client.on_contact_request(ContactRequest(f"eve{number}", "x" * 100_000))
    messages, requests = house.people.messages(), house.people.contact_requests()
    assert len(messages) == len(requests) == 500
    assert (len(messages[-1].sender), len(messages[-1].text)) == (256, 8_192)
    assert requests[-1].who == "eve1999"
    assert len(requests[-1].text) == 8_192


async def test_a_contact_request_waits_until_it_is_answered(house: House) -> None:
    house.client.on_contact_request(ContactRequest("Bob", "please"))
    house.client.on_contact_request(ContactRequest("bob", "please!"))
    (request,) = house.people.contact_requests()
    assert (request.who, request.text) == ("bob", "please!")
    assert house.client.asked == []  # nobody is accepted by himself
    house.client.refusal = CommandError("ERROR 9 Unknown user")
    with pytest.raises(CommandError):
        await house.people.decide_contact("able", "bob", accept=True)
    assert house.people.contact_requests()
    house.client.refusal = None
    await house.people.decide_contact("able", "BOB", accept=False)
    assert house.client.asked == [("decide", "BOB", False)]
    assert house.people.contact_requests() == ()


def test_who_was_answered_elsewhere_no_longer_waits(house: House) -> None:
    house.client.on_contact_request(ContactRequest("Bob", "please"))
    house.client.on_contact_answered("eve")
    assert house.people.contact_requests()
    house.client.on_contact_answered("bob")
    assert house.people.contact_requests() == ()


def test_nobody_waits_for_a_line_that_is_gone(house: House) -> None:
    house.client.on_contact_request(ContactRequest("Bob", "please"))
    house.lines.drop(house.lines["able"])
    assert house.people.contact_requests() == ()


async def test_what_the_settings_do_not_list_is_not_sent(house: House) -> None:
    house.client.capabilities = EchoBackend().capabilities
    with pytest.raises(CommandError, match="its raw_commands allow none"):
        await house.people.send_raw("able", "PING")
    for asked in (
        house.people.send_message("able", "bob", "hi"),
        house.people.presence("able", "bob"),
        house.people.find("able", "bob"),
        house.people.balance("able"),
        house.people.decide_contact("able", "bob", accept=True),
    ):
        with pytest.raises(CommandError, match="line able's client cannot "):
            await asked
    assert house.client.asked == []


async def test_a_line_that_is_out_of_reach_says_so(house: House) -> None:
    house.client.refusal = LinkDownError("the line is signed_out: ")
    with pytest.raises(LinkDownError):
        await house.people.balance("able")


async def test_there_is_no_such_line(house: House) -> None:
    with pytest.raises(CallError, match="no line 'other'"):
        await house.people.balance("other")


def test_the_wire_of_a_line_is_shown_and_hidden(house: House) -> None:
    house.people.trace("able", on=True)
    assert house.client.wire.level == logging.DEBUG
    house.people.trace("able", on=False)
    assert house.client.wire.level == logging.NOTSET
    with pytest.raises(CommandError, match="line dumb's client cannot be traced"):
        house.people.trace("dumb", on=True)
