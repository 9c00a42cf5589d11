"""AMI actions and events as values. Pure.

What a caller can choose must never become a header of its own: `headers_of` refuses
line breaks, and values that a stranger chose travel percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from skypechan.errors import LocalWireError

Pairs = list[tuple[str, str]]

# Asterisk cuts a line at 1,024 characters and refuses the action (manager.c).
MOST_LINE_BYTES = 1_000
_FORBIDDEN = frozenset("\r\n\0")
_C_ESCAPE = re.compile(r"\\(.)")
_C_ESCAPES = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_QUOTED_PAIR = re.compile(r'\\(["\\])')


class Action(Protocol):
    """Something to ask of Asterisk. `right` is the class a manager user needs."""

    name: ClassVar[str]
    right: ClassVar[str]

    def headers(self) -> Pairs:
        """Return the headers behind the action's name, in order."""


@dataclass(frozen=True, slots=True)
class Login:
    """Sign in. `events` is the mask of event classes wanted."""

    username: str
    secret: str
    events: str
    name: ClassVar[str] = "Login"
    right: ClassVar[str] = ""

    def headers(self) -> Pairs:
        """Return the headers."""
        return [
            ("Username", self.username),
            ("Secret", self.secret),
            ("Events", self.events),
        ]


@dataclass(frozen=True, slots=True)
class Ping:
    """Ask for a sign of life."""

    name: ClassVar[str] = "Ping"
    right: ClassVar[str] = ""

    def headers(self) -> Pairs:
        """Return no headers."""
        return []


@dataclass(frozen=True, slots=True)
class Originate:
    """Let Asterisk start a call: `channel` is called, then the extension runs.

    `unique_ids` are the ids for the channel and, with a Local channel, its other
    half (else empty). `variables` are NAME, VALUE; a value is cut at its first comma by
    Asterisk. `timeout_ms` is how long the channel may take to answer, `caller_id`
    what it sees, as `"Name" <number>`.
    """

    channel: str
    context: str
    extension: str
    codecs: str
    timeout_ms: int
    unique_ids: tuple[str, str]
    variables: tuple[tuple[str, str], ...] = ()
    caller_id: str = ""
    name: ClassVar[str] = "Originate"
    right: ClassVar[str] = "originate"

    def headers(self) -> Pairs:
        """Return the headers."""
        caller_id = [("CallerID", self.caller_id)] if self.caller_id else []
        own, other = self.unique_ids
        return [
            ("Channel", self.channel),
            ("Context", self.context),
            ("Exten", self.extension),
            ("Priority", "1"),
            ("Async", "true"),
            *caller_id,
            ("Codecs", self.codecs),
            ("Timeout", str(self.timeout_ms)),
            ("ChannelId", own),
            *([("OtherChannelId", other)] if other else []),
            *(("Variable", f"{name}={value}") for name, value in self.variables),
        ]


@dataclass(frozen=True, slots=True)
class Redirect:
    """Move a channel to the first priority of an extension."""

    channel: str
    context: str
    extension: str
    name: ClassVar[str] = "Redirect"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        return [
            ("Channel", self.channel),
            ("Context", self.context),
            ("Exten", self.extension),
            ("Priority", "1"),
        ]


@dataclass(frozen=True, slots=True)
class Hangup:
    """End a channel with a Q.850 cause."""

    channel: str
    cause: int
    name: ClassVar[str] = "Hangup"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        return [("Channel", self.channel), ("Cause", str(self.cause))]


@dataclass(frozen=True, slots=True)
class AbsoluteTimeout:
    """Let a channel end so many seconds from now, unless it is told otherwise."""

    channel: str
    seconds: int
    name: ClassVar[str] = "AbsoluteTimeout"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        return [("Channel", self.channel), ("Timeout", str(self.seconds))]


@dataclass(frozen=True, slots=True)
class PlayDtmf:
    """Let a channel receive a digit, as if its far end had pressed the key."""

    channel: str
    digit: str
    duration_ms: int
    name: ClassVar[str] = "PlayDTMF"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        return [
            ("Channel", self.channel),
            ("Digit", self.digit),
            ("Duration", str(self.duration_ms)),
            ("Receive", "true"),
        ]


@dataclass(frozen=True, slots=True)
class Setvar:
    """Set a variable of a channel, or a global one when `channel` is empty."""

    channel: str
    variable: str
    value: str
    name: ClassVar[str] = "Setvar"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        channel = [("Channel", self.channel)] if self.channel else []
        return [*channel, ("Variable", self.variable), ("Value", self.value)]


@dataclass(frozen=True, slots=True)
class Getvar:
    """Read a variable or a function such as VERSION().

    Of a channel, or a global one when `channel` is empty.
    """

    variable: str
    channel: str = ""
    name: ClassVar[str] = "Getvar"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        channel = [("Channel", self.channel)] if self.channel else []
        return [*channel, ("Variable", self.variable)]


