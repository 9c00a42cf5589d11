"""Statuses to events; transcripts of the Skype API, as the client sends them."""

from __future__ import annotations

import pytest

from skypechan.backends.skype.causes import Ending
from skypechan.backends.skype.progress import Progress
from skypechan.backends.skype.protocol.notifications import parse_notification
from skypechan.backends.skype.protocol.values import END_STATUSES, CallStatus
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    LineAnswered,
    LineDigit,
    LineEarlyMedia,
    LineHeld,
    LineReleased,
    LineResumed,
    LineRinging,
)

RINGING, ANSWERED, HELD, RESUMED = (
    LineRinging(),
    LineAnswered(),
    LineHeld(),
    LineResumed(),
)
CLEARED = LineReleased(HangupCause.NORMAL_CLEARING)


def events_of(*lines, incoming=False, answering=False, releasing=False):
    progress = Progress(incoming=incoming)
    progress.answer_wanted |= answering
    progress.releasing = releasing
    return [
        event
        for line in lines
        for event in progress.take(parse_notification(f"CALL 42 {line}"))
    ]


def test_doubled_statuses_are_told_once():
    assert events_of(
        "STATUS ROUTING",
        "STATUS ROUTING",
        "STATUS RINGING",
        "STATUS RINGING",
        "STATUS INPROGRESS",
        "STATUS INPROGRESS",
        "VIDEO_SEND_STATUS AVAILABLE",
        "VIDEO_STATUS VIDEO_BOTH_ENABLED",
        "DURATION 1",
        "DURATION 2",
        "STATUS FINISHED",
        "STATUS FINISHED",
        "DURATION 2",
    ) == [RINGING, ANSWERED, CLEARED]


def test_duration_proves_an_answer_whose_status_was_lost():
    assert events_of("STATUS ROUTING", "DURATION 1", "DURATION 2") == [ANSWERED]


def test_duration_zero_proves_nothing():
    assert events_of("STATUS RINGING", "DURATION 0") == [RINGING]


def test_in_progress_after_hold_is_a_resume_and_no_answer():
    assert events_of(
        "STATUS INPROGRESS",
        "STATUS REMOTEHOLD",
        "STATUS REMOTEHOLD",
        "DURATION 9",
        "STATUS INPROGRESS",
    ) == [ANSWERED, HELD, RESUMED]


@pytest.mark.parametrize("word", ["ONHOLD", "LOCALHOLD", "REMOTEHOLD"])
def test_every_word_for_hold_holds(word):
    assert events_of("STATUS INPROGRESS", f"STATUS {word}") == [ANSWERED, HELD]


def test_hold_without_an_answer_before_it_is_an_answer_too():
    assert events_of("STATUS REMOTEHOLD") == [ANSWERED, HELD]


def test_early_media_rings_without_an_answer():
    assert events_of(
        "STATUS UNPLACED",
        "RATE 0",
        "RATE_CURRENCY SEK",
        "STATUS EARLYMEDIA",
        "STATUS EARLYMEDIA",
        "VAA_INPUT_STATUS FALSE",
    ) == [LineEarlyMedia()]


def test_failure_is_told_with_the_reason_before_it():
    expected = LineReleased(
        HangupCause.SUBSCRIBER_ABSENT, "FAILUREREASON 3: user is offline"
    )
    assert events_of("STATUS ROUTING", "FAILUREREASON 3", "STATUS FAILED") == [expected]


def test_reason_14_before_the_end_of_an_answered_call_is_a_normal_end():
    assert events_of(
        "STATUS INPROGRESS",
        "FAILUREREASON 14",
        "STATUS FINISHED",
        incoming=True,
        answering=True,
    ) == [ANSWERED, CLEARED]


def test_answer_that_we_did_not_order_is_a_persons_and_the_end_for_us():
    assert events_of(
        "STATUS RINGING",
        "STATUS REMOTEHOLD",
        "STATUS INPROGRESS",
        "STATUS FINISHED",
        incoming=True,
    ) == [LineReleased(HangupCause.NORMAL_CLEARING, "answered at the client")]


def test_caller_that_gives_up_clears_the_call():
    (released,) = events_of("STATUS RINGING", "STATUS MISSED", incoming=True)
    assert released.cause is HangupCause.NORMAL_CLEARING


def test_voicemail_of_the_far_end_is_no_answer():
    (released,) = events_of(
        "STATUS ROUTING",
        "STATUS VM_BUFFERING_GREETING",
        "STATUS VM_PLAYING_GREETING",
        "STATUS VM_RECORDING",
        "VM_DURATION 1",
        "STATUS VM_UPLOADING",
        "STATUS VM_SENT",
    )
    assert released.cause is HangupCause.NO_ANSWER


def test_far_ends_keys_are_digits_in_order():
    assert events_of("STATUS INPROGRESS", "DTMF 1", "DTMF #") == [
        ANSWERED,
        LineDigit("1"),
        LineDigit("#"),
    ]


@pytest.mark.parametrize(
    "line", ["STATUS WHATEVER", "STATUS", "DTMF X", "DURATION x?", "", "X Y Z"]
)
def test_unknown_lines_do_not_end_a_call(line):
    assert not any(isinstance(event, LineReleased) for event in events_of(line))


@pytest.mark.parametrize("status", sorted(END_STATUSES))
def test_every_last_status_ends_a_call_once(status):
    events = events_of(f"STATUS {status}", f"STATUS {status}", "STATUS INPROGRESS")
    assert len(events) == 1
    assert isinstance(events[0], LineReleased)


@pytest.mark.parametrize("status", sorted(set(CallStatus) - END_STATUSES))
def test_no_other_status_ends_a_call(status):
    assert LineReleased not in map(type, events_of(f"STATUS {status}"))


def test_end_that_no_status_told_is_told_once():
    progress = Progress(incoming=False)
    ending = Ending(HangupCause.TEMPORARY_FAILURE, "gone")
    assert progress.end(ending) == (
        LineReleased(HangupCause.TEMPORARY_FAILURE, "gone"),
    )
    assert progress.end(ending) == ()


def test_our_own_release_is_cleared_even_if_the_client_says_cancelled():
    assert events_of("STATUS CANCELLED", releasing=True) == [CLEARED]
