"""A UDP socket whose datagrams carry the kernel's arrival time.

The stamp is taken when the packet reaches the socket, not when the event loop gets
round to it, so a busy test process does not show up as delay of what it measures.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable

SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python names it from 3.14 on
_TIMESPEC = struct.Struct("@qq")
_LARGEST_DATAGRAM = 65_535

Address = tuple[str, int]
OnDatagram = Callable[[bytes, Address, int], None]


class StampedUdp:
    """One bound, non-blocking UDP socket served by the running loop.

    ``on_datagram(data, sender, at_ns)`` is called for each datagram; ``at_ns`` is on
    the clock of ``time.monotonic_ns``.
    """

    def __init__(self, host: str, on_datagram: OnDatagram, port: int = 0) -> None:
        self._on_datagram = on_datagram
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._read)

    @property
    def address(self) -> Address:
        """Host and port that the socket is bound to."""
        host, port = self._socket.getsockname()
        return host, port

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return self._socket.fileno() < 0

    def send(self, data: bytes, to: Address) -> int:
        """Send one datagram; return the time just before, in monotonic ns.

        A destination that is gone is a lost datagram, as on any network.
        """
        at_ns = time.monotonic_ns()
        with contextlib.suppress(ConnectionRefusedError, BlockingIOError):
            self._socket.sendto(data, to)
        return at_ns

    def close(self) -> None:
        """Stop reading and close the socket."""
        if not self.closed:
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        while not self.closed:
            try:
                data, ancillary, _, sender = self._socket.recvmsg(
                    _LARGEST_DATAGRAM, socket.CMSG_SPACE(_TIMESPEC.size)
                )
            except BlockingIOError:
                return
            except ConnectionRefusedError:
                continue
            self._on_datagram(data, sender, _arrival_ns(ancillary))


def _arrival_ns(ancillary: list[tuple[int, int, bytes]]) -> int:
    """Turn the kernel's wall clock stamp into monotonic ns (now, if there is none)."""
    now_ns = time.monotonic_ns()
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = _TIMESPEC.unpack_from(content)
            age_ns: int = time.time_ns() - seconds * 1_000_000_000 - nanoseconds
            return now_ns - max(age_ns, 0)
    return now_ns
