"""The two TCP ports of one call's audio: we listen, the Skype client connects.

Skype API: SET_INPUT names the port for audio towards the partner, SET_OUTPUT the
one from the partner; in both the application listens on this machine. Raw S16LE,
16,000 samples a second, mono.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final, Protocol

from skypechan.backends.base import AudioPort, Pacing
from skypechan.call.causes import HangupCause
from skypechan.errors import CallError

_log = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
RATE_HZ: Final = 16_000


class Loopback(Protocol):
    """The loopback that we and a client have in common."""

    def new_socket(self) -> socket.socket:
        """Return a TCP socket there. Raises OSError."""

    def is_client(self, connection: socket.socket) -> bool:
        """Tell whether the other end may be the client, as far as can be told."""


class OpenLoopback:
    """That of this machine: whoever connects first is taken for the client."""

    def new_socket(self) -> socket.socket:
        """Return a TCP socket."""
        return socket.socket()

    def is_client(self, _: socket.socket) -> bool:
        """Anybody may be."""
        return True


class SoundPorts:
    """Two listening sockets that take one connection each.

    `close` closes whatever has not been handed over.
    """

    def __init__(
        self, to_line: socket.socket, from_line: socket.socket, loopback: Loopback
    ) -> None:
        self._to_line = to_line
        self._from_line = from_line
        self._loopback = loopback
        self._accepted: dict[socket.socket, socket.socket] = {}

    @classmethod
    def listen(
        cls,
        to_line_port: int,
        from_line_port: int,
        loopback: Loopback | None = None,
    ) -> SoundPorts:
        """Listen on two ports; 0 picks a free one. Raises CallError if taken."""
        loopback = loopback or OpenLoopback()
        to_line = _listen(to_line_port, loopback)
        try:
            return cls(to_line, _listen(from_line_port, loopback), loopback)
        except BaseException:
            to_line.close()
            raise

    @property
    def to_line_port(self) -> int:
        """Where the client fetches the audio for its partner."""
        return int(self._to_line.getsockname()[1])

    @property
    def from_line_port(self) -> int:
        """Where the client delivers its partner's audio."""
        return int(self._from_line.getsockname()[1])

    async def connected(self) -> None:
        """Return once both connections stand, in whatever order they come.

        Only one connection is taken on each: the listener closes at once.
        """
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._accept_one(self._to_line))
            tasks.create_task(self._accept_one(self._from_line))

    def hand_over(self) -> AudioPort | None:
        """Return the audio, which is then the caller's; None if not connected."""
        if len(self._accepted) < 2:
            return None
        accepted, self._accepted = self._accepted, {}
        return AudioPort(
            from_line=accepted[self._from_line],
            to_line=accepted[self._to_line],
            rate_hz=RATE_HZ,
            pacing=Pacing.PACED,
        )

    def close(self) -> None:
        """Stop listening, and drop what was not handed over."""
        for plug in (self._to_line, self._from_line, *self._accepted.values()):
            plug.close()
        self._accepted.clear()

    async def _accept_one(self, listener: socket.socket) -> None:
        port = listener.getsockname()[1]
        while listener not in self._accepted:
            connection, peer = await asyncio.get_running_loop().sock_accept(listener)
            if not self._loopback.is_client(connection):
                _log.warning("! who connected to sound port %s is not the client", port)
                connection.close()
                continue
            self._accepted[listener] = connection
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _log.debug("= sound of port %s from %s", port, peer[1])
        listener.close()


def _listen(port: int, loopback: Loopback) -> socket.socket:
    try:
        listener = loopback.new_socket()
    except OSError as error:
        reason = f"no socket for the client's sound: {error.strerror}"
        raise CallError(HangupCause.TEMPORARY_FAILURE, reason) from error
    try:
        listener.setblocking(False)
        # The previous call's connections may still be in TIME_WAIT.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(1)
    except OSError as error:
        listener.close()
        reason = f"cannot listen on sound port {port}: {error.strerror}"
        raise CallError(HangupCause.TEMPORARY_FAILURE, reason) from error
    return listener
