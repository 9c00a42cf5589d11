"""Windows that are shown and worked: core drawing, pointer and keyboard.

Only what every server since 1987 has: any depth, a font named `fixed`, colours that
are asked for one by one, as a screen of 8 bits with a palette needs it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from Xlib import X, Xatom
from Xlib.protocol import event, request

from skypechan.links.x11.asked import Asked
from skypechan.links.x11.keyboard import Keyboard

_FONT: Final = "fixed"


@dataclass(frozen=True, slots=True)
class Exposed:
    """A window has to be painted."""

    window: int


@dataclass(frozen=True, slots=True)
class Pressed:
    """The first button of the pointer went down here, in the window's pixels."""

    window: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Typed:
    """A key went down. `text` is a character; `\\b`, `\\t`, `\\r`; or nothing."""

    window: int
    text: str


Input = Exposed | Pressed | Typed


class Canvas:
    """Paints on windows of one connection; nothing here waits for the server.

    Numbers of colours and the keyboard are known once what `ask_colour` and
    `ask_keyboard` return has been answered.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._screen = connection.info.roots[connection.default_screen]
        self._keyboard = Keyboard(connection)
        self._asked: Asked[int] | None = None
        self._pens: dict[int, int] = {}
        self._font = 0

    def ask_colour(self, red: int, green: int, blue: int) -> Asked[int]:
        """Ask for the number of a colour, of parts from 0 to 255.

        It is black or white where the palette is full.
        """
        screen = self._screen
        light = red + green + blue > 382
        otherwise = screen.white_pixel if light else screen.black_pixel
        asked = request.AllocColor(
            display=self._connection,
            defer=True,
            cmap=screen.default_colormap,
            red=red * 257,
            green=green * 257,
            blue=blue * 257,
        )
        return Asked(asked, lambda reply: int(reply.pixel), int(otherwise))

    def ask_keyboard(self) -> Asked[int]:
        """Ask what is written on the keys."""
        return self._keyboard.ask()

    def open(self, title: str, width: int, height: int, background: int) -> int:
        """Show a window in the middle of the screen; returns its number."""
        window = int(self._connection.allocate_resource_id())
        screen = self._screen
        request.CreateWindow(
            display=self._connection,
            depth=X.CopyFromParent,
            wid=window,
            parent=screen.root,
            x=max(0, (screen.width_in_pixels - width) // 2),
            y=max(0, (screen.height_in_pixels - height) // 2),
            width=width,
            height=height,
            border_width=1,
            window_class=X.InputOutput,
            visual=X.CopyFromParent,
            attrs={
                "background_pixel": background,
                "border_pixel": screen.black_pixel,
                "event_mask": X.ExposureMask | X.ButtonPressMask | X.KeyPressMask,
            },
        )
        request.ChangeProperty(
            display=self._connection,
            mode=X.PropModeReplace,
            window=window,
            property=Xatom.WM_NAME,
            type=Xatom.STRING,
            data=(8, _latin(title)),
        )
        request.MapWindow(display=self._connection, window=window)
        return window

    def close(self, window: int) -> None:
        """Take a window away."""
        request.DestroyWindow(display=self._connection, window=window)

    def fill(self, window: int, box: tuple[int, int, int, int], colour: int) -> None:
        """Fill a box of (x, y, width, height)."""
        request.PolyFillRectangle(
            display=self._connection,
            drawable=window,
            gc=self._pen(colour),
            rectangles=[_rectangle(box)],
        )

    def frame(self, window: int, box: tuple[int, int, int, int], colour: int) -> None:
        """Draw a box's edge, inside it."""
        x, y, width, height = box
        request.PolyRectangle(
            display=self._connection,
            drawable=window,
            gc=self._pen(colour),
            rectangles=[_rectangle((x, y, width - 1, height - 1))],
        )

    def tick(self, window: int, box: tuple[int, int, int, int], colour: int) -> None:
        """Draw a cross that fills a box."""
        x, y, width, height = box
        right, bottom = x + width - 1, y + height - 1
        ends = ((x, y, right, bottom), (x, bottom, right, y))
        names = ("x1", "y1", "x2", "y2")
        request.PolySegment(
            display=self._connection,
            drawable=window,
            gc=self._pen(colour),
            segments=[dict(zip(names, end, strict=True)) for end in ends],
        )

    def write(self, window: int, x: int, y: int, text: str, colour: int) -> None:
        """Write a line of Latin-1 whose letters stand on y; others are `?`."""
        request.PolyText8(
            display=self._connection,
            drawable=window,
            gc=self._pen(colour),
            x=x,
            y=y,
            items=[{"delta": 0, "string": _latin(text)[:254]}],
        )

    def understands(self, item: Any) -> bool:
        """Tell whether what came can be taken: not a key while another map is awaited.

        What is written on the keys may change at any time; who has asked for it once
        has it asked for again here, and has to flush.
        """
        if isinstance(item, event.MappingNotify) and self._keyboard.is_known:
            self._asked = self._keyboard.ask()
        if self._asked is None or not isinstance(item, event.KeyPress):
            return True
        if not self._asked.answered:
            return False
        self._asked.answer()
        self._asked = None
        return True

    def happened(self, item: Any) -> Input | None:
        """What the user did, or None."""
        match item:
            case event.Expose() if item.count == 0:
                return Exposed(item.window)
            case event.ButtonPress() if item.detail == X.Button1:
                return Pressed(item.window, item.event_x, item.event_y)
            case event.KeyPress():
                return Typed(item.window, self._keyboard.text(item.detail, item.state))
            case _:
                return None

    def _pen(self, colour: int) -> int:
        if colour not in self._pens:
            pen = int(self._connection.allocate_resource_id())
            request.CreateGC(
                display=self._connection,
                cid=pen,
                drawable=self._screen.root,
                attrs={"foreground": colour, "font": self._letters()},
            )
            self._pens[colour] = pen
        return self._pens[colour]

    def _letters(self) -> int:
        if not self._font:
            self._font = int(self._connection.allocate_resource_id())
            request.OpenFont(display=self._connection, fid=self._font, name=_FONT)
        return self._font


def _latin(text: str) -> bytes:
    return text.encode("latin-1", "replace")


def _rectangle(box: tuple[int, int, int, int]) -> dict[str, int]:
    return dict(zip(("x", "y", "width", "height"), box, strict=True))
