"""The gate between the engine's sockets and the event loop."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest

from skypechan.media.gate import Gate


class Watched:
    """A gate on the reading end of a pipe, and a loop that watches the gate."""

    def __init__(self) -> None:
        self.reads, self.writes = os.pipe()
        self.gate = Gate(self.reads)
        self._poll = select.poll()
        self._poll.register(self.gate.fileno(), select.POLLIN)

    def is_readable(self, within_ms: int = 0) -> bool:
        return bool(self._poll.poll(within_ms))

    def close(self) -> None:
        self.gate.close()
        self.gate.close()
        os.close(self.reads)
        os.close(self.writes)


@pytest.fixture
def watched() -> Iterator[Watched]:
    made = Watched()
    yield made
    made.close()


def test_open_it_lets_through_what_is_watched(watched: Watched) -> None:
    assert not watched.is_readable()
    os.write(watched.writes, b"x")
    assert watched.is_readable()
    os.read(watched.reads, 1)
    assert not watched.is_readable()


def test_shut_it_lets_nothing_through_until_its_moment(watched: Watched) -> None:
    watched.gate.shut_until(time.monotonic() + 3_600)
    os.write(watched.writes, b"x")
    assert not watched.is_readable()
    watched.gate.shut_until(time.monotonic() - 1)
    assert watched.is_readable()


def test_its_moment_is_not_rounded_to_milliseconds(watched: Watched) -> None:
    begun_s = time.monotonic()
    watched.gate.shut_until(begun_s + 0.0025)
    assert watched.is_readable(within_ms=5_000)
    assert time.monotonic() - begun_s >= 0.0025


def test_it_can_be_shut_again_when_its_moment_has_come(watched: Watched) -> None:
    watched.gate.shut_until(time.monotonic() - 1)
    assert watched.is_readable()
    watched.gate.shut_until(time.monotonic() + 3_600)
    assert not watched.is_readable()


@pytest.mark.parametrize("after_s", [-1.0, 0.002, 3_600.0])
def test_opened_it_has_forgotten_its_moment(watched: Watched, after_s: float) -> None:
    watched.gate.shut_until(time.monotonic() + after_s)
    watched.gate.open()
    watched.gate.open()
    assert not watched.is_readable(within_ms=20)
    os.write(watched.writes, b"x")
    assert watched.is_readable()
