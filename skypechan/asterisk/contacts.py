"""Contacts: UUIDs that a dialplan may dial again and again, several at once.

Two calls to one contact have the same channel name and the same UUID. Asterisk connects
and creates the channel in one go, so connections and channels are paired in the order
in which they come. (Two calls within the same millisecond could be crossed.) A
connection that has closed, or whose channel does not show itself at once, is
none of a call: it must not become the audio of the next one.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.messages import Channel
from skypechan.asterisk.audiosocket.server import (
    AudioSocketServer,
    Connection,
    OnConnected,
)

_log = logging.getLogger(__name__)

_PARTNER_S = 0.3
_MOST_WAITING = 16


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact of the configuration; `line` is a name or ANY, RR, LRU."""

    uuid: UUID
    line: str
    address: str


@dataclass(frozen=True, slots=True)
class ContactCall:
    """A call to a contact: its channel, its audio, and the channel that called."""

    contact: Contact
    channel: Channel
    caller: Channel
    connection: Connection


class Contacts:
    """Whom the plain form may dial, by name; they may become others at any time.

    Who is none any more is still known by the UUID: the calls that live go on.
    """

    def __init__(self, server: AudioSocketServer, take: OnConnected) -> None:
        self.named: Mapping[str, Contact] = {}
        self._server = server
        self._take = take
        self._known: dict[UUID, Contact] = {}
        self._names: set[str] = set()

    def set(self, named: Mapping[str, Contact]) -> None:
        """Let in the audio of calls to these, and to no others."""
        for contact in self.named.values():
            self._server.forget(contact.uuid)
        self.named = dict(named)
        self._names.update(named)
        for contact in named.values():
            self._known[contact.uuid] = contact
            self._server.expect_always(contact.uuid, self._take)

    def of(self, uuid: UUID | None) -> Contact | None:
        """Return whose UUID this is, or was."""
        return self._known.get(uuid) if uuid else None

    def variables(self, login: str) -> dict[str, str]:
        """Return their UUIDs as global variables, empty of who is none any more.

        Each has two: where several gateways have a contact of one name, only the one
        that names our login is ours.
        """
        told: dict[str, str] = {}
        for name in sorted(self._names):
            uuid = str(self.named[name].uuid) if name in self.named else ""
            told[dialplan.CONTACT + name] = uuid
            told[f"{dialplan.CONTACT}{login}_{name}"] = uuid
        return told


class ContactDoor:
    """Pairs the audio connections of contacts with their channels."""

    def __init__(self, on_call: Callable[[ContactCall], None]) -> None:
        self._on_call = on_call
        self._channels: defaultdict[UUID, deque[tuple[Contact, Channel]]] = defaultdict(
            deque
        )
        self._connections: defaultdict[UUID, deque[Connection]] = defaultdict(deque)
        # An AudioSocket channel begins without the caller's name: that is on the
        # channel whose unique id is the linked id of both.
        self._first_channels: dict[str, Channel] = {}

    def connected(self, connection: Connection) -> None:
        """Take an audio connection."""
        waiting = self._connections[connection.uuid]
        if len(waiting) >= _MOST_WAITING:
            _log.warning("! too many connections to contact %s wait", connection.uuid)
            connection.socket.close()
            return
        waiting.append(connection)
        self._pair(connection.uuid)
        if connection in waiting:
            loop = asyncio.get_running_loop()
            loop.call_later(_PARTNER_S, self._give_up, connection)

    def channel_seen(self, channel: Channel) -> None:
        """Remember a channel that may call a contact, until it ends."""
        if channel.uniqueid == channel.linkedid:
            self._first_channels[channel.uniqueid] = channel

    def channel_began(self, contact: Contact, channel: Channel) -> None:
        """Take the AudioSocket channel of a call to a contact."""
        self._channels[contact.uuid].append((contact, channel))
        self._pair(contact.uuid)

    def channel_ended(self, channel: Channel) -> None:
        """Forget a channel, also one that ended before its audio came."""
        self._first_channels.pop(channel.uniqueid, None)
        for waiting in self._channels.values():
            for pair in [p for p in waiting if p[1].uniqueid == channel.uniqueid]:
                waiting.remove(pair)

    def clear(self) -> None:
        """Close what waits for a partner that can no longer come."""
        for waiting in self._connections.values():
            for connection in waiting:
                connection.socket.close()
        self._connections.clear()
        self._channels.clear()
        self._first_channels.clear()

    def _pair(self, uuid: UUID) -> None:
        channels, connections = self._channels[uuid], self._connections[uuid]
        while channels and connections:
            connection = connections.popleft()
            if _has_closed(connection.socket):
                connection.socket.close()
                continue
            contact, channel = channels.popleft()
            caller = self._first_channels.get(channel.linkedid, channel)
            self._on_call(ContactCall(contact, channel, caller, connection))

    def _give_up(self, connection: Connection) -> None:
        waiting = self._connections[connection.uuid]
        if connection in waiting:
            waiting.remove(connection)
            if not _has_closed(connection.socket):
                text = "! audio to contact %s closed: no channel dialled it here"
                _log.warning(text, connection.uuid)
            connection.socket.close()


def _has_closed(sock: socket.socket) -> bool:
    """Tell whether the other end has gone. What has come is left where it is."""
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
