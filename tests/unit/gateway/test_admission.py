"""Whose call comes in, on which line, and whose does not."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from skypechan.backends.base import LineState
from skypechan.call.causes import HangupCause
from skypechan.call.events import LineReleased
from skypechan.errors import CallError
from skypechan.gateway.settings import LineSettings
from skypechan.media.engine import Engine, EngineSettings
from tests.doubles.clock import FakeClock, settle
from tests.doubles.reception import Leg, Reception, reception_with


@pytest.fixture
async def reception() -> AsyncIterator[Reception]:
    """Two clients of one account, and one each of two others."""
    accounts = {"one": "sales", "two": "Sales", "three": "support", "four": "home"}
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1))
    made = reception_with(FakeClock(), engine, accounts)
    yield made
    await made.close()
    engine.close()


async def test_a_second_caller_is_sent_on_to_an_idle_line_of_another_account(
    reception: Reception,
) -> None:
    reception.lines["two"].pause()
    reception.offer("one", "alice")
    second = reception.offer("one", "bob")
    await settle()
    assert second.sent_to == "support"
    assert reception.records == []  # nobody has taken it yet
    second.taken.set_result(None)
    await settle()
    (record,) = reception.records
    assert (record.line, record.caller) == ("one", "bob")
    assert record.cause is HangupCause.USER_BUSY
    assert record.reason == "line one is in use; sent on to support on line three"
    assert second.releases == 0


async def test_a_caller_on_a_paused_line_is_sent_on_too(reception: Reception) -> None:
    reception.lines["three"].pause()
    leg = reception.offer("three", "alice")
    await settle()
    assert leg.sent_to == "sales"


async def test_nobody_is_sent_on_to_a_line_of_another_asterisk(
    reception: Reception,
) -> None:
    """There he would ring in somebody else's dialplan."""
    three = reception.lines["three"]
    reception.lines["four"].pause()
    three.settings = dataclasses.replace(three.settings, asterisk="branch")
    reception.lines["two"].pause()
    reception.offer("one", "alice")
    second = reception.offer("one", "bob")
    await settle()
    assert (second.sent_to, second.releases) == ("", 1)


@pytest.mark.parametrize("state", [LineState.CONNECTING, LineState.DEGRADED])
async def test_who_offers_a_call_is_well_enough_to_have_it(
    reception: Reception, state: LineState
) -> None:
    reception.lines["four"].line_changed(state, "it says so", "home")
    reception.offer("four", "alice")
    assert reception.admitted == [("four", "alice")]


async def test_what_is_sent_on_from_one_client_is_left_alone_at_the_other(
    reception: Reception,
) -> None:
    for line in ("one", "two"):
        reception.offer(line, f"{line}'s caller")
    legs = [reception.offer(line, "bob") for line in ("one", "two")]
    await reception.clock.advance(0.1)
    assert [leg.sent_to for leg in legs] == ["support", ""]
    assert [leg.releases for leg in legs] == [0, 0]


async def test_two_second_callers_are_not_sent_to_the_same_line(
    reception: Reception,
) -> None:
    reception.lines["two"].pause()
    reception.offer("one", "alice")
    legs = [reception.offer("one", name) for name in ("bob", "carol", "dave")]
    await settle()
    assert [leg.sent_to for leg in legs] == ["support", "home", ""]
    assert legs[2].releases == 1
    assert reception.records[0].reason == "line one is in use"


async def test_a_caller_whom_the_other_line_does_not_take_is_refused_as_busy(
    reception: Reception,
) -> None:
    reception.lines["two"].pause()
    reception.offer("one", "alice")
    second = reception.offer("one", "bob")
    await settle()
    second.taken.set_exception(CallError(19, "nobody took it"))
    await settle()
    (record,) = reception.records
    assert record.cause is HangupCause.USER_BUSY
    assert "support on line three did not take it: nobody took it" in record.reason
    assert second.releases == 1


async def test_a_caller_who_gives_up_while_sent_on_has_given_up(
    reception: Reception,
) -> None:
    reception.lines["two"].pause()
    reception.offer("one", "alice")
    second = reception.offer("one", "bob")
    await settle()
    second.give_up()
    await settle()
    (record,) = reception.records
    assert (record.status, record.reason) == ("CANCEL", "the caller gave up")


@pytest.mark.parametrize(("first", "then"), [("one", "two"), ("two", "one")])
async def test_a_call_to_two_clients_of_an_account_is_one_call(
    reception: Reception, first: str, then: str
) -> None:
    reception.offer(first, "alice")
    leg = reception.offer(then, "Alice")
    await settle()
    assert reception.admitted == [(first, "alice")]
    assert reception.records == []
    assert leg.releases == 0  # that might end the call at the other client too
    assert not reception.lines[then].is_idle
    assert leg.sink is not None
    leg.sink(LineReleased(HangupCause.NORMAL_CLEARING, "answered elsewhere"))
    assert reception.lines[then].is_idle


async def test_two_callers_of_whom_nothing_is_known_are_two(
    reception: Reception,
) -> None:
    legs = [reception.offer(line, "") for line in ("one", "two")]
    await settle()
    assert reception.admitted == [("one", ""), ("two", "")]
    assert [leg.releases for leg in legs] == [0, 0]