@dataclass(frozen=True, slots=True)
class Status:
    """List all channels."""

    name: ClassVar[str] = "Status"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return no headers."""
        return []


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """Ask what Asterisk tells of itself, among it its release."""

    name: ClassVar[str] = "CoreSettings"
    right: ClassVar[str] = "reporting"

    def headers(self) -> Pairs:
        """Return no headers."""
        return []


def headers_of(action: Action, action_id: str) -> Pairs:
    """Return all headers of an action.

    Raises LocalWireError for a value with a line break, which would be a header or
    an action of its own, and for a line longer than Asterisk reads.
    """
    pairs = [("Action", action.name), ("ActionID", action_id), *action.headers()]
    for key, value in pairs:
        if not _FORBIDDEN.isdisjoint(value):
            raise LocalWireError(f"{action.name}: a line break in {key}")
        if len(f"{key}: {value}".encode()) > MOST_LINE_BYTES:
            raise LocalWireError(f"{action.name}: {key} is too long")
    return pairs


@dataclass(frozen=True, slots=True)
class Response:
    """What Asterisk answered to an action, and the list it sent with it."""

    headers: Mapping[str, str]
    items: tuple[Mapping[str, str], ...] = ()

    @property
    def message(self) -> str:
        """Asterisk's own words."""
        return self.headers.get("message", "")

    @property
    def value(self) -> str:
        """The value that Getvar asked for."""
        return self.headers.get("value", "")


# Events. Headers come with their names in lower case.


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel as an event shows it; caller texts are of any content."""

    name: str
    uniqueid: str
    linkedid: str
    caller: str = ""
    caller_name: str = ""

    @property
    def technology(self) -> str:
        """What stands before the first slash: PJSIP, Local, AudioSocket."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class ChannelBegan:
    """Newchannel."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelLeaving:
    """HangupRequest: the channel's far end has hung up; Hangup should follow."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelEnded:
    """Hangup; the cause is the Q.850 number."""

    channel: Channel
    cause: int


@dataclass(frozen=True, slots=True)
class DialProgress:
    """DialState: the dialled channel is in `status`, e.g. RINGING."""

    channel: Channel
    status: str


@dataclass(frozen=True, slots=True)
class DialEnded:
    """DialEnd: dialling the channel came to `status`, e.g. ANSWER, BUSY."""

    channel: Channel
    status: str


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """Hold or Unhold of a channel."""

    channel: Channel
    held: bool


@dataclass(frozen=True, slots=True)
class DigitEnded:
    """DTMFEnd; `received` from the channel's far end, else sent to it."""

    channel: Channel
    digit: str
    received: bool


@dataclass(frozen=True, slots=True)
class BridgeEntered:
    """BridgeEnter: the channel is in a bridge of a technology, e.g. simple_bridge."""

    channel: Channel
    technology: str


@dataclass(frozen=True, slots=True)
class Originated:
    """OriginateResponse of the channel with our unique id."""

    uniqueid: str
    success: bool


@dataclass(frozen=True, slots=True)
class UserEvent:
    """An event of the dialplan; the fields' names are in lower case."""

    name: str
    channel: Channel
    fields: Mapping[str, str]


Event = (
    ChannelBegan
    | ChannelLeaving
    | ChannelEnded
    | DialProgress
    | DialEnded
    | HoldChanged
    | BridgeEntered
    | DigitEnded
    | Originated
    | UserEvent
)


def parse_event(headers: Mapping[str, str]) -> Event | None:
    """Return the event that headers (names in lower case) mean; None if none of ours.

    A number that is none counts as 0: a strange event must not stop the others.
    """
    parser = _PARSERS.get(headers.get("event", ""))
    return parser(headers) if parser else None


def parse_channel(headers: Mapping[str, str], prefix: str = "") -> Channel:
    """Return the channel of an event; `prefix` is dest in Dial events."""

    def text(name: str) -> str:
        return headers.get(prefix + name, "")

    return Channel(
        name=text("channel"),
        uniqueid=text("uniqueid"),
        linkedid=text("linkedid"),
        caller=_known(text("calleridnum")),
        caller_name=_unescaped(_known(text("calleridname"))),
    )


def _known(text: str) -> str:
    return "" if text == "<unknown>" else text


def _unescaped(name: str) -> str:
    """Return a name as the caller gave it.

    Asterisk writes names into events with the escapes of C (manager_channels.c), and
    chan_pjsip leaves the escapes of a SIP quoted string in them (RFC 3261, 25.1).
    """
    plain = _C_ESCAPE.sub(lambda found: _C_ESCAPES.get(found[1], found[1]), name)
    return _QUOTED_PAIR.sub(r"\1", plain)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _user_event(headers: Mapping[str, str]) -> Event:
    return UserEvent(headers.get("userevent", ""), parse_channel(headers), headers)


_PARSERS: dict[str, Callable[[Mapping[str, str]], Event]] = {
    "Newchannel": lambda h: ChannelBegan(parse_channel(h)),
    "HangupRequest": lambda h: ChannelLeaving(parse_channel(h)),
    "Hangup": lambda h: ChannelEnded(parse_channel(h), _number(h.get("cause", ""))),
    "DialState": lambda h: DialProgress(
        parse_channel(h, "dest"), h.get("dialstatus", "")
    ),
    "DialEnd": lambda h: DialEnded(parse_channel(h, "dest"), h.get("dialstatus", "")),
    "Hold": lambda h: HoldChanged(parse_channel(h), held=True),
    "Unhold": lambda h: HoldChanged(parse_channel(h), held=False),
    "BridgeEnter": lambda h: BridgeEntered(
        parse_channel(h), h.get("bridgetechnology", "")
    ),
    "DTMFEnd": lambda h: DigitEnded(
        parse_channel(h), h.get("digit", ""), h.get("direction") == "Received"
    ),
    "OriginateResponse": lambda h: Originated(
        h.get("uniqueid", ""), h.get("response") == "Success"
    ),
    "UserEvent": _user_event,
}
