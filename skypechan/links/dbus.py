"""A connection to a D-Bus daemon: calls with deadlines, names that come and go.

What dbus-next itself gets wrong is mended in `dbusnext.py`; here is what it leaves to
its users: calls had no deadline and hung on a dead bus, NUL in a string got us
disconnected. A `DbusLink` is used once: when it is lost, make a new one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from dbus_next.constants import (
    BusType,
    ErrorType,
    MessageFlag,
    MessageType,
    NameFlag,
    RequestNameReply,
)
from dbus_next.errors import (
    AuthError,
    DBusError,
    InvalidAddressError,
)
from dbus_next.message import Message

from skypechan.errors import (
    CommandError,
    DeadlineError,
    LinkDownError,
    LinkRefusedError,
    LocalWireError,
)
from skypechan.links.dbusnext import Bus

CONNECT_TIMEOUT_S: Final = 5.0
"""A daemon on this machine answers in milliseconds, or is not well."""

MOST_CALLS_IN_FLIGHT: Final = 256
MOST_MESSAGES_QUEUED: Final = 50_000

_DAEMON: Final = "org.freedesktop.DBus"
_DAEMON_PATH: Final = "/org/freedesktop/DBus"
_INTROSPECTABLE: Final = "org.freedesktop.DBus.Introspectable"
_OWNER_CHANGES: Final = (
    f"type='signal',sender='{_DAEMON}',interface='{_DAEMON}',"
    f"member='NameOwnerChanged',path='{_DAEMON_PATH}'"
)
_ABSENT: Final = frozenset(
    {
        "org.freedesktop.DBus.Error.ServiceUnknown",
        "org.freedesktop.DBus.Error.NameHasNoOwner",
        "org.freedesktop.DBus.Error.NoReply",
        "org.freedesktop.DBus.Error.Disconnected",
    }
)
_DENIED: Final = frozenset(
    {
        "org.freedesktop.DBus.Error.AccessDenied",
        "org.freedesktop.DBus.Error.AuthFailed",
        "org.freedesktop.DBus.Error.LimitsExceeded",
    }
)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A method call with one string, or none, from another program on the bus.

    Answer it once, with `answer` or `refuse`, at once or later. Answers to a caller
    that wants none, or that has gone with the bus, are dropped.
    """

    sender: str
    path: str
    interface: str
    member: str
    text: str
    _message: Message
    _link: DbusLink

    @property
    def wants_reply(self) -> bool:
        """False when the caller said that it will not wait."""
        return not self._message.flags & MessageFlag.NO_REPLY_EXPECTED

    def answer(self, text: str | None = None) -> None:
        """Return `text`, or an empty method return without it."""
        signature, body = ("", []) if text is None else ("s", [_clean(text)])
        reply = Message.new_method_return(self._message, signature, body)
        self._link._answer(self, reply)  # noqa: SLF001 - its own link

    def refuse(self, error_name: str, text: str) -> None:
        """Return a D-Bus error."""
        reply = Message.new_error(self._message, error_name, _clean(text))
        self._link._answer(self, reply)  # noqa: SLF001 - its own link


CallHandler = Callable[[IncomingCall], bool]
"""Takes a call and returns True, or returns False: no such method here."""

OwnerCallback = Callable[[str], None]
"""Told the unique name of a name's new owner, empty when it has none, or a name
that is gone."""


