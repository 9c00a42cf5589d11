"""Hold by either side, calls sent on, conferences, voicemail, prices (T8, T9, T12)."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from skypechan.backends.base import Holding, Money, Transferring
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    LineAnswered,
    LineEarlyMedia,
    LineHeld,
    LineReleased,
    LineResumed,
)
from skypechan.errors import CallError
from tests.doubles.clock import settle
from tests.doubles.line_observer import Events

CAN = "GET CALL 212 CAN_TRANSFER skypiax5"
SEND_ON = "ALTER CALL 212 TRANSFER skypiax5"


async def established(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    await bench.say(client, "CALL 178 STATUS INPROGRESS")
    return client, leg, events


async def test_our_hold_is_news_to_nobody_and_the_partner_s_is(bench):
    client, leg, events = await established(bench)
    client.answers |= {
        "ALTER CALL 178 HOLD": [
            "ALTER CALL 178 HOLD",
            "CALL 178 STATUS LOCALHOLD",
        ],
        "ALTER CALL 178 RESUME": [
            "ALTER CALL 178 RESUME",
            "CALL 178 STATUS INPROGRESS",
        ],
    }
    assert isinstance(leg, Holding)
    await leg.hold()
    await leg.hold()
    await settle()
    await leg.resume()
    await settle()
    assert events.all == [LineAnswered()]
    client.say("CALL 178 STATUS REMOTEHOLD", "CALL 178 STATUS REMOTEHOLD")
    client.say("CALL 178 STATUS INPROGRESS")
    assert events.all[1:] == [LineHeld(), LineResumed()]


async def test_partner_s_hold_shows_when_ours_ends(bench):
    client, leg, events = await established(bench)
    client.answers["ALTER CALL 178 HOLD"] = "ALTER CALL 178 HOLD"
    await leg.hold()
    client.say("CALL 178 STATUS LOCALHOLD", "CALL 178 STATUS REMOTEHOLD")
    assert events.all == [LineAnswered(), LineHeld()]


async def test_hold_that_we_did_not_want_is_reported(bench):
    client, _, events = await established(bench)
    client.say("CALL 178 STATUS LOCALHOLD")  # a person at the client, or another call
    assert events.all == [LineAnswered(), LineHeld()]


@pytest.mark.parametrize("number", [22, 103, 559])
async def test_refused_hold_is_an_error_of_the_call(bench, number):
    client, leg, events = await established(bench)
    client.answers["ALTER CALL 178 HOLD"] = f"ERROR {number} no"
    with pytest.raises(CallError):
        await leg.hold()
    client.say("CALL 178 STATUS LOCALHOLD")
    assert events.of(LineHeld)


async def test_ringing_call_is_sent_on_to_another_account(bench):
    """T12."""
    client = await bench.ready()
    offer, events = await bench.offer(client)
    client.answers |= {CAN: "CALL 212 CAN_TRANSFER SkypiaX5 TRUE", SEND_ON: SEND_ON}
    assert isinstance(offer.leg, Transferring)
    sending = asyncio.create_task(offer.leg.transfer("skypiax5"))
    await settle()
    assert not sending.done()
    await bench.say(
        client, "CALL 212 STATUS TRANSFERRING", "CALL 212 STATUS TRANSFERRED"
    )
    await sending
    assert events.all == [LineReleased(HangupCause.NORMAL_CLEARING, "transferred")]


async def test_target_that_the_client_cannot_reach_is_not_tried(bench):
    client = await bench.ready()
    offer, _ = await bench.offer(client)
    client.answers[CAN] = "CALL 212 CAN_TRANSFER skypiax5 FALSE"
    with pytest.raises(CallError) as raised:
        await offer.leg.transfer("skypiax5")
    assert raised.value.cause is HangupCause.SUBSCRIBER_ABSENT
    assert client.count(SEND_ON) == 0


async def test_client_that_cannot_be_asked_is_told_to_try(bench):
    client = await bench.ready()
    offer, _ = await bench.offer(client)
    client.answers |= {CAN: "ERROR 13 GET: invalid PROP", SEND_ON: "ERROR 592 ALTER"}
    with pytest.raises(CallError) as raised:
        await offer.leg.transfer("skypiax5")
    assert raised.value.cause is HangupCause.CALL_REJECTED
    assert "592" in raised.value.reason


async def test_call_that_nobody_takes_comes_back_and_lives_on(bench):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    client.answers |= {CAN: "CALL 212 CAN_TRANSFER skypiax5 TRUE", SEND_ON: SEND_ON}
    sending = asyncio.create_task(offer.leg.transfer("skypiax5"))
    await settle()
    await bench.say(client, "CALL 212 STATUS TRANSFERRING", "CALL 212 STATUS RINGING")
    with pytest.raises(CallError) as raised:
        await sending
    assert raised.value.cause is HangupCause.NO_ANSWER
    assert events.all == []
    client.answers["ALTER CALL 212 ANSWER"] = "ALTER CALL 212 ANSWER"
    await offer.leg.answer()


async def test_transfer_that_has_no_outcome_ends_in_time(bench):
    client = await bench.ready()
    offer, _ = await bench.offer(client)
    client.answers |= {CAN: "CALL 212 CAN_TRANSFER skypiax5 TRUE", SEND_ON: SEND_ON}
    sending = asyncio.create_task(offer.leg.transfer("skypiax5"))
    await settle()
    await bench.say(client, "CALL 212 STATUS TRANSFERRING")
    await bench.clock.advance(61)
    with pytest.raises(CallError):
        await sending


async def test_caller_that_gives_up_in_the_meantime_is_not_transferred(bench):
    client = await bench.ready()
    offer, events = await bench.offer(client)
    client.answers |= {CAN: "CALL 212 CAN_TRANSFER skypiax5 TRUE", SEND_ON: SEND_ON}
    sending = asyncio.create_task(offer.leg.transfer("skypiax5"))
    await settle()
    await bench.say(client, "CALL 212 STATUS TRANSFERRING", "CALL 212 STATUS MISSED")
    with pytest.raises(CallError):
        await sending
    assert events.released.cause is HangupCause.NORMAL_CLEARING


async def test_call_that_we_placed_is_not_sent_on(bench):
    _, leg, _ = await established(bench)
    with pytest.raises(CallError):
        await leg.transfer("skypiax5")


async def test_several_are_called_at_once_and_all_are_let_go_together(bench):
    client = await bench.ready()
    client.answers |= {
        "CALL bob, carol": ["CALL 178 STATUS UNPLACED", "CALL 181 STATUS UNPLACED"],
        "GET CALL 178 CONF_ID": "CALL 178 CONF_ID 7",
        "GET CALL 181 CONF_ID": "CALL 181 CONF_ID 7",
        "SEARCH ACTIVECALLS": "CALLS 178, 181",
    }
    events = Events()
    await bench.backend.place_conference(("bob", "carol"), events)
    await settle()
    client.say("CALL 181 STATUS ROUTING", "CALL 181 STATUS RINGING")
    await bench.say(client, "CALL 178 STATUS INPROGRESS", "CALL 178 STATUS FINISHED")
    assert client.count("ALTER CALL 181 HANGUP") == 1
    assert bench.observer.offers == []


@pytest.mark.parametrize("addresses", [(), ("bob", ""), ("bob, eve",)])
async def test_what_are_no_addresses_are_not_sent(bench, addresses):
    client = await bench.ready()
    with pytest.raises(CallError):
        await bench.backend.place_conference(addresses, Events())
    assert not any(line.startswith("CALL") for line in client.heard)


async def test_two_calls_become_one_conversation(bench):
    client, leg, _ = await established(bench)
    client.answers["CALL eve"] = "CALL 180 STATUS UNPLACED"
    other = await bench.backend.place("eve", Events())
    client.answers["SET CALL 180 JOIN_CONFERENCE 178"] = "CALL 180 CONF_ID 3"
    await bench.backend.join(other, leg)
    client.answers["SET CALL 178 JOIN_CONFERENCE 180"] = "ERROR 72 no"
    with pytest.raises(CallError):
        await bench.backend.join(leg, other)


VOICEMAIL = (
    "CALL 178 STATUS VM_BUFFERING_GREETING",
    "CALL 178 VM_ALLOWED_DURATION 600",
    "CALL 178 STATUS VM_PLAYING_GREETING",
    "CALL 178 STATUS VM_PLAYING_GREETING",
)


async def test_voicemail_that_takes_the_call_is_no_answer(bench):
    client = await bench.ready()
    _, events = await bench.place(client)
    client.answers["ALTER CALL 178 HANGUP"] = [
        "ALTER CALL 178 HANGUP",
        "CALL 178 STATUS VM_CANCELLED",
    ]
    await bench.say(client, *VOICEMAIL)
    assert events.of(LineAnswered) == []
    assert events.released == LineReleased(
        HangupCause.NO_ANSWER, "no answer, voicemail took the call"
    )
    assert client.count("ALTER CALL 178 HANGUP") == 1


async def test_voicemail_is_an_answer_where_the_operator_says_so(run_line):
    async with run_line(SkypeSettings(voicemail="answer")) as bench:
        client = await bench.ready()
        leg, events = await bench.place(client)
        await bench.say(client, VOICEMAIL[0])
        assert events.all == []
        await bench.say(client, *VOICEMAIL[1:], "CALL 178 STATUS VM_RECORDING")
        assert events.all == [LineAnswered()]
        await bench.say(client, "CALL 178 STATUS VM_UPLOADING")
        await bench.say(client, "CALL 178 STATUS VM_SENT")
        assert events.released.cause is HangupCause.NORMAL_CLEARING
        assert leg.over


async def test_price_of_a_minute_is_told_before_the_answer(bench):
    client = await bench.ready()
    leg, events = await bench.place(client)
    assert leg.price is None
    client.say(
        "CALL 178 RATE 21",
        "CALL 178 RATE_PRECISION 3",
        "CALL 178 RATE_CURRENCY EUR",
        "CALL 178 STATUS EARLYMEDIA",
        "CALL 178 VAA_INPUT_STATUS FALSE",
    )
    assert events.all == [LineEarlyMedia()]
    assert leg.price == Money(Decimal("0.021"), "EUR")


@pytest.mark.parametrize(
    ("rate", "places"),
    [
        ("5", "9" * 20),
        ("5", "-" + "9" * 20),
        ("sNaN", "2"),
        ("Infinity", "2"),
        ("1E400", "0"),
        ("", "2"),
        ("5", "x"),
    ],
)
async def test_what_is_no_price_is_none(bench, rate, places):
    client = await bench.ready()
    leg, _ = await bench.place(client)
    client.say(f"CALL 178 RATE {rate}", f"CALL 178 RATE_PRECISION {places}")
    assert leg.price is None


async def test_what_the_telephone_network_says_stands_in_the_reason(bench):
    client = await bench.ready()
    _, events = await bench.place(client)
    client.say(
        "CALL 178 PSTN_STATUS 6500 PSTN Call Creation Timeout",
        "CALL 178 FAILUREREASON 1",
        "CALL 178 STATUS FAILED",
    )
    assert "6500 PSTN Call Creation Timeout" in events.released.reason
