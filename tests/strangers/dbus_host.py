"""The stand-in on D-Bus: it owns Skype's name and calls its clients back.

Skype API, D-Bus transport: ``Invoke(s) -> s`` on ``/com/Skype``; ``Notify(s)`` to the
unique name that called.
"""

from __future__ import annotations

from functools import partial

from jeepney import (
    DBusAddress,
    HeaderFields,
    Message,
    MessageFlag,
    message_bus,
    new_error,
    new_method_call,
    new_method_return,
)

from tests.strangers.dbus_wire import (
    CLIENT_INTERFACE,
    CLIENT_PATH,
    SKYPE_NAME,
    SKYPE_PATH,
    Bus,
)
from tests.strangers.standin import Standin


class DbusHost:
    """Carries the stand-in's lines over one connection."""

    def __init__(self, bus: Bus, skype: Standin) -> None:
        self._bus = bus
        self._skype = skype
        bus.on_call = self._called
        skype.hosted_by(self)

    async def appear(self) -> None:
        """Own Skype's name."""
        # 4: do not queue
        (result,) = await self._bus.call(message_bus.RequestName(SKYPE_NAME, 4))
        assert result == 1, f"{SKYPE_NAME} is taken: {result}"

    async def vanish(self) -> None:
        """Leave the bus."""
        await self._bus.close()

    def tell(self, client: object, line: str) -> None:
        """Notify one client, as a call that wants no reply."""
        address = DBusAddress(CLIENT_PATH, str(client), CLIENT_INTERFACE)
        message = new_method_call(address, "Notify", "s", (line,))
        message.header.flags = MessageFlag.no_reply_expected
        self._bus.post(message)

    def _called(self, message: Message) -> None:
        fields = message.header.fields
        ours = fields.get(HeaderFields.path) == SKYPE_PATH
        if not ours or fields.get(HeaderFields.member) != "Invoke":
            name = "org.freedesktop.DBus.Error.UnknownMethod"
            self._bus.post(new_error(message, name))
            return
        if fields.get(HeaderFields.signature) != "s":
            self._skype.faults.append(f"Invoke with {message.body}")
        self._skype.take(
            fields[HeaderFields.sender], message.body[0], partial(self._reply, message)
        )

    def _reply(self, message: Message, text: str) -> None:
        by_notify = self._skype.quirks.notified and text.startswith("#")
        value = "" if by_notify else text
        self._bus.post(new_method_return(message, "s", (value,)))
        if by_notify:
            self.tell(message.header.fields[HeaderFields.sender], text)
