"""Commands: what an application says to the Skype client, as typed values.

A command is one line of text, words parted by single spaces, keywords upper case
and compared without regard to case. `parse_command` accepts what the documented
grammar allows and leaves judgement of identifiers and states to the client: a
missing word is an empty field, an unknown first word is an `OtherCommand`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from skypechan.backends.skype.protocol.devices import Device, format_devices
from skypechan.errors import LocalWireError, RemoteWireError

LONGEST_TEXT: Final = 65_536
"""Characters; far above any command or notification of the real client."""

OBJECTS: Final = frozenset(
    {
        "CALL",
        "USER",
        "CHAT",
        "CHATMESSAGE",
        "MESSAGE",
        "VOICEMAIL",
        "GROUP",
        "SMS",
        "FILETRANSFER",
        "CHATMEMBER",
        "APPLICATION",
    }
)
"""Kinds of object that carry an identifier after the kind."""

_FORBIDDEN = re.compile("[\x00\r\n]")
_TOKEN = re.compile(r"#\S*")


@dataclass(frozen=True, slots=True)
class Name:
    """NAME: who attaches; the client may ask its user."""

    friendly: str


@dataclass(frozen=True, slots=True)
class SetProtocol:
    """PROTOCOL n: the level the application would like."""

    level: int


@dataclass(frozen=True, slots=True)
class Ping:
    """PING, answered with PONG."""


@dataclass(frozen=True, slots=True)
class PlaceCall:
    """CALL target[, target]*: more than one target is a conference."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeaveVoicemail:
    """VOICEMAIL user: leaves a message without ringing.

    `word` is VOICEMAIL, or CALLVOICEMAIL as Skype4Py says it from level 6.
    """

    target: str
    word: str = "VOICEMAIL"


@dataclass(frozen=True, slots=True)
class SendMessage:
    """MESSAGE user text: answered with the new CHATMESSAGE's status."""

    target: str
    text: str


@dataclass(frozen=True, slots=True)
class SendChatMessage:
    """CHATMESSAGE chat text: the same into a chat by its name."""

    chat: str
    text: str


@dataclass(frozen=True, slots=True)
class CreateChat:
    """CHAT CREATE [user[, user]*]."""

    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE kind arguments: SMS OUTGOING +number, GROUP name."""

    kind: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE kind ident."""

    kind: str
    ident: str = ""


@dataclass(frozen=True, slots=True)
class GetProperty:
    """GET of an object's property, of a profile's, or of a general setting.

    `kind` is the first word (CALL, USER, PROFILE, USERSTATUS ...), `ident` is only
    used by kinds in OBJECTS, `name` may hold further words (CONF_PARTICIPANT 1).
    """

    kind: str
    ident: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class SetProperty:
    """SET of an object's property, or of a general setting (`name` is then empty)."""

    kind: str
    ident: str = ""
    name: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Alter:
    """ALTER kind ident VERB arguments; answered with its own echo."""

    kind: str
    ident: str
    verb: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH what [argument]."""

    what: str
    argument: str = ""


@dataclass(frozen=True, slots=True)
class OtherCommand:
    """A command this package gives no type: MINIMIZE, FOCUS, or unknown."""

    text: str


Command = (
    Name
    | SetProtocol
    | Ping
    | PlaceCall
    | LeaveVoicemail
    | SendMessage
    | SendChatMessage
    | CreateChat
    | Create
    | Delete
    | GetProperty
    | SetProperty
    | Alter
    | Search
    | OtherCommand
)


def get_call(call_id: int, name: str) -> GetProperty:
    """Ask for a call's property."""
    return GetProperty("CALL", str(call_id), name)


def alter_call(call_id: int, verb: str, arguments: str = "") -> Alter:
    """Any ALTER CALL."""
    return Alter("CALL", str(call_id), verb, arguments)


def answer(call_id: int) -> Alter:
    """Answer a ringing call."""
    return alter_call(call_id, "ANSWER")


def hang_up(call_id: int) -> Alter:
    """End an outgoing or established call."""
    return alter_call(call_id, "HANGUP")


