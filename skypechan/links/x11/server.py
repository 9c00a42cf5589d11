"""An X server as python-xlib speaks to it; with its neighbours canvas,
viewer and keyboard all that names Xlib.

python-xlib 0.33 is guarded where experiments showed faults: it waited for ever on a
server that had stopped, read events where only sending was asked and then never told
of them, sent a backlog in one blocking call, kept unsent bytes without limit, left
sockets open, could not use sockets over number 1023, wrote warnings to the standard
output. So the sockets are opened and driven here, and only its requests, events and
parsing are used. The guards reach into private names, hence the pinned version.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from Xlib import X, Xatom
from Xlib.error import DisplayConnectionError, XError
from Xlib.protocol import event, request
from Xlib.protocol.display import Display
from Xlib.support import connect

from skypechan.errors import DeadlineError, LinkDownError, LinkRefusedError
from skypechan.links.x11.asked import Asked
from skypechan.links.x11.canvas import Canvas, Input
from skypechan.links.x11.display import DisplayName, Way, open_way
from skypechan.links.x11.viewer import Viewer

MOST_UNSENT_BYTES: Final = 2 * 1024 * 1024
"""Less than 65,536 requests: python-xlib tells replies apart by 16 bits."""

_READ_BYTES: Final = 4096  # 128 events: what an event loop can bear in one turn
_MOST_REPLY_BYTES: Final = 1024 * 1024  # such as rows of a picture
_ALL_BITS: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Message:
    """A client message of format 8; `sender` is the window that it names."""

    sender: int
    atom: int
    content: bytes


@dataclass(frozen=True, slots=True)
class PropertyChanged:
    """A property of the root window was set or deleted."""

    atom: int


@dataclass(frozen=True, slots=True)
class WindowGone:
    """A window was destroyed, or something was asked of one that is not there."""

    window: int


@dataclass(frozen=True, slots=True)
class WindowsChanged:
    """A window has come to the screen, or has gone from it."""


Happening = Message | PropertyChanged | WindowGone | WindowsChanged | Input


class _Prepared(str):
    """A display's name that carries the connection already made."""

    __slots__ = ("way",)
    way: Way


_open_socket: Any = connect.get_socket
_find_cookie: Any = connect.get_auth


def _get_socket(name: str, *place: Any) -> Any:
    return (
        name.way.socket if isinstance(name, _Prepared) else _open_socket(name, *place)
    )


def _get_auth(opened: Any, name: str, *place: Any) -> Any:
    if not isinstance(name, _Prepared):
        return _find_cookie(opened, name, *place)
    cookie = name.way.cookie
    return (b"MIT-MAGIC-COOKIE-1", cookie) if cookie else (b"", b"")


# The library's own have no deadline, leak sockets and print.
vars(connect).update(get_socket=_get_socket, get_auth=_get_auth)


class _Connection(Display):
    """python-xlib's connection, which waits only while it is being made."""

    resource_classes = None  # windows are plain numbers here

    def __init__(self, way: Way) -> None:
        self.unsent = bytearray()
        name = _Prepared(":0")
        name.way = way
        super().__init__(name)

    def get_resource_class(self, *_: Any) -> Any:
        """No classes: see above."""

    def send_and_recv(
        self,
        flush: bool = False,
        event: bool = False,  # noqa: ARG002 - never waited for
        request: int | None = None,
        recv: bool = False,  # noqa: ARG002 - implied
    ) -> None:
        """Send what can be sent; then receive, unless only `flush` is asked.

        Called by the library with its lock held. Raises OSError.
        """
        self.send_recv_lock.release()
        self._send()
        if request is not None:
            while not self._receive(request):
                pass
        elif not flush:
            self._receive(None)

    def _send(self) -> None:
        waiting: Any
        for waiting, awaited in self.request_queue:
            self.unsent += waiting._binary  # noqa: SLF001 - no other way to it
            if awaited:
                self.sent_requests.append(waiting)
        self.request_queue.clear()
        with suppress(BlockingIOError):
            if self.unsent:
                del self.unsent[: self.socket.send(self.unsent)]

    def _receive(self, awaited: Any) -> bool:
        """Read once; True when the reply that is awaited came."""
        missing = self.recv_packet_len - len(self.data_recv)
        try:
            data = self.socket.recv(max(missing, _READ_BYTES))
        except BlockingIOError:
            return False
        if not data:
            raise ConnectionResetError("it hung up")
        self.data_recv = bytes(self.data_recv) + data
        came = bool(self.parse_response(awaited))
        if self.recv_packet_len > _MOST_REPLY_BYTES:  # its server may be anybody's
            raise ConnectionResetError("a reply that is too large")
        return came


