"""What an X server stores of its screen, as PNG (ISO/IEC 15948). Pure."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from skypechan.links.x11.viewer import Pixels

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOURS, _PALETTE = 2, 3  # colour types: of samples, and of numbers in PLTE
_LEVEL: Final = 3  # screens are flat: more costs much and saves little


def png(stored: bytes, pixels: Pixels, palette: bytes) -> bytes:
    """Return the picture of all rows of a screen; `palette` is for who has no masks."""
    if pixels.masks is None:
        rows, colour_type = _bytes_of(stored, pixels)[:, : pixels.width], _PALETTE
    else:
        rows, colour_type = _colours(stored, pixels, pixels.masks), _COLOURS
    # Before each row stands the number of its filter: none.
    filtered = np.zeros((pixels.height, rows.shape[1] + 1), np.uint8)
    filtered[:, 1:] = rows
    content = zlib.compress(filtered.tobytes(), _LEVEL)
    size = (pixels.width, pixels.height, 8, colour_type, 0, 0, 0)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *size)), (b"IDAT", content)]
    if pixels.masks is None:
        chunks.insert(1, (b"PLTE", palette))
    return _SIGNATURE + b"".join(_written([*chunks, (b"IEND", b"")]))


def _bytes_of(stored: bytes, pixels: Pixels) -> NDArray[np.uint8]:
    return np.frombuffer(stored, np.uint8).reshape(pixels.height, pixels.row_bytes)


def _colours(
    stored: bytes, pixels: Pixels, masks: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """Return rows of red, green and blue, a byte each, out of pixels by their masks."""
    width, size = pixels.width, pixels.bits // 8
    rows = _bytes_of(stored, pixels)[:, : width * size].reshape(-1, width, size)
    colours = np.empty((pixels.height, width, 3), np.uint8)
    is_whole = [mask in (0xFF, 0xFF00, 0xFF0000) for mask in masks]
    if all(is_whole) and size >= 3:
        for place, mask in enumerate(masks):
            byte = (mask.bit_length() - 1) // 8
            at = size - 1 - byte if pixels.is_big_endian else byte
            colours[:, :, place] = rows[:, :, at]
        return colours.reshape(pixels.height, -1)
    order = range(size - 1, -1, -1) if pixels.is_big_endian else range(size)
    numbers = np.zeros((pixels.height, width), np.uint32)
    for shift, at in enumerate(order):
        numbers |= rows[:, :, at].astype(np.uint32) << np.uint32(8 * shift)
    for place, mask in enumerate(masks):
        lowest = mask & -mask
        most = mask // lowest
        value = (numbers & np.uint32(mask)) // np.uint32(lowest)
        colours[:, :, place] = value * 255 // most
    return colours.reshape(pixels.height, -1)


def _written(chunks: list[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for name, content in chunks:
        yield struct.pack(">I", len(content)) + name + content
        yield struct.pack(">I", zlib.crc32(name + content))
