"""The units for systemd: what they start keeps what they promise."""

from __future__ import annotations

import asyncio
import configparser
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.process import Process, Program
from skypechan.desktop.users import workspace

UNITS = Path(__file__).parents[2] / "docker/systemd"
SERVICES = sorted((path.name, "") for path in UNITS.glob("*.service"))
DROP_INS = ("gateway-clients.conf", "realtime.conf")
WITH_DROP_IN = [("skypechan.service", name) for name in DROP_INS]
PROGRAMS = Path(sys.executable).parent
DEADLINE_S = 20.0


def unit(name: str) -> configparser.SectionProxy:
    """The [Service] of a unit; of what stands more than once, the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNITS / name)
    return parser["Service"]


class Heard:
    """The service manager's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))

    async def until(self, *wanted: str) -> list[str]:
        """What is said until one of the wanted is."""
        loop, found = asyncio.get_running_loop(), list[str]()
        async with asyncio.timeout(DEADLINE_S):
            while not found or not found[-1].startswith(wanted):
                found.append((await loop.sock_recv(self._socket, 4_096)).decode())
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    with workspace() as path:
        yield path


@pytest.fixture
def heard(folder: Path) -> Iterator[Heard]:
    manager = Heard(folder / "notify")
    yield manager
    manager.close()


def started_by(name: str, folder: Path, heard: Heard, configuration: str) -> Program:
    """What a unit starts, with a configuration and folders of the test."""
    path = folder / "skypechan.toml"
    path.write_text(configuration)
    words = shlex.split(unit(name)["ExecStart"].replace("%i", "alice"))
    words[words.index("-c") + 1] = str(path)
    environment = {
        "NOTIFY_SOCKET": str(heard.path),
        "WATCHDOG_USEC": "400000",
        "STATE_DIRECTORY": str(folder),
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
    }
    command = (str(PROGRAMS / words[0]), *words[1:])
    return Program("service", command, folder, environment=environment)


async def test_gateway_says_when_it_serves_that_it_lives_and_when_it_stops(
    folder: Path, heard: Heard
) -> None:
    audio, web = free_port(), free_port()
    program = started_by(
        "skypechan.service",
        folder,
        heard,
        f"""
[asterisk]
ami = "{HOST}:{free_port()}"
ami_secret = "none"
audiosocket_listen = "{HOST}:{audio}"
[web]
listen = "{HOST}:{web}"
[control]
socket = "control.sock"
[lines.echo]
backend = "echo"
""",
    )
    async with await Process.start(program) as gateway:
        said = await heard.until("READY=1")
        for port in (audio, web):
            socket.create_connection((HOST, port), DEADLINE_S).close()
        said += await heard.until("STATUS=")
        assert re.fullmatch(r"STATUS=.*, \d of 1 lines ready, 0 calls", said[-1])
        await heard.until("WATCHDOG=1")
        gateway.signal(signal.SIGTERM)
        await heard.until("STOPPING=1")
        assert await gateway.wait() == 0


async def test_hangup_while_the_configuration_is_read_is_no_end(
    folder: Path, heard: Heard
) -> None:
    secret = folder / "secret"
    os.mkfifo(secret, 0o600)
    program = started_by(
        "skypechan.service",
        folder,
        heard,
        f"""
[asterisk]
ami = "{HOST}:{free_port()}"
ami_secret_file = "{secret}"
audiosocket_listen = "{HOST}:{free_port()}"
[web]
listen = "{HOST}:{free_port()}"
[control]
socket = "control.sock"
[lines.echo]
backend = "echo"
""",
    )
    async with await Process.start(program) as gateway:
        writing = await is_read(secret)
        gateway.signal(signal.SIGHUP)
        os.write(writing, b"none")
        os.close(writing)
        await heard.until("READY=1")


async def is_read(fifo: Path) -> int:
    """A handle for what somebody waits to read."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody yet
                await asyncio.sleep(0.02)


@pytest.fixture
async def client(folder: Path, heard: Heard) -> AsyncIterator[Process]:
    program = started_by(
        "skypechan-client@.service",
        folder,
        heard,
        """
[lines.alice.client]
command = ["skype", "--pipelogin", "--dbpath=profile"]
login = "alice secret"
""",
    )
    async with await Process.start(program) as process:
        yield process


async def test_client_says_when_it_was_started_and_leaves_nothing(
    client: Process, folder: Path, heard: Heard
) -> None:
    assert (await heard.until("READY=1"))[0].startswith("STATUS=")
    assert (folder / "clients/alice/bus/bus").is_socket()
    client.signal(signal.SIGHUP)  # as for the gateway, which reads anew what is set
    client.signal(signal.SIGTERM)
    await heard.until("STOPPING=1")
    assert await client.wait() == 0
    assert running_in(folder) == []


async def test_client_whose_display_cannot_be_shared_runs_all_the_same(
    folder: Path, heard: Heard
) -> None:
    own, login = folder / "clients" / "alice", folder / "login"
    os.mkfifo(login, 0o600)
    (own / "screen" / "display").mkdir(parents=True)  # in the way
    (own / "bus").mkdir()
    entered = (own, own / "bus", own / "screen")
    for path in entered:
        path.chmod(0o700)
    program = started_by(
        "skypechan-client@.service",
        folder,
        heard,
        f"""
[lines.alice.client]
command = ["skype", "--pipelogin", "--dbpath=profile"]
login_file = "{login}"
screen_in_page = true
""",
    )
    async with await Process.start(program) as client:
        writing = await is_read(login)
        client.signal(signal.SIGHUP)
        os.write(writing, b"alice secret")
        os.close(writing)
        await heard.until("READY=1")
        assert (own / "bus" / "bus").is_socket()
        assert [path.stat().st_mode & 0o777 for path in entered] == [0o750] * 3
        client.signal(signal.SIGTERM)
        assert await client.wait() == 0
        (said,) = [line for line in client.lines if "look at the display" in line]
        assert "Is a directory" in said


def running_in(folder: Path) -> list[bytes]:
    """The command lines that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # gone
            found.append(path.read_bytes())
    return [command for command in found if bytes(folder) in command]


@pytest.mark.parametrize(("name", "drop_in"), [*SERVICES, *WITH_DROP_IN])
def test_unit_is_in_order_and_says_how_exposed_it_is(
    name: str, drop_in: str, folder: Path
) -> None:
    """As docker/README.md states it: under 2.0 of 10."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed: apt-get install systemd")
    if "--offline" not in run(analyze, "--help").stdout:
        pytest.skip("systemd-analyze is older than systemd 250 and judges no files")
    text = (UNITS / name).read_text()
    # verify wants to see the program, which is installed elsewhere.
    text = re.sub(r"^(Exec\w+=-?)skypechan ", r"\1/bin/true ", text, flags=re.MULTILINE)
    path = folder / name
    path.write_text(text)
    if drop_in:
        (folder / f"{name}.d").mkdir()
        shutil.copy(UNITS / drop_in, folder / f"{name}.d")
    # What is wrong with the machine's own units is no matter of ours.
    verify = (analyze, "verify", "--man=no", "--recursive-errors=no")
    verified = run(*verify, str(path))
    ours = [line for line in verified.stderr.splitlines() if name[:-8] in line]
    assert (verified.returncode, ours) == (0, [])
    judged = run(analyze, "security", "--offline=true", "--no-pager", str(path)).stdout
    match = re.search(r"Overall exposure level for .*: ([\d.]+)", judged)
    assert match, judged
    assert float(match[1]) < 2.0


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