class Server:
    """One connection to an X server, for one thread.

    Requests are queued until `flush`. No method waits for the server, but while the
    connection is made; all raise OSError when it is lost.
    """

    def __init__(self, way: Way) -> None:
        self.way = way
        self._connection: Any = _Connection(way)
        self._connection.set_error_handler(self._on_error)
        self._missing: list[WindowGone] = []
        self._waiting: list[Any] = []
        self.canvas = Canvas(self._connection)
        self.viewer = Viewer(self._connection)
        info = self._connection.info
        self.root = int(info.roots[self._connection.default_screen].root)
        self._id_base = int(info.resource_id_base)
        self._id_mask = int(info.resource_id_mask)
        # Servers give the numbers of the dead again, from the lowest: a window that
        # somebody still names must not turn out to be ours.
        self._connection.last_resource_id = secrets.randbelow(self._id_mask)

    @property
    def unsent_bytes(self) -> int:
        """What the server has not yet taken."""
        return len(self._connection.unsent)

    def is_ours(self, window: int) -> bool:
        """True for a window's number that only this connection can have given."""
        return window & ~self._id_mask == self._id_base

    def intern(self, name: str) -> int:
        """Return the number of an atom; waits for it, so only at the beginning."""
        asked = request.InternAtom(
            display=self._connection, name=name, only_if_exists=False
        )
        return int(asked.atom)

    def wait(self) -> None:
        """Wait until all that was asked is done; only at the beginning, too."""
        request.GetInputFocus(display=self._connection)

    def create_window(self) -> int:
        """Make a window that is never shown; works on any visual."""
        window = int(self._connection.allocate_resource_id())
        request.CreateWindow(
            display=self._connection,
            depth=X.CopyFromParent,
            wid=window,
            parent=self.root,
            x=0,
            y=0,
            width=1,
            height=1,
            border_width=0,
            window_class=X.CopyFromParent,
            visual=X.CopyFromParent,
            attrs={},
        )
        return window

    def destroy_window(self, window: int) -> None:
        """End a window of ours."""
        request.DestroyWindow(display=self._connection, window=window)

    def select_end(self, window: int, *, wanted: bool) -> None:
        """Have the end of somebody's window told, or no longer."""
        self._select(window, X.StructureNotifyMask if wanted else X.NoEventMask)

    def select_root_properties(self) -> None:
        """Have changes of the root window's properties told."""
        self._select(self.root, X.PropertyChangeMask)

    def send_message(self, sender: int, target: int, atom: int, content: bytes) -> None:
        """Send a client message of 20 bytes to whoever made the window `target`."""
        message = event.ClientMessage(
            window=sender, client_type=atom, data=(8, content)
        )
        request.SendEvent(
            display=self._connection,
            propagate=False,
            destination=target,
            event_mask=X.NoEventMask,
            event=message,
        )

    def set_root_property(self, atom: int, window: int) -> None:
        """Let a property of the root hold a window."""
        request.ChangeProperty(
            display=self._connection,
            mode=X.PropModeReplace,
            window=self.root,
            property=atom,
            type=Xatom.WINDOW,
            data=(32, [window]),
        )

    def delete_root_property(self, atom: int) -> None:
        """Remove a property of the root."""
        request.DeleteProperty(
            display=self._connection, window=self.root, property=atom
        )

    def ask_root_property(self, atom: int) -> Asked[int]:
        """Ask for the window that a property of the root holds; 0 is none."""
        asked = request.GetProperty(
            display=self._connection,
            defer=True,
            delete=False,
            window=self.root,
            property=atom,
            type=X.AnyPropertyType,
            long_offset=0,
            long_length=2,
        )
        return Asked(asked, _window_in, 0)

    def ask_nothing(self) -> Asked[int]:
        """Ask for a reply, which shows that everything before it was done."""
        asked = request.GetInputFocus(display=self._connection, defer=True)
        return Asked(asked, lambda _: 0, 0)

    def flush(self) -> None:
        """Send what the server takes now."""
        self._connection.flush()

    def receive(self) -> tuple[Happening, ...]:
        """Read once and return what happened. Raises OSError, or what parsing may."""
        self._connection.pending_events()
        missing, self._missing = self._missing, []
        events, self._connection.event_queue = self._connection.event_queue, []
        happened = [self._happening(item) for item in self._understood(events)]
        return (*missing, *(item for item in happened if item is not None))

    def close(self) -> None:
        """Close the connection."""
        self.way.socket.close()

    def _select(self, window: int, mask: int) -> None:
        request.ChangeWindowAttributes(
            display=self._connection, window=window, attrs={"event_mask": mask}
        )

    def _understood(self, events: list[Any]) -> list[Any]:
        """Return what can be taken now; what stands behind it waits."""
        events, self._waiting = [*self._waiting, *events], []
        for place, item in enumerate(events):
            if not self.canvas.understands(item):
                events, self._waiting = events[:place], events[place:]
                break
        return events

    def _happening(self, item: Any) -> Happening | None:
        if isinstance(item, event.ClientMessage):
            form, content = item.data
            if form == 8:
                return Message(item.window, item.client_type, bytes(content))
        elif item.send_event:
            return None  # anybody can say that a window has ended
        elif isinstance(item, event.PropertyNotify) and item.window == self.root:
            return PropertyChanged(item.atom)
        elif isinstance(item, event.DestroyNotify):
            return WindowGone(item.window)
        elif isinstance(item, event.MapNotify | event.UnmapNotify):
            return WindowsChanged()
        else:
            return self.canvas.happened(item)
        return None

    def _on_error(self, error: XError, _: object) -> None:
        """Called while the library parses; what it raised would be swallowed."""
        if error.code == X.BadWindow:
            self._missing.append(WindowGone(int(error.resource_id)))


