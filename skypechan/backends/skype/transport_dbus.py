"""Skype clients on a D-Bus: a name that is owned, Invoke one way, Notify the other."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from skypechan.backends.skype.deadline import first_of
from skypechan.backends.skype.transport import TextSink, unheard
from skypechan.errors import LinkDownError
from skypechan.links.dbus import DbusLink, IncomingCall

_log = logging.getLogger(__name__)

# Skype API over D-Bus: names, paths and interfaces.
SERVICE: Final = "com.Skype.API"
SERVICE_PATH: Final = "/com/Skype"
CLIENT_PATH: Final = "/com/Skype/Client"

_ACCESS_DENIED: Final = "org.freedesktop.DBus.Error.AccessDenied"


class DbusTransport:
    """One connection to a D-Bus, on which Skype owns a name while it runs."""

    def __init__(self, link: DbusLink) -> None:
        self._link = link
        self._owner = ""
        self._appeared = asyncio.Event()
        self._client: DbusClient | None = None
        link.on_call(self._called)

    @classmethod
    async def open(cls, address: str) -> DbusTransport:
        """Connect to the bus at `address` (empty: the session bus)."""
        link = await DbusLink.connect(address)
        transport = cls(link)
        try:
            owner = await link.watch_name_owner(SERVICE, transport._owner_changed)
        except BaseException:
            await transport.close()
            raise
        transport._owner_changed(owner)
        return transport

    async def wait_for_client(self) -> DbusClient:
        """Return the client, once the name has an owner."""
        while self._link.connected and not self._owner:
            await first_of(self._appeared.wait(), self._link.wait_lost())
        if not self._link.connected:
            raise LinkDownError("the bus went away")
        self._client = DbusClient(self._link, self._owner)
        return self._client

    async def close(self) -> None:
        """Leave the bus."""
        self._link.close()
        await self._link.wait_lost()

    def _owner_changed(self, owner: str) -> None:
        if owner == self._owner:
            return
        _log.debug("= %s is owned by %s", SERVICE, owner or "nobody")
        self._owner = owner
        if self._client is not None:
            self._client.gone.set()
            self._client = None
        if owner:
            self._appeared.set()
        else:
            self._appeared.clear()

    def _called(self, call: IncomingCall) -> bool:
        """Take Notify, from the client and from nobody else on the bus."""
        if call.path != CLIENT_PATH or call.member != "Notify":
            return False
        if self._client is None or call.sender != self._client.name:
            _log.warning("! %s is not the client, but calls Notify", call.sender)
            call.refuse(_ACCESS_DENIED, "not the owner of " + SERVICE)
            return True
        call.answer()
        self._client.on_text(call.text)
        return True


class DbusClient:
    """The program that owns Skype's name; `name` is its unique name."""

    def __init__(self, link: DbusLink, name: str) -> None:
        self.name = name
        self.gone = asyncio.Event()
        self.on_text: TextSink = unheard
        self._link = link

    async def send(self, text: str, within_s: float) -> str:
        """Invoke a command; its return value is the reply."""
        return await self._link.call(
            self.name, SERVICE_PATH, SERVICE, "Invoke", text, within_s
        )

    async def wait_gone(self) -> None:
        """Return when the name has lost its owner or the bus is lost."""
        await first_of(self.gone.wait(), self._link.wait_lost())
