"""What a Skype caller gets whom nobody at the PBX has answered."""

from __future__ import annotations

import pytest

from skypechan.backends.skype.causes import OCCASIONS, Occasion, Parting
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.call.causes import HangupCause
from skypechan.call.events import LineReleased
from tests.doubles.clock import settle

REJECT = "ALTER CALL 212 END HANGUP"
VERBS = {
    Parting.VOICEMAIL: "ALTER CALL 212 END REDIRECT_TO_VOICEMAIL",
    Parting.FORWARD: "ALTER CALL 212 END FORWARD_CALL",
}
CAUSES = {
    Occasion.BUSY: HangupCause.USER_BUSY,
    Occasion.NO_ANSWER: HangupCause.NO_ANSWER,
    Occasion.REFUSED: HangupCause.CALL_REJECTED,
    Occasion.UNREACHABLE: HangupCause.SUBSCRIBER_ABSENT,
}


def set_to(parting: Parting) -> SkypeSettings:
    return SkypeSettings(**{occasion.value: parting.value for occasion in Occasion})


def sent(client) -> list[str]:
    """The commands to the call, in order."""
    return [line for line in client.heard if line.startswith("ALTER CALL 212 ")]


def test_every_cause_is_an_occasion():
    assert set(OCCASIONS) == set(HangupCause)
    assert set(CAUSES.items()) <= {(o, c) for c, o in OCCASIONS.items()}


@pytest.mark.parametrize("cause", HangupCause)
def test_without_settings_every_caller_is_rejected(cause):
    assert SkypeSettings().parting(cause) is Parting.REJECT


@pytest.mark.parametrize("occasion", Occasion)
def test_each_occasion_has_a_setting_of_its_own(occasion):
    settings = SkypeSettings(**{occasion.value: "voicemail"})
    chosen = {one for one in Occasion if settings.parting(CAUSES[one]) != "reject"}
    assert chosen == {occasion}


@pytest.mark.parametrize("parting", sorted(VERBS))
async def test_caller_is_sent_on_and_the_client_has_him_then(run_line, parting):
    async with run_line(set_to(parting)) as bench:
        client = await bench.ready()
        offer, events = await bench.offer(client)
        client.answers[VERBS[parting]] = VERBS[parting]
        await offer.leg.release(HangupCause.USER_BUSY)
        await offer.leg.release(HangupCause.USER_BUSY)
        await settle()
        assert events.released.cause is HangupCause.NORMAL_CLEARING
        assert sent(client) == [VERBS[parting]]
        await bench.say(client, "CALL 212 STATUS REFUSED")
        assert sent(client) == [VERBS[parting]]


@pytest.mark.parametrize("parting", sorted(VERBS))
async def test_caller_who_cannot_be_sent_on_is_rejected(run_line, parting):
    async with run_line(set_to(parting)) as bench:
        client = await bench.ready()
        offer, events = await bench.offer(client)
        client.answers |= {
            VERBS[parting]: "ERROR 559 CALL: Action failed",
            REJECT: REJECT,
        }
        await offer.leg.release(HangupCause.USER_BUSY)
        await settle()
        assert events.all == []
        assert sent(client)[0] == VERBS[parting]
        assert REJECT in sent(client)
        await bench.say(client, "CALL 212 STATUS REFUSED")
        assert events.released == LineReleased(HangupCause.NORMAL_CLEARING)


async def test_call_that_shall_ring_on_is_left_alone(run_line):
    async with run_line(set_to(Parting.RING)) as bench:
        client = await bench.ready()
        offer, events = await bench.offer(client)
        await offer.leg.release(HangupCause.NO_ANSWER)
        await settle()
        assert events.released.cause is HangupCause.NORMAL_CLEARING
        # A person at the client may answer; that is no call of ours any more.
        await bench.say(client, "CALL 212 STATUS INPROGRESS", "CALL 212 DURATION 1")
        await bench.clock.advance(10)
        assert sent(client) == []
        assert len(events.all) == len(bench.observer.offers) == 1


async def test_answered_and_placed_calls_are_ended_whatever_is_set(run_line):
    async with run_line(set_to(Parting.RING)) as bench:
        client = await bench.ready()
        offer, _ = await bench.offer(client)
        client.answers["ALTER CALL 212 ANSWER"] = "ALTER CALL 212 ANSWER"
        await offer.leg.answer()
        await bench.say(client, "CALL 212 STATUS INPROGRESS")
        await offer.leg.release(HangupCause.NO_ANSWER)
        await settle()
        assert REJECT in sent(client)
        placed, _ = await bench.place(client)
        await placed.release(HangupCause.NO_ANSWER)
        await settle()
        assert client.count("ALTER CALL 178 HANGUP") == 1
