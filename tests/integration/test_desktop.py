"""Clients that the gateway starts: signed in, watched, healed, never left behind."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from skypechan.app import make_line
from skypechan.backends.base import LineState
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.timing import Timing
from skypechan.clock import SystemClock
from skypechan.config.reader import LineConfig
from skypechan.demo.parts.gateway import gateway
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.settings import ClientSettings
from skypechan.desktop.users import workspace
from skypechan.gateway.line import Line
from skypechan.gateway.settings import LineSettings
from tests.doubles.waiting import Changes
from tests.system.parts import eventually

SKYPE = str(Path(sys.executable).with_name("skype"))
PASSWORD = "Xyzzy-Plugh"
DEADLINE_S = 30.0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for the clients of one test, which must all be gone after it."""
    with workspace() as path:
        yield path
        assert [pid for pid in running() if str(path) in command_of(pid)] == []


def running() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").glob("[0-9]*")]


def read(pid: int, what: str) -> str:
    """What /proc tells of a process; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/{what}").read_bytes().decode().replace("\0", "\n")
    except OSError:
        return ""


def command_of(pid: int) -> str:
    return read(pid, "cmdline")


def children_of(pid: int) -> list[int]:
    return [int(child) for child in read(pid, f"task/{pid}/children").split()]


def descendants_of(pid: int) -> list[int]:
    children = children_of(pid)
    return [*children, *(found for one in children for found in descendants_of(one))]


class Watched(Changes):
    """A line that is served, and whose changes can be awaited."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self.line = line
        self.reasons: list[str] = []
        line.on_change = self._changed

    def _changed(self, line: Line) -> None:
        self.reasons.append(line.reason)
        self.notify()

    async def ready(self) -> int:
        """Wait until calls can be made; return the client's process."""
        await self.until(
            lambda: self.line.state is LineState.READY,
            DEADLINE_S,
            f"ready line: {self.reasons}",
        )
        return self.client

    async def said(self, words: str) -> None:
        """Wait until a reason has these words, now or before."""
        await self.until(
            lambda: any(words in reason for reason in self.reasons),
            DEADLINE_S,
            f"{words!r}: {self.reasons}",
        )

    @property
    def client(self) -> int:
        """The program itself: what keeps and confines it has one child each."""
        *_, program = descendants_of(self.warden)
        return program

    @property
    def warden(self) -> int:
        (warden,) = (pid for pid in self.programs if "warden.py" in command_of(pid))
        return warden

    @property
    def programs(self) -> list[int]:
        return children_of(os.getpid())

    def program(self, name: str) -> int:
        every = descendants_of(os.getpid())
        (found,) = (pid for pid in every if read(pid, "comm").strip() == name)
        return found


@asynccontextmanager
async def served(
    folder: Path,
    *command: str,
    transport: str = "dbus",
    timing: Timing | None = None,
    **settings: int,
) -> AsyncIterator[Watched]:
    """Serve a line whose client is started by us: `skype`, or a command."""
    client = ClientSettings(
        command=command or (SKYPE, "--pipelogin", "--dbpath=profile"),
        login=f"alice {PASSWORD}",
        **settings,
    )
    backend = SkypeSettings(account="alice", transport=transport)
    config = LineConfig("alice", LineSettings(), backend, client)
    line = make_line(config, SystemClock(), folder)
    if timing is not None:
        assert isinstance(line.backend, SkypeBackend)
        line.backend._timing = timing
    watched = Watched(line)
    serving = asyncio.create_task(line.serve())
    try:
        yield watched
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@pytest.mark.parametrize("transport", ["dbus", "x11"])
async def test_client_is_signed_in_and_its_secret_stands_nowhere(
    folder: Path, transport: str
) -> None:
    async with served(folder, transport=transport) as watched:
        client = await watched.ready()
        assert watched.line.account == "alice"
        for pid in descendants_of(os.getpid()):
            assert PASSWORD not in command_of(pid) + read(pid, "environ")
        environment = dict(
            line.split("=", 1) for line in read(client, "environ").splitlines()
        )
        assert set(environment) == {
            "PATH",
            "HOME",
            "LANG",
            "DISPLAY",
            "XAUTHORITY",
            "DBUS_SESSION_BUS_ADDRESS",
        }
        own = folder / "clients" / "alice"
        assert environment["HOME"] == str(own / "home")
        assert own.stat().st_mode & 0o077 == 0
        limits = read(client, "limits")
        assert f"{4096 << 20}" in limits
        assert "-noreset" in command_of(watched.program("Xvfb"))
    assert PASSWORD not in (own / "client.log").read_text()


