"""Ports are free when they are handed out, and the usual one is kept if it can be."""

from __future__ import annotations

import socket

import pytest

from skypechan.demo.parts.ports import HOST, free_port, free_range


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_taken_port_is_not_handed_out(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        assert free_port(port) != port


def test_preferred_port_is_kept_when_it_is_free() -> None:
    port = free_port()
    assert free_port(port) == port


def test_range_with_a_taken_port_is_moved() -> None:
    ports = free_range(10)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind((HOST, ports[7]))
        moved = free_range(10, ports.start)
    assert ports[7] not in moved
    assert len(moved) == 10


def test_range_of_media_ports_begins_even() -> None:
    assert free_range(4).start % 2 == 0
