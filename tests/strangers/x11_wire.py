"""X11 by ctypes on libX11: one connection with one window, and a client's use of it.

Skype API, X11 transport: lines travel in ClientMessages of 20 octets, format 8, sent to
the receiver's window with the sender's window in the event; the first has the type
``SKYPECONTROLAPI_MESSAGE_BEGIN``, the others ``SKYPECONTROLAPI_MESSAGE``; a NUL ends
the line, and what follows it in the last event is left over. Skype's window stands in
the property ``_SKYPE_INSTANCE`` of the root window.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import POINTER, Structure, Union, byref, c_char_p, c_int, c_long, c_ulong
from ctypes import c_void_p as pointer
from pathlib import Path

PROPERTY = b"_SKYPE_INSTANCE"
_BEGIN = b"SKYPECONTROLAPI_MESSAGE_BEGIN"
_MORE = b"SKYPECONTROLAPI_MESSAGE"
_SLICE = 20
_CLIENT_MESSAGE = 33
_PROPERTY_NOTIFY = 28
_PROPERTY_CHANGE_MASK = 1 << 22
_XA_WINDOW = 33


class _Content(Union):
    """The data of a ClientMessage, aligned as its longest kind is."""

    _fields_ = (("octets", ctypes.c_ubyte * 20), ("longs", c_long * 5))


class _Message(Structure):
    """XClientMessageEvent."""

    _fields_ = (
        ("type", c_int),
        ("serial", c_ulong),
        ("send_event", c_int),
        ("display", pointer),
        ("window", c_ulong),
        ("message_type", c_ulong),
        ("format", c_int),
        ("content", _Content),
    )


class _Event(Union):
    """XEvent."""

    _fields_ = (
        ("type", c_int),
        ("message", _Message),
        ("pad", c_long * 24),
    )


class _Error(Structure):
    """XErrorEvent."""

    _fields_ = (
        ("type", c_int),
        ("display", pointer),
        ("resource", c_ulong),
        ("serial", c_ulong),
        ("code", ctypes.c_ubyte),
        ("request", ctypes.c_ubyte),
        ("minor", ctypes.c_ubyte),
    )


_ERROR_HANDLER = ctypes.CFUNCTYPE(c_int, pointer, POINTER(_Error))
_EXIT_HANDLER = ctypes.CFUNCTYPE(None, pointer, pointer)
_IO_HANDLER = ctypes.CFUNCTYPE(c_int, pointer)
_ERRORS: list[tuple[int, int]] = []
"""Code and request of each X error, such as BadWindow (3) of SendEvent (25)."""


def _loaded() -> ctypes.CDLL:
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype = pointer
    x.XDefaultRootWindow.restype = x.XCreateSimpleWindow.restype = c_ulong
    x.XInternAtom.restype = c_ulong
    x.XInternAtom.argtypes = [pointer, c_char_p, c_int]
    x.XDefaultRootWindow.argtypes = x.XFlush.argtypes = [pointer]
    x.XPending.argtypes = x.XCloseDisplay.argtypes = [pointer]
    x.XConnectionNumber.argtypes = [pointer]
    x.XSync.argtypes = [pointer, c_int]
    x.XNextEvent.argtypes = [pointer, POINTER(_Event)]
    x.XSelectInput.argtypes = [pointer, c_ulong, c_long]
    x.XDestroyWindow.argtypes = [pointer, c_ulong]
    x.XDeleteProperty.argtypes = [pointer, c_ulong, c_ulong]
    x.XCreateSimpleWindow.argtypes = [pointer, c_ulong, *[c_int] * 5, c_ulong, c_ulong]
    x.XSendEvent.argtypes = [pointer, c_ulong, c_int, c_long, POINTER(_Event)]
    x.XChangeProperty.argtypes = [
        *[pointer, c_ulong, c_ulong, c_ulong],
        *[c_int, c_int, POINTER(c_ulong), c_int],
    ]
    x.XGetWindowProperty.argtypes = [
        *[pointer, c_ulong, c_ulong, c_long, c_long, c_int, c_ulong],
        *[POINTER(c_ulong), POINTER(c_int), POINTER(c_ulong), POINTER(c_ulong)],
        POINTER(pointer),
    ]
    x.XFree.argtypes = [pointer]
    x.XSetIOErrorExitHandler.argtypes = [pointer, _EXIT_HANDLER, pointer]
    return x


@_ERROR_HANDLER
def _on_error(_display: int, error: object) -> int:
    event = error.contents  # type: ignore[attr-defined]
    _ERRORS.append((event.code, event.request))
    return 0


@_IO_HANDLER
def _on_io_error(_display: int) -> int:
    return 0


@_EXIT_HANDLER
def _stay(_display: int, _data: int) -> None:
    """Not exit, as Xlib does when the server is gone."""


@contextmanager
def _authority(path: Path) -> Iterator[None]:
    before = os.environ.get("XAUTHORITY")
    os.environ["XAUTHORITY"] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["XAUTHORITY"]
        else:
            os.environ["XAUTHORITY"] = before


class Screen:
    """A connection to an X server, read by the event loop, with one unmapped window.

    ``on_line`` is given the sender's window and a whole line; ``on_property`` is called
    when Skype's property on the root window changes, if it is watched.
    """

    def __init__(self, display: str, authority: Path) -> None:
        self.on_line: Callable[[int, str], None] = lambda *_: None
        self.on_property: Callable[[], None] = lambda: None
        self.faults: list[str] = []
        self._x = _loaded()
        self._x.XSetErrorHandler(_on_error)
        self._x.XSetIOErrorHandler(_on_io_error)
        with _authority(authority):
            self._display = self._x.XOpenDisplay(display.encode())
        assert self._display, f"no X display {display}"
        self._x.XSetIOErrorExitHandler(self._display, _stay, None)
        self._root = self._x.XDefaultRootWindow(self._display)
        sizes = (0, 0, 1, 1, 0)
        self.window = int(
            self._x.XCreateSimpleWindow(self._display, self._root, *sizes, 0, 0)
        )
        self._begin, self._more = self.atom(_BEGIN), self.atom(_MORE)
        self._parts: dict[int, bytes] = {}
        self._loop = asyncio.get_running_loop()
        self._handle = self._x.XConnectionNumber(self._display)
        self._loop.add_reader(self._handle, self.drain)
        self.flush()

    def close(self) -> None:
        """Leave the server; the window goes with it. Harmless a second time."""
        if self._handle < 0:
            return
        self._loop.remove_reader(self._handle)
        self._handle = -1
        self._x.XCloseDisplay(self._display)

    def atom(self, name: bytes, *, only_if_exists: bool = False) -> int:
        """The number of a name; 0 where it must exist and does not."""
        return int(self._x.XInternAtom(self._display, name, only_if_exists))

    # Skype's property

    def instance(self) -> int:
        """The window in Skype's property, masked to 32 bits; 0 if there is none."""
        atom = self.atom(PROPERTY, only_if_exists=True)
        if not atom:
            return 0
        kind, form, left = c_ulong(), c_int(), c_ulong()
        count, value = c_ulong(), pointer()
        self._x.XGetWindowProperty(
            *(self._display, self._root, atom, 0, 1, False, _XA_WINDOW),
            *(byref(kind), byref(form), byref(count), byref(left), byref(value)),
        )
        if not value.value:
            return 0
        shape = (kind.value, form.value, count.value, left.value)
        window = ctypes.cast(value, POINTER(c_ulong))[0] & 0xFFFFFFFF
        self._x.XFree(value)
        if shape == (0, 0, 0, 0):
            return 0
        if shape != (_XA_WINDOW, 32, 1, 0):
            self.faults.append(f"property of another shape: {shape}")
        self.flush()
        return int(window)

    def publish(self, window: int) -> None:
        """Put a window into Skype's property."""
        value = c_ulong(window)
        self._x.XChangeProperty(
            *(self._display, self._root, self.atom(PROPERTY)),
            *(_XA_WINDOW, 32, 0, byref(value), 1),
        )
        self.flush()

    def withdraw(self) -> None:
        """Delete Skype's property."""
        if self._handle < 0:
            return
        self._x.XDeleteProperty(self._display, self._root, self.atom(PROPERTY))
        self.flush()

    def watch_property(self) -> None:
        """Have ``on_property`` called from now on."""
        self._x.XSelectInput(self._display, self._root, _PROPERTY_CHANGE_MASK)
        self.flush()

    def destroy_window(self) -> None:
        """Destroy our window, as a program does that forgets its property."""
        self._x.XDestroyWindow(self._display, self.window)
        self.flush()

    # Lines

    def send(self, to: int, text: str, *, swapped: bool = False) -> None:
        """Send a line; ``swapped`` lets the second of its slices come first."""
        assert self._handle >= 0, "sent after the end"
        slices = self.slices(text)
        if swapped:
            slices[0], slices[1] = slices[1], slices[0]
        for kind, octets in slices:
            self.send_slice(to, kind, octets)
        self.flush()

    def slices(self, text: str) -> list[tuple[int, bytes]]:
        """A line in slices with their types; the last is filled with leftovers."""
        content = text.encode("utf-8", "surrogatepass") + b"\0"
        leftovers = content[-1 - _SLICE : -1].ljust(_SLICE, b"?")
        found = []
        for start in range(0, len(content), _SLICE):
            part = content[start : start + _SLICE]
            kind = self._more if start else self._begin
            found.append((kind, part + leftovers[: _SLICE - len(part)]))
        return found

    def send_slice(self, to: int, kind: int, octets: bytes) -> None:
        """Send one event."""
        event = _Event()
        event.message.type = _CLIENT_MESSAGE
        event.message.display = self._display
        event.message.window = self.window
        event.message.message_type = kind
        event.message.format = 8
        event.message.content.octets[:] = octets
        self._x.XSendEvent(self._display, to, False, 0, byref(event))

    def flush(self) -> None:
        """Send what is queued; it may have read events too."""
        self._x.XFlush(self._display)
        self._loop.call_soon(self.drain)

    def errors(self) -> list[tuple[int, int]]:
        """Code and request of each X error since the last look, after a round trip."""
        self._x.XSync(self._display, False)
        found, _ERRORS[:] = list(_ERRORS), []
        self.flush()
        return found

    def drain(self) -> None:
        """Take every event that is there."""
        if self._handle < 0:
            return  # closed meanwhile
        event = _Event()
        while self._x.XPending(self._display) > 0:
            self._x.XNextEvent(self._display, byref(event))
            if event.type == _CLIENT_MESSAGE:
                self._take(event.message)
            elif event.type == _PROPERTY_NOTIFY:
                self.on_property()

    def _take(self, message: _Message) -> None:
        octets = bytes(message.content.octets)
        sender = int(message.window)
        if message.format != 8:
            self.faults.append(f"format {message.format}")
        if message.message_type == self._begin:
            if sender in self._parts:
                self.faults.append(f"a line without an end: {self._parts[sender]!r}")
            self._parts[sender] = b""
        elif message.message_type != self._more or sender not in self._parts:
            self.faults.append(f"a slice without a beginning: {octets!r}")
            return
        text, nul, _ = octets.partition(b"\0")
        self._parts[sender] += text
        if nul:
            self.on_line(sender, self._parts.pop(sender).decode())


class X11Wire:
    """A client's end: commands to Skype's window, everything heard to ``on_line``."""

    def __init__(self, screen: Screen) -> None:
        self.on_line: Callable[[str], None] = lambda _: None
        self.screen = screen
        self.faults = screen.faults
        self.skype = screen.instance()
        screen.on_line = self._heard

    def send(self, text: str) -> None:
        """Send a command."""
        self.screen.send(self.skype, text)

    async def close(self) -> None:
        """Leave the server."""
        self.screen.close()

    def _heard(self, sender: int, line: str) -> None:
        if sender != self.skype:
            self.faults.append(f"from window {sender:#x}, not Skype's: {line}")
        self.on_line(line)