def end_hang_up(call_id: int) -> Alter:
    """Reject a ringing call (Skype4Py ends every call so)."""
    return alter_call(call_id, "END", "HANGUP")


def end_to_voicemail(call_id: int) -> Alter:
    """Send a ringing call to the account's voicemail, if it has one."""
    return alter_call(call_id, "END", "REDIRECT_TO_VOICEMAIL")


def end_forwarding(call_id: int) -> Alter:
    """Send a ringing call on by the account's own CALL_FORWARD_RULES."""
    return alter_call(call_id, "END", "FORWARD_CALL")


def hold(call_id: int) -> Alter:
    """Put a call on local hold."""
    return alter_call(call_id, "HOLD")


def resume(call_id: int) -> Alter:
    """Take a call back from local hold."""
    return alter_call(call_id, "RESUME")


def transfer(call_id: int, *targets: str) -> Alter:
    """Send an incoming call on; of several targets the first to answer has it."""
    return alter_call(call_id, "TRANSFER", ", ".join(targets))


def join_conference(call_id: int, other_id: int) -> SetProperty:
    """Join two calls; the SET form is the one that Skype4Py trusts."""
    return SetProperty("CALL", str(call_id), "JOIN_CONFERENCE", str(other_id))


def send_digit(call_id: int, digit: str) -> SetProperty:
    """Send one digit; the SET form works with every client version."""
    return SetProperty("CALL", str(call_id), "DTMF", digit)


def set_input(call_id: int, *devices: Device) -> Alter:
    """Where the partner's ear gets its audio: application to partner."""
    return alter_call(call_id, "SET_INPUT", format_devices(devices))


def set_output(call_id: int, *devices: Device) -> Alter:
    """Where the partner's voice goes: partner to application."""
    return alter_call(call_id, "SET_OUTPUT", format_devices(devices))


def set_capture_mic(call_id: int, *devices: Device) -> Alter:
    """Where a copy of the local microphone goes."""
    return alter_call(call_id, "SET_CAPTURE_MIC", format_devices(devices))


def split_token(text: str) -> tuple[str, str]:
    """`#id rest` as (`#id`, rest); the token is empty when there is none.

    The token need not be a number (`#output`); it is echoed as it stands.
    """
    found = _TOKEN.match(text)
    if not found:
        return "", text
    return found[0], text[found.end() :].removeprefix(" ")


def with_token(token: str, text: str) -> str:
    """The text with its token in front; unchanged when the token is empty."""
    return f"{token} {text}" if token else text


def parse_command(text: str) -> Command:
    """A command from its text, token already split off.

    Raises RemoteWireError when the text is empty, too long, holds NUL or a line
    break, or asks for a protocol level that is no number.
    """
    if not text.strip():
        raise RemoteWireError("empty command")
    if len(text) > LONGEST_TEXT:
        raise RemoteWireError(f"command of {len(text)} characters")
    if _FORBIDDEN.search(text):
        raise RemoteWireError("NUL or line break in a command")
    keyword, _, rest = text.partition(" ")
    reader = _READERS.get(keyword.upper())
    return reader(rest) if reader else OtherCommand(text)


def _read_name(rest: str) -> Command:
    return Name(rest)


def _read_protocol(rest: str) -> Command:
    if not re.fullmatch(r"[0-9]{1,9}", rest.strip()):
        raise RemoteWireError(f"no protocol level: {rest[:40]!r}")
    return SetProtocol(int(rest))


def _read_ping(rest: str) -> Command:
    return OtherCommand(f"PING {rest}") if rest else Ping()


def _read_call(rest: str) -> Command:
    targets = (target.strip() for target in rest.split(","))
    return PlaceCall(tuple(target for target in targets if target))


def _read_voicemail(rest: str) -> Command:
    return LeaveVoicemail(rest.strip())


def _read_call_voicemail(rest: str) -> Command:
    return LeaveVoicemail(rest.strip(), "CALLVOICEMAIL")


def _read_message(rest: str) -> Command:
    target, _, text = rest.partition(" ")
    return SendMessage(target, text)


def _read_chat_message(rest: str) -> Command:
    chat, _, text = rest.partition(" ")
    return SendChatMessage(chat, text)


