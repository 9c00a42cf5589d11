from __future__ import annotations

import pytest

from skypechan.backends.skype.causes import (
    ENDINGS,
    FAILURES,
    Phase,
    ending_of,
    refusal_of,
)
from skypechan.backends.skype.protocol.values import (
    END_STATUSES,
    CallStatus,
    ErrorNumber,
    FailureReason,
)
from skypechan.call.causes import HangupCause
from skypechan.errors import CommandError


def test_every_last_status_has_a_cause_in_every_phase():
    expected = {(status, phase) for status in END_STATUSES for phase in Phase}
    assert set(ENDINGS) == expected


def test_every_failure_reason_has_a_cause():
    assert set(FAILURES) == set(FailureReason)


@pytest.mark.parametrize("reason", FailureReason)
def test_failure_names_its_number_and_its_words(reason):
    ending = ending_of(CallStatus.FAILED, Phase.PLACED, str(int(reason)))
    assert ending.cause is FAILURES[reason].cause
    assert ending.text == f"FAILUREREASON {int(reason)}: {FAILURES[reason].text}"


def test_offline_user_reads_as_the_operator_expects():
    ending = ending_of(CallStatus.FAILED, Phase.PLACED, "3")
    assert ending.cause is HangupCause.SUBSCRIBER_ABSENT
    assert ending.text == "FAILUREREASON 3: user is offline"


@pytest.mark.parametrize("reason", ["99", "x", "-1"])
def test_unknown_failure_reason_is_unspecified_and_still_named(reason):
    ending = ending_of(CallStatus.FAILED, Phase.PLACED, reason)
    assert ending.cause is HangupCause.NORMAL_UNSPECIFIED
    assert reason in ending.text


def test_gateway_error_of_the_telephone_network_is_told():
    text = "6500 PSTN Call Creation Timeout"
    ending = ending_of(CallStatus.FAILED, Phase.PLACED, "1", text)
    assert text in ending.text


@pytest.mark.parametrize("failure", ["", "1", "99"])
def test_gateway_error_counts_where_the_failure_reason_says_nothing(failure):
    text = "6500 PSTN connection creation timeout"
    ending = ending_of(CallStatus.FAILED, Phase.PLACED, failure, text)
    assert ending.cause is HangupCause.TEMPORARY_FAILURE
    assert ending.text.endswith(f"PSTN_STATUS {text}")


@pytest.mark.parametrize("number", ["6501 else", "x", "-"])
def test_unknown_gateway_error_leaves_the_cause_as_it_is(number):
    for failure, cause in (
        ("1", HangupCause.NORMAL_UNSPECIFIED),
        ("2", HangupCause.UNALLOCATED),
    ):
        ending = ending_of(CallStatus.FAILED, Phase.PLACED, failure, number)
        assert ending.cause is cause
    known = ending_of(CallStatus.FAILED, Phase.PLACED, "2", "6500 timeout")
    assert known.cause is HangupCause.UNALLOCATED


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (CallStatus.BUSY, HangupCause.USER_BUSY),
        (CallStatus.REFUSED, HangupCause.CALL_REJECTED),
        (CallStatus.MISSED, HangupCause.NO_ANSWER),
        (CallStatus.CANCELLED, HangupCause.NO_ANSWER),
        (CallStatus.FINISHED, HangupCause.NO_ANSWER),
        (CallStatus.WAITING_REDIAL_COMMAND, HangupCause.CALL_REJECTED),
    ],
)
def test_placed_call_that_nobody_answered_never_ends_as_cleared(status, cause):
    assert ending_of(status, Phase.PLACED).cause is cause


@pytest.mark.parametrize("status", sorted(END_STATUSES))
def test_what_we_release_is_cleared_however_the_client_calls_it(status):
    ending = ending_of(status, Phase.RELEASING, "3")
    assert ending.cause is HangupCause.NORMAL_CLEARING


def test_dropped_conference_before_finished_is_a_normal_end():
    ending = ending_of(CallStatus.FINISHED, Phase.ANSWERED, "14")
    assert ending.cause is HangupCause.NORMAL_CLEARING


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (92, HangupCause.UNALLOCATED),
        (36, HangupCause.NETWORK_OUT_OF_ORDER),
        (96, HangupCause.CONGESTION),
        (99, HangupCause.CONGESTION),
    ],
)
def test_refusal_to_place_a_call_has_the_cause_of_its_number(number, cause):
    error = refusal_of(CommandError(f"ERROR {number} CALL", number))
    assert error.cause is cause
    assert error.reason.startswith(f"ERROR {number}: ")


@pytest.mark.parametrize("number", [*map(int, ErrorNumber), 0, 9901, 123456])
def test_every_error_number_is_a_cause_with_words(number):
    error = refusal_of(CommandError("ERROR x", number))
    assert HangupCause(error.cause) is not HangupCause.UNKNOWN
    assert error.reason != f"ERROR {number}: "
