"""AudioSocket on the wire. Pure.

A message is a kind (one byte), a length (two bytes, big endian) and the payload.
Asterisk sends first a UUID, then audio and digits; it takes only audio and the
hangup message and ends the call on anything else, on empty audio, and on a payload
that comes more than 5 ms after its header (Asterisk: res_audiosocket.c). So a
message must leave in one piece: the encoders return header and payload joined.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from uuid import UUID

from skypechan.errors import LocalWireError, RemoteWireError

HANGUP = 0x00
IDENTITY = 0x01
DIGIT = 0x03
ERROR = 0xFF

AUDIO_RATES_HZ: dict[int, int] = {
    0x10: 8_000,
    0x11: 12_000,
    0x12: 16_000,
    0x13: 24_000,
    0x14: 32_000,
    0x15: 44_100,
    0x16: 48_000,
    0x17: 96_000,
    0x18: 192_000,
}
"""Sample rate by kind of audio message: signed 16 bit little endian, mono."""

AUDIO_KINDS: dict[int, int] = {rate: kind for kind, rate in AUDIO_RATES_HZ.items()}

DIGITS = frozenset("0123456789*#ABCD")

_HEADER = struct.Struct(">BH")
HEADER_BYTES = _HEADER.size
MOST_PAYLOAD_BYTES = 0xFFFF
_UUID_BYTES = 16
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Message:
    """One message. The kind may be one that later releases add."""

    kind: int
    payload: bytes

    @property
    def rate_hz(self) -> int | None:
        """The sample rate of an audio message, None for another."""
        return AUDIO_RATES_HZ.get(self.kind)

    @property
    def uuid(self) -> UUID:
        """The UUID of an identity message. Raises RemoteWireError."""
        if self.kind != IDENTITY or len(self.payload) != _UUID_BYTES:
            raise RemoteWireError(
                f"not a UUID: kind 0x{self.kind:02x}, {len(self.payload)} bytes"
            )
        return UUID(bytes=self.payload)

    @property
    def digit(self) -> str:
        """The digit of a digit message. Raises RemoteWireError."""
        digit = self.payload.decode("latin-1")
        if self.kind != DIGIT or digit not in DIGITS:
            raise RemoteWireError(
                f"not a digit: kind 0x{self.kind:02x}, {self.payload!r}"
            )
        return digit


class Decoder:
    """Cuts a byte stream into messages, however it arrives."""

    def __init__(self) -> None:
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The bytes that make no whole message yet."""
        return bytes(self._rest)

    def feed(self, piece: bytes) -> list[Message]:
        """Take bytes; return the messages that are now complete."""
        self._rest += piece
        messages = []
        while message := self.next():
            messages.append(message)
        return messages

    def next(self, piece: bytes = b"") -> Message | None:
        """Take bytes and return one message if it is complete.

        What follows it stays in `rest`.
        """
        self._rest += piece
        if len(self._rest) < HEADER_BYTES:
            return None
        kind, length = _HEADER.unpack_from(self._rest)
        end = HEADER_BYTES + length
        if len(self._rest) < end:
            return None
        message = Message(kind, bytes(self._rest[HEADER_BYTES:end]))
        del self._rest[:end]
        return message


def encode_hangup() -> bytes:
    """Return the message that ends the call."""
    return _HEADER.pack(HANGUP, 0)


def encode_audio(rate_hz: int, pcm: bytes) -> bytes:
    """Return an audio message of S16LE samples.

    Raises LocalWireError for what would end the call: no samples, half a sample,
    too many, or a rate without a kind.
    """
    kind = AUDIO_KINDS.get(rate_hz)
    if kind is None:
        raise LocalWireError(f"AudioSocket has no kind for {rate_hz} Hz")
    if not pcm or len(pcm) % _SAMPLE_BYTES or len(pcm) > MOST_PAYLOAD_BYTES:
        raise LocalWireError(f"{len(pcm)} bytes are no AudioSocket audio")
    return _HEADER.pack(kind, len(pcm)) + pcm


def encode_identity(uuid: UUID) -> bytes:
    """Return the message with which Asterisk names the call."""
    return _HEADER.pack(IDENTITY, _UUID_BYTES) + uuid.bytes


def encode_digit(digit: str) -> bytes:
    """Return the message with which Asterisk reports a digit. Raises LocalWireError."""
    if digit not in DIGITS:
        raise LocalWireError(f"{digit!r} is no digit")
    return _HEADER.pack(DIGIT, 1) + digit.encode("ascii")
