"""The service manager hears of the gateway while it lives, and only then."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skypechan.gateway.reporting import reporting, status_line
from skypechan.gateway.snapshot import GatewaySnapshot, LineSnapshot, LinkSnapshot
from skypechan.links.systemd import ServiceManager
from tests.doubles.clock import FakeClock

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def line(name: str, state: str) -> LineSnapshot:
    return LineSnapshot(name, "echo", state, "", NOW, "", None, 0)


SHOWN = GatewaySnapshot(
    lines=(line("a", "ready"), line("b", "degraded")),
    calls=(),
    links=(LinkSnapshot("ami", "up", "", NOW),),
    calls_total={},
    refused_sockets={},
    media_ended={},
)


@dataclass(slots=True)
class House:
    """What there is to report about."""

    shown: GatewaySnapshot = SHOWN
    alive: bool = True

    async def look(self) -> GatewaySnapshot:
        return self.shown

    def is_alive(self) -> bool:
        return self.alive


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(str(tmp_path / "notify"))
        yield sock


def all_of(heard: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(heard.recv(1_000).decode())
        except BlockingIOError:
            return found


async def test_watchdog_is_fed_four_times_in_its_time_and_status_only_when_it_changes(
    heard: socket.socket,
) -> None:
    clock, house = FakeClock(), House()
    manager = ServiceManager(heard.getsockname(), watchdog_s=4.0)
    async with reporting(manager, house.look, house.is_alive, clock):
        await clock.advance(3.5)
        first = "STATUS=ami is up, 1 of 2 lines ready, 0 calls"
        assert all_of(heard) == ["WATCHDOG=1", first, *["WATCHDOG=1"] * 3]
        house.shown = replace(SHOWN, lines=(line("a", "ready"),))
        await clock.advance(1)
        assert all_of(heard)[1:] == ["STATUS=ami is up, 1 of 1 lines ready, 0 calls"]


async def test_watchdog_hears_nothing_while_the_audio_is_dead(
    heard: socket.socket,
) -> None:
    clock, house = FakeClock(), House(alive=False)
    manager = ServiceManager(heard.getsockname(), watchdog_s=4.0)
    async with reporting(manager, house.look, house.is_alive, clock):
        await clock.advance(8)
        assert "WATCHDOG=1" not in all_of(heard)
        house.alive = True
        await clock.advance(1)
        assert all_of(heard) == ["WATCHDOG=1"]


def test_status_line_names_links_lines_and_calls() -> None:
    assert status_line(SHOWN) == "ami is up, 1 of 2 lines ready, 0 calls"
