"""SIP and SDP as text: parse, build, digest credentials (RFC 3261, 4566, 2617).

Pure; only what a small user agent over UDP needs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, replace

_COMPACT = {
    "f": "from",
    "t": "to",
    "v": "via",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
    "s": "subject",
    "k": "supported",
}
_FOLD = re.compile(r"\r\n[ \t]+")
_CHALLENGE_PART = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')
_REASON = re.compile(r"^\s*([\w.-]+)\s*(.*)$", re.DOTALL)
_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))')


class SipSyntaxError(ValueError):
    """A datagram that is no SIP message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response; header names as written, order kept."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @property
    def status(self) -> int:
        """Status code of a response, 0 for a request."""
        words = self.start.split(" ", 2)
        return int(words[1]) if words[0] == "SIP/2.0" else 0

    @property
    def phrase(self) -> str:
        """Reason phrase of a response."""
        return self.start.split(" ", 2)[2]

    @property
    def method(self) -> str:
        """Method of a request; of a response, the method that it answers."""
        if self.status:
            return self.get("CSeq").split()[1]
        return self.start.split(" ", 1)[0]

    @property
    def uri(self) -> str:
        """Request URI."""
        return self.start.split(" ", 2)[1]

    @property
    def cseq(self) -> int:
        """Number in CSeq."""
        return int(self.get("CSeq").split()[0])

    @property
    def branch(self) -> str:
        """Branch of the topmost Via."""
        return parameter(self.all("Via")[0], "branch")

    def get(self, name: str) -> str:
        """Value of the first header of that name, empty if there is none."""
        return next(iter(self.all(name)), "")

    def all(self, name: str) -> list[str]:
        """Values of every header of that name, compact forms included."""
        wanted = name.lower()
        return [value for key, value in self.headers if _long_name(key) == wanted]

    def encoded(self) -> bytes:
        """The bytes on the wire, Content-Length added."""
        lines = [self.start]
        lines += [f"{name}: {value}" for name, value in self.headers]
        lines += [f"Content-Length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + self.body


def parse(datagram: bytes) -> Message:
    """Read one datagram; raises SipSyntaxError."""
    head, separator, body = datagram.partition(b"\r\n\r\n")
    if not separator:
        message = f"no end of the headers in {datagram[:80]!r}"
        raise SipSyntaxError(message)
    text = _FOLD.sub(" ", head.decode("utf-8", "surrogateescape"))
    start, *lines = text.split("\r\n")
    if "SIP/2.0" not in start:
        message = f"no SIP start line: {start[:80]!r}"
        raise SipSyntaxError(message)
    headers = tuple(_split_header(line) for line in lines)
    length = next((v for k, v in headers if _long_name(k) == "content-length"), None)
    kept = tuple(h for h in headers if _long_name(h[0]) != "content-length")
    return Message(start, kept, body if length is None else body[: int(length)])


def _split_header(line: str) -> tuple[str, str]:
    name, separator, value = line.partition(":")
    if not separator:
        message = f"no header: {line[:80]!r}"
        raise SipSyntaxError(message)
    return name.strip(), value.strip()


def _long_name(name: str) -> str:
    lower = name.lower()
    return _COMPACT.get(lower, lower)


def parameter(value: str, name: str) -> str:
    """Value of ``;name=...`` outside of ``<...>``, empty if there is none."""
    outside = value.rpartition(">")[2] if "<" in value else value
    found: dict[str, str] = {
        k.lower(): q or p for k, q, p in _PARAMETER.findall(outside)
    }
    return found.get(name.lower(), "")


def uri_of(value: str) -> str:
    """URI of a name-addr such as ``"Bob" <sip:bob@host>;tag=1``."""
    if value.startswith('"'):
        value = value[_end_of_quoted(value) :]
    if "<" in value:
        return value.partition("<")[2].partition(">")[0]
    return value.partition(";")[0].strip()


def user_of(value: str) -> str:
    """User part of the URI of a name-addr."""
    return uri_of(value).partition(":")[2].partition("@")[0]


def display_name_of(value: str) -> str:
    """Display name of a name-addr, unescaped; empty if there is none."""
    if value.startswith('"'):
        inner = value[1 : _end_of_quoted(value) - 1]
        return re.sub(r"\\(.)", r"\1", inner, flags=re.DOTALL)
    return value.partition("<")[0].strip() if "<" in value else ""


def _end_of_quoted(value: str) -> int:
    match = re.match(r'"(?:[^"\\]|\\.)*"', value, re.DOTALL)
    if match is None:
        message = f"open quotes: {value[:80]!r}"
        raise SipSyntaxError(message)
    return match.end()


def quoted(display_name: str) -> str:
    """A display name as quoted-string.

    Quotes and backslashes are escaped. A line break cannot be escaped there
    (RFC 3261 25.1: quoted-pair excludes CR and LF); it becomes the one legal form
    that comes near, a folded line.
    """
    escaped = display_name.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"\r\n|\r|\n", "\r\n ", escaped) + '"'


