"""Which level a line runs at, and what is said where the machine does not allow it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from skypechan.desktop import isolation
from skypechan.desktop.isolation import Isolation, Level, Room, isolate
from skypechan.desktop.users import User, unprivileged_user, workspace
from skypechan.errors import LinkDownError

IS_ROOT = os.geteuid() == 0
ROOM = Room(reads=(Path("/b"), Path("/a")), writes=(Path("/c"),), sockets=Path("/d"))
SOMEBODY = User("somebody", 12345, 12346)


@pytest.fixture
def folder() -> Iterator[Path]:
    with workspace() as path:
        yield path


@pytest.fixture
def _walls_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose kernel says no: its sandbox is a program that says so."""
    monkeypatch.setattr(isolation.sandbox, "__file__", "/dev/null/no-sandbox")


@pytest.mark.usefixtures("_walls_refused")
async def test_without_namespaces_auto_falls_to_none_and_says_why(folder: Path) -> None:
    found = await isolate("auto", "", (), folder)
    assert found.level is Level.NONE
    assert found.described.startswith("NOT isolated")
    assert "no namespaces: " in found.why
    assert "`user` is not set" in found.why


@pytest.mark.usefixtures("_walls_refused")
@pytest.mark.skipif(not IS_ROOT, reason="only root becomes another user")
async def test_without_namespaces_auto_falls_to_a_user(folder: Path) -> None:
    found = await isolate("auto", "games", (), folder)
    assert (found.level, found.user is not None) == (Level.USER, True)
    assert "as games" in found.described
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "inner").mkdir()
    found = await isolate("auto", "games", (), closed / "inner")
    assert found.level is Level.NONE
    assert f"games cannot enter {closed / 'inner'}" in found.why


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
async def test_folder_that_walls_cannot_show_is_why_there_are_none(
    folder: Path,
) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    (closed / "inner").mkdir()
    os.chown(closed, SOMEBODY.uid, SOMEBODY.gid)
    found = await isolate("auto", "", (), closed / "inner")
    assert found.level is Level.NONE
    # Without namespaces at all it is another reason.
    if not await isolation.refusal(unprivileged_user(), folder):
        assert f"{closed}/inner" in found.why


@pytest.mark.usefixtures("_walls_refused")
@pytest.mark.parametrize("wanted", ["namespace", "user"])
async def test_level_that_is_asked_for_is_had_or_refused(
    wanted: str, folder: Path
) -> None:
    with pytest.raises(LinkDownError, match=f'isolation = "{wanted}" is not possible'):
        await isolate(wanted, "", (), folder)


async def test_user_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(LinkDownError, match="no such user"):
        await isolate("auto", "no-such-user", (), folder)


async def test_none_is_what_it_says(folder: Path) -> None:
    found = await isolate("none", "", (), folder)
    assert found == Isolation()
    assert found.within(ROOM) == ()


def test_room_is_told_to_the_sandbox() -> None:
    words = Isolation(Level.NAMESPACE, SOMEBODY).within(ROOM, processes=7, sounds=9)
    others = [word for word in words[5:] if not word.startswith("maybe=")]
    assert words[4] == "12345:12346"
    assert f"maybe={sys.prefix}" in words
    assert others == [
        *("read=/a", "read=/b", "write=/c", "sockets=/d", "limit=7", "sounds=9", "--"),
    ]


def test_user_is_become_without_a_way_back() -> None:
    words = Isolation(Level.USER, SOMEBODY).within(ROOM)
    assert words[:3] == ("setpriv", "--pdeathsig=KILL", "--reuid=12345")
    assert words[-2:] == ("--no-new-privs", "--")
