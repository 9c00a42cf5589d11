"""What the properties of each object hold, and from which protocol level they exist.

Text is what travels; `read_value` gives it its meaning and `write_value` its text
back. A property that is not listed, or a value not of its type, stays text.
Sources: Skype API, properties of CALL, USER, CHAT, CHATMESSAGE, VOICEMAIL, SMS,
GROUP, PROFILE, general settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from skypechan.backends.skype.protocol.devices import (
    Device,
    format_devices,
    parse_devices,
)
from skypechan.backends.skype.protocol.values import (
    BuddyStatus,
    CallStatus,
    CallType,
    ChatStatus,
    FailureReason,
    GroupType,
    MessageStatus,
    MessageType,
    SmsStatus,
    SmsType,
    UserStatus,
    VideoFlow,
    VideoStatus,
    VoicemailStatus,
    VoicemailType,
    WindowState,
)
from skypechan.errors import LocalWireError, RemoteWireError


@dataclass(frozen=True, slots=True)
class Participant:
    """CONF_PARTICIPANT n: one member of a conference, counted from 1."""

    number: int
    handle: str
    call_type: CallType
    status: CallStatus
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class GatewayFault:
    """PSTN_STATUS: what the telephone network's gateway says."""

    number: int
    text: str = ""


Value = int | bool | str | Enum | Participant | GatewayFault | tuple[str | Device, ...]


@dataclass(frozen=True, slots=True)
class Codec:
    """How a value is read and written; both raise ValueError for what is none."""

    read: Callable[[str], Value]
    write: Callable[[Value], str]


@dataclass(frozen=True, slots=True)
class Property:
    """The type of a property, and the level that brought it."""

    codec: Codec
    level: int = 1


def read_value(kind: str, name: str, text: str) -> Value:
    """The meaning of a property's text; the text itself when it has none here."""
    known = _find(kind, name)
    if known is None:
        return text
    try:
        return known.codec.read(text)
    except (ValueError, RemoteWireError):
        return text


def write_value(kind: str, name: str, value: Value) -> str:
    """The text of a property; LocalWireError for a value of another type."""
    known = _find(kind, name)
    codec = known.codec if known else TEXT
    try:
        text = codec.write(value)
        faithful = codec.read(text) == value
    except (ValueError, RemoteWireError, LocalWireError):
        text, faithful = repr(value), False
    if not faithful:
        raise LocalWireError(f"{kind} {name} cannot be {text[:80]}")
    return text


def level_of(kind: str, name: str) -> int:
    """The lowest protocol level that has this property; 1 for an unknown one."""
    known = _find(kind, name)
    return known.level if known else 1


def _find(kind: str, name: str) -> Property | None:
    first, _, _ = name.partition(" ")
    return PROPERTIES.get(kind, {}).get(first)


def _of_type(value: Value, kind: type[object]) -> None:
    if type(value) is not kind:
        raise ValueError(f"not a {kind.__name__}")


def _read_number(text: str) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", text.strip()):
        raise ValueError("no number")
    return int(text)


def _write_number(value: Value) -> str:
    _of_type(value, int)
    return str(value)


def _write_text(value: Value) -> str:
    _of_type(value, str)
    return str(value)


def _switch(on: str, off: str) -> Codec:
    def read(text: str) -> bool:
        words = {on: True, off: False}
        word = text.strip().upper()
        if word not in words:
            raise ValueError(f"neither {on} nor {off}")
        return words[word]

    def write(value: Value) -> str:
        _of_type(value, bool)
        return on if value else off

    return Codec(read, write)


def _word(kind: type[Enum], *, number: bool = False) -> Codec:
    def read(text: str) -> Enum:
        word = text.strip()
        return kind(int(word) if number else word.upper())

    def write(value: Value) -> str:
        _of_type(value, kind)
        return str(value.value) if isinstance(value, Enum) else ""

    return Codec(read, write)


def _names(separator: str) -> Codec:
    def read(text: str) -> tuple[str, ...]:
        names = (name.strip() for name in text.split(separator.strip() or None))
        return tuple(name for name in names if name)

    def write(value: Value) -> str:
        _of_type(value, tuple)
        return separator.join(map(str, value)) if isinstance(value, tuple) else ""

    return Codec(read, write)


def _read_participant(text: str) -> Participant:
    words = text.split(" ", 4)
    if len(words) < 4 or not words[1]:
        raise ValueError("no participant")
    number, kind = _read_number(words[0]), CallType(words[2])
    name = words[4] if len(words) > 4 else ""
    return Participant(number, words[1], kind, CallStatus(words[3]), name)


