"""The stream of an audio connection cut into messages. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from skypechan.audio.audiosocket import HEADER_BYTES, IDENTITY
from skypechan.errors import RemoteWireError

_UUID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Message:
    """One message. The kind may be one that later releases add."""

    kind: int
    payload: bytes

    @property
    def wire(self) -> bytes:
        """The message as it came."""
        return bytes([self.kind, *len(self.payload).to_bytes(2, "big")]) + self.payload

    @property
    def uuid(self) -> UUID:
        """The UUID of an identity message. Raises RemoteWireError."""
        if self.kind != IDENTITY or len(self.payload) != _UUID_BYTES:
            raise RemoteWireError(
                f"not a UUID: kind 0x{self.kind:02x}, {len(self.payload)} bytes"
            )
        return UUID(bytes=self.payload)


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
        end = HEADER_BYTES + int.from_bytes(self._rest[1:HEADER_BYTES], "big")
        if len(self._rest) < end:
            return None
        message = Message(self._rest[0], bytes(self._rest[HEADER_BYTES:end]))
        del self._rest[:end]
        return message