async def test_the_other_client_is_free_at_last_when_the_call_has_ended(
    reception: Reception,
) -> None:
    reception.offer("one", "alice")
    leg = reception.offer("two", "alice")
    (call,) = reception.calls.values()
    reception.end(call)
    await settle()
    assert reception.lines["two"].is_idle
    assert leg.releases == 1


async def test_a_second_caller_of_an_account_is_taken_by_its_other_client(
    reception: Reception,
) -> None:
    """Bob's call rings at both clients; that in use hears of it first."""
    reception.offer("one", "alice")
    busy = reception.offer("one", "bob")
    await settle()
    reception.offer("two", "bob")
    await reception.clock.advance(1)
    assert reception.admitted == [("one", "alice"), ("two", "bob")]
    assert reception.records == []
    assert (busy.sent_to, busy.releases) == ("", 0)


async def test_a_client_whose_call_was_answered_at_the_other_has_not_been_given_up(
    reception: Reception,
) -> None:
    reception.offer("one", "alice")
    busy = reception.offer("one", "bob")
    await settle()
    reception.offer("two", "bob")
    busy.give_up()  # so it looks here when the other client has answered
    await reception.clock.advance(1)
    assert reception.admitted == [("one", "alice"), ("two", "bob")]
    assert reception.records == []


async def test_a_client_that_does_not_ring_as_well_is_not_waited_for(
    reception: Reception,
) -> None:
    reception.offer("one", "alice")
    busy = reception.offer("one", "bob")
    await settle()
    assert busy.sent_to == ""
    await reception.clock.advance(1.1)
    assert busy.sent_to == "support"


@pytest.mark.parametrize("rang_on", [["one"], ["one", "two"]])
async def test_who_calls_again_at_once_is_not_taken_for_the_call_before(
    reception: Reception, rang_on: list[str]
) -> None:
    for line in rang_on:
        reception.offer(line, "alice")
    reception.end(reception.calls["0"])
    await settle()
    reception.offer("two", "alice")
    again = reception.offer("one", "alice")
    assert reception.admitted == [("one", "alice"), ("two", "alice")]
    assert again.releases == 0


async def test_who_was_refused_at_one_client_is_not_recorded_at_the_other(
    reception: Reception,
) -> None:
    for line in reception.lines:
        line.settings = LineSettings(callers_allowed=("boss.*",))
    legs = [reception.offer(line, "alice") for line in ("one", "two")]
    await settle()
    assert [record.line for record in reception.records] == ["one"]
    assert [leg.releases for leg in legs] == [1, 0]


async def test_a_later_call_of_the_same_caller_is_another(reception: Reception) -> None:
    reception.offer("one", "alice")
    reception.end(reception.calls["0"])
    await reception.clock.advance(1.5)
    reception.offer("two", "alice")
    assert reception.admitted == [("one", "alice"), ("two", "alice")]


async def test_an_account_takes_no_more_calls_than_are_allowed(
    reception: Reception,
) -> None:
    for line in reception.lines:
        line.settings = LineSettings(max_calls_per_account=1)
    reception.offer("one", "alice")
    with pytest.raises(CallError, match="has its 1 calls"):
        reception.lines.select("two")
    bob = reception.offer("two", "bob")
    await settle()
    assert bob.sent_to == "support"


async def test_an_offer_waits_while_its_client_decides_about_our_own_call(
    reception: Reception,
) -> None:
    ours = reception.call_out("three")
    leg = reception.offer("three", "alice")
    await reception.clock.advance(0.1)
    assert (reception.admitted, leg.sent_to) == ([], "")
    reception.end(ours)  # the client has refused it: it rings
    await reception.clock.advance(0.1)
    assert reception.admitted == [("three", "alice")]


async def test_an_offer_is_a_second_call_once_the_client_has_taken_ours(
    reception: Reception,
) -> None:
    ours = reception.call_out("three")
    leg = reception.offer("three", "alice")
    ours.line_leg = Leg("three", "nobody")
    await reception.clock.advance(0.1)
    assert leg.sent_to == "sales"


async def test_what_happens_to_a_leg_that_waits_is_told_to_its_call(
    reception: Reception,
) -> None:
    ours = reception.call_out("three")
    leg = reception.offer("three", "alice")
    leg.give_up()
    reception.end(ours)
    await reception.clock.advance(0.1)
    (record,) = reception.records
    assert (record.status, reception.admitted) == ("CANCEL", [])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (LineSettings(callers_allowed=("boss.*",)), "callers_allowed"),
        (LineSettings(calls_per_minute=1), "more than 1 calls a minute"),
    ],
    ids=["not listed", "too often"],
)
async def test_a_caller_who_may_not_call_is_refused_and_recorded(
    reception: Reception, settings: LineSettings, reason: str
) -> None:
    reception.lines["four"].settings = settings
    reception.offer("four", "alice")
    leg = reception.offer("four", "alice")
    await settle()
    assert leg.releases == 1
    record = reception.records[-1]
    assert record.cause is HangupCause.CALL_REJECTED
    assert reason in record.reason


async def test_no_call_is_let_in_while_the_gateway_stops(reception: Reception) -> None:
    reception.admission.closing = "the gateway stops"
    leg = reception.offer("one", "alice")
    await settle()
    (record,) = reception.records
    assert (record.reason, leg.releases) == ("the gateway stops", 1)
