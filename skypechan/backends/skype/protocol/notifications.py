"""Notifications and replies: what the Skype client says, as typed values.

A reply reads like a notification; only a `#token` in front of it tells them apart,
and that is split off before. `parse_notification` never fails: a line it does not
know is kept as `Unknown`, a status word it does not know as a `CallProperty`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from skypechan.backends.skype.protocol.values import (
    DIGITS,
    CallStatus,
    ConnectionStatus,
    UserStatus,
)
from skypechan.errors import LocalWireError


@dataclass(frozen=True, slots=True)
class CallStatusChanged:
    """CALL id STATUS word."""

    call_id: int
    status: CallStatus


@dataclass(frozen=True, slots=True)
class CallProperty:
    """CALL id NAME value: any other property, and any unknown status word."""

    call_id: int
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class CallDigit:
    """CALL id DTMF d: the partner pressed a key."""

    call_id: int
    digit: str


@dataclass(frozen=True, slots=True)
class DigitSent:
    """SET CALL id DTMF d: the odd echo of a digit sent with SET."""

    call_id: int
    digit: str


@dataclass(frozen=True, slots=True)
class ConnectionStatusChanged:
    """CONNSTATUS word."""

    status: ConnectionStatus


@dataclass(frozen=True, slots=True)
class CurrentUserHandle:
    """CURRENTUSERHANDLE name: the account signed in."""

    handle: str


@dataclass(frozen=True, slots=True)
class UserStatusChanged:
    """USERSTATUS word: the account's own presence."""

    status: UserStatus


@dataclass(frozen=True, slots=True)
class UserProperty:
    """USER handle NAME value."""

    handle: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class ProfileProperty:
    """PROFILE NAME value."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class ObjectProperty:
    """KIND ident NAME value, of a kind in OBJECT_KINDS; `ident` has no space."""

    kind: str
    ident: str
    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """WORD value: a general setting such as MUTE, AUTOAWAY or SKYPEVERSION."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """CALLS a, b, c and its like; `what` is the plural word."""

    what: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlterEcho:
    """ALTER kind ident VERB arguments: the command was carried out."""

    kind: str
    ident: str
    verb: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Error:
    """ERROR number text; the text varies, only the number counts."""

    number: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Ok:
    """OK."""


@dataclass(frozen=True, slots=True)
class Pong:
    """PONG."""


@dataclass(frozen=True, slots=True)
class ProtocolLevel:
    """PROTOCOL n: the level the client will speak."""

    level: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A line this package gives no type; it is kept, never fatal."""

    text: str


Notification = (
    CallStatusChanged
    | CallProperty
    | CallDigit
    | DigitSent
    | ConnectionStatusChanged
    | CurrentUserHandle
    | UserStatusChanged
    | UserProperty
    | ProfileProperty
    | ObjectProperty
    | Setting
    | SearchResult
    | AlterEcho
    | Error
    | Ok
    | Pong
    | ProtocolLevel
    | Unknown
)

OBJECT_KINDS = frozenset(
    {
        "APPLICATION",
        "CHAT",
        "CHATMEMBER",
        "CHATMESSAGE",
        "FILETRANSFER",
        "GROUP",
        "MESSAGE",
        "SMS",
        "VOICEMAIL",
    }
)
"""First words that `ObjectProperty` covers."""

SETTINGS = frozenset(
    {
        "AGC",
        "AEC",
        "AUDIO_IN",
        "AUDIO_OUT",
        "AUTOAWAY",
        "MUTE",
        "PRIVILEGE",
        "PREDICTIVE_DIALER_COUNTRY",
        "RINGER",
        "SILENT_MODE",
        "SKYPEVERSION",
        "VIDEO_IN",
        "WINDOWSTATE",
    }
)
"""First words that `Setting` covers."""

SEARCH_RESULTS = frozenset(
    {
        "CALLS",
        "CHATS",
        "CHATMESSAGES",
        "FILETRANSFERS",
        "GROUPS",
        "MESSAGES",
        "SMSS",
        "USERS",
        "VOICEMAILS",
    }
)
"""First words that `SearchResult` covers."""

_NUMBER = re.compile(r"[0-9]{1,18}")
_FORBIDDEN = re.compile("[\x00\r\n]")


def parse_notification(text: str) -> Notification:
    """The meaning of a line without its token; `Unknown` when it has none here."""
    keyword, _, rest = text.partition(" ")
    keyword = keyword.upper()
    if keyword in SEARCH_RESULTS:
        return SearchResult(keyword, _names(rest))
    if keyword in SETTINGS:
        return Setting(keyword, rest)
    if keyword in OBJECT_KINDS:
        return _read_object(keyword, rest) or Unknown(text)
    reader = _READERS.get(keyword)
    found = reader(rest) if reader else None
    return Unknown(text) if found is None else found


def _names(text: str) -> tuple[str, ...]:
    names = (name.strip() for name in text.split(","))
    return tuple(name for name in names if name)


def number_in(text: str) -> int | None:
    """Return a number as the client writes it; None for anything else."""
    return int(text) if _NUMBER.fullmatch(text) else None


