"""The walls around a line's client and its desktop, as high as the machine allows.

Level      its programs are kept from                              it takes
---------  ------------------------------------------------------  --------------------
namespace  files, processes, sockets and the network of everybody  user namespaces,
           else; the client reaches only the sound ports of its    Linux 5.12
           own line, and they are reached by nobody else
user       files and processes of other users                      root, a user of its
                                                                   own
none       nothing
"""

from __future__ import annotations

import asyncio
import os
import pwd
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import skypechan
from skypechan.desktop import sandbox
from skypechan.desktop.process import Process, Program
from skypechan.desktop.users import User, can_read, unprivileged_user, workspace
from skypechan.errors import LinkDownError

_PROCESSES = 64  # Xvfb and dbus-daemon have some threads


class Level(StrEnum):
    """How the programs of a line are kept apart, the strongest first."""

    NAMESPACE = "namespace"
    USER = "user"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Room:
    """What a program may see besides the machine's programs; nothing else of files.

    `sockets` is the folder that it sees as that of X sockets.
    """

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    sockets: Path | None = None

    def besides(self, reads: Sequence[Path], *writes: Path) -> Room:
        """Return it with more in it."""
        return Room((*self.reads, *reads), (*self.writes, *writes), self.sockets)

    def words(self) -> list[str]:
        """Return it in the words of the sandbox."""
        seen = [f"read={path}" for path in sorted(self.reads)]
        written = [f"write={path}" for path in sorted(self.writes)]
        return [*seen, *written, *(f"sockets={x}" for x in (self.sockets,) if x)]


@dataclass(frozen=True, slots=True)
class Isolation:
    """How programs are started: at which level, as whom, and why it is no stronger.

    Without a `user` they run as whoever starts them.
    """

    level: Level = Level.NONE
    user: User | None = None
    why: str = ""
    reads: tuple[Path, ...] = field(default=())

    @property
    def is_walled(self) -> bool:
        """Tell whether programs see a file system and a network of their own."""
        return self.level is Level.NAMESPACE

    @property
    def described(self) -> str:
        """Say what it is to people."""
        match self.level:
            case Level.NAMESPACE:
                whom = f" as {self.user.name}" if self.user else ""
                return f"within namespaces of its own{whom}"
            case Level.USER:
                whom = self.user.name if self.user else ""
                how = f"as {whom}, who can reach AMI and the other lines' ports"
            case Level.NONE:
                how = "NOT isolated: what the gateway can read and reach, it can"
        return f"{how} ({self.why})" if self.why else how

    def within(
        self, room: Room, *, processes: int = _PROCESSES, sounds: int | None = None
    ) -> tuple[str, ...]:
        """Return what stands before a command that is to run in `room`.

        It may have so many `processes`; `sounds` is the handle of a Loopback.
        """
        match self.level:
            case Level.NAMESPACE:
                words = [f"maybe={path}" for path in _installation()]
                words += [*room.besides(self.reads).words(), f"limit={processes}"]
                words += [] if sounds is None else [f"sounds={sounds}"]
                return (*_sandbox(self.user), *words, "--")
            case Level.USER if self.user:
                # The kernel forgets a parent-death signal when the user changes.
                become = ("setpriv", "--pdeathsig=KILL", *self.user.switch())
                return (*become, "--no-new-privs", "--")
        return ()


async def isolate(
    wanted: str, user_name: str, readable: Sequence[str], folder: Path
) -> Isolation:
    """Find the level for a line, "auto" for the strongest; probes write in `folder`.

    Raises LinkDownError where the machine does not allow what is wanted.
    """
    user = _user(user_name)
    reads = tuple(Path(path) for path in readable)
    reasons = []
    if wanted in {"auto", Level.NAMESPACE}:
        as_whom = user or unprivileged_user()
        refused = await refusal(as_whom, folder)
        if not refused:
            return Isolation(Level.NAMESPACE, as_whom, reads=reads)
        reasons.append(f"no namespaces: {refused}")
    if wanted in {"auto", Level.USER}:
        refused = await asyncio.to_thread(_refusal_as, user, folder)
        if not refused:
            return Isolation(Level.USER, user, "; ".join(reasons))
        reasons.append(refused)
    if wanted in {"auto", Level.NONE}:
        return Isolation(Level.NONE, why="; ".join(reasons))
    raise LinkDownError(f'isolation = "{wanted}" is not possible: {reasons[0]}')


def _user(name: str) -> User | None:
    if not name:
        return None
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise LinkDownError(f"user = {name!r}: there is no such user") from None
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        message = f"user = {name!r}: only a gateway that root starts can become another"
        raise LinkDownError(message)
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _sandbox(user: User | None) -> tuple[str, ...]:
    uid, gid = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
    return (sys.executable, "-I", "-S", str(sandbox.__file__), f"{uid}:{gid}")


async def refusal(user: User | None, folder: Path) -> str:
    """Try the walls with a program that writes in `folder`; return what is in the way.

    Raises LinkDownError, and OSError where the folder cannot be written to anyway.
    """
    with workspace(user, folder) as place:
        words = Room(writes=(place,)).words()
        command = (*_sandbox(user), *words, "--", "touch", str(place / "written"))
        async with await Process.start(Program("sandbox", command, folder)) as probe:
            status = await probe.wait()
            said = [line for line in probe.lines if line.strip()]
    return "" if status == 0 else " / ".join(said[-1:]) or f"status {status}"


def _refusal_as(user: User | None, folder: Path) -> str:
    if user is None:
        return "no user of its own: `user` is not set"
    folder.chmod(0o711)  # its HOME is below
    if can_read(user, folder):
        return ""
    return f"{user.name} cannot enter {folder}"


def _installation() -> list[Path]:
    """Return where we are ourselves, which any client may read."""
    here = Path(skypechan.__file__).parent
    return sorted({Path(sys.prefix), Path(sys.base_prefix), here})
