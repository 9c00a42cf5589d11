"""A bounded number of connections: when there are too many, the idle ones go.

aiohttp closes what is idle for its keep-alive time, a connection without any request
too; but within that time anybody could take every descriptor of the gateway.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from skypechan.web.operations import Handler

_log = logging.getLogger(__name__)

MOST = 128
_ACCEPTED_AT_ONCE = 16


class Connections:
    """Who is connected to one server, and whose request is being answered."""

    def __init__(self) -> None:
        self._busy: set[Any] = set()

    def watch(self) -> Middleware:
        """Return what notes whose request is being answered."""

        @web.middleware
        async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
            connection = request.protocol
            self._busy.add(connection)
            try:
                return await handler(request)
            finally:
                self._busy.discard(connection)

        return watch

    async def listen(
        self, server: web.Server, listener: socket.socket
    ) -> asyncio.Server:
        """Accept connections for a server; what is returned is to be closed."""

        def admit() -> asyncio.BaseProtocol:
            return server() if self._has_room(server) else _TurnedAway()

        return await asyncio.get_running_loop().create_server(
            admit, sock=listener, backlog=_ACCEPTED_AT_ONCE
        )

    def _has_room(self, server: web.Server) -> bool:
        """Tell whether one more may come, after the longest idle had to go."""
        # A connection that was closed by force stays in the list for a moment.
        live = [one for one in server.connections if one.transport is not None]
        if len(live) < MOST:
            return True
        idle = next((one for one in live if one not in self._busy), None)
        if idle is None:
            return False
        idle.force_close()
        return True


class _TurnedAway(asyncio.Protocol):
    """A connection for which there is no room."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it at once."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()
        _log.debug("! a connection too many")
