"""What an X server stores, in any of its ways, becomes the same picture."""

from __future__ import annotations

import numpy as np
import pytest

from skypechan.desktop.png import png
from skypechan.links.x11.viewer import Pixels
from tests.doubles.pictures import read_png

COLOURS = np.array(
    [
        [(255, 0, 0), (0, 255, 0), (0, 0, 255)],
        [(0, 0, 0), (255, 255, 255), (255, 0, 255)],
    ]
)


@pytest.mark.parametrize("is_big_endian", [False, True])
@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (32, (0xFF0000, 0xFF00, 0xFF)),
        (32, (0xFF, 0xFF00, 0xFF0000)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF)),
        (24, (0xFF0000, 0xFF00, 0xFF)),
        (16, (0xF800, 0x7E0, 0x1F)),
        (8, (0xE0, 0x1C, 0x03)),
    ],
)
def test_pixels_are_read_by_their_masks(
    bits: int, masks: tuple[int, int, int], is_big_endian: bool
) -> None:
    size = bits // 8
    row_bytes = 3 * size + 5
    order = "big" if is_big_endian else "little"
    stored = b"".join(
        b"".join(
            sum(
                mask if part else 0 for mask, part in zip(masks, colour, strict=True)
            ).to_bytes(size, order)
            for colour in row
        )
        + b"\xaa" * 5
        for row in COLOURS
    )
    pixels = Pixels(3, 2, bits, row_bytes, is_big_endian, masks)
    assert (read_png(png(stored, pixels, b"")) == COLOURS).all()


def test_numbers_are_looked_up_in_the_palette() -> None:
    palette = bytes(COLOURS.astype(np.uint8).reshape(-1)) + bytes(3 * 250)
    stored = bytes([0, 1, 2, 0xAA, 3, 4, 5, 0xAA])
    pixels = Pixels(3, 2, 8, 4, is_big_endian=False, masks=None)
    assert (read_png(png(stored, pixels, palette)) == COLOURS).all()
