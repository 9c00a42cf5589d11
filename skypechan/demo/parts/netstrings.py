"""Netstrings: `LENGTH:BYTES,` one after another, what baresip's control port speaks.

Source: the format's definition of 1997 (cr.yp.to/proto/netstrings.txt).
"""

from __future__ import annotations

from skypechan.errors import RemoteWireError

_LARGEST = 1_000_000
_LONGEST_PREFIX = len(f"{_LARGEST}:")


def encode(payload: bytes) -> bytes:
    """Return one netstring."""
    return b"%d:%s," % (len(payload), payload)


class Decoder:
    """Takes bytes as they come, cut anywhere, and gives whole payloads."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the payloads that are complete now.

        Raises RemoteWireError on what is no netstring, or one of over a megabyte.
        """
        self._buffer += chunk
        payloads = []
        while (payload := self._next()) is not None:
            payloads.append(payload)
        return payloads

    def _next(self) -> bytes | None:
        head, colon, rest = self._buffer.partition(b":")
        if not colon and len(head) < _LONGEST_PREFIX and (not head or head.isdigit()):
            return None
        if not head.isdigit() or len(head) >= _LONGEST_PREFIX:
            message = f"no netstring: {head[:20]!r}"
            raise RemoteWireError(message)
        length = int(head)
        if length > _LARGEST:
            message = f"a netstring of {length} bytes is too long"
            raise RemoteWireError(message)
        if len(rest) <= length:
            return None
        if rest[length : length + 1] != b",":
            message = "a netstring does not end in a comma"
            raise RemoteWireError(message)
        self._buffer = rest[length + 1 :]
        return rest[:length]
