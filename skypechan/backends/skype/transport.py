"""How text reaches a Skype client and comes back, whatever carries it.

A `Transport` is one connection to the desktop's bus or display, a `Client` the
Skype client that is there, until it goes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

_log = logging.getLogger(__name__)

TextSink = Callable[[str], None]


class Client(Protocol):
    """A client that runs: one line of text is one message, both ways."""

    on_text: TextSink

    async def send(self, text: str, within_s: float) -> str:
        """Send a line; return the reply if the transport ties one to it, or "".

        Raises LinkError (it is gone, or says nothing within `within_s` seconds) and
        CommandError (it refuses to take the line at all).
        """

    async def wait_gone(self) -> None:
        """Return when this client, or the way to it, has gone."""


class Transport(Protocol):
    """A connection to where clients appear."""

    async def wait_for_client(self) -> Client:
        """Return the client, once there is one. Raises LinkDownError."""

    async def close(self) -> None:
        """Close the connection, and with it the client's."""


TransportFactory = Callable[[], Awaitable[Transport]]
"""Opens a transport; raises LinkError when bus or display is not there."""


def unheard(text: str) -> None:
    """Take what a client says before anybody listens."""
    _log.debug("< %s (before we said anything)", text)
