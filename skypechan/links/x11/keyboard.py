"""What is written on the keys of an X server, read both ways."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from Xlib import XK, X
from Xlib.protocol import request

from skypechan.links.x11.asked import Asked

_ANY_CHARACTER: Final = 0x0100_0000
"""Keysyms for characters outside Latin-1 are the character's number and this bit."""

CAPS_LOCK: Final = int(XK.XK_Caps_Lock)

KEYS: Final = {
    "Enter": XK.XK_Return,
    "Tab": XK.XK_Tab,
    "Backspace": XK.XK_BackSpace,
    "Delete": XK.XK_Delete,
    "Insert": XK.XK_Insert,
    "Escape": XK.XK_Escape,
    "ArrowLeft": XK.XK_Left,
    "ArrowUp": XK.XK_Up,
    "ArrowRight": XK.XK_Right,
    "ArrowDown": XK.XK_Down,
    "Home": XK.XK_Home,
    "End": XK.XK_End,
    "PageUp": XK.XK_Page_Up,
    "PageDown": XK.XK_Page_Down,
    **{f"F{number}": XK.XK_F1 + number - 1 for number in range(1, 13)},
}
"""Keys without a character, by their names in browsers (UI Events KeyboardEvent)."""

_WRITTEN: Final = {
    XK.XK_BackSpace: "\b",
    XK.XK_Tab: "\t",
    XK.XK_Return: "\r",
    XK.XK_KP_Enter: "\r",
}


class Keyboard:
    """The keys of one server, as they were when `ask` was last answered."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._keysyms: list[tuple[int, ...]] = []
        self._spare: list[int] = []
        self._lent: list[int] = []

    @property
    def is_known(self) -> bool:
        """True once it was asked for and answered."""
        return bool(self._keysyms)

    def ask(self) -> Asked[int]:
        """Ask what is written on the keys; the answer is how many there are."""
        info = self._connection.info
        first, last = int(info.min_keycode), int(info.max_keycode)
        asked = request.GetKeyboardMapping(
            display=self._connection,
            defer=True,
            first_keycode=first,
            count=last - first + 1,
        )

        def read(reply: Any) -> int:
            self._take(first, reply.keysyms)
            return len(self._keysyms)

        return Asked(asked, read, 0)

    def text(self, keycode: int, state: int) -> str:
        """What a key writes: a character, `\\b`, `\\t`, `\\r`, or nothing."""
        symbols = self._keysyms[keycode] if keycode < len(self._keysyms) else ()
        plain, shifted = (*symbols, 0, 0)[:2]
        upper = bool(state & X.ShiftMask)
        symbol = shifted if upper and shifted else plain
        text = _WRITTEN.get(symbol, "")
        if 0x20 <= symbol <= 0x7E or 0xA0 <= symbol <= 0xFF:
            text = chr(symbol)
        elif _ANY_CHARACTER < symbol <= _ANY_CHARACTER + 0x10_FFFF:
            text = chr(symbol - _ANY_CHARACTER)
        return text.upper() if state & X.LockMask or (upper and not shifted) else text

    def keys_for(self, symbol: int) -> tuple[int, ...]:
        """Return the keys that write a keysym: one, or Shift and one.

        A keysym that stands on no key is put on one that is free, or else on that
        which was lent longest ago: what was typed last must still be there when the
        program looks. None where there is no such key.
        """
        for column, held in ((0, ()), (1, self._shift())):
            for keycode, symbols in enumerate(self._keysyms):
                if symbols[column : column + 1] == (symbol,):
                    return (*held, keycode)
        if not (self._spare or self._lent):
            return ()
        keycode = (self._spare or self._lent).pop(0)
        self._lent.append(keycode)
        self._keysyms[keycode] = (symbol, symbol)
        request.ChangeKeyboardMapping(
            display=self._connection,
            first_keycode=keycode,
            keysyms=[(symbol, symbol)],
        )
        return (keycode,)

    def _take(self, first: int, keysyms: Iterable[Iterable[int]]) -> None:
        self._keysyms = [(), *[()] * (first - 1), *(tuple(row) for row in keysyms)]
        rows = list(enumerate(self._keysyms))[first:]
        self._spare = [keycode for keycode, symbols in rows if not any(symbols)]

    def _shift(self) -> tuple[int, ...]:
        for keycode, symbols in enumerate(self._keysyms):
            if XK.XK_Shift_L in symbols:
                return (keycode,)
        return ()


def keysym_of(character: str) -> int:
    """Return the keysym of a character; 0 for one that no key has."""
    number = ord(character)
    if character in "\n\r":
        return int(XK.XK_Return)
    if character == "\t":
        return int(XK.XK_Tab)
    if not character.isprintable():
        return 0
    return number if number <= 0xFF else _ANY_CHARACTER + number
