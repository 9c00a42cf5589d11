"""Somebody in front of a screen: sees windows, moves the pointer, types.

Events come from the server's XTEST extension, so they are what a mouse and a keyboard
make; pictures are what the server has on the screen.
"""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from Xlib import XK, X
from Xlib.display import Display
from Xlib.error import BadDrawable, BadWindow
from Xlib.ext import xtest


@dataclass(frozen=True, slots=True)
class Seen:
    """A window on the screen, in the screen's pixels."""

    title: str
    x: int
    y: int
    width: int
    height: int


class ScreenUser:
    """Uses $XAUTHORITY, as any program does."""

    def __init__(self, display: str) -> None:
        self._display = Display(display)
        self._root = self._display.screen().root

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._display.close()

    @property
    def depth(self) -> int:
        return int(self._display.screen().root_depth)

    def windows(self) -> list[Seen]:
        """Windows that are shown and have a title."""
        found = []
        for window in self._root.query_tree().children:
            with suppress(BadWindow, BadDrawable):  # it has gone in this moment
                title = window.get_wm_name()
                viewable = window.get_attributes().map_state == X.IsViewable
                if title and viewable:
                    found.append(_seen(title, window.get_geometry()))
        return found

    def click(self, x: int, y: int) -> None:
        """Point there, press, release."""
        xtest.fake_input(self._display, X.MotionNotify, x=x, y=y)
        for kind in (X.ButtonPress, X.ButtonRelease):
            xtest.fake_input(self._display, kind, X.Button1)
        self._display.sync()

    def type(self, text: str) -> None:
        """Press the keys of these characters; `\\n` is Return, `\\t` Tab."""
        for letter in text:
            symbol = {"\n": XK.XK_Return, "\t": XK.XK_Tab, "\b": XK.XK_BackSpace}.get(
                letter, ord(letter)
            )
            code = self._display.keysym_to_keycode(symbol)
            shifted = self._display.keycode_to_keysym(code, 0) != symbol
            shift = self._display.keysym_to_keycode(XK.XK_Shift_L)
            if shifted:
                xtest.fake_input(self._display, X.KeyPress, shift)
            for kind in (X.KeyPress, X.KeyRelease):
                xtest.fake_input(self._display, kind, code)
            if shifted:
                xtest.fake_input(self._display, X.KeyRelease, shift)
        self._display.sync()

    def picture(self, window: Seen) -> np.ndarray:
        """What is seen there, as [rows, columns, red green blue]."""
        image = self._root.get_image(
            window.x, window.y, window.width, window.height, X.ZPixmap, 0xFFFFFFFF
        )
        if self.depth == 8:
            line = (window.width + 3) // 4 * 4
            pixels = np.frombuffer(image.data, np.uint8).reshape(-1, line)
            colours = self._display.screen().default_colormap.query_colors(range(256))
            palette = np.array(
                [(c.red >> 8, c.green >> 8, c.blue >> 8) for c in colours], np.uint8
            )
            return palette[pixels[:, : window.width]]
        pixels = np.frombuffer(image.data, np.uint8)
        return pixels.reshape(window.height, window.width, 4)[:, :, 2::-1]


def _seen(title: str, place: Any) -> Seen:
    border = place.border_width
    x, y = place.x + border, place.y + border
    return Seen(title, x, y, place.width, place.height)


def write_png(path: Path, picture: np.ndarray) -> None:
    rows = np.pad(picture.reshape(picture.shape[0], -1), ((0, 0), (1, 0)))
    size = struct.pack(">IIBBBBB", picture.shape[1], picture.shape[0], 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for name, part in (
        (b"IHDR", size),
        (b"IDAT", zlib.compress(rows.astype(np.uint8).tobytes())),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(part)) + name + part
        content += struct.pack(">I", zlib.crc32(name + part))
    path.write_bytes(content)
