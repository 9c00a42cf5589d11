"""sd_notify(3): what is sent, to whom, and that nobody there is no harm."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from skypechan.links.systemd import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def heard(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """The manager's end, in the file system or abstract."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        name = str(tmp_path / "notify")
        sock.bind(name if request.param == "path" else f"\0{name}")
        yield sock


def manager_at(heard: socket.socket) -> ServiceManager:
    name = heard.getsockname()
    text = name if isinstance(name, str) else name.decode().replace("\0", "@", 1)
    return ServiceManager.of({"NOTIFY_SOCKET": text})


def test_every_state_is_one_datagram_in_the_words_of_sd_notify(
    heard: socket.socket,
) -> None:
    manager = manager_at(heard)
    manager.ready()
    manager.status("ami is up,\n2 of 3 lines ready")
    manager.alive()
    manager.reloading(12.5)
    manager.stopping()
    assert [heard.recv(1_000).decode() for _ in range(5)] == [
        "READY=1",
        "STATUS=ami is up, 2 of 3 lines ready",
        "WATCHDOG=1",
        "RELOADING=1\nMONOTONIC_USEC=12500000",
        "STOPPING=1",
    ]


def test_without_a_manager_nothing_is_said() -> None:
    manager = ServiceManager.of({"WATCHDOG_USEC": "1000000"})
    assert manager == ServiceManager()
    manager.ready()


def test_a_manager_that_has_gone_or_does_not_read_costs_nothing(
    heard: socket.socket,
) -> None:
    manager = manager_at(heard)
    for _ in range(1_000):  # far more than its queue takes
        manager.alive()
    heard.close()
    manager.alive()


@pytest.mark.parametrize(
    ("more", "expected_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "2500000"}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": str(os.getpid())}, 2.5),
        ({"WATCHDOG_USEC": "2500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_ours_only_if_it_says_so(
    more: dict[str, str], expected_s: float | None
) -> None:
    found = ServiceManager.of({"NOTIFY_SOCKET": "@nobody", **more})
    assert found.watchdog_s == expected_s