async def test_secret_that_the_client_repeats_is_masked_in_its_log(
    folder: Path,
) -> None:
    async with served(folder, "sh", "-c", "read -r a; echo said $a; exit 3") as watched:
        await watched.said("said alice ***")
    log = (folder / "clients" / "alice" / "client.log").read_text()
    assert "said alice ***" in log
    assert PASSWORD not in log


async def test_client_that_is_killed_is_told_and_started_again(folder: Path) -> None:
    async with served(folder) as watched:
        client = await watched.ready()
        os.kill(client, signal.SIGKILL)
        await watched.said("client ended with status -9")
        assert watched.line.state is LineState.WAITING_FOR_CLIENT
        assert await watched.ready() != client


async def test_client_that_hangs_is_killed_and_started_again(folder: Path) -> None:
    timing = Timing(ping_s=0.2, ping_answer_s=0.2, goodbye_s=0.1)
    async with served(folder, timing=timing, hung_seconds=1) as watched:
        client = await watched.ready()
        os.kill(client, signal.SIGSTOP)
        await watched.said("did not answer and was killed")
        assert await watched.ready() != client


async def test_hung_client_that_comes_to_itself_in_time_is_left_alone(
    folder: Path,
) -> None:
    timing = Timing(ping_s=0.2, ping_answer_s=0.2)
    async with served(folder, timing=timing, hung_seconds=60) as watched:
        client = await watched.ready()
        os.kill(client, signal.SIGSTOP)
        await watched.said("the client does not answer")
        os.kill(client, signal.SIGCONT)
        assert await watched.ready() == client


@pytest.mark.parametrize("part", ["Xvfb", "dbus-daemon"])
async def test_desktop_that_is_lost_is_built_anew_with_its_client(
    folder: Path, part: str
) -> None:
    transport = "x11" if part == "Xvfb" else "dbus"
    async with served(folder, transport=transport) as watched:
        client = await watched.ready()
        os.kill(watched.program(part), signal.SIGKILL)
        await watched.said("started again in")
        assert await watched.ready() != client


async def test_client_that_ends_too_often_waits_for_the_operator(folder: Path) -> None:
    command = ("sh", "-c", "test -e better && exec sleep 1000; echo no luck; exit 3")
    async with served(folder, *command, crashes_most=1) as watched:
        await watched.said("no luck, too often; started again in 300.0 s")
        (folder / "clients" / "alice" / "home" / "better").touch()
        watched.line.restart()
        await watched.said("was started and has not appeared yet")
        assert watched.line.state is LineState.WAITING_FOR_CLIENT


async def test_restart_of_the_line_is_one_of_its_client(folder: Path) -> None:
    async with served(folder) as watched:
        client = await watched.ready()
        watched.line.restart()
        await watched.said("restarted by the operator")
        assert await watched.ready() != client
        assert not read(client, "cmdline")


async def test_last_words_of_a_client_are_told_in_bounds(folder: Path) -> None:
    words = "printf 'no\\rluck '; head -c 5000 /dev/zero | tr '\\0' x; exit 3"
    async with served(folder, "sh", "-c", words) as watched:
        await watched.said("no?luck xxx")
        assert len(watched.line.reason) < 400


async def test_program_that_is_missing_is_named(folder: Path) -> None:
    async with served(folder, "no-such-client") as watched:
        await watched.said("no-such-client: [Errno 2] No such file")


CONFIG = """\
[asterisk]
ami = "127.0.0.1:{closed}"
audiosocket_listen = "127.0.0.1:0"

[web]
listen = "127.0.0.1:{web}"

[lines.alice]
account = "alice"

[lines.alice.client]
command = ["sh", "-c", "setsid sleep 1000 & exec {skype} --pipelogin"]
login_file = "{login}"
"""


async def test_nothing_stays_when_the_gateway_is_killed_outright(folder: Path) -> None:
    login = folder / "login"
    login.touch(mode=0o600)
    login.write_text(f"alice {PASSWORD}\n")
    web = free_port()
    config = CONFIG.format(closed=free_port(), web=web, skype=SKYPE, login=login)
    async with gateway(config, web, folder) as running_gateway:

        async def is_ready() -> bool:
            (line,) = await running_gateway.get("/api/lines")
            return bool(line["state"] == "ready")

        await running_gateway.process.line("is ready")
        await eventually(is_ready, DEADLINE_S, "ready line")
        programs = descendants_of(running_gateway.process.pid)
        names = sorted(read(pid, "comm").strip() for pid in programs)
        assert {"Xvfb", "dbus-daemon", "sleep", "skype"} <= set(names)
        handles = [os.pidfd_open(pid) for pid in programs]
        os.kill(running_gateway.process.pid, signal.SIGKILL)
        await running_gateway.process.wait()
    for handle in handles:
        # A handle of a process is readable once that process has ended.
        assert select.select([handle], [], [], 5)[0] == [handle]
        os.close(handle)
