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
from functools import partial
from pathlib import Path
from typing import Final

from skypechan.clock import Clock
from skypechan.errors import LinkError
from skypechan.links.x11.display import DisplayName

_log = logging.getLogger(__name__)

_BAND_BYTES: Final = 65_536
_BACKLOG: Final = 8
_MOST_CONNECTIONS: Final = 16  # at a time; the client itself may come this way, too
_RETRY_S: Final = 0.5  # until the next connection, after one could not be taken
_OF_GROUP: Final = 0o660


@asynccontextmanager
async def relayed(
    path: Path, display: Callable[[], str], clock: Clock
) -> AsyncIterator[None]:
    """Have the owner's group reach a display at `path`. Raises OSError.

    `display` names it anew for each connection; one for which it raises LinkError, or
    behind which no server is, ends.
    """
    with _listening(path) as listener:
        relay = _Relay(listener, display, clock)
        relaying = asyncio.create_task(relay.run(), name="display relay")
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
            with suppress(OSError):  # who has the folder may have laid another thing
                path.unlink()


class _Relay:
    """Takes connections, a bounded number at a time, and tells why it cannot."""

    def __init__(
        self, listener: socket.socket, display: Callable[[], str], clock: Clock
    ) -> None:
        self._listener = listener
        self._display = display
        self._clock = clock
        self._free = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._told = ""

    async def run(self) -> None:
        """Serve whoever comes until cancelled."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as connections:
            while True:
                await self._free.acquire()
                try:
                    caller, _ = await loop.sock_accept(self._listener)
                except OSError as error:  # too many open files, say
                    self._free.release()
                    self._tell(error)
                    await self._clock.sleep(_RETRY_S)
                else:
                    serving = connections.create_task(self._serve(caller))
                    serving.add_done_callback(partial(self._end, caller))

    def _end(self, caller: socket.socket, _: asyncio.Task[None]) -> None:
        """Let a caller go, even one whose task was cancelled before it began."""
        caller.close()
        self._free.release()

    async def _serve(self, caller: socket.socket) -> None:
        """Relay one connection until either side ends it; its fault is its own."""
        loop = asyncio.get_running_loop()
        try:
            with socket.socket(socket.AF_UNIX) as server:
                server.setblocking(False)
                path = DisplayName.parse(self._display()).socket_path
                await loop.sock_connect(server, path)
                self._told = ""
                await _join(caller, server)
        except (LinkError, OSError) as error:
            self._tell(error)
        except Exception:  # noqa: BLE001 - a fault of ours costs this connection only
            _log.exception("! the display's relay")

    def _tell(self, error: Exception) -> None:
        """Say once why nobody gets through: who waits for a display knocks often."""
        if str(error) != self._told:
            self._told = str(error)
            _log.warning("! nobody can look at the display: %s", error)


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
