"""Users: a HOME is furnished while it is new; whose a connection is."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
from pathlib import Path

import pytest

from skypechan.desktop.users import furnish, uid_of_peer, unprivileged_user


def test_a_new_home_gets_its_files_and_they_are_private(tmp_path: Path) -> None:
    furnish(tmp_path, {"profile/alice/config.xml": "<config/>"}, None)
    path = tmp_path / "profile" / "alice" / "config.xml"
    assert path.read_text() == "<config/>"
    for made in (path, *path.parents[:2]):
        assert made.stat().st_mode & 0o077 == 0


def test_a_home_that_was_lived_in_is_left_alone(tmp_path: Path) -> None:
    elsewhere, home = tmp_path / "elsewhere", tmp_path / "home"
    elsewhere.mkdir()
    home.mkdir()
    (home / "profile").symlink_to(elsewhere)
    furnish(home, {"profile/config.xml": "<config/>"}, None)
    assert list(elsewhere.iterdir()) == []


def test_user_of_a_connection_is_told() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as dialled,
        listener.accept()[0] as taken,
    ):
        assert uid_of_peer(taken) == uid_of_peer(dialled) == os.geteuid()


def test_connection_that_was_reset_is_nobodys() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dialled = socket.create_connection(listener.getsockname())
        at_once = struct.pack("ii", 1, 0)
        dialled.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        dialled.close()
        with listener.accept()[0] as taken:
            assert uid_of_peer(taken) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as another user")
def test_another_user_is_told_from_us() -> None:
    nobody = unprivileged_user()
    assert nobody is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        port = listener.getsockname()[1]
        script = f"exec 3<>/dev/tcp/127.0.0.1/{port}; read end"
        command = ["/usr/bin/setpriv", *nobody.switch(), "--", "bash", "-c", script]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            taken, _ = listener.accept()
            with taken:
                assert uid_of_peer(taken) == nobody.uid
            process.communicate()
