"""What travels between the gateway and `skypechan.conf`: names, values, formats. Pure.

Names of callers and addresses are chosen by strangers. They cross in percent-encoding,
in which no comma, quote, bracket, dollar sign or line break is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote
from uuid import UUID

from skypechan.asterisk.ami.messages import UserEvent
from skypechan.call import address as addresses
from skypechan.call.routes import Target
from skypechan.errors import ConfigError, RemoteWireError
from skypechan.settings import Endpoint

# Contexts and extensions of skypechan.conf.
CONTEXT = "skypechan"
TAKEN, RINGING, EARLY = "taken", "ringing", "early"
RINGBACK, RETURN = "ringback", "return"
STEPS = {TAKEN: 1, RINGING: 2, EARLY: 3, RINGBACK: 4, RETURN: 5}
WAITING_PLACES = frozenset(
    (CONTEXT, place) for place in ("prepare", TAKEN, RINGING, EARLY, RINGBACK, "wait")
)
INBOUND = "Local/s@skypechan-inbound"
AUDIO_CONTEXT = "skypechan-audio"
EARLY_CONTEXT = "skypechan-early"
CLICK_CONTEXT = "skypechan-click"
ECHO = Target("echo", "skypechan-test")
SELF_TEST = "self-test"  # the kind of call that ECHO is for

HOLDING = "holding_bridge"  # the technology of the bridge that early media is in

# Its user events.
CALL_EVENT = "SkypechanCall"
AUDIO_EVENT = "SkypechanAudio"
MISSED_EVENT = "SkypechanMissed"
PROBE_EVENT = "SkypechanProbe"
GIVEN_UP_EVENT = "SkypechanGivenUp"
LEG_EVENTS = frozenset((AUDIO_EVENT, MISSED_EVENT, GIVEN_UP_EVENT))

# Its variables.
SOCKET = "SKYPECHAN_SOCKET"
WIDEBAND = "SKYPECHAN_WIDEBAND"
SECONDS = "SKYPECHAN_SECONDS"
AMI_USER, GATEWAY = "SKYPECHAN_AMI_USER", "SKYPECHAN_GATEWAY"
OF_LOGIN = ":"  # between the login of a gateway and one of its lines
TAKEN_BY = "SKYPECHAN_TAKEN_BY"
STEP = "SKYPECHAN_STEP"
UUID_OF_CALL = "SKYPECHAN_UUID"
EARLY_AUDIO = "SKYPECHAN_EARLY"
STATUS, CAUSE, REASON = "SKYPECHAN_STATUS", "SKYPECHAN_CAUSE", "SKYPECHAN_REASON"
CONTACT = "SKYPECHAN_CONTACT_"

# A phone must not ring on for a gateway that has died: what we originate lives for so
# long, and for as long again whenever we say so.
LEASE = "TIMEOUT(absolute)"
LEASE_S = 3
RENEW_S = 1.0
FOR_EVER_S = 10 * 365 * 86_400

NARROW_FORMAT, WIDE_FORMAT = "slin", "slin16"
RATES_HZ: dict[str, int] = {NARROW_FORMAT: 8_000, WIDE_FORMAT: 16_000}

# What a SIP header and a display can bear; the encoded text must fit an AMI line.
_LONGEST_NAME = 128
_LONGEST_ENCODED = 900
_SAFE = "+._:@-"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a dialplan asks for in `CALL_EVENT`.

    `login` is that of the gateway that is meant, empty where that is not said; `line`
    is a name or ANY, RR, LRU; several `addresses` are a conference; `ring_seconds` is
    None where the dialplan says nothing.
    """

    uuid: UUID
    login: str
    line: str
    addresses: tuple[str, ...]
    ring_seconds: float | None
    rate_hz: int
    sip_call_id: str


