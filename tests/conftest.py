"""Rules of every test, and the figures of the run.

After each test nothing is left: no task, child process or open socket. Figures come
together from all workers.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.figures import MEASURED


def pytest_sessionstart() -> None:
    """Have interrupts end programs: jobs in the background inherit them ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell whoever started this worker what was measured in it."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["figures"] = MEASURED.as_dict()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take what was measured in a worker; one that has crashed tells nothing."""
    MEASURED.merge(getattr(node, "workeroutput", {}).get("figures", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what was measured."""
    for line in MEASURED.lines():
        terminalreporter.write_line(line)


def _open_sockets() -> set[str]:
    """Inodes of the sockets of this process."""
    found = set()
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:
            continue  # the one that lists the folder
        if target.startswith("socket:"):
            found.add(target)
    return found


def _children() -> dict[str, str]:
    """Child processes, zombies too: process id to name."""
    found = {}
    for task in Path("/proc/self/task").iterdir():
        try:
            of_thread = (task / "children").read_text().split()
        except OSError:
            continue  # the thread has just ended
        for child in of_thread:
            status = Path(f"/proc/{child}/comm")
            found[child] = status.read_text().strip() if status.exists() else "gone"
    return found


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Compare sockets and children before and after."""
    sockets, children = _open_sockets(), _children()
    yield
    left = {pid: name for pid, name in _children().items() if pid not in children}
    assert not left, f"child processes left: {left}"
    sockets = _open_sockets() - sockets
    assert not sockets, f"sockets left open: {sockets}"


@pytest.fixture(autouse=True)
def no_task_is_left(request: pytest.FixtureRequest, nothing_is_left: None) -> None:
    """Watch the tasks of a test that has an event loop."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_tasks_watched")


@pytest.fixture
async def _tasks_watched() -> AsyncIterator[None]:
    """Compare the loop's tasks before and after, the test's other fixtures ended."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)  # what was cancelled in the last moment ends now
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert not left, f"tasks left: {left}"