@dataclass(frozen=True, slots=True)
class Reason:
    """The Reason header (RFC 3326)."""

    protocol: str
    cause: int
    text: str


def reasons_of(message: Message) -> tuple[Reason, ...]:
    """Every Reason header of a message."""
    found = []
    for value in message.all("Reason"):
        match = _REASON.match(value)
        cause = parameter(value, "cause")
        if match and cause.isdigit():
            found.append(Reason(match[1], int(cause), parameter(value, "text")))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 or 407 asks for, and the header to answer it in."""

    answer_header: str
    realm: str
    nonce: str
    opaque: str
    qop: str


def challenge_of(response: Message) -> Challenge:
    """The MD5 challenge of a 401 or 407; raises SipSyntaxError if there is none."""
    proxy = response.status == 407
    for value in response.all("Proxy-Authenticate" if proxy else "WWW-Authenticate"):
        parts = {k.lower(): q or p for k, q, p in _CHALLENGE_PART.findall(value)}
        if parts.get("algorithm", "MD5").upper() == "MD5":
            return Challenge(
                "Proxy-Authorization" if proxy else "Authorization",
                parts.get("realm", ""),
                parts.get("nonce", ""),
                parts.get("opaque", ""),
                "auth" if "auth" in parts.get("qop", "").split(",") else "",
            )
    message = f"no MD5 challenge in {response.start!r}"
    raise SipSyntaxError(message)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user name and its password."""

    username: str
    password: str


def authorization(
    challenge: Challenge,
    credentials: Credentials,
    method: str,
    uri: str,
    cnonce: str | None = None,
) -> tuple[str, str]:
    """Name and value of the header that answers ``challenge`` (RFC 2617 3.2.2)."""
    secret = f"{credentials.username}:{challenge.realm}:{credentials.password}"
    ha1, ha2 = _md5(secret), _md5(f"{method}:{uri}")
    fields = [
        f'username="{credentials.username}"',
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f'uri="{uri}"',
        "algorithm=MD5",
    ]
    if challenge.qop:
        cnonce = cnonce or secrets.token_hex(8)
        middle = f"{challenge.nonce}:00000001:{cnonce}:{challenge.qop}"
        fields += [f'qop={challenge.qop}, nc=00000001, cnonce="{cnonce}"']
    else:
        middle = challenge.nonce
    fields.append(f'response="{_md5(f"{ha1}:{middle}:{ha2}")}"')
    if challenge.opaque:
        fields.append(f'opaque="{challenge.opaque}"')
    return challenge.answer_header, "Digest " + ", ".join(fields)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Sdp:
    """One audio stream: where to send, direction, formats, the digits' type."""

    host: str
    port: int
    direction: str = "sendrecv"
    payload_types: tuple[int, ...] = (0, 101)
    event_payload_type: int | None = 101
    version: int = 1

    def encoded(self) -> bytes:
        """The body of an offer or answer: PCMU and telephone-event, 20 ms."""
        lines = [
            "v=0",
            f"o=- 1 {self.version} IN IP4 {self.host}",
            "s=-",
            f"c=IN IP4 {self.host}",
            "t=0 0",
            f"m=audio {self.port} RTP/AVP {' '.join(map(str, self.payload_types))}",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:101 telephone-event/8000",
            "a=fmtp:101 0-16",
            "a=ptime:20",
            f"a={self.direction}",
        ]
        return ("\r\n".join(lines) + "\r\n").encode()

    def with_direction(self, direction: str) -> Sdp:
        """The same stream in another direction, one version later."""
        return replace(self, direction=direction, version=self.version + 1)


def parse_sdp(body: bytes) -> Sdp:
    """Read the first audio stream; raises SipSyntaxError."""
    text = body.decode("utf-8", "replace")
    media = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", text, re.MULTILINE)
    connections = re.findall(r"^c=IN IP4 (\S+)", text, re.MULTILINE)
    if media is None or not connections:
        message = f"no audio stream in {text[:200]!r}"
        raise SipSyntaxError(message)
    lines = re.MULTILINE
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)", text, lines)
    event = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", text, lines)
    return Sdp(
        host=connections[-1],
        port=int(media[1]),
        direction=direction[1] if direction else "sendrecv",
        payload_types=tuple(map(int, media[2].split())),
        event_payload_type=int(event[1]) if event else None,
    )
