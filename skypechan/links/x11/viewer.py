"""What somebody in front of a display sees and does: picture, windows, pointer, keys.

The pointer and the keys are those of the XTEST extension: to programs they are the
server's own mouse and keyboard.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

from Xlib import X, Xatom
from Xlib.ext import xtest
from Xlib.protocol import request, rq

from skypechan.links.x11.asked import Asked
from skypechan.links.x11.keyboard import Keyboard

_TITLE: Final = "_NET_WM_NAME"  # in UTF-8; WM_NAME is Latin-1
_PLANES: Final = 0xFFFF_FFFF
_MOST_TITLE_WORDS: Final = 64  # of 4 bytes
_BY_PALETTE: Final = frozenset(
    {X.StaticGray, X.GrayScale, X.StaticColor, X.PseudoColor}
)


class _Tree(rq.ReplyRequest):
    """QueryTree, whose windows are left as they came: there may be 65,535 of them."""

    _request = vars(request.QueryTree)["_request"]
    _reply = rq.Struct(
        rq.ReplyCode(),
        rq.Pad(1),
        rq.Card16("sequence_number"),
        rq.ReplyLength(),
        rq.Card32("root"),
        rq.Card32("parent"),
        rq.Card16("count"),
        rq.Pad(14),
        rq.Binary("children"),
    )


@dataclass(frozen=True, slots=True)
class Pixels:
    """How the server stores a picture: each row has `row_bytes`, the end is padding.

    `bits` are those of a pixel in it. `masks` pick red, green and blue out of a
    pixel; a pixel that is a number in the palette has none.
    """

    width: int
    height: int
    bits: int
    row_bytes: int
    is_big_endian: bool
    masks: tuple[int, int, int] | None


class Viewer:
    """Looks at and works one connection's display; nothing here waits for the server.

    The keyboard is known once what `keyboard.ask` returns has been answered, titles
    can be asked for once `ask_titles` has, pointer and keys work once `ask_hands` has.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._screen = connection.info.roots[connection.default_screen]
        self._title = 0
        self._hands = 0
        self.keyboard = Keyboard(connection)
        self.pixels = _pixels(connection.info, self._screen)

    def ask_hands(self) -> Asked[int]:
        """Ask for XTEST; 0 where the server has none."""
        asked = request.QueryExtension(
            display=self._connection, defer=True, name=xtest.extname
        )

        def read(reply: Any) -> int:
            self._hands = int(reply.major_opcode) if reply.present else 0
            return self._hands

        return Asked(asked, read, 0)

    def ask_titles(self) -> Asked[int]:
        """Ask for the number of the atom that titles in UTF-8 have."""
        asked = request.InternAtom(
            display=self._connection, defer=True, name=_TITLE, only_if_exists=False
        )

        def read(reply: Any) -> int:
            self._title = int(reply.atom)
            return self._title

        return Asked(asked, read, 0)

    def ask_is_locked(self) -> Asked[bool]:
        """Ask whether Caps Lock is on, which turns the case of what is typed."""
        asked = request.QueryPointer(
            display=self._connection, defer=True, window=self._screen.root
        )
        return Asked(asked, lambda reply: bool(reply.mask & X.LockMask), False)

    def ask_rows(self, top: int, count: int) -> Asked[bytes]:
        """Ask for rows of what is on the screen, stored as `pixels` says."""
        asked = request.GetImage(
            display=self._connection,
            defer=True,
            format=X.ZPixmap,
            drawable=self._screen.root,
            x=0,
            y=top,
            width=self.pixels.width,
            height=count,
            plane_mask=_PLANES,
        )
        size = count * self.pixels.row_bytes
        return Asked(asked, lambda reply: bytes(reply.data)[:size], bytes(size))

    def ask_palette(self) -> Asked[bytes]:
        """Ask for the palette: red, green and blue, a byte each, of every number."""
        asked = request.QueryColors(
            display=self._connection,
            defer=True,
            cmap=self._screen.default_colormap,
            pixels=list(range(1 << min(8, int(self._screen.root_depth)))),
        )
        return Asked(asked, _palette_in, bytes(3 * 256))

    def ask_windows(self, most: int) -> Asked[tuple[int, ...]]:
        """Ask for the highest windows, shown or not, the highest of them first."""
        asked = _Tree(display=self._connection, defer=True, window=self._screen.root)

        def read(reply: Any) -> tuple[int, ...]:
            numbers = bytes(reply.children)[: 4 * reply.count][-4 * most :]
            return struct.unpack(f"={len(numbers) // 4}L", numbers)[::-1]

        return Asked(asked, read, ())

    def ask_is_shown(self, window: int) -> Asked[bool]:
        """Ask whether a window is there to be seen, and is no menu or hint."""
        asked = request.GetWindowAttributes(
            display=self._connection, defer=True, window=window
        )

        def read(reply: Any) -> bool:
            return reply.map_state == X.IsViewable and not reply.override_redirect

        return Asked(asked, read, False)

    def ask_title(self, window: int, *, plain: bool = False) -> Asked[str]:
        """Ask for a window's title, as desktops write it today or, `plain`, as ever."""
        asked = request.GetProperty(
            display=self._connection,
            defer=True,
            delete=False,
            window=window,
            property=Xatom.WM_NAME if plain else self._title,
            type=X.AnyPropertyType,
            long_offset=0,
            long_length=_MOST_TITLE_WORDS,
        )
        return Asked(asked, _text_in, "")

    def select_windows(self, *, wanted: bool) -> None:
        """Have it told when windows come and go on the screen, or no longer."""
        request.ChangeWindowAttributes(
            display=self._connection,
            window=self._screen.root,
            attrs={"event_mask": X.SubstructureNotifyMask if wanted else X.NoEventMask},
        )

    def click(self, x: int, y: int, button: int) -> None:
        """Point there, press a button of the pointer and let it go."""
        self._do(X.MotionNotify, x=x, y=y)
        self._do(X.ButtonPress, button)
        self._do(X.ButtonRelease, button)

    def type(self, symbol: int) -> bool:
        """Press the keys for a keysym and let them go; False where there are none."""
        keys = self.keyboard.keys_for(symbol)
        for key in keys:
            self._do(X.KeyPress, key)
        for key in reversed(keys):
            self._do(X.KeyRelease, key)
        return bool(keys)

    def _do(self, kind: int, detail: int = 0, x: int = 0, y: int = 0) -> None:
        xtest.FakeInput(
            display=self._connection,
            opcode=self._hands,
            event_type=kind,
            detail=detail,
            time=X.CurrentTime,
            root=X.NONE,
            x=x,
            y=y,
        )


