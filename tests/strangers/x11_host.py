"""The stand-in on an X server: its window stands in the root window's property.

Skype API, X11 transport: every line goes to the window of the client that sent one.
"""

from __future__ import annotations

from functools import partial

from tests.strangers.standin import Standin
from tests.strangers.x11_wire import Screen

_SEEN_SWAPPED = "ERROR 92 CALL: Unrecognised identity"


class X11Host:
    """Carries the stand-in's lines over one connection."""

    def __init__(self, screen: Screen, skype: Standin) -> None:
        self._screen = screen
        self._skype = skype
        screen.on_line = self._said
        screen.faults = skype.faults
        skype.hosted_by(self)

    async def appear(self) -> None:
        """Publish our window."""
        self._screen.publish(self._screen.window)

    async def vanish(self) -> None:
        """Take the property and the window away, as an orderly end does."""
        self._screen.withdraw()
        self._screen.close()

    def tell(self, client: object, line: str) -> None:
        """Send a line to one client's window."""
        assert isinstance(client, int)
        swapped = self._skype.quirks.swapped and line.endswith(_SEEN_SWAPPED)
        self._screen.send(client, line, swapped=swapped)

    def _said(self, window: int, line: str) -> None:
        self._skype.take(window, line, partial(self.tell, window))
