"""When a client that has ended is started again."""

from __future__ import annotations

import pytest

from skypechan.desktop.restarts import Restarts
from skypechan.desktop.settings import ClientSettings
from tests.doubles.clock import FakeClock

SETTINGS = ClientSettings(
    crashes_most=3, crash_window_seconds=60, crash_pause_seconds=300
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def restarts(clock: FakeClock) -> Restarts:
    return Restarts(SETTINGS, clock)


def test_waits_grow_from_end_to_end(restarts: Restarts) -> None:
    waits = [restarts.ended() for _ in range(3)]
    assert waits[0] <= 0.5 < waits[1] <= 1.0 < waits[2] <= 2.0


def test_more_ends_than_are_borne_are_followed_by_the_pause(restarts: Restarts) -> None:
    for _ in range(3):
        restarts.ended()
        assert not restarts.is_loop
    assert restarts.ended() == 300
    assert restarts.is_loop


async def test_ends_of_long_ago_do_not_count(
    restarts: Restarts, clock: FakeClock
) -> None:
    for _ in range(10):
        assert restarts.ended() <= 0.5
        await clock.advance(61)


def test_what_the_operator_starts_begins_anew(restarts: Restarts) -> None:
    for _ in range(4):
        restarts.ended()
    restarts.forget()
    assert restarts.ended() <= 0.5
    assert not restarts.is_loop
