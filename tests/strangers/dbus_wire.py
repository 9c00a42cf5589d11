"""D-Bus by jeepney: one private connection, and a Skype API client's use of it.

Skype API, D-Bus transport: Skype owns ``com.Skype.API`` and answers ``Invoke`` on
``/com/Skype``; a client owns no name and is told by ``Notify`` on
``/com/Skype/Client``, a method call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Self

from jeepney import (
    DBusAddress,
    HeaderFields,
    MatchRule,
    Message,
    MessageFlag,
    MessageType,
    message_bus,
    new_method_call,
    new_method_return,
)
from jeepney.io.asyncio import DBusConnection, open_dbus_connection

SKYPE_NAME = "com.Skype.API"
SKYPE_PATH = "/com/Skype"
CLIENT_PATH = "/com/Skype/Client"
CLIENT_INTERFACE = "com.Skype.API.Client"


class BusError(AssertionError):
    """The bus or the peer answered with an error."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        super().__init__(f"{name}: {text}")


class Bus:
    """A connection that takes replies and calls in exactly the order they come in."""

    def __init__(self, connection: DBusConnection) -> None:
        self.on_call: Callable[[Message], None] = lambda _: None
        self.on_owner: Callable[[str, str, str], None] = lambda *_: None
        self._connection = connection
        self._replies: dict[int, Callable[[Message], None]] = {}
        self._reader = asyncio.create_task(self._read(), name="jeepney reader")

    @classmethod
    async def open(cls, address: str) -> Self:
        """Connect."""
        return cls(await open_dbus_connection(address))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Leave the bus; harmless when it was left."""
        self._reader.cancel()
        await asyncio.wait([self._reader])
        with contextlib.suppress(ConnectionError):  # the daemon may be gone
            await self._connection.close()

    def post(self, message: Message) -> int:
        """Send without waiting; returns the serial number."""
        serial = next(self._connection.outgoing_serial)
        self._connection.writer.write(message.serialise(serial))
        return serial

    def ask(self, message: Message, on_reply: Callable[[Message], None]) -> None:
        """Send a method call; the answer goes to ``on_reply`` at once when it comes."""
        self._replies[self.post(message)] = on_reply

    async def call(self, message: Message, seconds: float = 25) -> tuple[Any, ...]:
        """The body of the answer; raises BusError, TimeoutError."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

        def take(answer: Message) -> None:
            if not future.done():
                future.set_result(answer)

        self.ask(message, take)
        async with asyncio.timeout(seconds):
            answer = await future
        fields = answer.header.fields
        if answer.header.message_type is MessageType.error:
            text = str(answer.body[0]) if answer.body else ""
            raise BusError(str(fields[HeaderFields.error_name]), text)
        return tuple(answer.body)

    async def watch_owner(self, name: str) -> None:
        """Have ``on_owner`` told of every change of a name's owner."""
        rule = MatchRule(
            type="signal",
            sender="org.freedesktop.DBus",
            interface="org.freedesktop.DBus",
            member="NameOwnerChanged",
            path="/org/freedesktop/DBus",
        )
        rule.add_arg_condition(0, name)
        await self.call(message_bus.AddMatch(rule))

    async def _read(self) -> None:
        with contextlib.suppress(EOFError, ConnectionError):
            while True:
                self._take(await self._connection.receive())

    def _take(self, message: Message) -> None:
        header = message.header
        match header.message_type:
            case MessageType.method_return | MessageType.error:
                serial = header.fields[HeaderFields.reply_serial]
                self._replies.pop(serial, lambda _: None)(message)
            case MessageType.method_call:
                self.on_call(message)
            case MessageType.signal:
                if header.fields.get(HeaderFields.member) == "NameOwnerChanged":
                    self.on_owner(*message.body)


class DbusWire:
    """A client's end: commands by ``Invoke``, everything heard to ``on_line``.

    The return value of ``Invoke`` is heard like a notification unless it is empty, as
    every known client treats it. With ``named`` off the interface header stays empty,
    as Skype4Py's proxy leaves it. ``faults`` collects what Skype did wrong on the bus.
    """

    def __init__(self, bus: Bus, *, named: bool = True, answers: bool = True) -> None:
        self.on_line: Callable[[str], None] = lambda _: None
        self.faults: list[str] = []
        self._bus = bus
        self._answers = answers
        interface = SKYPE_NAME if named else None
        self._skype = DBusAddress(SKYPE_PATH, SKYPE_NAME, interface)
        bus.on_call = self._called

    def send(self, text: str) -> None:
        """Send a command; its reply is heard whenever it comes."""
        self._bus.ask(self._invocation(text), self._heard)

    async def invoke(self, text: str, seconds: float = 25) -> str:
        """The return value of ``Invoke``; raises BusError, TimeoutError."""
        body = await self._bus.call(self._invocation(text), seconds)
        assert len(body) == 1, f"Invoke returned {body}"
        assert isinstance(body[0], str)
        return body[0]

    async def introspect(self) -> str:
        """What Skype's object says about itself."""
        interface = "org.freedesktop.DBus.Introspectable"
        address = DBusAddress(SKYPE_PATH, SKYPE_NAME, interface)
        (text,) = await self._bus.call(new_method_call(address, "Introspect"))
        return str(text)

    async def close(self) -> None:
        """Leave the bus."""
        await self._bus.close()

    def _invocation(self, text: str) -> Message:
        return new_method_call(self._skype, "Invoke", "s", (text,))

    def _heard(self, answer: Message) -> None:
        if answer.header.message_type is MessageType.error:
            self.faults.append(f"Invoke failed: {answer.header.fields} {answer.body}")
        elif answer.body and answer.body[0]:
            self.on_line(answer.body[0])

    def _called(self, message: Message) -> None:
        fields = message.header.fields
        wanted = {
            HeaderFields.path: CLIENT_PATH,
            HeaderFields.interface: CLIENT_INTERFACE,
            HeaderFields.member: "Notify",
            HeaderFields.signature: "s",
        }
        wrong = {k.name: fields.get(k) for k, v in wanted.items() if fields.get(k) != v}
        if wrong:
            self.faults.append(f"not a Notify: {wrong} {message.body}")
            return
        no_reply = MessageFlag.no_reply_expected in MessageFlag(message.header.flags)
        if self._answers and not no_reply:
            self._bus.post(new_method_return(message))
        self.on_line(message.body[0])
