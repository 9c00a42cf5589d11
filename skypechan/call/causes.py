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
    """What a cause is called elsewhere, when a call was not answered.

    `status` is the word that Asterisk's own Dial has for it, `sip` the code with which
    its SIP channel refuses a caller (both measured on Asterisk 22).
    """

    status: DialStatus
    sip: int
    text: str


_C, _D, _M = HangupCause, DialStatus, CauseMeaning

# Dial has words of their own for busy, congestion, no answer, and one for all the rest.
MEANINGS: dict[HangupCause, CauseMeaning] = {
    _C.UNKNOWN: _M(_D.CHANUNAVAIL, 480, "unknown cause"),
    _C.UNALLOCATED: _M(_D.CHANUNAVAIL, 404, "no such user or number"),
    _C.NO_ROUTE: _M(_D.CHANUNAVAIL, 404, "no route to destination"),
    _C.NORMAL_CLEARING: _M(_D.NOANSWER, 480, "normal clearing"),
    _C.USER_BUSY: _M(_D.BUSY, 486, "busy"),
    _C.NO_USER_RESPONSE: _M(_D.CHANUNAVAIL, 408, "no response"),
    _C.NO_ANSWER: _M(_D.NOANSWER, 480, "no answer"),
    _C.SUBSCRIBER_ABSENT: _M(_D.CHANUNAVAIL, 480, "user is offline"),
    _C.CALL_REJECTED: _M(_D.CHANUNAVAIL, 403, "refused"),
    _C.DESTINATION_OUT_OF_ORDER: _M(_D.CHANUNAVAIL, 502, "destination out of order"),
    _C.INVALID_NUMBER: _M(_D.CHANUNAVAIL, 484, "address not understood"),
    _C.NORMAL_UNSPECIFIED: _M(_D.CHANUNAVAIL, 480, "unspecified"),
    _C.CONGESTION: _M(_D.CONGESTION, 503, "no line is free"),
    _C.NETWORK_OUT_OF_ORDER: _M(_D.CHANUNAVAIL, 500, "no gateway"),
    _C.TEMPORARY_FAILURE: _M(_D.CHANUNAVAIL, 503, "temporary failure"),
    _C.SWITCH_CONGESTION: _M(_D.CHANUNAVAIL, 503, "congestion"),
    _C.REQUESTED_CHANNEL_UNAVAILABLE: _M(
        _D.CHANUNAVAIL, 503, "the line is not available"
    ),
    _C.BEARER_UNAVAILABLE: _M(_D.CHANUNAVAIL, 488, "no common codec"),
    _C.INTERWORKING: _M(_D.CHANUNAVAIL, 500, "interworking"),
}


def meaning(cause: HangupCause) -> CauseMeaning:
    """Return what the cause of an unanswered call is called elsewhere."""
    return MEANINGS[cause]
