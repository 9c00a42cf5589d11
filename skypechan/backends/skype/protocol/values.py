"""The words of the Skype Desktop API that have a closed set of values."""

from __future__ import annotations

from enum import IntEnum, StrEnum, unique
from typing import Final

HIGHEST_LEVEL: Final = 8
"""Highest protocol level known (API 3.5)."""

DIGITS: Final = frozenset("0123456789*#")
"""The digits a call can send; A to D are refused by the client."""


@unique
class CallStatus(StrEnum):
    """Values of a CALL's STATUS (Skype API: CALL object)."""

    UNPLACED = "UNPLACED"
    ROUTING = "ROUTING"
    EARLY_MEDIA = "EARLYMEDIA"
    FAILED = "FAILED"
    RINGING = "RINGING"
    IN_PROGRESS = "INPROGRESS"
    ON_HOLD = "ONHOLD"
    LOCAL_HOLD = "LOCALHOLD"
    REMOTE_HOLD = "REMOTEHOLD"
    FINISHED = "FINISHED"
    MISSED = "MISSED"
    REFUSED = "REFUSED"
    BUSY = "BUSY"
    CANCELLED = "CANCELLED"
    TRANSFERRING = "TRANSFERRING"
    TRANSFERRED = "TRANSFERRED"
    VM_BUFFERING_GREETING = "VM_BUFFERING_GREETING"
    VM_PLAYING_GREETING = "VM_PLAYING_GREETING"
    VM_RECORDING = "VM_RECORDING"
    VM_UPLOADING = "VM_UPLOADING"
    VM_SENT = "VM_SENT"
    VM_CANCELLED = "VM_CANCELLED"
    VM_FAILED = "VM_FAILED"
    WAITING_REDIAL_COMMAND = "WAITING_REDIAL_COMMAND"
    REDIAL_PENDING = "REDIAL_PENDING"


END_STATUSES: Final = frozenset(
    {
        CallStatus.FINISHED,
        CallStatus.MISSED,
        CallStatus.REFUSED,
        CallStatus.BUSY,
        CallStatus.CANCELLED,
        CallStatus.FAILED,
        CallStatus.VM_SENT,
        CallStatus.VM_CANCELLED,
        CallStatus.VM_FAILED,
        CallStatus.TRANSFERRED,
        CallStatus.WAITING_REDIAL_COMMAND,
    }
)
"""No further STATUS follows one of these (for a client that does not redial)."""

HOLD_STATUSES: Final = frozenset(
    {CallStatus.ON_HOLD, CallStatus.LOCAL_HOLD, CallStatus.REMOTE_HOLD}
)
"""The call is up, but its audio rests."""

ESTABLISHED_STATUSES: Final = HOLD_STATUSES | {CallStatus.IN_PROGRESS}
"""The call has been answered and has not ended."""


@unique
class CallType(StrEnum):
    """Values of a CALL's TYPE: direction, and telephone network or Skype user."""

    INCOMING_PSTN = "INCOMING_PSTN"
    OUTGOING_PSTN = "OUTGOING_PSTN"
    INCOMING_P2P = "INCOMING_P2P"
    OUTGOING_P2P = "OUTGOING_P2P"

    @property
    def incoming(self) -> bool:
        """True when the partner called."""
        return self in {CallType.INCOMING_PSTN, CallType.INCOMING_P2P}

    @property
    def telephone(self) -> bool:
        """True when the partner is on the telephone network."""
        return self in {CallType.INCOMING_PSTN, CallType.OUTGOING_PSTN}


@unique
class ConnectionStatus(StrEnum):
    """Values of CONNSTATUS: the client's connection to the Skype network."""

    OFFLINE = "OFFLINE"
    CONNECTING = "CONNECTING"
    PAUSING = "PAUSING"
    ONLINE = "ONLINE"
    LOGGED_OUT = "LOGGEDOUT"


@unique
class UserStatus(StrEnum):
    """Values of USERSTATUS, and of a USER's ONLINESTATUS with SKYPEOUT."""

    UNKNOWN = "UNKNOWN"
    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    SKYPE_ME = "SKYPEME"
    AWAY = "AWAY"
    NOT_AVAILABLE = "NA"
    DO_NOT_DISTURB = "DND"
    INVISIBLE = "INVISIBLE"
    LOGGED_OUT = "LOGGEDOUT"
    SKYPE_OUT = "SKYPEOUT"


@unique
class BuddyStatus(IntEnum):
    """Values of a USER's BUDDYSTATUS."""

    NEVER = 0
    DELETED = 1
    PENDING = 2
    FRIEND = 3


@unique
class FailureReason(IntEnum):
    """Values of a CALL's FAILUREREASON, told just before STATUS FAILED."""

    MISCELLANEOUS = 1
    NO_SUCH_USER = 2
    USER_OFFLINE = 3
    NO_PROXY = 4
    SESSION_TERMINATED = 5
    NO_COMMON_CODEC = 6
    SOUND_IO = 7
    REMOTE_SOUND_DEVICE = 8
    BLOCKED = 9
    NOT_A_FRIEND = 10
    NOT_AUTHORISED = 11
    SOUND_RECORDING = 12
    COMMERCIAL_CONTACT = 13
    CONFERENCE_DROPPED = 14


@unique
class ErrorNumber(IntEnum):
    """Numbers of ERROR replies that calls and attachment can meet."""

    SYNTAX = 1
    UNKNOWN_COMMAND = 2
    SEARCH_UNKNOWN_WHAT = 3
    EMPTY_TARGET = 4
    GET_INVALID_WHAT = 7
    INVALID_USER_HANDLE = 8
    UNKNOWN_USER = 9
    GET_INVALID_PROPERTY = 10
    GET_INVALID_CALL_ID = 11
    GET_UNKNOWN_CALL = 12
    GET_INVALID_CALL_PROPERTY = 13
    SET_INVALID_WHAT = 18
    SET_INVALID_CALL_ID = 19
    SET_UNKNOWN_CALL = 20
    SET_DISALLOWED_PROPERTY = 21
    CANNOT_HOLD = 22
    CANNOT_RESUME = 23
    CANNOT_HANG_UP = 24
    INVALID_VERSION = 27
    UNKNOWN_USER_STATUS = 28
    NOT_ONLINE = 36
    USER_BLOCKED = 39
    UNKNOWN_PRIVILEGE = 40
    CALL_NOT_ACTIVE = 41
    INVALID_DIGIT = 42
    SET_INVALID_VALUE = 53
    ACCESS_DENIED = 68
    CANNOT_CREATE_CONFERENCE = 72
    UNRECOGNISED_IDENTITY = 92
    OTHER_CALL_HALF_OPEN = 96
    OTHER_CALL_ACTIVE = 99
    ALTER_WITHOUT_TYPE = 526
    ALTER_UNKNOWN_TYPE = 527
    CALL_WITHOUT_ID = 555
    CALL_INVALID_ID = 556
    CALL_WITHOUT_ACTION = 557
    CALL_BAD_ARGUMENTS = 558
    CALL_ACTION_FAILED = 559
    CALL_UNKNOWN_ACTION = 560
    SOUND_SOCKET = 589
    TRANSFER = 592