@dataclass(frozen=True, slots=True)
class Made:
    """A new connection, with a window that is there and the numbers of atoms."""

    server: Server
    window: int
    atoms: dict[str, int]


class Attempt:
    """A connection in the making, for a thread of its own."""

    def __init__(
        self,
        name: DisplayName,
        xauthority: str,
        atoms: tuple[str, ...],
        timeout_s: float,
    ) -> None:
        self._name = name
        self._xauthority = xauthority
        self._atoms = atoms
        self._timeout_s = timeout_s
        self._way: Way | None = None

    def run(self) -> Made:
        """Connect, make a window, learn the numbers of the atoms. Raises LinkError.

        Every step may take up to the timeout.
        """
        self._way = way = open_way(self._name, self._xauthority, self._timeout_s)
        try:
            server = Server(way)
            window = server.create_window()
            atoms = {name: server.intern(name) for name in self._atoms}
            server.wait()
        except BaseException as error:
            way.socket.close()
            raise self._explain(error) from error
        way.socket.setblocking(False)
        return Made(server, window, atoms)

    def abandon(self) -> None:
        """Wake the thread up: nobody waits for it any more."""
        with suppress(OSError):
            if self._way is not None:
                self._way.socket.shutdown(2)

    def _explain(self, error: BaseException) -> BaseException:
        match error:
            case TimeoutError():
                return DeadlineError(f"the display {self._name} says nothing")
            case DisplayConnectionError():
                reason = str(error.msg).strip()
                return LinkRefusedError(f"the display {self._name} refuses: {reason}")
            case Exception():
                return LinkDownError(f"no X server at {self._name}: {error}")
            case _:
                return error


def _window_in(reply: Any) -> int:
    if reply.property_type != Xatom.WINDOW:
        return 0
    form, numbers = reply.value
    return int(numbers[0]) & _ALL_BITS if form == 32 and len(numbers) == 1 else 0
