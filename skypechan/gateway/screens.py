"""The screen of a line's client, as the operator may have it."""

from __future__ import annotations

from typing import Protocol


class Screen(Protocol):
    """What a client shows, and a pointer and a keyboard for it.

    Each method raises LinkError while there is no screen, LocalWireError for what
    cannot be done on it.
    """

    async def picture(self) -> bytes:
        """Return what is on it now, as PNG."""

    async def click(self, x: int, y: int, button: int) -> None:
        """Press a button of the pointer there and let it go.

        In pixels from the upper left corner; 1 is the left button, 2 the middle one,
        3 the right one, 4 and 5 are the wheel.
        """

    async def type(self, text: str) -> None:
        """Press the keys that write a text."""

    async def press(self, key: str) -> None:
        """Press a key by its name in browsers, such as Enter."""