def _write_participant(value: Value) -> str:
    if not isinstance(value, Participant):
        raise ValueError("no participant")
    words = (str(value.number), value.handle, value.call_type.value, value.status.value)
    return " ".join((*words, value.display_name))


def _read_fault(text: str) -> GatewayFault:
    number, _, rest = text.partition(" ")
    return GatewayFault(_read_number(number), rest)


def _write_fault(value: Value) -> str:
    if not isinstance(value, GatewayFault):
        raise ValueError("no gateway's fault")
    return f"{value.number} {value.text}" if value.text else str(value.number)


def _write_devices(value: Value) -> str:
    _of_type(value, tuple)
    devices = value if isinstance(value, tuple) else ()
    return format_devices(item for item in devices if isinstance(item, Device))


TEXT: Final = Codec(lambda text: text, _write_text)
NUMBER: Final = Codec(_read_number, _write_number)
FLAG: Final = _switch("TRUE", "FALSE")
ON_OFF: Final = _switch("ON", "OFF")
DEVICES: Final = Codec(parse_devices, _write_devices)
PARTICIPANT: Final = Codec(_read_participant, _write_participant)
GATEWAY_FAULT: Final = Codec(_read_fault, _write_fault)
HANDLES: Final = _names(" ")
NAMES: Final = _names(", ")


def _all(codec: Codec, *names: str, level: int = 1) -> dict[str, Property]:
    return dict.fromkeys(names, Property(codec, level))


_CALL: Final = {
    **_all(NUMBER, "TIMESTAMP", "CONF_ID", "DURATION", "CONF_PARTICIPANTS_COUNT"),
    **_all(TEXT, "PARTNER_HANDLE", "PARTNER_DISPNAME", "SUBJECT", "PSTN_NUMBER"),
    **_all(TEXT, "TARGET_IDENTITY", "FORWARDED_BY"),
    **_all(_word(CallType), "TYPE"),
    **_all(_word(CallStatus), "STATUS"),
    **_all(_word(FailureReason, number=True), "FAILUREREASON"),
    **_all(GATEWAY_FAULT, "PSTN_STATUS"),
    **_all(PARTICIPANT, "CONF_PARTICIPANT"),
    **_all(NUMBER, "VM_DURATION", "VM_ALLOWED_DURATION", level=5),
    **_all(NUMBER, "RATE", "RATE_PRECISION", level=6),
    **_all(TEXT, "RATE_CURRENCY", level=6),
    **_all(DEVICES, "INPUT", "OUTPUT", "CAPTURE_MIC"),
    **_all(FLAG, "VAA_INPUT_STATUS", "SEEN"),
    **_all(FLAG, "TRANSFER_ACTIVE", level=7),
    **_all(TEXT, "TRANSFER_STATUS", "TRANSFERRED_BY", "TRANSFERRED_TO", level=7),
    **_all(TEXT, "CAN_TRANSFER", level=7),
    **_all(_word(VideoStatus), "VIDEO_STATUS"),
    **_all(_word(VideoFlow), "VIDEO_SEND_STATUS", "VIDEO_RECEIVE_STATUS"),
}

_USER: Final = {
    **_all(TEXT, "HANDLE", "FULLNAME", "DISPLAYNAME", "SEX", "LANGUAGE", "COUNTRY"),
    **_all(TEXT, "PROVINCE", "CITY", "PHONE_HOME", "PHONE_OFFICE", "PHONE_MOBILE"),
    **_all(TEXT, "HOMEPAGE", "ABOUT", "MOOD_TEXT", "RICH_MOOD_TEXT", "ALIASES"),
    **_all(TEXT, "SPEEDDIAL", "RECEIVEDAUTHREQUEST"),
    **_all(NUMBER, "BIRTHDAY", "LASTONLINETIMESTAMP", "TIMEZONE"),
    **_all(NUMBER, "NROF_AUTHED_BUDDIES"),
    **_all(FLAG, "HASCALLEQUIPMENT", "IS_VIDEO_CAPABLE", "IS_VOICEMAIL_CAPABLE"),
    **_all(FLAG, "CAN_LEAVE_VM", "ISAUTHORIZED", "ISBLOCKED", "IS_CF_ACTIVE"),
    **_all(_word(BuddyStatus, number=True), "BUDDYSTATUS"),
    **_all(_word(UserStatus), "ONLINESTATUS"),
}

