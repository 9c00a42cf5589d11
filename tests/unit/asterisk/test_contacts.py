"""Contacts: audio belongs to the call that brought it, or to nobody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from uuid import UUID

import pytest

from skypechan.asterisk.ami.messages import Channel
from skypechan.asterisk.audiosocket.server import Connection
from skypechan.asterisk.contacts import Contact, ContactCall, ContactDoor

CONTACT = Contact(UUID("2f9d8f52-5f0e-4a4a-9d7c-9b3d3cf5f3a1"), "ANY", "echo123")


class Street:
    """Connections to a contact, each with its far end, and who was let in."""

    def __init__(self) -> None:
        self.calls: list[ContactCall] = []
        self.door = ContactDoor(self.calls.append)
        self._sockets: list[socket.socket] = []

    def connect(self) -> socket.socket:
        near, far = socket.socketpair()
        near.setblocking(False)
        self._sockets += [near, far]
        self.door.connected(Connection(near, CONTACT.uuid, b""))
        return far

    def channel(self, number: int) -> Channel:
        channel = Channel(f"AudioSocket/a-{CONTACT.uuid}", f"u{number}", f"u{number}")
        self.door.channel_began(CONTACT, channel)
        return channel

    def close(self) -> None:
        self.door.clear()
        for one in self._sockets:
            one.close()


@pytest.fixture
def street() -> Iterator[Street]:
    made = Street()
    yield made
    made.close()


def is_closed(far: socket.socket) -> bool:
    far.setblocking(False)
    try:
        return far.recv(1) == b""
    except BlockingIOError:
        return False


async def test_connection_and_channel_are_paired_whichever_is_first(
    street: Street,
) -> None:
    street.connect()
    street.channel(1)
    street.channel(2)
    street.connect()
    assert [call.channel.uniqueid for call in street.calls] == ["u1", "u2"]


async def test_a_connection_that_has_closed_is_not_the_next_calls(
    street: Street,
) -> None:
    gone = street.connect()
    gone.close()
    street.channel(2)
    assert street.calls == []
    street.connect()
    assert len(street.calls) == 1
    assert not is_closed(street._sockets[-1])


async def test_a_channel_that_ended_before_its_audio_came_leaves_nothing(
    street: Street, caplog: pytest.LogCaptureFixture
) -> None:
    channel = street.channel(1)
    street.door.channel_ended(channel)
    late = street.connect()
    assert street.calls == []
    async with asyncio.timeout(3):
        while not is_closed(late):  # noqa: ASYNC110 - the loop's own timer closes it
            await asyncio.sleep(0.05)
    assert "no channel dialled it here" in caplog.text


async def test_a_crowd_at_the_door_is_bounded(street: Street) -> None:
    crowd = [street.connect() for _ in range(20)]
    assert sum(is_closed(far) for far in crowd) == 4
