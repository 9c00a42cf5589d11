"""Why a Skype call ended, as a hangup cause, and what a cause is to a Skype caller.

Every table is total; `skypechan describe causes` prints them all. Sources: Skype API,
CALL object (STATUS, FAILUREREASON, PSTN_STATUS, ALTER CALL END) and the list of error
numbers. What the sources leave open is marked as a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from typing import Final

from skypechan.backends.skype.protocol.values import (
    CallStatus,
    ErrorNumber,
    FailureReason,
)
from skypechan.call.causes import HangupCause
from skypechan.errors import CallError, CommandError


@dataclass(frozen=True, slots=True)
class Ending:
    """The cause of an end, and the words for the operator."""

    cause: HangupCause
    text: str = ""


@unique
class Phase(Enum):
    """How far a leg had come when it ended."""

    PLACED = "we called, nobody answered yet"
    OFFERED = "we were called, nobody answered yet"
    ANSWERED = "the call was up"
    RELEASING = "we wanted it to end"


_S, _C = CallStatus, HangupCause

_ENDS_BEFORE_ANSWER: Final[dict[CallStatus, tuple[Ending, Ending]]] = {
    # status: (a call that we placed, a call that we were offered)
    _S.BUSY: (Ending(_C.USER_BUSY, "busy"), Ending(_C.USER_BUSY, "busy")),
    _S.REFUSED: (
        Ending(_C.CALL_REJECTED, "refused"),
        Ending(_C.CALL_REJECTED, "refused at the client"),
    ),
    # Guess: nobody answering may be shown as MISSED, CANCELLED or FINISHED.
    _S.MISSED: (
        Ending(_C.NO_ANSWER, "no answer"),
        Ending(_C.NORMAL_CLEARING, "the caller gave up"),
    ),
    _S.CANCELLED: (
        Ending(_C.NO_ANSWER, "cancelled at the client"),
        Ending(_C.NORMAL_CLEARING, "cancelled"),
    ),
    _S.FINISHED: (
        Ending(_C.NO_ANSWER, "ended before an answer"),
        Ending(_C.NORMAL_CLEARING, "ended before an answer"),
    ),
    _S.FAILED: (
        Ending(_C.NORMAL_UNSPECIFIED, "failed without a reason"),
        Ending(_C.NORMAL_UNSPECIFIED, "failed without a reason"),
    ),
    _S.TRANSFERRED: (
        Ending(_C.NORMAL_CLEARING, "transferred"),
        Ending(_C.NORMAL_CLEARING, "transferred"),
    ),
    _S.VM_SENT: (
        Ending(_C.NO_ANSWER, "no answer, voicemail took the call"),
        Ending(_C.NO_ANSWER, "voicemail took the call"),
    ),
    _S.VM_CANCELLED: (
        Ending(_C.NO_ANSWER, "no answer, voicemail was cancelled"),
        Ending(_C.NO_ANSWER, "voicemail was cancelled"),
    ),
    _S.VM_FAILED: (
        Ending(_C.NO_ANSWER, "no answer, voicemail failed"),
        Ending(_C.NO_ANSWER, "voicemail failed"),
    ),
    _S.WAITING_REDIAL_COMMAND: (
        Ending(_C.CALL_REJECTED, "refused by the telephone network"),
        Ending(_C.CALL_REJECTED, "refused by the telephone network"),
    ),
}


def _after_answer(status: CallStatus, ending: Ending) -> Ending:
    if status is _S.FAILED:
        return ending
    text = ending.text if status is _S.TRANSFERRED else ""
    return Ending(_C.NORMAL_CLEARING, text)


ENDINGS: Final[dict[tuple[CallStatus, Phase], Ending]] = {
    (status, phase): ending
    for status, (placed, offered) in _ENDS_BEFORE_ANSWER.items()
    for phase, ending in (
        (Phase.PLACED, placed),
        (Phase.OFFERED, offered),
        (Phase.ANSWERED, _after_answer(status, placed)),
        (Phase.RELEASING, Ending(_C.NORMAL_CLEARING)),
    )
}
"""What a last status means; FAILED with a known reason is in FAILURES."""

_F = FailureReason

FAILURES: Final[dict[FailureReason, Ending]] = {
    _F.MISCELLANEOUS: Ending(_C.NORMAL_UNSPECIFIED, "miscellaneous error"),
    _F.NO_SUCH_USER: Ending(_C.UNALLOCATED, "user or number does not exist"),
    _F.USER_OFFLINE: Ending(_C.SUBSCRIBER_ABSENT, "user is offline"),
    _F.NO_PROXY: Ending(_C.NETWORK_OUT_OF_ORDER, "no proxy found"),
    _F.SESSION_TERMINATED: Ending(_C.NORMAL_CLEARING, "session terminated"),
    _F.NO_COMMON_CODEC: Ending(_C.BEARER_UNAVAILABLE, "no common codec"),
    _F.SOUND_IO: Ending(_C.TEMPORARY_FAILURE, "sound I/O error"),
    _F.REMOTE_SOUND_DEVICE: Ending(
        _C.TEMPORARY_FAILURE, "trouble with the far end's sound device"
    ),
    _F.BLOCKED: Ending(_C.CALL_REJECTED, "call blocked by the recipient"),
    _F.NOT_A_FRIEND: Ending(_C.CALL_REJECTED, "recipient is not a friend"),
    _F.NOT_AUTHORISED: Ending(_C.CALL_REJECTED, "not authorised by the recipient"),
    _F.SOUND_RECORDING: Ending(_C.TEMPORARY_FAILURE, "sound recording error"),
    _F.COMMERCIAL_CONTACT: Ending(
        _C.TEMPORARY_FAILURE, "failure to call a commercial contact"
    ),
    _F.CONFERENCE_DROPPED: Ending(_C.NORMAL_CLEARING, "conference dropped by its host"),
}

PSTN_STATUSES: Final[dict[str, Ending]] = {
    "6500": Ending(_C.TEMPORARY_FAILURE, "the telephone network took too long"),
}
"""What the gateway to the telephone network says; only this number is documented.

