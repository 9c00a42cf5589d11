"""The names of the paused lines outlive the gateway, where there is a folder."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from skypechan.gateway.paused import PausedLines, StateSettings
from tests.doubles.clock import FakeClock, settle


async def kept(folder: Path | None, *names: str) -> None:
    book = PausedLines(folder, FakeClock())
    book.read()
    async with book.kept():
        book.keep(names)


def read(folder: Path | None) -> frozenset[str]:
    return PausedLines(folder, FakeClock()).read()


@pytest.mark.parametrize(
    ("setting", "environment", "folder"),
    [
        ("", {}, None),
        ("state", {"STATE_DIRECTORY": "/var/lib/x"}, Path("/etc/skypechan/state")),
        ("/srv/state", {}, Path("/srv/state")),
        ("", {"STATE_DIRECTORY": "/var/lib/x:/var/lib/y"}, Path("/var/lib/x")),
        ("", {"XDG_STATE_HOME": "/home/a/state"}, Path("/home/a/state/skypechan")),
        ("", {"XDG_STATE_HOME": "relative"}, None),
    ],
)
def test_where_the_state_is(
    setting: str, environment: dict[str, str], folder: Path | None
) -> None:
    found = StateSettings(setting).path_from(Path("/etc/skypechan"), environment)
    assert found == folder


async def test_what_is_kept_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "state"
    await kept(folder, "b", "a")
    assert read(folder) == {"a", "b"}
    await kept(folder)
    assert read(folder) == frozenset()


async def test_the_file_is_whole_and_nobody_elses(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    await kept(folder, "a")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = folder.iterdir()
    assert json.loads(file.read_text()) == {"paused": ["a"]}
    assert not stat.S_IMODE(file.stat().st_mode) & stat.S_IRWXO


async def test_without_a_folder_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    await kept(None, "a")
    assert read(None) == frozenset()
    assert os.listdir(tmp_path) == []


async def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    await kept(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff", b"[]", b'{"paused": "a"}', b'{"paused": [1]}', b"[" * 100_000],
    ids=["empty", "bytes", "list", "text", "number", "deep"],
)
async def test_a_broken_file_is_a_warning_and_is_replaced(
    tmp_path: Path, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "paused.json").write_bytes(text)
    assert read(tmp_path) == frozenset()
    assert "paused.json tells nothing, so no line is paused" in caplog.text
    await kept(tmp_path, "a")
    assert read(tmp_path) == {"a"}


async def test_a_folder_that_cannot_be_written_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "state"
    folder.write_text("in the way")
    clock = FakeClock()
    book = PausedLines(folder, clock)
    async with book.kept():
        book.keep(["a"])
        await settle_until(lambda: "cannot be written" in caplog.text)
        folder.unlink()
        await clock.advance(1)
        await settle_until(folder.exists)
    assert read(folder) == {"a"}


async def settle_until(seen: Callable[[], object]) -> None:
    """Let threads end, too: they have no clock of ours."""
    async with asyncio.timeout(5):
        while not seen():
            await settle()
            await asyncio.sleep(0.001)
