"""TCP sockets of the loopback that a sandboxed program has for itself."""

from __future__ import annotations

import socket
from contextlib import suppress


class Loopback:
    """What the sandbox hands out (see sandbox.py): sockets not bound to anything yet.

    Who listens on one is reached by the program and by nobody else.
    """

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)

    @property
    def handle(self) -> int:
        """The descriptor for the sandbox to inherit, until it is `handed_over`."""
        return self._theirs.fileno()

    def fileno(self) -> int:
        """The descriptor that can be read from once there is a socket."""
        return self._ours.fileno()

    def handed_over(self) -> None:
        """Take note that the sandbox has its end."""
        self._theirs.close()

    def make(self) -> socket.socket:
        """Return a new socket. Raises OSError when the sandbox has none."""
        got, handles, _, _ = socket.recv_fds(self._ours, 1, 1, socket.MSG_CMSG_CLOEXEC)
        if not got:
            raise ConnectionResetError("the sandbox is gone")
        with suppress(OSError):  # the next one will not be there
            self._ours.send(b".")
        return socket.socket(fileno=handles[0])

    def close(self) -> None:
        """End it; sockets taken from it go on."""
        self._ours.close()
        self._theirs.close()
