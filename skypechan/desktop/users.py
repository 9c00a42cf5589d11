"""Whom the parts run as: nobody of consequence, where root starts them."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

_UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class User:
    """A user of this machine, by the numbers that the kernel goes by."""

    name: str
    uid: int
    gid: int

    def switch(self) -> tuple[str, ...]:
        """Return the options of `setpriv` that become this user."""
        return (f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups")


def unprivileged_user(*needed: Path) -> User | None:
    """Return whom root's children should run as; None: as whoever asks.

    None also where that user cannot read all of the `needed` paths, as below a
    home folder that is closed to others.
    """
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(_UNPRIVILEGED)
    user = User(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return user if all(can_read(user, path) for path in needed) else None


def can_read(user: User, path: Path) -> bool:
    """Tell whether a user gets as far as a path: reads a file, enters a folder."""
    reach = "-x" if path.is_dir() else "-r"
    command = ["setpriv", *user.switch(), "test", reach, str(path.absolute())]
    return subprocess.run(command, check=False).returncode == 0


def uid_of_peer(connection: socket.socket) -> int | None:
    """Return whose the other end of an IPv4 connection on this machine is.

    None if the kernel does not know, or not any more (proc_pid_net(5), tcp).
    """
    try:
        ends = [
            _as_listed(name)
            for name in (connection.getpeername(), connection.getsockname())
        ]
        rows = Path("/proc/self/net/tcp").read_text().splitlines()
    except OSError:  # reset meanwhile: it has no other end
        return None
    fields = (row.split(maxsplit=8) for row in rows)
    return next((int(field[7]) for field in fields if field[1:3] == ends), None)


def _as_listed(address: tuple[str, int]) -> str:
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"


def private_folder(path: Path, user: User | None = None) -> Path:
    """Make a folder that only `user` (None: the caller) can enter; return it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    give(path, user)
    return path


def give(path: Path, user: User | None) -> None:
    """Make `path` belong to `user`; to nobody else where that is None."""
    if user is not None:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def write_anew(path: Path, content: bytes, user: User | None) -> None:
    """Write a file that only `user` can read, over no other that is linked there."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
        if user is not None:  # by its handle: a user's own folder may change meanwhile
            os.fchown(file.fileno(), user.uid, user.gid)


def furnish(home: Path, files: Mapping[str, str], user: User | None) -> None:
    """Lay files into a HOME that is new; their names are paths in it.

    Only into one that is empty: who has lived there may have laid links that lead
    elsewhere.
    """
    if any(home.iterdir()):
        return
    for name, text in files.items():
        for folder in list(PurePath(name).parents)[-2::-1]:
            private_folder(home / folder, user)
        write_anew(home / name, text.encode(), user)


@contextmanager
def workspace(user: User | None = None, below: Path | None = None) -> Iterator[Path]:
    """A private folder for one run, gone afterwards.

    It lies directly under the folder for temporary files: short enough for the
    sockets in it, and reachable where the checkout is closed to others. Or it lies
    in the one that is named.
    """
    path = Path(tempfile.mkdtemp(prefix="skypechan-", dir=below))
    give(path, user)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
