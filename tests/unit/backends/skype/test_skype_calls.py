"""Calls over a line: transcripts T2 to T10 and the quirks of old clients."""

from __future__ import annotations

import asyncio

import pytest

from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    LineAnswered,
    LineDigit,
    LineReleased,
    LineResumed,
    LineRinging,
)
from skypechan.errors import CallError, DeadlineError, LinkDownError
from tests.doubles.clock import settle
from tests.doubles.line_observer import Events

HANGUP, END_HANGUP = "ALTER CALL 178 HANGUP", "ALTER CALL 178 END HANGUP"
FAILED = "ERROR 559 CALL: Action failed"

# Placing.


async def test_placed_call_is_told_from_ringing_to_the_end(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    assert leg.leg_id == "178"
    client.say(
        "CALL 178 STATUS ROUTING",
        "CALL 178 STATUS RINGING",
        "CALL 178 STATUS RINGING",
        "CALL 178 STATUS INPROGRESS",
        "CALL 178 DURATION 1",
        "CALL 178 STATUS FINISHED",
        "CALL 178 STATUS FINISHED",
    )
    assert events.all == [
        LineRinging(),
        LineAnswered(),
        LineReleased(HangupCause.NORMAL_CLEARING),
    ]


async def test_reply_that_names_a_call_that_is_there_already_has_placed_none(bench):
    client = await bench.ready()
    leg, _ = await bench.place(client)
    with pytest.raises(CallError):
        await bench.place(client, "eve")
    bench.desktop.stop_client()
    await settle()
    assert leg.over


async def test_news_that_overtake_the_reply_to_call_are_not_lost(bench):
    client = await bench.ready()
    events = Events()
    placing = asyncio.create_task(bench.backend.place("bob", events))
    await settle()
    client.say("CALL 178 STATUS UNPLACED", "CALL 178 STATUS ROUTING")
    client.say("CALL 178 STATUS RINGING", "CALL 178 STATUS BUSY")
    await settle()
    assert events.all == []
    client.answer("CALL bob", "CALL 178 STATUS UNPLACED")
    leg = await placing
    assert leg.over
    assert events.of(LineRinging)
    assert events.released.cause is HangupCause.USER_BUSY
    assert bench.observer.offers == []


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        ("ERROR 92 CALL: Unrecognised identity", HangupCause.UNALLOCATED),
        ("ERROR 36 Not online", HangupCause.NETWORK_OUT_OF_ORDER),
        ("ERROR 96 CALL", HangupCause.CONGESTION),
        ("ERROR 99 CALL", HangupCause.CONGESTION),
        ("PONG", HangupCause.INTERWORKING),
    ],
)
async def test_refused_call_raises_its_cause(bench, reply, cause):
    client = await bench.ready()
    client.answers["CALL bob"] = reply
    events = Events()
    with pytest.raises(CallError) as raised:
        await bench.backend.place("bob", events)
    assert raised.value.cause is cause
    assert events.all == []


@pytest.mark.parametrize("address", ["", " ", "bob, carol", "bob\nCALL eve", "b\0b"])
async def test_what_is_no_address_is_not_sent(bench, address):
    client = await bench.ready()
    heard = len(client.heard)
    with pytest.raises(CallError) as raised:
        await bench.backend.place(address, Events())
    assert raised.value.cause is HangupCause.INVALID_NUMBER
    assert len(client.heard) == heard


async def test_old_client_that_says_ok_has_its_new_call_found(bench):
    client = await bench.ready()
    await bench.say(client, "CALL 500 STATUS ROUTING")  # a person at the client
    client.answers |= {"CALL bob": "OK", "SEARCH ACTIVECALLS": "CALLS 500, 178"}
    events = Events()
    leg = await bench.backend.place("bob", events)
    assert leg.leg_id == "178"


async def test_lost_reply_to_call_does_not_lose_the_call(bench):
    client = await bench.ready()
    events = Events()
    placing = asyncio.create_task(bench.backend.place("bob", events))
    await settle()
    client.say("CALL 178 STATUS UNPLACED", "CALL 178 STATUS RINGING")
    client.answers["SEARCH ACTIVECALLS"] = "CALLS 178"
    await bench.clock.advance(6)
    assert (await placing).leg_id == "178"
    assert events.all == [LineRinging()]


async def test_call_that_tells_nothing_but_ringing_is_found_as_ours(bench):
    client = await bench.ready()
    client.answers["GET CALL 178 TYPE"] = "CALL 178 TYPE OUTGOING_P2P"
    events = Events()
    placing = asyncio.create_task(bench.backend.place("bob", events))
    await settle()
    client.say("CALL 178 STATUS RINGING")
    client.answers["SEARCH ACTIVECALLS"] = "CALLS 178"
    await bench.clock.advance(6)
    assert (await placing).leg_id == "178"
    assert events.all == [LineRinging()]
    assert bench.observer.offers == []


