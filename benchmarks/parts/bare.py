"""An echo at a bare AudioSocket: Asterisk's channel with nothing behind it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from uuid import uuid4

from skypechan.demo.parts.ports import HOST

EXTENSION = "bare"
_INTRODUCTION_BYTES = 3 + 16  # the message with the UUID, which comes first


class _Echo(asyncio.Protocol):
    """Gives back all that comes behind the introduction, as it comes."""

    def __init__(self) -> None:
        self._introduction = _INTRODUCTION_BYTES
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        skipped = min(self._introduction, len(data))
        self._introduction -= skipped
        if self._transport is not None and len(data) > skipped:
            self._transport.write(data[skipped:])


@asynccontextmanager
async def bare_echo() -> AsyncIterator[str]:
    """Listen; yields what extensions.conf needs for EXTENSION to lead here."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Echo, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    where = f"AudioSocket/{HOST}:{port}/{uuid4()}/c(slin)"
    async with server:
        yield f"\n[from-sipphone](+)\nexten => {EXTENSION},1,Dial({where})\n"
