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

VOICEMAIL_STATUSES: Final = frozenset(
    {
        CallStatus.VM_BUFFERING_GREETING,
        CallStatus.VM_PLAYING_GREETING,
        CallStatus.VM_RECORDING,
        CallStatus.VM_UPLOADING,
    }
)
"""The callee's voicemail has the call."""

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
class MessageStatus(StrEnum):
    """Values of a CHATMESSAGE's STATUS, and of a MESSAGE's before level 3."""

    SENDING = "SENDING"
    SENT = "SENT"
    RECEIVED = "RECEIVED"
    READ = "READ"


@unique
class MessageType(StrEnum):
    """Values of a CHATMESSAGE's TYPE; only SAID is something that somebody wrote."""

    SAID = "SAID"
    EMOTED = "EMOTED"
    CREATED_CHAT_WITH = "CREATEDCHATWITH"
    SAW_MEMBERS = "SAWMEMBERS"
    ADDED_MEMBERS = "ADDEDMEMBERS"
    KICKED = "KICKED"
    LEFT = "LEFT"
    SET_TOPIC = "SETTOPIC"
    POSTED_CONTACTS = "POSTEDCONTACTS"
    AUTH_REQUEST = "AUTHREQUEST"
    TEXT = "TEXT"
    UNKNOWN = "UNKNOWN"


@unique
class ChatStatus(StrEnum):
    """Values of a CHAT's STATUS."""

    DIALOG = "DIALOG"
    LEGACY_DIALOG = "LEGACY_DIALOG"
    MULTI_SUBSCRIBED = "MULTI_SUBSCRIBED"
    UNSUBSCRIBED = "UNSUBSCRIBED"


@unique
class VoicemailType(StrEnum):
    """Values of a VOICEMAIL's TYPE."""

    INCOMING = "INCOMING"
    OUTGOING = "OUTGOING"
    DEFAULT_GREETING = "DEFAULT_GREETING"
    CUSTOM_GREETING = "CUSTOM_GREETING"
    UNKNOWN = "UNKNOWN"


@unique
class VoicemailStatus(StrEnum):
    """Values of a VOICEMAIL's STATUS."""

    NOT_DOWNLOADED = "NOTDOWNLOADED"
    DOWNLOADING = "DOWNLOADING"
    UNPLAYED = "UNPLAYED"
    BUFFERING = "BUFFERING"
    PLAYING = "PLAYING"
    PLAYED = "PLAYED"
    BLANK = "BLANK"
    RECORDING = "RECORDING"
    RECORDED = "RECORDED"
    UPLOADING = "UPLOADING"
    UPLOADED = "UPLOADED"
    DELETING = "DELETING"
    FAILED = "FAILED"


@unique
class SmsType(StrEnum):
    """Values of an SMS's TYPE."""

    INCOMING = "INCOMING"
    OUTGOING = "OUTGOING"
    CONFIRMATION_CODE_REQUEST = "CONFIRMATION_CODE_REQUEST"
    CONFIRMATION_CODE_SUBMIT = "CONFIRMATION_CODE_SUBMIT"
    UNKNOWN = "UNKNOWN"


@unique
class SmsStatus(StrEnum):
    """Values of an SMS's STATUS."""

    RECEIVED = "RECEIVED"
    READ = "READ"
    COMPOSING = "COMPOSING"
    SENDING_TO_SERVER = "SENDING_TO_SERVER"
    SENT_TO_SERVER = "SENT_TO_SERVER"
    DELIVERED = "DELIVERED"
    SOME_TARGETS_FAILED = "SOME_TARGETS_FAILED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@unique
class GroupType(StrEnum):
    """Values of a GROUP's TYPE; all but CUSTOM are hardwired."""

    ALL_USERS = "ALL_USERS"
    ALL_FRIENDS = "ALL_FRIENDS"
    SKYPE_FRIENDS = "SKYPE_FRIENDS"
    SKYPEOUT_FRIENDS = "SKYPEOUT_FRIENDS"
    ONLINE_FRIENDS = "ONLINE_FRIENDS"
    WAITING_FOR_AUTHORISATION = "USERS_WAITING_MY_AUTHORIZATION"
    BLOCKED_USERS = "USERS_BLOCKED_BY_ME"
    CUSTOM = "CUSTOM_GROUP"