class DbusLink:
    """One connection to a bus. Made by `connect`, ended by `close` or by loss.

    All methods belong to the event loop that made the link.
    """

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._lost = asyncio.Event()
        self._slots = asyncio.Semaphore(MOST_CALLS_IN_FLIGHT)
        self._handlers: list[CallHandler] = []
        self._watches: dict[str, list[OwnerCallback]] = {}
        self._departures: list[OwnerCallback] = []
        self._descriptions: dict[str, str] = {}
        bus.add_message_handler(self._on_message)
        bus.on_disconnect(self._on_lost)

    @classmethod
    async def connect(
        cls, address: str = "", timeout_s: float = CONNECT_TIMEOUT_S
    ) -> DbusLink:
        """Connect to the daemon at `address`; empty means the session bus.

        Raises LinkDownError when nobody listens there, LinkRefusedError when the
        daemon refuses us, DeadlineError when it says nothing.
        """
        address = address or session_address()
        try:
            bus = Bus(bus_address=address, bus_type=BusType.SESSION)
        except (OSError, InvalidAddressError, ValueError) as error:
            raise LinkDownError(f"no bus at {address}: {error}") from error
        link = cls(bus)
        bus.endure_full_buffers()
        try:
            async with asyncio.timeout(timeout_s):
                await bus.connect()
        except TimeoutError as error:
            raise DeadlineError(f"the bus at {address} says nothing") from error
        except (AuthError, ConnectionError) as error:
            raise LinkRefusedError(f"the bus at {address}: {error}") from error
        except (OSError, EOFError, DBusError) as error:
            raise LinkDownError(f"the bus at {address}: {error}") from error
        finally:
            if not bus.connected:
                link.close()
        logger.debug("= connected to %s as %s", address, bus.unique_name)
        return link

    @property
    def connected(self) -> bool:
        """True until the link is closed or lost."""
        return bool(self._bus.connected)

    @property
    def unique_name(self) -> str:
        """Our own name on the bus, such as `:1.42`."""
        return str(self._bus.unique_name)

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        text: str,
        timeout_s: float,
    ) -> str:
        """Call a method that takes one string and return its string, or "".

        Raises DeadlineError, LinkDownError (no such program, or it or the bus went
        away), LinkRefusedError, CommandError (any other D-Bus error) and
        LocalWireError (text or a name that D-Bus cannot carry).
        """
        message = _message(destination, path, interface, member, text)
        reply = await self._call(message, timeout_s)
        return _first_string(reply)

    def notify(
        self, destination: str, path: str, interface: str, member: str, text: str
    ) -> None:
        """Call a method without waiting for anything; order is kept.

        Raises LinkDownError when the link is lost or the daemon has stopped
        reading, LocalWireError as `call` does.
        """
        message = _message(destination, path, interface, member, text)
        message.flags = MessageFlag.NO_REPLY_EXPECTED
        self._send(message)

    async def own_name(self, name: str) -> None:
        """Own a well-known name; LinkRefusedError when someone else does."""
        flags = NameFlag.DO_NOT_QUEUE.value
        reply = await self._call_daemon("RequestName", "su", [name, flags])
        code = RequestNameReply(reply.body[0])
        if code not in {RequestNameReply.PRIMARY_OWNER, RequestNameReply.ALREADY_OWNER}:
            raise LinkRefusedError(f"the bus name {name} is taken")

    async def release_name(self, name: str) -> None:
        """Own a well-known name no longer."""
        await self._call_daemon("ReleaseName", "s", [name])

    async def watch_name_owner(self, name: str, callback: OwnerCallback) -> str:
        """Call back at each change of a name's owner; returns the owner now.

        No change from this moment on is missed; one that comes before the return is
        told, and is what is returned.
        """
        told: deque[str] = deque(maxlen=1)
        self._watches.setdefault(name, []).extend([told.append, callback])
        await self._call_daemon("AddMatch", "s", [f"{_OWNER_CHANGES},arg0='{name}'"])
        try:
            reply = await self._call_daemon("GetNameOwner", "s", [name])
        except LinkDownError:
            if not self.connected:
                raise
            owner = ""
        else:
            owner = _first_string(reply)
        # The signal may overtake the reply's way to this coroutine.
        return told[-1] if told else owner

    async def watch_departures(self, callback: OwnerCallback) -> None:
        """Call back with each name on the bus, unique ones too, that is gone."""
        await self._call_daemon("AddMatch", "s", [f"{_OWNER_CHANGES},arg2=''"])
        self._departures.append(callback)

    def on_call(self, handler: CallHandler) -> None:
        """Offer incoming method calls of signature `s` or none to a handler."""
        self._handlers.append(handler)

    def describe(self, path: str, introspection: str) -> None:
        """What Introspect answers for an object of ours."""
        self._descriptions[path] = introspection

    async def wait_lost(self) -> None:
        """Return when the link is closed or lost, whatever the reason."""
        await self._lost.wait()

    def close(self) -> None:
        """Close the connection; pending calls raise LinkDownError."""
        self._bus.close()
        self._on_lost()

    async def _call_daemon(
        self, member: str, signature: str, body: list[Any]
    ) -> Message:
        message = Message(
            _DAEMON, _DAEMON_PATH, _DAEMON, member, signature=signature, body=body
        )
        return await self._call(message, CONNECT_TIMEOUT_S)

    async def _call(self, message: Message, timeout_s: float) -> Message:
        try:
            async with asyncio.timeout(timeout_s), self._slots:
                self._check_up()
                reply = await self._bus.call(message)
        except TimeoutError as error:
            raise DeadlineError(
                f"{message.destination} did not answer {message.member} "
                f"within {timeout_s} s"
            ) from error
        except (OSError, EOFError) as error:
            raise LinkDownError("the bus was lost during a call") from error
        finally:
            self._bus.forget_call(message.serial)
        if reply is None:
            raise LinkDownError("the bus was closed during a call")
        if reply.message_type is MessageType.ERROR:
            raise _as_error(reply)
        return reply

    def _send(self, message: Message) -> None:
        self._check_up()
        if self._bus.queued() >= MOST_MESSAGES_QUEUED:
            raise LinkDownError("the bus has stopped reading")
        self._bus.send(message).add_done_callback(_take_exception)

    def _check_up(self) -> None:
        # dbus-next waits for ever on a bus that is lost already.
        if not self.connected:
            raise LinkDownError("the bus is lost")

    def _answer(self, call: IncomingCall, reply: Message) -> None:
        if call.wants_reply and self.connected:
            self._send(reply)

    def _on_lost(self) -> None:
        if not self._lost.is_set():
            self._lost.set()
            logger.debug("= disconnected")
            # Not inside dbus-next's own callback: it still uses the socket there.
            asyncio.get_running_loop().call_soon(self._bus.close)

    def _on_message(self, message: Message) -> bool:
        """Runs before anything of dbus-next's; True means handled.

        An exception that left this method would be sent to the caller with its
        whole traceback, so none does.
        """
        try:
            if message.message_type is MessageType.METHOD_CALL:
                return self._on_method_call(message)
            if message.message_type is MessageType.SIGNAL:
                self._on_signal(message)
        except Exception:
            logger.exception("! handling of %s failed", message.member)
            self._fail(message)
            return message.message_type is MessageType.METHOD_CALL
        return False

    def _on_method_call(self, message: Message) -> bool:
        if message.member == "Introspect" and message.path in self._descriptions:
            if message.interface in {None, _INTROSPECTABLE}:
                call = self._incoming(message, "")
                call.answer(self._descriptions[message.path])
                return True
            return False
        if message.signature not in {"", "s"}:
            return False
        call = self._incoming(message, message.body[0] if message.body else "")
        return any(handler(call) for handler in self._handlers)

    def _incoming(self, message: Message, text: str) -> IncomingCall:
        return IncomingCall(
            sender=message.sender or "",
            path=message.path or "",
            interface=message.interface or "",
            member=message.member or "",
            text=text,
            _message=message,
            _link=self,
        )

    def _on_signal(self, message: Message) -> None:
        if message.member != "NameOwnerChanged" or message.sender != _DAEMON:
            return
        name, _, owner = message.body
        if not owner:
            for callback in self._departures:
                callback(name)
        for callback in self._watches.get(name, []):
            callback(owner)

    def _fail(self, message: Message) -> None:
        if message.message_type is MessageType.METHOD_CALL and self.connected:
            error = ErrorType.FAILED.value
            self._incoming(message, "").refuse(error, "internal error")


