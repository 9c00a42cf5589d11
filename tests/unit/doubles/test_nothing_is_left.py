from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]

LEAKS = {
    "socket": (
        "import socket\nkept = []\ndef test_it():\n    kept.append(socket.socket())\n",
        "sockets left open",
    ),
    "child": (
        "import subprocess\n"
        "kept = []\n"
        "def test_it():\n"
        "    kept.append(subprocess.Popen(['sleep', '1']))\n",
        "child processes left",
    ),
    "task": (
        "import asyncio\n"
        "kept = []\n"
        "async def test_it():\n"
        "    kept.append(asyncio.ensure_future(asyncio.sleep(60)))\n",
        "tasks left",
    ),
    "nothing": ("async def test_it():\n    pass\n", "1 passed"),
    "held by a longer fixture": (
        "import socket, pytest\n"
        "@pytest.fixture(scope='module')\n"
        "def held():\n"
        "    with socket.socket() as opened:\n"
        "        yield opened\n"
        "async def test_it(held):\n    pass\n",
        "1 passed",
    ),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_a_test_that_leaves_something_fails(leak: str, tmp_path: Path) -> None:
    text, verdict = LEAKS[leak]
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
