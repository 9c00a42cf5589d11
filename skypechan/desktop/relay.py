"""A display's socket where others find it.

X servers listen below /tmp, which a service or a container has for itself. Nothing of
what is said is understood here: the server asks who comes this way for its cookie, too.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from skypechan.errors import LinkError
from skypechan.links.x11.display import DisplayName

_log = logging.getLogger(__name__)

_BAND_BYTES: Final = 65_536
_BACKLOG: Final = 8
_OF_GROUP: Final = 0o660


@asynccontextmanager
async def relayed(path: Path, display: Callable[[], str]) -> AsyncIterator[None]:
    """Have the owner's group reach a display at `path`. Raises OSError.

    `display` names it anew for each connection; one for which it raises LinkError, or
    behind which no server is, ends.
    """
    with _listening(path) as listener:
        relaying = asyncio.create_task(_relay(listener, display), name="display relay")
        try:
            yield
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)


@contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    path.unlink(missing_ok=True)  # what one that was killed has left
    with socket.socket(socket.AF_UNIX) as listener:
        listener.setblocking(False)
        listener.bind(str(path))
        path.chmod(_OF_GROUP)
        listener.listen(_BACKLOG)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


async def _relay(listener: socket.socket, display: Callable[[], str]) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as connections:
        while True:
            caller, _ = await loop.sock_accept(listener)
            connections.create_task(_serve(caller, display))


async def _serve(caller: socket.socket, display: Callable[[], str]) -> None:
    """Relay one connection until either side ends it; its fault is its own."""
    loop = asyncio.get_running_loop()
    with caller, socket.socket(socket.AF_UNIX) as server:
        server.setblocking(False)
        try:
            await loop.sock_connect(server, DisplayName.parse(display()).socket_path)
            await _join(caller, server)
        except (LinkError, OSError) as error:
            _log.warning("! nobody can look at the display: %s", error)
        except Exception:  # noqa: BLE001 - a fault of ours costs this connection only
            _log.exception("! the display's relay")


async def _join(one: socket.socket, other: socket.socket) -> None:
    ends = [
        asyncio.create_task(_pump(source, target))
        for source, target in ((one, other), (other, one))
    ]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


async def _pump(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while band := await loop.sock_recv(source, _BAND_BYTES):
            await loop.sock_sendall(target, band)
