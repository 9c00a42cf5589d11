from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]

SOCKET = """
import socket
kept = []
def test_it():
    kept.append(socket.socket())
"""
CHILD = """
import subprocess
kept = []
def test_it():
    kept.append(subprocess.Popen(["sleep", "1"]))
"""
TASK = """
import asyncio
kept = []
async def test_it():
    kept.append(asyncio.ensure_future(asyncio.sleep(60)))
"""
NOTHING = """
async def test_it():
    pass
"""
LONGER_FIXTURE = """
import socket, pytest
@pytest.fixture(scope="module")
def held():
    with socket.socket() as opened:
        yield opened
async def test_it(held):
    pass
"""


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (SOCKET, "sockets left open"),
        (CHILD, "child processes left"),
        (TASK, "tasks left"),
        (NOTHING, "1 passed"),
        (LONGER_FIXTURE, "1 passed"),
    ],
)
def test_a_test_that_leaves_something_fails(
    text: str, verdict: str, tmp_path: Path
) -> None:
    (tmp_path / "test_leak.py").write_text(text)
    options = ["-p", "tests.conftest", "-c", str(CHECKOUT / "pyproject.toml")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"--rootdir={tmp_path}", tmp_path],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert verdict in done.stdout, done.stdout + done.stderr
    assert (done.returncode == 0) == (verdict == "1 passed")