def _pixels(info: Any, screen: Any) -> Pixels:
    visuals = (
        visual
        for depth in screen.allowed_depths
        for visual in depth.visuals
        if visual.visual_id == screen.root_visual
    )
    visual = next(visuals)
    forms = {form.depth: form for form in info.pixmap_formats}
    form = forms[screen.root_depth]
    bits, pad = int(form.bits_per_pixel), int(form.scanline_pad)
    width = int(screen.width_in_pixels)
    masks = (visual.red_mask, visual.green_mask, visual.blue_mask)
    return Pixels(
        width=width,
        height=int(screen.height_in_pixels),
        bits=bits,
        row_bytes=(width * bits + pad - 1) // pad * pad // 8,
        is_big_endian=bool(info.image_byte_order),
        masks=None if visual.visual_class in _BY_PALETTE else masks,
    )


def _palette_in(reply: Any) -> bytes:
    parts = ((c.red >> 8, c.green >> 8, c.blue >> 8) for c in reply.colors)
    return bytes(part for colour in parts for part in colour)


def _text_in(reply: Any) -> str:
    form, content = reply.value if reply.value is not None else (0, b"")
    if form != 8:
        return ""
    is_latin = reply.property_type == Xatom.STRING
    return bytes(content).decode("latin-1" if is_latin else "utf-8", "replace")