It counts where FAILUREREASON says nothing: no number, an unknown one, or 1.
"""

_E = ErrorNumber
_NOT_ONLINE = Ending(_C.NETWORK_OUT_OF_ORDER, "the client is not online")
_NO_SUCH_CALL = Ending(_C.NORMAL_CLEARING, "the client has no such call")
_CANNOT_HOLD = Ending(_C.NORMAL_UNSPECIFIED, "the call cannot be held now")
_CANNOT_RESUME = Ending(_C.NORMAL_UNSPECIFIED, "the call cannot be resumed now")
_CALL_ERROR = Ending(_C.NORMAL_UNSPECIFIED, "call error")
_INTERNAL_ERROR = Ending(_C.TEMPORARY_FAILURE, "internal error of the client")

REFUSALS: Final[dict[int, Ending]] = {
    _E.EMPTY_TARGET: Ending(_C.INVALID_NUMBER, "empty address"),
    _E.INVALID_USER_HANDLE: Ending(_C.INVALID_NUMBER, "invalid user name"),
    _E.UNKNOWN_USER: Ending(_C.UNALLOCATED, "unknown user"),
    _E.SET_INVALID_USER_HANDLE: Ending(_C.INVALID_NUMBER, "invalid user name"),
    34: Ending(_C.INVALID_NUMBER, "invalid user name"),
    35: _NOT_ONLINE,
    _E.NOT_ONLINE: _NOT_ONLINE,
    37: _NOT_ONLINE,
    38: _NOT_ONLINE,
    66: _NOT_ONLINE,
    _E.USER_BLOCKED: Ending(_C.CALL_REJECTED, "user is blocked"),
    _E.CALL_NOT_ACTIVE: Ending(_C.NORMAL_UNSPECIFIED, "the call is not active"),
    _E.INVALID_DIGIT: Ending(_C.INTERWORKING, "the client has no such digit"),
    _E.ACCESS_DENIED: Ending(_C.TEMPORARY_FAILURE, "the client refuses us"),
    _E.CANNOT_HOLD: _CANNOT_HOLD,
    _E.CANNOT_HOLD_NOW: _CANNOT_HOLD,
    _E.CANNOT_RESUME: _CANNOT_RESUME,
    _E.CANNOT_RESUME_NOW: _CANNOT_RESUME,
    _E.EMPTY_MESSAGE: Ending(_C.NORMAL_UNSPECIFIED, "empty message"),
    _E.NOT_A_CONTACT: Ending(_C.CALL_REJECTED, "user is not a contact"),
    _E.CANNOT_CREATE_CONFERENCE: Ending(_C.CONGESTION, "no conference is possible"),
    _E.TOO_MANY_PARTICIPANTS: Ending(_C.CONGESTION, "too many participants"),
    91: _CALL_ERROR,
    93: _CALL_ERROR,
    94: _CALL_ERROR,
    95: _INTERNAL_ERROR,
    97: _INTERNAL_ERROR,
    98: _INTERNAL_ERROR,
    100: _INTERNAL_ERROR,
    101: _INTERNAL_ERROR,
    9901: _INTERNAL_ERROR,
    _E.UNRECOGNISED_IDENTITY: Ending(_C.UNALLOCATED, "unrecognised identity"),
    _E.OTHER_CALL_HALF_OPEN: Ending(_C.CONGESTION, "another call is being set up"),
    _E.OTHER_CALL_ACTIVE: Ending(_C.CONGESTION, "another call is active"),
    _E.GET_INVALID_CALL_ID: _NO_SUCH_CALL,
    _E.GET_UNKNOWN_CALL: _NO_SUCH_CALL,
    _E.SET_INVALID_CALL_ID: _NO_SUCH_CALL,
    _E.SET_UNKNOWN_CALL: _NO_SUCH_CALL,
    _E.CALL_INVALID_ID: _NO_SUCH_CALL,
    _E.CALL_ACTION_FAILED: Ending(_C.NORMAL_UNSPECIFIED, "not in this state"),
    _E.SOUND_SOCKET: Ending(_C.TEMPORARY_FAILURE, "cannot connect the sound"),
    _E.TRANSFER: Ending(_C.CALL_REJECTED, "the client does not send the call on"),
}
"""What an ERROR number means to the call whose command it answers."""

UNKNOWN: Final = _C.NORMAL_UNSPECIFIED
"""The cause of a FAILUREREASON or ERROR number that no source knows."""


@unique
class Parting(StrEnum):
    """What a Skype caller gets whom nobody at the PBX has answered."""

    REJECT = "reject"  # is told that the call was refused
    RING = "ring"  # hears it ring on; a person at the client may answer
    VOICEMAIL = "voicemail"  # is sent to the account's voicemail
    FORWARD = "forward"  # is sent on by the forwarding rules of the account


@unique
class Occasion(StrEnum):
    """Why nobody has answered, as far as a Skype caller may be told; a setting each."""

    BUSY = "when_busy"
    NO_ANSWER = "when_no_answer"
    REFUSED = "when_refused"
    UNREACHABLE = "when_unreachable"


OCCASIONS: Final[dict[HangupCause, Occasion]] = {
    **dict.fromkeys(HangupCause, Occasion.UNREACHABLE),
    _C.USER_BUSY: Occasion.BUSY,
    _C.NO_USER_RESPONSE: Occasion.NO_ANSWER,
    _C.NO_ANSWER: Occasion.NO_ANSWER,
    _C.CALL_REJECTED: Occasion.REFUSED,
    _C.NORMAL_CLEARING: Occasion.REFUSED,
}
"""What the cause of an unanswered call from Skype is to its caller."""


def ending_of(
    status: CallStatus, phase: Phase, failure: str = "", pstn_status: str = ""
) -> Ending:
    """Return the ending that a last status tells.

    `failure` is the value of FAILUREREASON, `pstn_status` that of PSTN_STATUS, as
    they were told before; either may be empty. Total over END_STATUSES.
    """
    ending = ENDINGS[status, phase]
    if phase is Phase.RELEASING:
        return ending
    if status is CallStatus.FAILED:
        ending = _failure(failure) if failure else ending
        return _with_detail(ending, pstn_status)
    # A telephone network says more of a call that it did not put through.
    return _with_detail(ending, pstn_status if phase is Phase.PLACED else "")


def _failure(number: str) -> Ending:
    known = {str(int(reason)): ending for reason, ending in FAILURES.items()}
    ending = known.get(number.strip(), Ending(UNKNOWN, "unknown reason"))
    return Ending(ending.cause, f"FAILUREREASON {number.strip()}: {ending.text}")


def _with_detail(ending: Ending, detail: str) -> Ending:
    if not detail:
        return ending
    cause = ending.cause
    if cause is UNKNOWN:
        cause = PSTN_STATUSES.get(detail.partition(" ")[0], ending).cause
    return Ending(cause, f"{ending.text}; PSTN_STATUS {detail}")


def refusal_of(error: CommandError) -> CallError:
    """Return the error of a call whose command the client refused."""
    number = error.code or 0
    ending = REFUSALS.get(number)
    if ending is None:
        ending = Ending(UNKNOWN, str(error) or "refused by the client")
    return CallError(ending.cause, f"ERROR {number}: {ending.text}")
