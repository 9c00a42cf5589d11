"""The sdist makes the wheel, and the wheel works where there is no checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.process import Process, Program

CHECKOUT = Path(__file__).parents[2]

pytestmark = pytest.mark.timeout(180)  # all in all some seconds; many files, though


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment with the wheel made from the sdist.

    What it depends on is that of these tests: nothing is fetched.
    """
    folder = tmp_path_factory.mktemp("packages")
    build = (sys.executable, "-m", "hatchling", "build", "-d", str(folder))
    done(*build, "-t", "sdist", cwd=CHECKOUT)
    done("tar", "-xf", str(next(folder.glob("*.tar.gz"))), "-C", str(folder))
    done(*build, "-t", "wheel", cwd=next(folder.glob("skypechan-*/")))
    environment = folder / "environment"
    done(sys.executable, "-m", "venv", "--without-pip", str(environment))
    programs = environment / "bin"
    pip = (sys.executable, "-m", "pip", "--python", str(programs / "python"))
    wheel = str(next(folder.glob("*.whl")))
    done(*pip, "install", "-q", "--no-index", "--no-deps", "--no-compile", wheel)
    site = next(environment.glob("lib/python*/site-packages"))
    (site / "dependencies.pth").write_text(f"{Path(np.__file__).parents[1]}\n")
    return programs


def done(*command: str, cwd: Path | None = None) -> str:
    """What a command prints; it must succeed."""
    ended = run(*command, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def run(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "SKYPECHAN"))
    }
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_version_is_told(installed: Path, tmp_path: Path) -> None:
    told = done(str(installed / "skypechan"), "--version", cwd=tmp_path)
    assert told == f"skypechan {metadata.version('skypechan')}\n"


def test_samples_and_units_come_along_and_are_found(
    installed: Path, tmp_path: Path
) -> None:
    told = done(str(installed / "skypechan"), "describe", "files", cwd=tmp_path)
    folders = dict(line.split(": ") for line in told.splitlines())
    for name, source in (
        ("asterisk-conf", CHECKOUT / "asterisk-conf"),
        ("systemd", CHECKOUT / "docker/systemd"),
    ):
        folder = Path(folders[name])
        assert folder.is_relative_to(installed.parent)
        assert contents(folder) == contents(source)


def contents(folder: Path) -> dict[Path, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


def test_its_sample_can_be_read_and_checked(installed: Path, tmp_path: Path) -> None:
    program = str(installed / "skypechan")
    sample = done(program, "describe", "config", cwd=tmp_path)
    (tmp_path / "skypechan.toml").write_text(sample)
    ended = run(program, "check", "--json", cwd=tmp_path)
    assert ended.returncode in (0, 1), ended.stderr
    findings = json.loads(ended.stdout)["findings"]
    assert (findings[0]["check"], findings[0]["status"]) == ("configuration", "ok")


async def test_its_emulator_starts(
    installed: Path, tmp_path: Path, daemon: PrivateBus
) -> None:
    command = (str(installed / "skypechan"), "emulator", "--control", "0")
    program = Program("emulator", (*command, "--dbus", daemon.address), tmp_path)
    async with await Process.start(program) as emulator:
        ready = json.loads((await emulator.line(r"^\{.*\}$")).group())
        assert ready["dbus"] == daemon.address
