"""Hangup causes: the Q.850 numbers used here and what each means to others.

The words are Asterisk's DIALSTATUS.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class HangupCause(IntEnum):
    """A hangup cause by its Q.850 number (0 is Asterisk's "not set")."""

    UNKNOWN = 0
    UNALLOCATED = 1
    NO_ROUTE = 3
    NORMAL_CLEARING = 16
    USER_BUSY = 17
    NO_USER_RESPONSE = 18
    NO_ANSWER = 19
    SUBSCRIBER_ABSENT = 20
    CALL_REJECTED = 21
    DESTINATION_OUT_OF_ORDER = 27
    INVALID_NUMBER = 28
    NORMAL_UNSPECIFIED = 31
    CONGESTION = 34
    NETWORK_OUT_OF_ORDER = 38
    TEMPORARY_FAILURE = 41
    SWITCH_CONGESTION = 42
    REQUESTED_CHANNEL_UNAVAILABLE = 44
    BEARER_UNAVAILABLE = 58
    INTERWORKING = 127

    @classmethod
    def of(cls, number: int) -> HangupCause:
        """Return the cause of a Q.850 number; one not listed is unspecified."""
        try:
            return cls(number)
        except ValueError:
            return cls.NORMAL_UNSPECIFIED


class DialStatus(StrEnum):
    """How an attempt ended, in the words of Asterisk's DIALSTATUS."""

    ANSWER = "ANSWER"
    BUSY = "BUSY"
    NOANSWER = "NOANSWER"
    CANCEL = "CANCEL"
    CHANUNAVAIL = "CHANUNAVAIL"
    CONGESTION = "CONGESTION"


@dataclass(frozen=True, slots=True)
class CauseMeaning:
    """What a cause is called elsewhere, when a call was not answered."""

    status: DialStatus
    text: str


_C, _D = HangupCause, DialStatus

# Asterisk's Dial, too, knows no better word than NOANSWER for a call that was cleared
# normally before an answer (main/dial.c, apps/app_dial.c).
MEANINGS: dict[HangupCause, CauseMeaning] = {
    _C.UNKNOWN: CauseMeaning(_D.CONGESTION, "unknown cause"),
    _C.UNALLOCATED: CauseMeaning(_D.CHANUNAVAIL, "no such user or number"),
    _C.NO_ROUTE: CauseMeaning(_D.CHANUNAVAIL, "no route to destination"),
    _C.NORMAL_CLEARING: CauseMeaning(_D.NOANSWER, "normal clearing"),
    _C.USER_BUSY: CauseMeaning(_D.BUSY, "busy"),
    _C.NO_USER_RESPONSE: CauseMeaning(_D.NOANSWER, "no response"),
    _C.NO_ANSWER: CauseMeaning(_D.NOANSWER, "no answer"),
    _C.SUBSCRIBER_ABSENT: CauseMeaning(_D.CHANUNAVAIL, "user is offline"),
    _C.CALL_REJECTED: CauseMeaning(_D.CONGESTION, "refused"),
    _C.DESTINATION_OUT_OF_ORDER: CauseMeaning(
        _D.CHANUNAVAIL, "destination out of order"
    ),
    _C.INVALID_NUMBER: CauseMeaning(_D.CHANUNAVAIL, "address not understood"),
    _C.NORMAL_UNSPECIFIED: CauseMeaning(_D.CONGESTION, "unspecified"),
    _C.CONGESTION: CauseMeaning(_D.CONGESTION, "no line is free"),
    _C.NETWORK_OUT_OF_ORDER: CauseMeaning(_D.CHANUNAVAIL, "no gateway"),
    _C.TEMPORARY_FAILURE: CauseMeaning(_D.CONGESTION, "temporary failure"),
    _C.SWITCH_CONGESTION: CauseMeaning(_D.CONGESTION, "congestion"),
    _C.REQUESTED_CHANNEL_UNAVAILABLE: CauseMeaning(
        _D.CHANUNAVAIL, "the line is not available"
    ),
    _C.BEARER_UNAVAILABLE: CauseMeaning(_D.CHANUNAVAIL, "no common codec"),
    _C.INTERWORKING: CauseMeaning(_D.CONGESTION, "interworking"),
}


def meaning(cause: HangupCause) -> CauseMeaning:
    """Return what the cause of an unanswered call is called elsewhere."""
    return MEANINGS[cause]