def parse_wanted(event: UserEvent) -> Wanted:
    """Read `CALL_EVENT`. Raises RemoteWireError for one that names no call."""
    fields = event.fields
    line, slash, address = unquote(fields.get("to", "")).partition("/")
    if not slash or not line:
        raise RemoteWireError(f"{fields.get('to')!r} is not LINE/ADDRESS")
    login, _, line = line.rpartition(OF_LOGIN)
    seconds = fields.get("seconds", "")
    return Wanted(
        uuid=parse_uuid(fields.get("uuid", "")),
        login=login,
        line=line,
        addresses=addresses.decode_all(address),
        ring_seconds=float(seconds)
        if seconds.isascii() and seconds.isdigit()
        else None,
        rate_hz=rate_of(fields.get("format", "")),
        sip_call_id=unquote(fields.get("sipcallid", "")),
    )


def parse_uuid(text: str) -> UUID:
    """Read a UUID. Raises RemoteWireError."""
    try:
        return UUID(text)
    except ValueError as error:
        raise RemoteWireError(f"{text!r} is no UUID") from error


def audio_uuid(channel: str) -> UUID | None:
    """Return the UUID in the name of an AudioSocket channel.

    The name is `AudioSocket/HOST:PORT-UUID` (Asterisk: chan_audiosocket.c).
    """
    if not channel.startswith("AudioSocket/"):
        return None
    try:
        return UUID(channel[-36:])
    except ValueError:
        return None


def audio_place(channel: str) -> Endpoint | None:
    """Return where an AudioSocket channel takes its audio, if its name tells.

    The name has it as the dialplan wrote it: a name of a host is not resolved.
    """
    try:
        return Endpoint.parse(channel.removeprefix("AudioSocket/")[:-37])
    except ConfigError:
        return None


def format_of(rate_hz: int | None) -> str:
    """Return the AudioSocket format of a sample rate; the narrow one if not known."""
    names = {rate: name for name, rate in RATES_HZ.items()}
    return names.get(rate_hz or 0, NARROW_FORMAT)


def rate_of(audio_format: str) -> int:
    """Return the sample rate of an AudioSocket format; 8 kHz for an unknown one."""
    return RATES_HZ.get(audio_format, RATES_HZ[NARROW_FORMAT])


@dataclass(frozen=True, slots=True)
class Origination:
    """A call from a line that the dialplan shall take.

    `caller` is the address of the calling user, `kind` "p2p" or "pstn", `call` the
    gateway's id of the call.
    """

    target: Target
    call: str
    line: str
    account: str
    caller: str
    caller_name: str
    kind: str
    language: str
    ring_seconds: float


def variables_of(
    origination: Origination, uuid: UUID, socket: str
) -> tuple[tuple[str, str], ...]:
    """Return the variables of an inbound call whose audio is taken at `socket`.

    Two underscores before a name let every channel of the call inherit it.
    """
    return (
        (LEASE, str(LEASE_S)),
        (SOCKET, socket),
        ("__SKYPECHAN_UUID", str(uuid)),
        ("__SKYPECHAN_CALL", encode(origination.call)),
        ("__SKYPECHAN_LINE", encode(origination.line)),
        ("__SKYPECHAN_ACCOUNT", encode(origination.account)),
        ("__SKYPECHAN_CALLER", encode(origination.caller)),
        ("__SKYPECHAN_CALLER_NAME", encode(origination.caller_name)),
        ("__SKYPECHAN_TYPE", encode(origination.kind)),
        ("SKYPECHAN_LANGUAGE", encode(origination.language)),
        ("SKYPECHAN_TO", str(origination.target)),
    )


def encode(text: str) -> str:
    """Percent-encode a text for the dialplan.

    Control characters become spaces (a line break would be a SIP header of its own),
    and an endless name is cut at a whole character.
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    shown = shown.strip()[:_LONGEST_NAME]
    while len(encoded := quote(shown, safe=_SAFE, errors="replace")) > _LONGEST_ENCODED:
        shown = shown[:-1]
    return encoded


def plain_reason(text: str) -> str:
    """Return a reason as a variable of the dialplan may hold it.

    Nothing is left in it that could end a string or begin an expression.
    """
    kept = "".join(
        letter if letter.isascii() and letter.isprintable() else " " for letter in text
    )
    return re.sub(r'["$\[\]{},;\\()]', " ", kept).strip()[:200]
