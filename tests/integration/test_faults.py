"""What an operator is told when something is wrong: one sentence and the remedy.

What can come back is a state that is retried; what cannot ends with status 2.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from skypechan.config.reader import load
from skypechan.demo.parts.emulated import emulator
from skypechan.demo.parts.gateway import Gateway, gateway
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.errors import CommandError
from tests.doubles.ami_server import AmiServer

ECHO_LINE = '[lines.first]\nbackend = "echo"\n'


def run_cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "skypechan.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def config(lines: str = ECHO_LINE, **ports: int) -> str:
    return (
        f'[asterisk]\nami = "{HOST}:{ports.get("ami") or free_port()}"\n'
        f'ami_secret = "wrong"\n'
        f'audiosocket_listen = "{HOST}:{ports.get("audio", 0)}"\n'
        f'[web]\nlisten = "{HOST}:{ports.get("web") or free_port()}"\n{lines}'
    )


@asynccontextmanager
async def running(text: str, folder: Path) -> AsyncIterator[Gateway]:
    web_port = free_port()
    text = text.replace("WEB", str(web_port))
    async with gateway(text, web_port, folder) as started:
        await started.process.line("web page and API on")
        yield started


async def reasons(started: Gateway, wanted: str) -> str:
    """Return what /readyz says once it says so."""
    await started.process.line(wanted)
    with pytest.raises(CommandError) as caught:
        await ask("GET", started.url + "/readyz")
    assert caught.value.code == 503
    return str(caught.value)


def with_web(lines: str = ECHO_LINE, **ports: int) -> str:
    text = config(lines, web=1, **ports)
    return text.replace(f'listen = "{HOST}:1"', f'listen = "{HOST}:WEB"')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lines", "is not TOML"),
        ("", "there is no line"),
        (ECHO_LINE + "capture_bost_db = 3", "did you mean 'capture_boost_db'?"),
        ('[asterisk]\nami_secret_file = "nowhere"\n' + ECHO_LINE, "cannot read"),
        ('[asterisk]\naudiosocket_allow = ["x"]\n' + ECHO_LINE, "audiosocket_allow"),
    ],
)
def test_a_wrong_configuration_ends_with_status_2(
    text: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "skypechan.toml"
    path.write_text(text)
    done = run_cli("run", "-c", str(path))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_configuration_says_where_to_get_one(tmp_path: Path) -> None:
    done = run_cli("run", "-c", str(tmp_path / "absent.toml"))
    assert done.returncode == 2
    assert "there is no such file" in done.stderr


@pytest.mark.parametrize(
    ("which", "setting"), [("web", "[web] listen"), ("audio", "audiosocket_listen")]
)
def test_a_taken_port_ends_with_status_2(
    which: str, setting: str, tmp_path: Path
) -> None:
    with socket.create_server((HOST, 0)) as taken:
        path = tmp_path / "skypechan.toml"
        path.write_text(config(**{which: taken.getsockname()[1]}))
        done = run_cli("run", "-c", str(path))
    assert done.returncode == 2
    assert setting in done.stderr
    assert "Traceback" not in done.stderr


async def test_asterisk_that_is_down_is_a_state(tmp_path: Path) -> None:
    async with running(with_web(), tmp_path) as started:
        said = await reasons(started, "AMI link down|Asterisk link_down|no AMI at")
        assert "asterisk" in said
        assert "no AMI at" in said


async def test_a_wrong_ami_password_is_a_state_that_names_the_remedy(
    tmp_path: Path,
) -> None:
    async with AmiServer() as server:
        server.answers["Login"] = lambda server, action: server.respond(
            action, "Error", Message="Authentication failed"
        )
        text = with_web(ami=server.port)
        async with running(text, tmp_path) as started:
            said = await reasons(started, "AMI link refused")
    assert "ami_secret" in said
    assert "manager.conf" in said


async def test_a_missing_bus_is_a_state(tmp_path: Path) -> None:
    line = f'[lines.first]\ndbus_address = "unix:path={tmp_path}/nobody"\n'
    async with running(with_web(line), tmp_path / "gateway") as started:
        said = await reasons(started, "line first is waiting_for_client")
    assert "first" in said
    assert "bus" in said.lower()


async def test_a_refused_permission_is_a_state_that_names_the_remedy(
    tmp_path: Path,
) -> None:
    async with PrivateBus(tmp_path / "bus") as bus:
        options = ("--dbus", bus.address, "--authorise", "no")
        line = f'[lines.first]\ndbus_address = "{bus.address}"\n'
        async with (
            emulator(tmp_path / "client", options),
            running(with_web(line), tmp_path / "gateway") as started,
        ):
            said = await reasons(started, "line first is refused")
    assert "allow" in said


def test_help_tells_first_what_cannot_be_done() -> None:
    done = run_cli("--help")
    assert done.returncode == 0
    assert "Skype closed in May 2025" in done.stdout
    for command in ("run", "demo", "emulator", "describe"):
        assert command in done.stdout


def test_the_call_table_is_printed() -> None:
    done = run_cli("describe", "calls")
    assert done.returncode == 0
    assert "answer the line leg" in done.stdout


def test_the_sample_is_printed_and_loads(tmp_path: Path) -> None:
    path = tmp_path / "skypechan.toml"
    path.write_text(run_cli("describe", "config").stdout)
    assert [line.name for line in load(path, {}).lines] == ["skypeclient"]