_CHAT: Final = {
    **_all(TEXT, "NAME", "ADDER", "TOPIC", "FRIENDLYNAME", "DIALOG_PARTNER", level=3),
    **_all(NUMBER, "TIMESTAMP", "ACTIVITY_TIMESTAMP", level=3),
    **_all(_word(ChatStatus), "STATUS", level=3),
    **_all(HANDLES, "POSTERS", "MEMBERS", "ACTIVEMEMBERS", level=3),
    **_all(NAMES, "CHATMESSAGES", "RECENTCHATMESSAGES", level=3),
}

_CHATMESSAGE: Final = {
    **_all(TEXT, "CHATNAME", "FROM_HANDLE", "FROM_DISPNAME", "BODY", level=3),
    **_all(NUMBER, "TIMESTAMP", level=3),
    **_all(_word(MessageType), "TYPE", level=3),
    **_all(_word(MessageStatus), "STATUS", level=3),
    **_all(HANDLES, "USERS", level=3),
    **_all(TEXT, "LEAVEREASON", level=3),
    **_all(FLAG, "SEEN", level=3),
}

_MESSAGE: Final = {
    **_all(TEXT, "PARTNER_HANDLE", "PARTNER_DISPNAME", "BODY", "FAILUREREASON"),
    **_all(NUMBER, "TIMESTAMP", "CONF_ID"),
    **_all(_word(MessageType), "TYPE"),
    **_all(_word(MessageStatus), "STATUS"),
}

_VOICEMAIL: Final = {
    **_all(TEXT, "PARTNER_HANDLE", "PARTNER_DISPNAME", "SUBJECT", level=5),
    **_all(NUMBER, "TIMESTAMP", "DURATION", "ALLOWED_DURATION", level=5),
    **_all(NUMBER, "FAILUREREASON", level=5),
    **_all(_word(VoicemailType), "TYPE", level=5),
    **_all(_word(VoicemailStatus), "STATUS", level=5),
    **_all(DEVICES, "INPUT", "OUTPUT", "CAPTURE_MIC", level=5),
}

_SMS: Final = {
    **_all(TEXT, "BODY", "PRICE_CURRENCY", "REPLY_TO_NUMBER"),
    **_all(NUMBER, "TIMESTAMP", "PRICE", "PRICE_PRECISION", "FAILUREREASON"),
    **_all(_word(SmsType), "TYPE"),
    **_all(_word(SmsStatus), "STATUS"),
    **_all(NAMES, "TARGET_NUMBERS"),
    **_all(FLAG, "IS_FAILED_UNSEEN"),
}

_GROUP: Final = {
    **_all(TEXT, "DISPLAYNAME"),
    **_all(_word(GroupType), "TYPE"),
    **_all(NUMBER, "NROFUSERS", "NROFUSERS_ONLINE"),
    **_all(NAMES, "USERS"),
    **_all(FLAG, "VISIBLE", "EXPANDED"),
}

_PROFILE: Final = {
    **_all(NUMBER, "PSTN_BALANCE", "CALL_NOANSWER_TIMEOUT", "TIMEZONE"),
    **_all(TEXT, "PSTN_BALANCE_CURRENCY", "FULLNAME", "MOOD_TEXT", "IPCOUNTRY"),
    **_all(TEXT, "CALL_FORWARD_RULES"),
    **_all(FLAG, "CALL_APPLY_CF", "CALL_SEND_TO_VM"),
}

_SETTINGS: Final = {
    **_all(ON_OFF, "AGC", "AEC", "AUTOAWAY", "MUTE", "SILENT_MODE"),
    **_all(_word(WindowState), "WINDOWSTATE"),
    **_all(TEXT, "AUDIO_IN", "AUDIO_OUT", "RINGER", "VIDEO_IN", "SKYPEVERSION"),
    **_all(TEXT, "PREDICTIVE_DIALER_COUNTRY"),
}

PROPERTIES: Final[dict[str, dict[str, Property]]] = {
    "CALL": _CALL,
    "USER": _USER,
    "CHAT": _CHAT,
    "CHATMESSAGE": _CHATMESSAGE,
    "MESSAGE": _MESSAGE,
    "VOICEMAIL": _VOICEMAIL,
    "SMS": _SMS,
    "GROUP": _GROUP,
    "PROFILE": _PROFILE,
    "PRIVILEGE": _all(FLAG, "SKYPEOUT", "SKYPEIN", "VOICEMAIL"),
    "": _SETTINGS,
}
"""By kind of object; general settings stand under the empty kind."""
