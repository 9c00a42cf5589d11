"""What a receiver on this machine has not taken yet of what it was sent.

Our own socket does not tell: the kernel acknowledges for a program that stands still.
But the other end of a loopback connection is a socket of this machine, and the kernel
tells everybody of each how much waits in it to be read (sock_diag(7), what `ss` shows
as Recv-Q). Asking takes 15 to 25 us: for when there is reason to. A connection that
the kernel does not know, or that it must not tell of, need not be asked about again.
"""

from __future__ import annotations

import contextlib
import socket
import struct

from skypechan.audio.chain import LINE_RATE_HZ
from skypechan.media.streams import is_tcp

_NETLINK_SOCK_DIAG = 4  # <linux/netlink.h>
_SOCK_DIAG_BY_FAMILY, _REQUEST = 20, 1  # <linux/sock_diag.h>
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_ASKED = struct.Struct("=BBBBI")  # the head of struct inet_diag_req_v2
_PORTS = struct.Struct("!HH")  # struct inet_diag_sockid: these, and
_ADDRESS_BYTES = 16  # two addresses, the interface, and a cookie
_ANY_SOCKET = struct.pack("=III", 0, 0xFFFF_FFFF, 0xFFFF_FFFF)
_UNREAD = struct.Struct("=I")
_UNREAD_AT = _HEADER.size + 56  # idiag_rqueue of struct inet_diag_msg
_ANSWER_BYTES = 4096
_BYTES_A_SECOND = 2 * LINE_RATE_HZ


def unread_s(sock: socket.socket) -> float | None:
    """Return how much of a line's audio waits at the other end; None as below."""
    unread = unread_bytes(sock)
    return None if unread is None else unread / _BYTES_A_SECOND


def unread_bytes(sock: socket.socket) -> int | None:
    """Return what waits at the other end of a TCP connection to be read.

    It is None where that cannot be known: of a socket that is closed or not TCP, of an
    end that is not on this machine, and where the kernel is not to be asked.
    """
    with contextlib.suppress(OSError):
        if is_tcp(sock):
            return _told(_question(sock))
    return None


def _question(sock: socket.socket) -> bytes:
    theirs, ours = sock.getpeername(), sock.getsockname()
    asked = _ASKED.pack(sock.family, socket.IPPROTO_TCP, 0, 0, 0xFFFF_FFFF)
    asked += _PORTS.pack(theirs[1], ours[1])
    for end in (theirs, ours):
        address = socket.inet_pton(sock.family, end[0])
        asked += address.ljust(_ADDRESS_BYTES, b"\0")
    asked += _ANY_SOCKET
    size = _HEADER.size + len(asked)
    return _HEADER.pack(size, _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0) + asked


def _told(question: bytes) -> int | None:
    """Ask the kernel, which answers before `send` returns. Raises OSError."""
    kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(question)
        answer = kernel.recv(_ANSWER_BYTES)
    if _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY:
        return None  # it knows of no such socket, or nothing of sockets
    unread: int = _UNREAD.unpack_from(answer, _UNREAD_AT)[0]
    return unread
