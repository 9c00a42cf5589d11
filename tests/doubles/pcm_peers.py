"""The two far ends of a call's media, as plain as can be, over real TCP.

They know the wire from the protocol's description alone and share no code with the
package.
"""

from __future__ import annotations

import asyncio
import socket
import struct

DEADLINE_S = 10.0


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of one connection on the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


class Peer:
    """One end of a connection, read and written as bytes, with deadlines."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._loop = asyncio.get_running_loop()
        self._unread = bytearray()

    async def send(self, *pieces: bytes) -> None:
        """Write each piece by itself, letting the loop run in between."""
        async with asyncio.timeout(DEADLINE_S):
            for piece in pieces:
                await self._loop.sock_sendall(self.sock, piece)
                await asyncio.sleep(0)

    async def receive(self, count: int) -> bytes:
        """Exactly `count` bytes; EOFError when the connection ends before."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self._unread) < count:
                more = await self._loop.sock_recv(self.sock, 65_536)
                if not more:
                    raise EOFError
                self._unread += more
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data

    async def is_at_end(self) -> bool:
        """Whether the other end has closed, with nothing unread before."""
        try:
            await self.receive(1)
        except (EOFError, ConnectionResetError):
            return True
        return False

    def close(self) -> None:
        """Close in order."""
        self.sock.close()

    def reset(self) -> None:
        """Close as a program that died does."""
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.sock.close()


class PbxPeer(Peer):
    """Asterisk's end of an AudioSocket connection."""

    async def message(self) -> tuple[int, bytes]:
        """The next message: kind and payload."""
        kind, length = struct.unpack(">BH", await self.receive(3))
        return kind, await self.receive(length)

    async def audio(self) -> bytes:
        """The payload of the next message, which must be audio that is no silence."""
        while True:
            kind, payload = await self.message()
            assert kind in (0x10, 0x12), f"kind {kind:#04x}"
            assert len(payload) == {0x10: 320, 0x12: 640}[kind]
            if any(payload):
                return payload


def message(kind: int, payload: bytes = b"") -> bytes:
    """Write one AudioSocket message."""
    return struct.pack(">BH", kind, len(payload)) + payload
