"""PNG files read back, as far as ours go: 8 bits, of colours or by a palette."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray


def read_png(content: bytes) -> NDArray[np.uint8]:
    """Return the picture as [rows, columns, red green blue]."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        part = content[at + 8 : at + 8 + length]
        (check,) = struct.unpack_from(">I", content, at + 8 + length)
        assert check == zlib.crc32(name + part)
        chunks[name] = part
        at += length + 12
    assert name == b"IEND"
    width, height, bits, kind, *others = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (bits, others) == (8, [0, 0, 0])
    stored = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8)
    rows = stored.reshape(height, -1)
    assert not rows[:, 0].any(), "a filter"
    if kind == 3:
        palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
        return palette[rows[:, 1:]]
    assert kind == 2
    return rows[:, 1:].reshape(height, width, 3)