@pytest.mark.parametrize("reply", ["STATUS ROUTING", "CONF_ID 0"])
async def test_call_that_was_placed_too_late_is_ended(bench, reply):
    client = await bench.ready()
    placing = asyncio.create_task(bench.backend.place("bob", Events()))
    await bench.clock.advance(6)
    with pytest.raises(DeadlineError):
        await placing
    client.answer("CALL bob", f"CALL 178 {reply}")
    await settle()
    assert client.count(HANGUP) == client.count(END_HANGUP) == 1


async def test_call_whose_placing_was_cancelled_is_ended_when_it_shows(bench):
    client = await bench.ready()
    placing = asyncio.create_task(bench.backend.place("bob", Events()))
    await settle()
    placing.cancel()
    await settle()
    client.answer("CALL bob", "CALL 178 STATUS ROUTING")
    await settle()
    assert client.count(HANGUP) == client.count(END_HANGUP) == 1


@pytest.mark.parametrize("reply", ["CALL 178 STATUS UNPLACED", "OK"])
@pytest.mark.parametrize("turns", range(8))
async def test_placing_cancelled_at_any_moment_leaves_no_call(bench, reply, turns):
    client = await bench.ready()
    client.answers["SEARCH ACTIVECALLS"] = "CALLS 178"
    client.answers["GET CALL 178 TYPE"] = "CALL 178 TYPE OUTGOING_P2P"
    placing = asyncio.create_task(bench.backend.place("bob", Events()))
    await settle()
    client.answer("CALL bob", reply)
    for _ in range(turns):
        await asyncio.sleep(0)
    placing.cancel()
    await asyncio.wait([placing])
    if not placing.cancelled():
        await placing.result().release()
    await settle()
    assert client.count(HANGUP) == client.count(END_HANGUP) == 1


async def test_the_next_call_waits_for_the_end_of_one_that_was_given_up(bench):
    """A client refuses a second call while one is being set up (ERROR 96)."""
    client = await bench.ready()
    placing = asyncio.create_task(bench.backend.place("bob", Events()))
    await settle()
    placing.cancel()
    following = asyncio.create_task(bench.backend.place("eve", Events()))
    await settle()
    client.answer("CALL bob", "CALL 178 STATUS UNPLACED")
    await settle()
    assert client.count(HANGUP) == client.count(END_HANGUP) == 1
    assert client.count("CALL eve") == 0
    client.say("CALL 178 STATUS CANCELLED")
    await settle()
    client.answer("CALL eve", "CALL 179 STATUS UNPLACED")
    assert (await following).leg_id == "179"


async def test_placing_cancelled_and_never_answered_is_ended_if_it_is_there(bench):
    client = await bench.ready()
    placing = asyncio.create_task(bench.backend.place("bob", Events()))
    await settle()
    client.say("CALL 178 STATUS UNPLACED", "CALL 178 STATUS RINGING")
    client.answers["SEARCH ACTIVECALLS"] = "CALLS 178"
    placing.cancel()
    await bench.clock.advance(6)
    assert client.count(HANGUP) == client.count(END_HANGUP) >= 1


# Releasing.


