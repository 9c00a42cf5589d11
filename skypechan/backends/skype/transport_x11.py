"""Skype clients on an X display: a property that names a window, and messages to it.

The client's window stands in a property of the root window, which a client that dies
may leave behind (Skype API: X11 transport). So a client counts as there only once its
window has proved to be. Whoever may use the display can write to our window under any
number: X knows no senders, and keeps strangers out by its cookie alone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from skypechan.backends.skype.deadline import first_of
from skypechan.backends.skype.protocol.chunks import (
    BEGIN_ATOM,
    CONTINUE_ATOM,
    INSTANCE_PROPERTY,
    Chunk,
    Joiner,
    cut,
)
from skypechan.backends.skype.transport import TextSink, unheard
from skypechan.errors import LinkDownError
from skypechan.links.x11.link import X11Link

_log = logging.getLogger(__name__)

_ATOMS: Final = (INSTANCE_PROPERTY, BEGIN_ATOM, CONTINUE_ATOM)


class X11Transport:
    """One connection to a display, on which one client can be found."""

    def __init__(self, link: X11Link) -> None:
        self._link = link
        self._window = 0
        self._appeared = asyncio.Event()
        self._joiner = Joiner()
        self._client: X11Client | None = None
        link.on_message(self._take)

    @classmethod
    async def open(cls, display: str, xauthority: str) -> X11Transport:
        """Connect to `display` (empty: $DISPLAY) with the cookie in `xauthority`."""
        link = await X11Link.connect(display, xauthority, _ATOMS)
        transport = cls(link)
        try:
            link.watch_root_property(INSTANCE_PROPERTY, transport._property_told)
        except BaseException:
            await transport.close()
            raise
        return transport

    async def wait_for_client(self) -> X11Client:
        """Return the client, once the property names a window that is there."""
        while True:
            await first_of(self._appeared.wait(), self._link.wait_lost())
            self._check_up()
            window = self._window
            # A window that is not there has been told when this returns.
            await self._link.sync()
            if window and window == self._window:
                self._client = X11Client(self._link, window)
                return self._client

    async def close(self) -> None:
        """Leave the display."""
        self._link.close()
        await self._link.wait_lost()

    def _check_up(self) -> None:
        if not self._link.connected:
            raise LinkDownError(f"lost {self._link.described}: {self._link.reason}")

    def _property_told(self, window: int) -> None:
        if window == self._window:
            return
        self._forget_client()
        if not window:
            return
        if self._link.is_ours(window):
            # The number of a dead client's window, given to us.
            _log.info("! %s names a dead client's window", INSTANCE_PROPERTY)
            return
        _log.debug("= the client's window is 0x%x", window)
        self._window = window
        self._appeared.set()
        self._link.watch_window(window, self._window_gone)

    def _window_gone(self) -> None:
        _log.info("! the client's window 0x%x is not there", self._window)
        self._forget_client()

    def _forget_client(self) -> None:
        if self._window and self._link.connected:
            self._link.unwatch_window(self._window)
        self._window = 0
        self._appeared.clear()
        self._joiner = Joiner()
        if self._client is not None:
            self._client.gone.set()
            self._client = None

    def _take(self, sender: int, atom: str, content: bytes) -> None:
        """Take a slice; each sender has lines of its own, so nobody spoils another's.

        No source tells which window a client names when it writes to us.
        """
        if atom == INSTANCE_PROPERTY:
            return
        joined = self._joiner.take(sender, Chunk(atom == BEGIN_ATOM, content))
        if joined.trouble:
            _log.warning("! from window 0x%x: %s", sender, joined.trouble)
        for text in joined.texts:
            if self._client is not None:
                self._client.on_text(text)


class X11Client:
    """The program that made the window which the property names."""

    def __init__(self, link: X11Link, window: int) -> None:
        self.window = window
        self.gone = asyncio.Event()
        self.on_text: TextSink = unheard
        self._link = link

    async def send(self, text: str, within_s: float) -> str:  # noqa: ARG002
        """Send a line; its reply comes to `on_text`, as everything does here."""
        if self.gone.is_set():
            raise LinkDownError("the client went away")
        slices = cut(text)
        self._link.send(
            self.window,
            (
                (BEGIN_ATOM if chunk.first else CONTINUE_ATOM, chunk.content)
                for chunk in slices
            ),
        )
        return ""

    async def wait_gone(self) -> None:
        """Return when the window has ended or the display is lost."""
        await first_of(self.gone.wait(), self._link.wait_lost())
