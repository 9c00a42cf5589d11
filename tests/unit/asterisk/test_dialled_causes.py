from __future__ import annotations

import pytest

from skypechan.asterisk.causes import DialledCauses, spoken, why_cancelled
from skypechan.call.causes import DialStatus, HangupCause, meaning

DIALS_WORDS = {
    HangupCause.USER_BUSY: DialStatus.BUSY,
    HangupCause.NO_ANSWER: DialStatus.NOANSWER,
    HangupCause.CONGESTION: DialStatus.CONGESTION,
}


@pytest.mark.parametrize("cause", HangupCause)
def test_what_is_said_to_a_phone_leaves_dial_with_the_word_of_the_cause(
    cause: HangupCause,
) -> None:
    word = DIALS_WORDS.get(spoken(cause), DialStatus.CHANUNAVAIL)
    assert word is meaning(cause).status


@pytest.mark.parametrize("cause", HangupCause)
def test_no_phone_is_told_603_which_stops_every_forking_proxy(
    cause: HangupCause,
) -> None:
    assert spoken(spoken(cause)) is spoken(cause)
    assert meaning(spoken(cause)).sip == meaning(cause).sip != 603


def test_the_last_dialled_leg_knows_best() -> None:
    causes = DialledCauses()
    causes.leg_ended("a", 19)
    causes.leg_ended("b", 17)
    causes.dial_ended("NOANSWER")
    causes.missed("CHANUNAVAIL", "34")
    assert causes.of_call(0) is HangupCause.USER_BUSY


def test_a_leg_that_says_nothing_leaves_it_to_the_dial() -> None:
    for nothing in (0, 16):
        causes = DialledCauses()
        causes.leg_ended("a", nothing)
        causes.dial_ended("NOANSWER")
        assert causes.of_call(21) is HangupCause.NO_ANSWER


@pytest.mark.parametrize(
    ("status", "cause", "meant"),
    [
        ("CHANUNAVAIL", "34", HangupCause.SUBSCRIBER_ABSENT),
        ("BUSY", "17", HangupCause.USER_BUSY),
        ("", "21", HangupCause.CALL_REJECTED),
        ("", "1", HangupCause.UNALLOCATED),
        ("ANSWER", "nonsense", HangupCause.NO_ANSWER),
    ],
)
def test_then_comes_what_the_dialplan_knew(
    status: str, cause: str, meant: HangupCause
) -> None:
    causes = DialledCauses()
    causes.missed(status, cause)
    assert causes.of_call(19) is meant


def test_the_channels_own_cause_comes_last() -> None:
    assert DialledCauses().of_call(19) is HangupCause.NO_ANSWER


def test_a_cause_of_nothing_is_unspecified() -> None:
    for nothing in (0, 16, 9999):
        assert DialledCauses().of_call(nothing) is HangupCause.NORMAL_UNSPECIFIED


def test_it_is_complete_when_no_leg_lives() -> None:
    causes = DialledCauses()
    assert causes.complete
    causes.leg_began("a")
    causes.leg_began("b")
    causes.leg_ended("a", 17)
    assert not causes.complete
    causes.leg_ended("b", 17)
    causes.leg_ended("never seen to begin", 17)
    assert causes.complete


def test_a_caller_who_goes_because_another_answered_has_not_given_up() -> None:
    assert why_cancelled(26) == "answered elsewhere"
    assert why_cancelled(127) == why_cancelled(16) == "the caller gave up"