def _read_call(rest: str) -> Notification | None:
    ident, _, rest = rest.partition(" ")
    name, _, value = rest.partition(" ")
    name = name.upper()
    call_id = number_in(ident)
    if call_id is None or not name:
        return None
    status = value.strip().upper()
    if name == "STATUS" and status in CallStatus.__members__.values():
        return CallStatusChanged(call_id, CallStatus(status))
    if name == "DTMF" and value.strip() in DIGITS:
        return CallDigit(call_id, value.strip())
    return CallProperty(call_id, name, value)


def _read_set(rest: str) -> Notification | None:
    words = rest.split()
    if len(words) != 4 or words[0].upper() != "CALL" or words[2].upper() != "DTMF":
        return None
    call_id = number_in(words[1])
    if call_id is None or words[3] not in DIGITS:
        return None
    return DigitSent(call_id, words[3])


def _read_connection(rest: str) -> Notification | None:
    word = rest.strip().upper()
    if word not in ConnectionStatus.__members__.values():
        return None
    return ConnectionStatusChanged(ConnectionStatus(word))


def _read_user_status(rest: str) -> Notification | None:
    word = rest.strip().upper()
    if word not in UserStatus.__members__.values():
        return None
    return UserStatusChanged(UserStatus(word))


def _read_user(rest: str) -> Notification | None:
    handle, _, rest = rest.partition(" ")
    name, _, value = rest.partition(" ")
    if not handle or not name:
        return None
    return UserProperty(handle, name.upper(), value)


def _read_object(kind: str, rest: str) -> Notification | None:
    ident, _, rest = rest.partition(" ")
    name, _, value = rest.partition(" ")
    if not ident or not name:
        return None
    return ObjectProperty(kind, ident, name.upper(), value)


def _read_profile(rest: str) -> Notification | None:
    name, _, value = rest.partition(" ")
    return ProfileProperty(name.upper(), value) if name else None


def _read_alter(rest: str) -> Notification | None:
    kind, _, rest = rest.partition(" ")
    ident, _, rest = rest.partition(" ")
    verb, _, arguments = rest.partition(" ")
    if not kind or not ident:
        return None
    return AlterEcho(kind.upper(), ident, verb.upper(), arguments)


def _read_error(rest: str) -> Notification | None:
    word, _, text = rest.partition(" ")
    number = number_in(word)
    return None if number is None else Error(number, text)


def _read_level(rest: str) -> Notification | None:
    level = number_in(rest.strip())
    return None if level is None else ProtocolLevel(level)


def _read_handle(rest: str) -> Notification | None:
    return CurrentUserHandle(rest)


def _read_ok(rest: str) -> Notification | None:
    return None if rest else Ok()


def _read_pong(rest: str) -> Notification | None:
    return None if rest else Pong()


_READERS = {
    "ALTER": _read_alter,
    "CALL": _read_call,
    "CONNSTATUS": _read_connection,
    "CURRENTUSERHANDLE": _read_handle,
    "ERROR": _read_error,
    "OK": _read_ok,
    "PONG": _read_pong,
    "PROFILE": _read_profile,
    "PROTOCOL": _read_level,
    "SET": _read_set,
    "USER": _read_user,
    "USERSTATUS": _read_user_status,
}


def format_notification(notification: Notification) -> str:
    """Text of a notification, without token.

    Raises LocalWireError for NUL, a line break, or a field whose reader would not
    give the same value back. An empty value keeps its space, as in `CALLS `.
    """
    text = _text_of(notification)
    if _FORBIDDEN.search(text) or parse_notification(text) != notification:
        raise LocalWireError(f"notification not writable: {text[:80]!r}")
    return text


def _text_of(notification: Notification) -> str:
    match notification:
        case CallStatusChanged(call_id, status):
            return f"CALL {call_id} STATUS {status.value}"
        case CallProperty(call_id, name, value):
            return f"CALL {call_id} {name} {value}"
        case CallDigit(call_id, digit):
            return f"CALL {call_id} DTMF {digit}"
        case DigitSent(call_id, digit):
            return f"SET CALL {call_id} DTMF {digit}"
        case AlterEcho(kind, ident, verb, arguments):
            words = (kind, ident, verb, arguments)
            return "ALTER " + " ".join(word for word in words if word)
        case Error(number, text):
            return f"ERROR {number} {text}" if text else f"ERROR {number}"
        case _:
            return _text_of_account(notification)


def _text_of_account(notification: Notification) -> str:
    match notification:
        case ConnectionStatusChanged(connection):
            return f"CONNSTATUS {connection.value}"
        case UserStatusChanged(presence):
            return f"USERSTATUS {presence.value}"
        case CurrentUserHandle(handle):
            return f"CURRENTUSERHANDLE {handle}"
        case UserProperty(handle, name, value):
            return f"USER {handle} {name} {value}"
        case ProfileProperty(name, value):
            return f"PROFILE {name} {value}"
        case ObjectProperty(kind, ident, name, value):
            return f"{kind} {ident} {name} {value}"
        case Setting(name, value):
            return f"{name} {value}"
        case SearchResult(what, names):
            return f"{what} " + ", ".join(names)
        case Ok():
            return "OK"
        case Pong():
            return "PONG"
        case ProtocolLevel(level):
            return f"PROTOCOL {level}"
        case Unknown(text):
            return text
        case _:
            raise AssertionError(f"not an account notification: {notification!r}")
