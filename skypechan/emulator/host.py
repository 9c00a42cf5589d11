"""The emulated client on a D-Bus session bus: `com.Skype.API`.

Applications call Invoke and get the reply as its return value; notifications go out
as method calls to the unique name that called Invoke (Skype API: D-Bus transport).
Skype4Py calls without an interface, dbus-python introspects first: both work.
"""

from __future__ import annotations

import logging
from typing import Final

from skypechan.backends.skype.protocol.attachment import Outgoing
from skypechan.emulator.program import Program
from skypechan.errors import LinkDownError
from skypechan.links.dbus import DbusLink, IncomingCall

BUS_NAME: Final = "com.Skype.API"
PATH: Final = "/com/Skype"
INTERFACE: Final = "com.Skype.API"
CLIENT_PATH: Final = "/com/Skype/Client"
CLIENT_INTERFACE: Final = "com.Skype.API.Client"

_INTROSPECTION: Final = """<!DOCTYPE node PUBLIC \
"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd">
<node>
  <interface name="com.Skype.API">
    <method name="Invoke">
      <arg name="command" type="s" direction="in"/>
      <arg name="reply" type="s" direction="out"/>
    </method>
  </interface>
  <interface name="org.freedesktop.DBus.Introspectable">
    <method name="Introspect">
      <arg name="data" type="s" direction="out"/>
    </method>
  </interface>
</node>
"""

logger = logging.getLogger(__name__)


class DbusHost:
    """Serves applications on one bus. `start` it once; it lives as its link does."""

    PREFIX: Final = "dbus"

    def __init__(self, program: Program, link: DbusLink) -> None:
        self._program = program
        self._link = link
        self._unanswered: dict[tuple[str, int], IncomingCall] = {}

    async def start(self) -> None:
        """Appear on the bus; LinkRefusedError when another Skype is there."""
        self._program.add_host(self.PREFIX, self)
        self._link.describe(PATH, _INTROSPECTION)
        self._link.on_call(self._on_call)
        await self._link.watch_departures(self._on_departure)
        await self._link.own_name(BUS_NAME)

    async def own_name(self, wanted: bool) -> None:
        """Have the bus name, or lose it while the client runs on. LinkError."""
        if wanted:
            await self._link.own_name(BUS_NAME)
        else:
            await self._link.release_name(BUS_NAME)

    def send(self, key: str, outgoing: Outgoing) -> None:
        """Text for an application: the return value it waits for, or Notify."""
        name = key.removeprefix(f"{self.PREFIX} ")
        try:
            if outgoing.request is None:
                member = "Notify"
                self._link.notify(
                    name, CLIENT_PATH, CLIENT_INTERFACE, member, outgoing.text
                )
            elif call := self._unanswered.pop((key, outgoing.request), None):
                call.answer(outgoing.text)
        except LinkDownError as error:
            logger.debug("! %s not reached: %s", name, error)

    def _on_call(self, call: IncomingCall) -> bool:
        if call.path != PATH or call.member != "Invoke":
            return False
        if call.interface not in {"", INTERFACE}:
            return False
        self._program.serve(lambda: self._serve(call))
        return True

    def _serve(self, call: IncomingCall) -> None:
        key = f"{self.PREFIX} {call.sender}"
        number = self._program.receive(key, call.text)
        self._unanswered[key, number] = call
        self._program.settle()

    def _on_departure(self, name: str) -> None:
        key = f"{self.PREFIX} {name}"
        self._program.forget(key)
        for waiting in [waiting for waiting in self._unanswered if waiting[0] == key]:
            del self._unanswered[waiting]
