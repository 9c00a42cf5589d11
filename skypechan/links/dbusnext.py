"""dbus-next's connection to a bus, with its faults mended.

dbus-next 0.2.3 is guarded where experiments showed faults: a full socket buffer
killed the bus, a server that hung up during authentication froze the event loop,
sockets stayed open after a disconnect, each message left some eighty objects that only
a collection of garbage found. The guards reach into private names, hence the pinned
version.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from dbus_next import message
from dbus_next._private.marshaller import Marshaller
from dbus_next._private.unmarshaller import Unmarshaller
from dbus_next.aio.message_bus import MessageBus

logger = logging.getLogger(__name__)


class _Marshaller(Marshaller):
    """Writes one message, or a part of it, and lets go of itself.

    `writers` are bound methods: who has them in himself is garbage in a circle.
    """

    def marshall(self) -> Any:
        """Return the bytes; only once."""
        try:
            return super().marshall()  # type: ignore[no-untyped-call]
        finally:
            self.writers.clear()


class _Unmarshaller(Unmarshaller):
    """Reads one message, and then lets go of itself as well."""

    def unmarshall(self) -> Any:
        """Return the message, or None as long as it is not whole."""
        read = super().unmarshall()  # type: ignore[no-untyped-call]
        if read is not None:
            self.readers.clear()
        return read


message.Marshaller = _Marshaller  # type: ignore[attr-defined]  # it takes no other


class _PatientSocket:
    """A socket whose full buffer reads as "nothing sent", so the writer waits.

    dbus-next takes EAGAIN for the end of the bus (measured with 600 queued calls).
    """

    def __init__(self, plain: socket.socket) -> None:
        self._plain = plain

    def send(self, data: memoryview) -> int:
        try:
            return self._plain.send(data)
        except BlockingIOError:
            return 0


class Bus(MessageBus):
    """dbus-next's bus with its faults mended."""

    def _setup_socket(self) -> None:
        try:
            super()._setup_socket()  # type: ignore[no-untyped-call]
        except BaseException:
            self.close_sockets()
            raise

    async def _auth_readline(self) -> str:
        """A line of the SASL dialogue; dbus-next loops for ever on end of file."""
        line = b""
        while not line.endswith(b"\r\n"):
            part = await self._loop.sock_recv(self._sock, 2)
            if not part:
                raise ConnectionError("the bus hung up during authentication")
            line += part
        return line[:-2].decode()

    def _create_unmarshaller(self) -> Unmarshaller:
        return _Unmarshaller(self._stream)  # type: ignore[no-untyped-call]

    def endure_full_buffers(self) -> None:
        """Wait where a buffer is full; to be called before anything is sent."""
        self._writer.sock = _PatientSocket(self._sock)

    def queued(self) -> int:
        """Return how many messages wait to be sent."""
        return int(self._writer.messages.qsize())

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call back when the bus is lost, whatever the reason."""

        def ended(future: asyncio.Future[None]) -> None:
            if not future.cancelled():
                future.exception()  # taken, or the loop would report it as forgotten
            callback()

        self._disconnect_future.add_done_callback(ended)

    def forget_call(self, serial: int) -> None:
        """Forget a call nobody waits for: it would stay in the table for ever."""
        self._method_return_handlers.pop(serial, None)

    def close(self) -> None:
        """Leave the bus; harmless twice."""
        if not self._user_disconnect and not self._disconnected:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._user_disconnect = True
            self._finalize(None)  # type: ignore[no-untyped-call]
        self.close_sockets()

    def close_sockets(self) -> None:
        """Close what dbus-next leaves open."""
        # Closing the stream flushes it, which fails when the other end is gone.
        for resource in (getattr(self, "_stream", None), getattr(self, "_sock", None)):
            try:
                if resource is not None:
                    resource.close()
            except OSError:
                logger.debug("! socket closed in trouble", exc_info=True)