@unique
class WindowState(StrEnum):
    """Values of WINDOWSTATE."""

    NORMAL = "NORMAL"
    MINIMISED = "MINIMIZED"
    MAXIMISED = "MAXIMIZED"
    HIDDEN = "HIDDEN"


@unique
class VideoStatus(StrEnum):
    """Values of a CALL's VIDEO_STATUS."""

    NONE = "VIDEO_NONE"
    SEND_ENABLED = "VIDEO_SEND_ENABLED"
    RECEIVE_ENABLED = "VIDEO_RECV_ENABLED"
    BOTH_ENABLED = "VIDEO_BOTH_ENABLED"


@unique
class VideoFlow(StrEnum):
    """Values of a CALL's VIDEO_SEND_STATUS and VIDEO_RECEIVE_STATUS."""

    NOT_AVAILABLE = "NOT_AVAILABLE"
    AVAILABLE = "AVAILABLE"
    STARTING = "STARTING"
    REJECTED = "REJECTED"
    RUNNING = "RUNNING"
    STOPPING = "STOPPING"
    PAUSED = "PAUSED"


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
    """Numbers of ERROR replies (Skype API: error codes)."""

    SYNTAX = 1
    UNKNOWN_COMMAND = 2
    SEARCH_UNKNOWN_WHAT = 3
    EMPTY_TARGET = 4
    SEARCH_CALLS_INVALID_TARGET = 5
    SEARCH_MISSED_TARGET = 6
    GET_INVALID_WHAT = 7
    INVALID_USER_HANDLE = 8
    UNKNOWN_USER = 9
    GET_INVALID_PROPERTY = 10
    GET_INVALID_CALL_ID = 11
    GET_UNKNOWN_CALL = 12
    GET_INVALID_CALL_PROPERTY = 13
    INVALID_MESSAGE_ID = 14
    UNKNOWN_MESSAGE = 15
    GET_INVALID_MESSAGE_PROPERTY = 16
    SET_INVALID_WHAT = 18
    SET_INVALID_CALL_ID = 19
    SET_UNKNOWN_CALL = 20
    SET_DISALLOWED_PROPERTY = 21
    CANNOT_HOLD = 22
    CANNOT_RESUME = 23
    CANNOT_HANG_UP = 24
    SET_INVALID_USER_HANDLE = 26
    INVALID_VERSION = 27
    UNKNOWN_USER_STATUS = 28
    SET_INVALID_MESSAGE_ID = 30
    SET_UNKNOWN_MESSAGE = 31
    SET_INVALID_MESSAGE_WHAT = 32
    NOT_ONLINE = 36
    USER_BLOCKED = 39
    UNKNOWN_PRIVILEGE = 40
    CALL_NOT_ACTIVE = 41
    INVALID_DIGIT = 42
    EMPTY_MESSAGE = 43
    SET_INVALID_VALUE = 53
    SEARCH_FRIENDS_TARGET = 67
    ACCESS_DENIED = 68
    INVALID_PARTICIPANT = 71
    CANNOT_CREATE_CONFERENCE = 72
    TOO_MANY_PARTICIPANTS = 73
    UNRECOGNISED_IDENTITY = 92
    OTHER_CALL_HALF_OPEN = 96
    OTHER_CALL_ACTIVE = 99
    CANNOT_HOLD_NOW = 103
    CANNOT_RESUME_NOW = 104
    INVALID_CHAT_NAME = 105
    GET_INVALID_CHAT_PROPERTY = 106
    NOT_A_CONTACT = 108
    NO_VOICEMAIL = 110
    CHAT_FAILED = 500
    ALTER_WITHOUT_TYPE = 526
    ALTER_UNKNOWN_TYPE = 527
    VOICEMAIL_WITHOUT_ID = 528
    VOICEMAIL_INVALID_ID = 529
    VOICEMAIL_WITHOUT_ACTION = 530
    VOICEMAIL_ACTION_FAILED = 531
    VOICEMAIL_UNKNOWN_ACTION = 532
    CREATE_FAILED = 536
    DELETE_FAILED = 538
    CALL_WITHOUT_ID = 555
    CALL_INVALID_ID = 556
    CALL_WITHOUT_ACTION = 557
    CALL_BAD_ARGUMENTS = 558
    CALL_ACTION_FAILED = 559
    CALL_UNKNOWN_ACTION = 560
    GROUP_FAILED = 561
    SOUND_SOCKET = 589
    TRANSFER = 592
