"""The kernel tells what the other end of a connection has not read."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from skypechan.media.unread import unread_bytes, unread_s
from tests.doubles.pcm_peers import tcp_pair


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = tcp_pair()
    with near, far:
        yield near, far


def settled(near: socket.socket, wanted: int) -> int | None:
    """What is unread; waits while what was sent is still on its way."""
    deadline_s = time.monotonic() + 5
    while (unread := unread_bytes(near)) != wanted and time.monotonic() < deadline_s:
        time.sleep(0.001)
    return unread


def test_it_is_what_was_sent_less_what_was_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    assert unread_bytes(near) == 0
    near.send(bytes(640))
    near.send(bytes(640))
    assert settled(near, 1280) == 1280
    far.recv(1000)
    assert unread_bytes(near) == 280
    far.recv(1000)
    assert unread_bytes(near) == 0
    far.send(bytes(100))
    assert unread_bytes(near) == 0
    assert settled(far, 100) == 100


def test_it_is_told_as_time_of_the_line_s_audio(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, _ = pair
    near.send(bytes(640))
    settled(near, 640)
    assert unread_s(near) == 0.020
    near.close()
    assert unread_s(near) is None


def test_between_addresses_of_the_sixth_version_too() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError as error:
        pytest.skip(f"no IPv6 here: {error}")
    with server, socket.create_connection(server.getsockname()[:2]) as near:
        far, _ = server.accept()
        with far:
            near.send(bytes(320))
            assert settled(near, 320) == 320


def test_where_nobody_can_tell_nothing_is_told(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    near, far = pair
    near.send(bytes(640))
    near.close()
    assert unread_bytes(near) is None
    far.close()
    assert unread_bytes(far) is None
    here, there = socket.socketpair()
    with here, there:
        here.send(bytes(640))
        assert unread_bytes(here) is None
