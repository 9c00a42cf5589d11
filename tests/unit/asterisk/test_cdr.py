"""What Asterisk's own call details are told of our calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from skypechan.asterisk.ami.messages import Ping
from skypechan.asterisk.cdr import details_of
from skypechan.asterisk.pbx import PbxState
from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from tests.doubles.ami_server import AmiServer
from tests.doubles.clock import FakeClock, settle
from tests.doubles.scripted_asterisk import driving, knows

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def to_line() -> CallRecord:
    return CallRecord("c1", Direction.TO_LINE, "skypeclient", "echo123", caller="101")


def test_a_call_that_is_placed_has_line_address_and_call() -> None:
    assert details_of(to_line()) == {
        "line": "skypeclient",
        "address": "echo123",
        "call": "c1",
    }


def test_a_call_that_failed_has_its_cause_too() -> None:
    record = to_line()
    record.end(Side.LINE, HangupCause.USER_BUSY, "", NOW)
    details = details_of(record)
    assert (details["cause"], details["reason"]) == ("17", "busy")


def test_an_answered_call_says_so_whoever_ends_it_later() -> None:
    record = to_line()
    record.answered = NOW
    details = details_of(record)
    assert (details["cause"], details["reason"]) == ("16", "answered")
    record.end(Side.LINE, HangupCause.DESTINATION_OUT_OF_ORDER, "", NOW)
    assert details_of(record) == details


def test_the_address_is_the_messenger_users_and_no_expression() -> None:
    record = CallRecord("c1", Direction.TO_PBX, "skypeclient", "555@x", caller="${X},é")
    assert details_of(record)["address"] == "%24%7BX%7D%2C%C3%A9"


async def test_an_asterisk_without_func_cdr_is_told_of_one_call_only() -> None:
    def refuse(server: AmiServer, action: Mapping[str, str]) -> None:
        if action["Variable"].startswith("CDR("):
            server.respond(action, "Error", Message="Variable not set")
        else:
            server.respond(action)

    async with knows("22.10.1") as server, driving(server, FakeClock()) as driver:
        server.answers["Setvar"] = refuse
        await driver.state(PbxState.READY)
        before = len(server.named("Setvar"))
        for channel in ("1.1", "1.2"):
            driver.pbx.details.write([channel], to_line())
            await settle()
            await driver.link.send(Ping())  # what was answered before this is known
        told = [dict(action) for action in server.named("Setvar")[before:]]
        assert [one["Channel"] for one in told] == ["1.1"] * 3
