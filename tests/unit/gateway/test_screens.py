"""What the screen of a line's client shows, and who may have it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from skypechan.backends.base import LineState
from skypechan.backends.echo.backend import EchoBackend
from skypechan.gateway import snapshot
from skypechan.gateway.line import Line
from skypechan.gateway.screens import Screen
from skypechan.gateway.settings import LineSettings
from tests.doubles.clock import FakeClock
from tests.unit.web.fixed_gateway import FixedScreen


class Keeper:
    """Keeps a client that shows windows. Implements `ClientSupervisor`."""

    def __init__(self, screen: Screen | None = None) -> None:
        self.starts_client = True
        self.screen = screen
        self.windows: tuple[str, ...] = ()
        self.isolation = "none"
        self.isolation_reason = "no namespaces"

    @asynccontextmanager
    async def supervising(self, tell: Callable[[str], None]) -> AsyncIterator[None]:
        yield

    async def restart(self) -> None:
        """There is none."""

    def line_is(self, state: LineState) -> None:
        """All the same."""


def line_of(keeper: Keeper | None) -> Line:
    return Line("alice", LineSettings(), EchoBackend(), FakeClock(), keeper)


def test_a_line_that_waits_names_the_windows_and_one_that_is_ready_does_not() -> None:
    keeper = Keeper()
    line = line_of(keeper)
    keeper.windows = ("Security", "Who's there?")
    line.line_changed(LineState.WAITING_FOR_PERMISSION, "allow us", "")
    shown = """its screen shows 'Security', "Who's there?\""""
    assert line.reason == f"allow us; {shown}"
    line.line_changed(LineState.READY, "", "alice")
    assert line.reason == ""
    keeper.windows = ()
    line.line_changed(LineState.SIGNED_OUT, "nobody is signed in", "")
    assert line.reason == "nobody is signed in"


def test_a_screen_is_to_be_had_where_the_keeper_lets() -> None:
    for keeper, is_shown in (
        (None, False),
        (Keeper(), False),
        (Keeper(FixedScreen()), True),
    ):
        line = line_of(keeper)
        assert (line.screen is not None) is is_shown
        told = snapshot.of_line(line)
        assert told.screen is is_shown
        assert told.client_is_ours is (keeper is not None)
        assert told.isolation == ("none" if keeper else "")
        assert told.isolation_reason == ("no namespaces" if keeper else "")