async def test_release_sends_both_verbs_and_bears_the_error_of_one(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    client.answers |= {HANGUP: HANGUP, END_HANGUP: FAILED}
    await leg.release()
    await settle()
    assert events.all == []
    await bench.say(client, "CALL 178 STATUS CANCELLED")
    assert events.released == LineReleased(HangupCause.NORMAL_CLEARING)
    await leg.release()
    await settle()
    assert client.count(HANGUP) == client.count(END_HANGUP) == 1


async def test_release_twice_sends_the_verbs_once(bench):
    client = await bench.ready()
    leg, _ = await bench.place(client)
    await leg.release()
    await leg.release()
    await settle()
    assert client.count(HANGUP) == client.count(END_HANGUP) == 1


async def test_release_is_repeated_until_the_client_obeys(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    client.answers |= {HANGUP: FAILED, END_HANGUP: FAILED}
    await leg.release()
    await bench.clock.advance(2.5)
    assert client.count(HANGUP) == 3
    await bench.say(client, "CALL 178 STATUS CANCELLED")
    await bench.clock.advance(10)
    assert client.count(HANGUP) == 3
    assert events.released.cause is HangupCause.NORMAL_CLEARING


async def test_release_learns_of_an_end_that_was_not_told(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    client.answers |= {
        HANGUP: FAILED,
        END_HANGUP: FAILED,
        "GET CALL 178 STATUS": "CALL 178 STATUS CANCELLED",
    }
    await leg.release()
    await settle()
    assert events.released.cause is HangupCause.NORMAL_CLEARING


async def test_release_that_is_never_confirmed_ends_the_leg_all_the_same(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    await leg.release()
    await bench.clock.advance(5)
    assert events.released.cause is HangupCause.TEMPORARY_FAILURE
    tried = client.count(HANGUP)
    # Its late sign of life is answered with the verbs again, and is no new call.
    await bench.say(client, "CALL 178 STATUS RINGING")
    await bench.clock.advance(1)
    assert client.count(HANGUP) == tried + 1
    assert bench.observer.offers == []
    await bench.say(client, "CALL 178 STATUS CANCELLED")
    assert len(events.all) == 1


async def test_release_of_a_call_that_the_client_has_forgotten_is_an_end(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    invalid = "ERROR 556 CALL: Invalid call ID given"
    client.answers |= {
        HANGUP: invalid,
        END_HANGUP: invalid,
        "GET CALL 178 STATUS": "ERROR 12 Unknown call",
    }
    await leg.release()
    await settle()
    assert events.released.cause is HangupCause.NORMAL_CLEARING


async def test_telephone_call_that_waits_for_redial_is_over_and_hung_up(bench):
    client = await bench.ready()
    _, events = await bench.place(client, "+4930123")
    await bench.say(client, "CALL 178 STATUS WAITING_REDIAL_COMMAND")
    assert events.released.cause is HangupCause.CALL_REJECTED
    assert client.count(HANGUP) == 1


async def test_client_that_dies_releases_every_leg_once(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    await bench.say(client, "CALL 178 STATUS INPROGRESS")
    await leg.release()
    bench.desktop.stop_client()
    await settle()
    assert events.released == LineReleased(
        HangupCause.DESTINATION_OUT_OF_ORDER, "the client went away"
    )
    with pytest.raises(CallError):
        await leg.send_digit("1")


async def test_command_that_waits_when_the_client_dies_fails_at_once(bench):
    client = await bench.ready()
    leg, _ = await bench.place(client)
    digit = asyncio.create_task(leg.send_digit("1"))
    await settle()
    bench.desktop.stop_client()
    await settle()
    assert digit.done()
    assert "went away" in str(digit.exception())


async def test_lost_bus_releases_every_leg(bench):
    client = await bench.ready()
    _, events = await bench.place(client)
    bench.desktop.lose_bus()
    await settle()
    assert events.released.cause is HangupCause.DESTINATION_OUT_OF_ORDER


async def test_client_that_dies_as_it_answers_has_placed_no_call(bench):
    client = await bench.ready()
    events = Events()
    placing = asyncio.create_task(bench.backend.place("bob", events))
    await settle()
    client.answer("CALL bob", "CALL 178 STATUS UNPLACED")
    bench.desktop.stop_client()
    with pytest.raises(LinkDownError):
        await placing
    assert events.all == []


async def test_client_that_dies_as_it_tells_who_calls_offers_no_call(bench):
    client = await bench.ready()
    await bench.say(client, "CALL 212 STATUS RINGING")
    for name in ("PARTNER_HANDLE", "PARTNER_DISPNAME", "TYPE"):
        client.answer(f"GET CALL 212 {name}", f"CALL 212 {name} bob")
    bench.desktop.stop_client()
    await settle()
    assert bench.observer.offers == []


async def test_numbers_of_a_client_that_was_restarted_are_new_calls(bench):
    client = await bench.ready()
    await bench.place(client)
    bench.desktop.stop_client()
    client = await bench.ready()
    leg, events = await bench.place(client)
    await bench.say(client, "CALL 178 STATUS RINGING")
    assert events.all == [LineRinging()]
    assert not leg.over


# Digits.


async def test_digits_leave_one_at_a_time_and_in_order(bench):
    client = await bench.ready()
    leg, _ = await bench.place(client)
    sending = [asyncio.create_task(leg.send_digit(digit)) for digit in "12#"]
    for number, digit in enumerate("12#", start=1):
        await settle()
        sent = [line for line in client.heard if "DTMF" in line]
        assert sent == [f"SET CALL 178 DTMF {digit}" for digit in "12#"[:number]]
        client.answer(f"SET CALL 178 DTMF {digit}", f"SET CALL 178 DTMF {digit}")
    await asyncio.gather(*sending)


async def test_lost_reply_to_a_digit_does_not_hold_the_next_one_back_for_long(bench):
    client = await bench.ready()
    leg, _ = await bench.place(client)
    sending = [asyncio.create_task(leg.send_digit(digit)) for digit in "12"]
    await bench.clock.advance(0.2)
    assert [line for line in client.heard if "DTMF" in line] == [
        "SET CALL 178 DTMF 1",
        "SET CALL 178 DTMF 2",
    ]
    await bench.clock.advance(0.2)
    await asyncio.gather(*sending)


async def test_digit_of_the_far_end_is_told(bench):
    client = await bench.ready()
    _, events = await bench.place(client)
    await bench.say(client, "CALL 178 STATUS INPROGRESS", "CALL 178 DTMF 5")
    assert events.of(LineDigit) == [LineDigit("5")]


async def test_echo_of_our_own_digit_is_no_digit_of_the_far_end(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    client.answers["SET CALL 178 DTMF 5"] = [
        "SET CALL 178 DTMF 5",
        "SET CALL 178 DTMF 5",
    ]
    await leg.send_digit("5")
    await settle()
    assert events.of(LineDigit) == []


async def test_digit_that_skype_has_not_is_refused_unsent(bench):
    client = await bench.ready()
    leg, _ = await bench.place(client)
    with pytest.raises(CallError):
        await leg.send_digit("A")
    assert not any("DTMF" in line for line in client.heard)


@pytest.mark.parametrize("error", ["ERROR 41 Call not active", "ERROR 42 Invalid DTMF"])
async def test_refused_digit_raises_and_the_next_one_still_goes(bench, error):
    client = await bench.ready()
    leg, events = await bench.place(client)
    client.answers |= {
        "SET CALL 178 DTMF 1": error,
        "SET CALL 178 DTMF 2": "SET CALL 178 DTMF 2",
    }
    with pytest.raises(CallError):
        await leg.send_digit("1")
    await leg.send_digit("2")
    assert events.all == []


# Incoming calls.


async def test_incoming_call_is_offered_with_its_caller(bench):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    assert (offer.caller, offer.caller_name, offer.kind) == ("bob", "Bob B.", "p2p")
    assert offer.leg.leg_id == "212"
    assert events.all == []


async def test_call_from_a_telephone_is_told_apart(bench):
    client = await bench.ready()
    client.answers |= {
        "GET CALL 7 PARTNER_HANDLE": "CALL 7 PARTNER_HANDLE +4930123",
        "GET CALL 7 PARTNER_DISPNAME": "CALL 7 PARTNER_DISPNAME ",
        "GET CALL 7 TYPE": "CALL 7 TYPE INCOMING_PSTN",
    }
    await bench.say(client, "CALL 7 STATUS RINGING")
    offer = bench.observer.offers[0].offer
    assert (offer.caller, offer.caller_name) == ("+4930123", "+4930123")
    assert offer.kind == "pstn"


async def test_caller_of_a_silent_client_is_offered_within_a_second(bench):
    client = await bench.ready()
    await bench.say(client, "CALL 7 STATUS RINGING", "CALL 7 STATUS RINGING")
    assert bench.observer.offers == []
    await bench.clock.advance(1)
    (offered,) = bench.observer.offers
    assert offered.offer.caller == ""


async def test_caller_that_gives_up_before_the_offer_is_not_offered(bench):
    client = await bench.ready()
    await bench.say(client, "CALL 7 STATUS RINGING", "CALL 7 STATUS MISSED")
    await bench.clock.advance(2)
    assert bench.observer.offers == []


async def test_caller_that_gives_up_after_the_offer_releases_it(bench):
    client = await bench.ready()
    _, events = await bench.offer(client)
    await bench.say(client, "CALL 212 STATUS MISSED")
    assert events.released.cause is HangupCause.NORMAL_CLEARING


async def test_call_that_a_person_places_at_the_client_is_not_offered(bench):
    client = await bench.ready()
    client.answers["GET CALL 9 TYPE"] = "CALL 9 TYPE OUTGOING_P2P"
    await bench.say(client, "CALL 8 STATUS ROUTING", "CALL 8 STATUS RINGING")
    await bench.say(client, "CALL 9 STATUS RINGING")  # its ROUTING was lost
    await bench.clock.advance(2)
    assert bench.observer.offers == []


async def test_second_caller_on_a_busy_line_is_offered_too(bench):
    client = await bench.ready()
    _, first = await bench.place(client)
    await bench.say(client, "CALL 178 STATUS INPROGRESS")
    offer, events = await bench.offer(client)
    await offer.leg.release()
    await bench.say(client, "CALL 212 STATUS REFUSED")
    assert events.released.cause is HangupCause.NORMAL_CLEARING
    assert first.of(LineReleased) == []


async def test_answer_takes_effect_with_the_clients_status(bench):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    client.answers["ALTER CALL 212 ANSWER"] = "ALTER CALL 212 ANSWER"
    await offer.leg.answer()
    assert events.all == []
    client.say("CALL 212 STATUS INPROGRESS", "CALL 212 STATUS INPROGRESS")
    assert events.all == [LineAnswered()]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FAILED, "CALL 212 STATUS MISSED"),
        (FAILED, "CALL 212 STATUS RINGING"),
        ("ERROR 556 CALL: Invalid call ID given", "ERROR 12 Unknown call"),
    ],
)
async def test_answer_that_comes_too_late_is_the_end_of_the_call(bench, error, status):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    client.answers |= {
        "ALTER CALL 212 ANSWER": error,
        "GET CALL 212 STATUS": status,
    }
    await offer.leg.answer()
    assert events.released.cause is HangupCause.NORMAL_CLEARING
    await settle()
    still_there = int("RINGING" in status)
    assert client.count("ALTER CALL 212 HANGUP") == still_there
    assert client.count("ALTER CALL 212 END HANGUP") == still_there
    await bench.say(client, "CALL 212 STATUS MISSED")
    assert len(events.all) == 1


async def test_refused_answer_of_a_call_that_is_up_is_an_answer(bench):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    client.answers |= {
        "ALTER CALL 212 ANSWER": FAILED,
        "GET CALL 212 STATUS": "CALL 212 STATUS INPROGRESS",
    }
    await offer.leg.answer()
    assert events.all == [LineAnswered()]


@pytest.mark.parametrize(
    "proof", ["STATUS INPROGRESS", "STATUS LOCALHOLD", "DURATION 1"]
)
async def test_call_that_a_person_answered_at_the_client_is_his(bench, proof):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    await bench.say(client, f"CALL 212 {proof}")
    assert events.all == [
        LineReleased(HangupCause.NORMAL_CLEARING, "answered at the client")
    ]
    heard = len(client.heard)
    await offer.leg.release()
    with pytest.raises(CallError):
        await offer.leg.answer()
    await bench.say(client, "CALL 212 STATUS REMOTEHOLD", "CALL 212 STATUS INPROGRESS")
    await bench.clock.advance(20)
    assert [line for line in client.heard[heard:] if "212" in line] == []
    assert len(events.all) == 1


async def test_answer_whose_reply_is_lost_has_been_seen_to_take_effect(bench):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    answering = asyncio.create_task(offer.leg.answer())
    await settle()
    await bench.say(client, "CALL 212 STATUS INPROGRESS")
    await bench.clock.advance(6)
    await answering
    assert events.all == [LineAnswered()]


async def test_answer_that_the_client_ignores_is_a_deadline(bench):
    client = await bench.ready()
    offer, _ = await bench.offer(client)
    answering = asyncio.create_task(offer.leg.answer())
    await bench.clock.advance(6)
    with pytest.raises(DeadlineError):
        await answering


async def test_resume_after_hold_is_no_second_answer(bench):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    client.answers["ALTER CALL 212 ANSWER"] = "ALTER CALL 212 ANSWER"
    await offer.leg.answer()
    client.say(
        "CALL 212 STATUS INPROGRESS",
        "CALL 212 STATUS REMOTEHOLD",
        "CALL 212 STATUS INPROGRESS",
    )
    assert events.all[-1] == LineResumed()
    assert len(events.of(LineAnswered)) == 1


async def test_call_that_rings_while_we_attach_is_offered_and_not_swept(bench):
    client = await bench.ready()
    bench.desktop.stop_client()
    client.answers |= {
        "PROTOCOL 8": ["PROTOCOL 7", "CONNSTATUS ONLINE", "CALL 7 STATUS RINGING"],
        "SEARCH ACTIVECALLS": "CALLS 7",
    }
    client.gone.clear()
    await bench.start(client)
    await bench.clock.advance(1)
    assert [offered.offer.leg.leg_id for offered in bench.observer.offers] == ["7"]
    assert client.count("ALTER CALL 7 HANGUP") == 0


async def test_thousands_of_strange_calls_are_not_remembered_for_ever(bench):
    client = await bench.ready()
    for call_id in range(3000):
        client.say(f"CALL {call_id} STATUS ROUTING", f"CALL {call_id} SEEN TRUE")
        client.say(f"CALL {call_id + 10_000} STATUS FINISHED")
    assert bench.backend._service
    assert len(bench.backend._service.calls._known()) < 1000
