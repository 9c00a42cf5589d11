"""What a screen leaves where X servers have their sockets."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from skypechan.desktop import screen
from skypechan.desktop.isolation import Isolation, Level, isolate
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import workspace
from skypechan.errors import LinkDownError


@pytest.fixture
def folder() -> Iterator[Path]:
    with workspace() as path:
        yield path


@pytest.fixture
async def walls(folder: Path) -> Isolation:
    try:
        return await isolate("namespace", "", (), folder)
    except LinkDownError as error:
        pytest.skip(str(error))


async def test_folder_of_x_sockets_is_all_users_and_has_no_litter_of_ours(
    folder: Path, walls: Isolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = folder / "X11-unix"
    monkeypatch.setattr(screen, "_SOCKETS", common)
    server = PrivateScreen(folder / "screen", isolation=walls)
    before = os.umask(0o077)
    try:
        async with server:
            (link,) = common.iterdir()
            assert link.readlink() == folder / "sockets" / link.name
    finally:
        os.umask(before)
    assert common.stat().st_mode & 0o7777 == 0o1777
    assert not any(common.iterdir())
    (folder / "other").mkdir()
    (common / "X1").symlink_to(folder / "gone" / "sockets" / "X1")
    (common / "X2").symlink_to(folder / "sockets" / "X2")
    (common / "X3").symlink_to(folder / "other" / "X3")
    async with PrivateScreen(folder / "another" / "screen", isolation=walls):
        assert {"X2", "X3"} < {link.name for link in common.iterdir()}
        assert not (common / "X1").is_symlink()


async def test_sockets_of_servers_that_are_gone_are_removed_and_no_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "_SOCKETS", folder)
    monkeypatch.setattr(screen, "_LOCK", str(folder / "lock{}"))
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(folder / "X3001"))
        alive.listen()
        for name in ("X3000", "X3003", "X5", "Xorg"):
            with socket.socket(socket.AF_UNIX) as gone:
                gone.bind(str(folder / name))
        (folder / "X3002").touch()
        (folder / "lock3000").write_text("2147483647\n")
        (folder / "lock3003").write_text(f"{os.getpid():>10}\n")  # about to listen
        async with PrivateScreen(folder / "screen"):
            assert left_in(folder) == {"X3001", "X3002", "X3003", "X5", "Xorg"}


async def test_server_listens_at_no_name_that_needs_no_right_to_reach(
    folder: Path,
) -> None:
    """An abstract one is everybody's who has the machine's network."""
    async with PrivateScreen(folder / "screen", isolation=Isolation(Level.NONE)) as own:
        knocking = socket.socket(socket.AF_UNIX)
        with knocking, pytest.raises(ConnectionRefusedError):
            knocking.connect(f"\0/tmp/.X11-unix/X{own.number}")
        assert has_socket(own.number)


async def test_server_that_was_killed_leaves_no_socket(folder: Path) -> None:
    isolation = Isolation(Level.NONE)
    async with PrivateScreen(folder / "screen", isolation=isolation) as server:
        assert has_socket(server.number)
        server.process.signal(signal.SIGKILL)
        await server.process.wait()
    assert not has_socket(server.number)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("X*")}


def has_socket(number: int) -> bool:
    return Path("/tmp/.X11-unix", f"X{number}").exists()  # noqa: S108
