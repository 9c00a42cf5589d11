"""The sockets of all calls in one epoll descriptor, level triggered."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from skypechan.call.record import Side
from skypechan.media.call import Call
from skypechan.media.streams import Outlet

Receive = Callable[[Call], None]

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT


@dataclass(slots=True, eq=False)
class Port:
    """One socket of a call. Without `receive` it is only written to."""

    call: Call
    side: Side
    sock: socket.socket
    receive: Receive | None
    outlet: Outlet | None

    @property
    def interest(self) -> int:
        """The events to wait for; that it broke is always reported."""
        return _IN if self.receive else 0

    def handle(self, events: int) -> None:
        """Do what `events` ask for. Raises EOFError, OSError and what `receive` does.

        Of a socket that is only written to, an event is the news that it is gone.
        """
        if events & _OUT and self.outlet is not None:
            self.outlet.flush()
        if events & ~_OUT:
            if self.receive is None:
                raise EOFError
            self.receive(self.call)


class Ports:
    """What is open, and what of it is ready."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ports: dict[int, Port] = {}
        self._found: set[int] = set()
        self.any_ready = False
        """Whether `ready` found anything when it was last asked."""
        self.any_ready_again = False
        """Whether any of it had been found the time before, too."""

    def fileno(self) -> int:
        """The descriptor that is readable when `ready` has something."""
        return self._epoll.fileno()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._epoll.closed

    def ready(self) -> Iterator[tuple[Port, int]]:
        """What is ready now, without waiting: port and events.

        A port that is closed while its turn has not yet come is left out.
        """
        found = self._epoll.poll(0)
        descriptors = {descriptor for descriptor, _ in found}
        self.any_ready = bool(found)
        self.any_ready_again = not descriptors.isdisjoint(self._found)
        self._found = descriptors
        for descriptor, events in found:
            port = self._ports.get(descriptor)
            if port is not None:
                yield port, events

    def open(self, port: Port) -> None:
        """Begin to watch a port."""
        self._ports[port.sock.fileno()] = port
        self._epoll.register(port.sock, port.interest)

    def open_line(self, call: Call, receive: Receive | None) -> None:
        """Begin to watch the sockets that a call has towards its line, each once."""
        start, line = call.start, call.line_outlet
        if start.line_is_bursty:
            receive = None
        if start.line_receive is start.line_send:
            self.open(Port(call, Side.LINE, start.line_send, receive, line))
        else:
            self.open(Port(call, Side.LINE, start.line_receive, receive, None))
            self.open(Port(call, Side.LINE, start.line_send, None, line))

    def open_pbx(self, call: Call, sock: socket.socket, receive: Receive) -> None:
        """Begin to watch the socket that a call has towards Asterisk."""
        self.open(Port(call, Side.PBX, sock, receive, call.pbx_outlet))

    def wait_for_room(self, sock: socket.socket, wanted: bool) -> None:
        """Let a port's `outlet` be flushed when there is room, or no longer."""
        interest = self._ports[sock.fileno()].interest
        self._epoll.modify(sock, interest | (_OUT if wanted else 0))

    def close_side(self, call: Call, side: Side) -> None:
        """Close the sockets of one side of a call."""
        for port in list(self._ports.values()):
            if port.call is call and port.side is side:
                del self._ports[port.sock.fileno()]
                self._epoll.unregister(port.sock)
                port.sock.close()

    def close(self) -> None:
        """Close the descriptor; the ports are closed before."""
        self._epoll.close()