def session_address() -> str:
    """Address of the session bus from the environment.

    Raises LinkDownError without one: nothing is started on demand here.
    """
    address = os.environ.get("DBUS_SESSION_BUS_ADDRESS", "")
    if not address:
        raise LinkDownError("no session bus: DBUS_SESSION_BUS_ADDRESS is not set")
    return address


def _clean(text: str) -> str:
    """Text as D-Bus can carry it: lone surrogates replaced, NUL refused."""
    if "\0" in text:
        # The daemon would disconnect us.
        raise LocalWireError("NUL in a text for D-Bus")
    return text.encode("utf-8", "replace").decode("utf-8")


def _message(
    destination: str, path: str, interface: str, member: str, text: str
) -> Message:
    try:
        return Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature="s",
            body=[_clean(text)],
        )
    except TypeError as error:  # dbus-next's for a malformed name
        raise LocalWireError(str(error)) from error


def _first_string(message: Message) -> str:
    first = message.body[0] if message.body else ""
    return first if isinstance(first, str) else ""


def _as_error(reply: Message) -> LinkDownError | LinkRefusedError | CommandError:
    text = f"{reply.error_name}: {_first_string(reply)}"
    if reply.error_name in _ABSENT:
        return LinkDownError(text)
    if reply.error_name in _DENIED:
        return LinkRefusedError(text)
    return CommandError(text)


def _take_exception(future: asyncio.Future[None]) -> None:
    """The loss itself is told by `wait_lost`; here it would only be forgotten."""
    if not future.cancelled():
        future.exception()
