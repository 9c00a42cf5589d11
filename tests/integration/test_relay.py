"""A client's display that is elsewhere: reached where its relay is, and looked at."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

from skypechan.app import make_line
from skypechan.backends.base import LineState
from skypechan.backends.echo.backend import EchoBackend
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.clock import SystemClock
from skypechan.config.reader import LineConfig
from skypechan.desktop import relay
from skypechan.desktop.onlooker import Onlooker
from skypechan.desktop.relay import relayed
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.settings import ClientSettings
from skypechan.errors import (
    ConfigError,
    DeadlineError,
    LinkDownError,
    LinkError,
    LinkRefusedError,
)
from skypechan.gateway.line import Line
from skypechan.gateway.settings import LineSettings
from skypechan.links.x11.link import X11Link
from tests.doubles.clock import FakeClock
from tests.doubles.pictures import read_png
from tests.system.parts import eventually

DEADLINE_S = 20.0


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[PrivateScreen]:
    async with PrivateScreen(tmp_path / "screen", screen="320x200x24") as screen:
        yield screen


async def test_who_has_the_cookie_gets_through_and_nobody_else(
    screen: PrivateScreen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XAUTHORITY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "display"
    async with relayed(path, lambda: screen.display, SystemClock()):
        assert path.stat().st_mode & 0o777 == 0o660
        with pytest.raises(LinkRefusedError):
            await X11Link.connect(f"unix:{path}")
        link = await X11Link.connect(f"unix:{path}", str(screen.xauthority))
        rows = await link.look(lambda viewer: viewer.ask_rows(0, 200))
        assert len(rows) == 320 * 200 * 4
    await asyncio.wait_for(link.wait_lost(), DEADLINE_S)
    assert not path.exists()
    link.close()


async def test_display_that_is_not_there_ends_a_connection_and_not_the_relay(
    screen: PrivateScreen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = [":50000", "", screen.display]

    def display() -> str:
        if name := names.pop(0):
            return name
        raise LinkDownError("the desktop starts")

    path = tmp_path / "display"
    path.write_text("what one that was killed has left")
    async with relayed(path, display, SystemClock()):
        for _ in range(2):
            with pytest.raises(LinkError):
                await X11Link.connect(f"unix:{path}", str(screen.xauthority))
        link = await X11Link.connect(f"unix:{path}", str(screen.xauthority))
        await link.sync()
        link.close()
    assert "nobody can look at the display: the desktop starts" in caplog.text


async def test_the_reason_why_nobody_gets_through_is_told_when_it_is_another(
    screen: PrivateScreen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["one", "one", "two", screen.display, "two"]

    def display() -> str:
        if (name := names.pop(0)) != screen.display:
            raise LinkDownError(name)
        return name

    path = tmp_path / "display"
    async with relayed(path, display, SystemClock()):
        while names:
            with suppress(LinkError):
                link = await X11Link.connect(f"unix:{path}", str(screen.xauthority))
                link.close()
    told = [record.args for record in caplog.records if record.levelname == "WARNING"]
    assert [str(error) for (error,) in told] == ["one", "two", "two"]


async def test_relay_goes_on_after_a_time_without_free_handles(
    screen: PrivateScreen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, clock = tmp_path / "display", FakeClock()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def is_told() -> bool:
        return "Too many open files" in caplog.text

    with socket.socket(socket.AF_UNIX) as caller:
        async with relayed(path, lambda: screen.display, clock):
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
            try:
                caller.connect(str(path))
                await eventually(is_told, DEADLINE_S, "reason")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            await clock.advance(1)
            link = await X11Link.connect(f"unix:{path}", str(screen.xauthority))
            link.close()
    assert caplog.text.count("Too many open files") == 1


async def test_connections_beyond_what_the_relay_bears_wait_their_turn(
    screen: PrivateScreen, tmp_path: Path
) -> None:
    path, served = tmp_path / "display", asyncio.Semaphore(0)

    def display() -> str:
        served.release()
        return screen.display

    async with relayed(path, display, SystemClock()):
        with ExitStack() as callers:
            for _ in range(relay._MOST_CONNECTIONS):
                caller = callers.enter_context(socket.socket(socket.AF_UNIX))
                caller.setblocking(False)
                await asyncio.get_running_loop().sock_connect(caller, str(path))
                await asyncio.wait_for(served.acquire(), DEADLINE_S)
            with pytest.raises(DeadlineError):
                await X11Link.connect(
                    f"unix:{path}", str(screen.xauthority), timeout_s=0.3
                )
            assert served.locked()
        link = await X11Link.connect(f"unix:{path}", str(screen.xauthority))
        link.close()


@asynccontextmanager
async def looked_at(screen: PrivateScreen, folder: Path) -> AsyncIterator[Line]:
    onlooker = Onlooker(
        "alice", screen.display, str(screen.xauthority), folder, SystemClock()
    )
    line = Line("alice", LineSettings(), EchoBackend(), SystemClock(), onlooker)
    serving = asyncio.create_task(line.serve())
    try:
        yield line
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


async def shows(line: Line) -> None:
    screen = line.screen
    assert screen is not None

    async def has_picture() -> bool:
        try:
            return read_png(await screen.picture()).shape == (200, 320, 3)
        except LinkDownError:
            return False

    await eventually(has_picture, DEADLINE_S, "picture")


async def test_line_goes_on_while_the_display_of_its_client_is_away(
    screen: PrivateScreen, tmp_path: Path
) -> None:
    async with looked_at(screen, tmp_path / "clients" / "alice") as line:
        await shows(line)
        assert line.screen is not None
        assert not line.client_is_ours
        picture = line.screen.picture
        screen.process.kill()
        await screen.process.wait()

        async def is_told() -> bool:
            try:
                await picture()
            except LinkDownError as error:
                return "no screen of line alice: no display at" in str(error)
            return False

        await eventually(is_told, DEADLINE_S, "reason")
        assert (line.state, line.reason) == (LineState.READY, "")
        await screen.start()
        await shows(line)


async def test_line_goes_on_where_no_alarm_can_be_kept(
    screen: PrivateScreen, tmp_path: Path
) -> None:
    (tmp_path / "clients").write_text("in the way")
    async with looked_at(screen, tmp_path / "clients" / "alice") as line:
        await shows(line)
        assert line.state is LineState.READY


@pytest.mark.parametrize("transport", ["dbus", "x11"])
@pytest.mark.parametrize("wanted", [False, True])
def test_screen_of_a_client_elsewhere_is_had_if_that_is_configured(
    transport: str, wanted: bool, tmp_path: Path
) -> None:
    there = SkypeSettings(transport=transport, display=":1")
    client = ClientSettings(screen_in_page=wanted)
    config = LineConfig("alice", LineSettings(), there, client)
    line = make_line(config, SystemClock(), tmp_path)
    assert (line.screen is not None) is wanted
    assert not line.client_is_ours


def test_what_is_no_display_is_a_fault_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="X display"):
        Onlooker("alice", "nonsense", "", tmp_path, SystemClock())