def _read_chat(rest: str) -> Command:
    word, _, names = rest.partition(" ")
    if word.upper() != "CREATE":
        return OtherCommand(f"CHAT {rest}" if rest else "CHAT")
    members = (name.strip() for name in names.split(","))
    return CreateChat(tuple(name for name in members if name))


def _read_create(rest: str) -> Command:
    kind, _, arguments = rest.partition(" ")
    return Create(kind.upper(), arguments)


def _read_delete(rest: str) -> Command:
    kind, _, ident = rest.partition(" ")
    return Delete(kind.upper(), ident)


def _read_get(rest: str) -> Command:
    kind, _, rest = rest.partition(" ")
    kind = kind.upper()
    if kind not in OBJECTS:
        return GetProperty(kind, name=_upper_first(rest))
    ident, _, name = rest.partition(" ")
    return GetProperty(kind, ident, _upper_first(name))


def _read_set(rest: str) -> Command:
    kind, _, rest = rest.partition(" ")
    kind = kind.upper()
    if kind not in OBJECTS | {"PROFILE"}:
        return SetProperty(kind, value=rest)
    ident = ""
    if kind != "PROFILE":
        ident, _, rest = rest.partition(" ")
    name, _, value = rest.partition(" ")
    return SetProperty(kind, ident, name.upper(), value)


def _read_alter(rest: str) -> Command:
    kind, _, rest = rest.partition(" ")
    ident, _, rest = rest.partition(" ")
    verb, _, arguments = rest.partition(" ")
    return Alter(kind.upper(), ident, verb.upper(), arguments)


def _read_search(rest: str) -> Command:
    what, _, argument = rest.partition(" ")
    return Search(what.upper(), argument)


def _upper_first(words: str) -> str:
    first, space, rest = words.partition(" ")
    return first.upper() + space + rest


_READERS = {
    "NAME": _read_name,
    "PROTOCOL": _read_protocol,
    "PING": _read_ping,
    "CALL": _read_call,
    "VOICEMAIL": _read_voicemail,
    "CALLVOICEMAIL": _read_call_voicemail,
    "MESSAGE": _read_message,
    "CHATMESSAGE": _read_chat_message,
    "CHAT": _read_chat,
    "CREATE": _read_create,
    "DELETE": _read_delete,
    "GET": _read_get,
    "SET": _read_set,
    "ALTER": _read_alter,
    "SEARCH": _read_search,
}


def format_command(command: Command) -> str:
    """Text of a command, without token.

    Raises LocalWireError for a command that its reader would not read as the same:
    NUL or a line break anywhere, a space in an identifier, a comma in a target,
    keywords in lower case, an identifier missing.
    """
    text = _text_of(command)
    try:
        faithful = parse_command(text) == command and not text.startswith("#")
    except RemoteWireError:
        faithful = False
    if not faithful:
        raise LocalWireError(f"command not writable: {text[:80]!r}")
    return text


def _text_of(command: Command) -> str:
    match command:
        case Name(friendly):
            return f"NAME {friendly}"
        case SetProtocol(level):
            return f"PROTOCOL {level}"
        case Ping():
            return "PING"
        case PlaceCall(targets):
            return "CALL " + ", ".join(targets)
        case LeaveVoicemail(target, word):
            return f"{word} {target}"
        case SendMessage(target, text):
            return f"MESSAGE {target} {text}"
        case SendChatMessage(chat, text):
            return f"CHATMESSAGE {chat} {text}"
        case CreateChat(members):
            return _joined("CHAT CREATE", ", ".join(members))
        case Create(kind, arguments):
            return _joined("CREATE", kind, arguments)
        case Delete(kind, ident):
            return _joined("DELETE", kind, ident)
        case GetProperty(kind, ident, name):
            return _joined("GET", kind, ident, name)
        case SetProperty(kind, ident, name, value):
            return _joined("SET", kind, ident, name, value)
        case Alter(kind, ident, verb, arguments):
            return _joined("ALTER", kind, ident, verb, arguments)
        case Search(what, argument):
            return _joined("SEARCH", what, argument)
        case OtherCommand(text):
            return text


def _joined(*words: str) -> str:
    return " ".join(word for word in words if word)
