"""A line's client is kept apart as far as the machine allows, and tried for again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from skypechan.backends.base import LineState
from skypechan.clock import SystemClock
from skypechan.desktop import sandbox
from skypechan.desktop.isolation import refusal
from skypechan.desktop.settings import ClientSettings
from skypechan.desktop.supervisor import Supervisor
from skypechan.desktop.users import unprivileged_user, workspace

DEADLINE_S = 20.0
SETTINGS = ClientSettings(command=("sleep", "infinity"))


@pytest.fixture
def folder() -> Iterator[Path]:
    with workspace() as path:
        yield path


@pytest.fixture
async def _walls(folder: Path) -> None:
    if refused := await refusal(unprivileged_user(), folder):
        pytest.skip(f"this machine allows no namespaces: {refused}")


@pytest.mark.usefixtures("_walls")
async def test_walls_that_were_refused_for_a_moment_are_there_at_the_next_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    told: asyncio.Queue[str] = asyncio.Queue()
    supervisor = Supervisor("alice", SETTINGS, folder / "alice", SystemClock())

    async def started() -> None:
        async with asyncio.timeout(DEADLINE_S):
            while "was started" not in await told.get():
                pass

    with monkeypatch.context() as patched:
        patched.setattr(sandbox, "__file__", "/dev/null/no-sandbox")
        assert supervisor.isolation == ""
        async with supervisor.supervising(told.put_nowait):
            await started()
            assert supervisor.isolation == "none"
            assert "no namespaces: " in supervisor.isolation_reason
            await supervisor.restart()
            await started()
            assert supervisor.isolation == "none"
            patched.undo()
            await supervisor.restart()
            await started()
            assert supervisor.isolation == "namespace"
            assert supervisor.isolation_reason == ""
    said = [(x.levelname, x.getMessage()) for x in caplog.records if "runs" in x.msg]
    assert [level for level, _ in said] == ["WARNING", "INFO"]
    assert "NOT isolated" in said[0][1]
    assert "within namespaces" in said[1][1]


async def test_client_is_killed_for_as_often_as_it_hangs(folder: Path) -> None:
    """Be its line degraded all the while, as one that has no time to recover."""
    told: asyncio.Queue[str] = asyncio.Queue()
    settings = replace(SETTINGS, isolation="none", hung_seconds=1)
    supervisor = Supervisor("alice", settings, folder / "alice", SystemClock())

    async def said(words: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while words not in await told.get():
                pass

    async with supervisor.supervising(told.put_nowait):
        await said("was started")
        supervisor.line_is(LineState.DEGRADED)
        for _ in range(2):
            await said("did not answer and was killed")
        await said("was started")
        supervisor.line_is(LineState.READY)
