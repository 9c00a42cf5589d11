"""A private X display without a screen: Xvfb, its access kept by a cookie."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import stat
import struct
from contextlib import suppress
from pathlib import Path

from skypechan.desktop.isolation import Isolation, Level, Room
from skypechan.desktop.process import Part, Process, Program
from skypechan.desktop.users import User, private_folder, write_anew

# X11 protocol, Xau: address families of an authority entry.
_FAMILY_INTERNET = 0
_FAMILY_LOCAL = 256
_COOKIE = b"MIT-MAGIC-COOKIE-1"
# Far from where others look for a free number first, so that nobody takes ours while a
# server that has died is started again. With 6000 added they are below the ports that
# the kernel gives away.
_NUMBERS = range(2_000, 22_000)
_SOCKETS = Path("/tmp/.X11-unix")  # noqa: S108 - where X clients look for them
_OWN_SOCKETS = "sockets"
_LOCK = "/tmp/.X{}-lock"  # noqa: S108 - what a server takes first, with its pid


class PrivateScreen(Part):
    """An `Xvfb` on a display number that was free.

    `screen` is WIDTHxHEIGHTxDEPTH. `listen_tcp` also opens TCP port 6000 + number,
    what a display named `localhost:N` means. Within the walls of an `isolation` its
    log is beside `directory`; its socket, in `sockets`, is linked to from where those
    without walls look for it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        screen: str = "1024x768x24",
        listen_tcp: bool = False,
        user: User | None = None,
        isolation: Isolation | None = None,
    ) -> None:
        self._directory = directory
        self._screen = screen
        self._tcp = "-listen" if listen_tcp else "-nolisten"
        self._isolation = isolation or Isolation(Level.USER, user)
        self._logs = directory.absolute().parent if isolation else None
        self._number: int | None = None
        self._process: Process | None = None

    @property
    def number(self) -> int:
        """The number of the display; only once it runs."""
        if self._number is None:
            message = "the screen was not started"
            raise RuntimeError(message)
        return self._number

    @property
    def display(self) -> str:
        """The value for DISPLAY."""
        return f":{self.number}"

    @property
    def xauthority(self) -> Path:
        """The value for XAUTHORITY: the file with the cookie."""
        return self._directory.absolute() / "Xauthority"

    @property
    def sockets(self) -> Path:
        """The folder with its socket, where there are walls; it cannot replace it."""
        return self._directory.absolute().with_name(_OWN_SOCKETS)

    @property
    def process(self) -> Process:
        """The server; only while it runs."""
        if self._process is None:
            message = "the screen was not started"
            raise RuntimeError(message)
        return self._process

    async def start(self) -> None:
        """Start the server and wait until it accepts clients.

        After a first start the same display number is asked for again.
        """
        directory = private_folder(self._directory.absolute(), self._isolation.user)
        self._forget_links()
        _remove_dead()
        if self._number is None:
            self._number = _free_number()
        if self._isolation.is_walled:
            private_folder(self.sockets, self._isolation.user)
            self._link(f"X{self._number}")
        self._write_authority(secrets.token_bytes(16), self._number)
        self._process = await Process.start(self._program(directory))
        # The server writes its number when it is ready for clients (Xserver(1)).
        await self._process.line(rf"^{self._number}$")

    async def stop(self) -> None:
        """Stop the server; every client loses its connection."""
        if self._process is not None:
            await self._process.stop()
            if self._process.returncode == -signal.SIGKILL:  # its socket is left
                with suppress(OSError):
                    (_SOCKETS / f"X{self.number}").unlink()
        self._forget_links()

    def _link(self, name: str) -> None:
        with suppress(FileExistsError):
            _SOCKETS.mkdir()
            _SOCKETS.chmod(0o1777)  # of all users, whatever our umask is
        (_SOCKETS / name).symlink_to(self.sockets / name)

    def _forget_links(self) -> None:
        """Remove links to our sockets, those of a gateway that was killed too."""
        for link in _SOCKETS.glob("X*"):
            with suppress(OSError):  # not a link, or gone
                place = link.readlink().parent
                if place == self.sockets or _is_left(link, place):
                    link.unlink()

    def _program(self, directory: Path) -> Program:
        options: tuple[str, ...] = (
            "-screen",
            "0",
            self._screen,
            self._tcp,
            "tcp",
            # The abstract name: everybody's who has the machine's network.
            "-nolisten",
            "local",
            "-noreset",
        )
        # Who has shared memory of his own cannot share it with the server.
        if self._isolation.is_walled:
            options = (*options, "-extension", "MIT-SHM")
        access = ("-auth", str(self.xauthority), "-displayfd", "1")
        room = Room(writes=(directory,))
        if self._isolation.is_walled:
            room = Room(writes=(directory, self.sockets), sockets=self.sockets)
        return Program(
            "Xvfb",
            ("Xvfb", self.display, *options, *access),
            directory,
            within=self._isolation.within(room),
            logs=self._logs,
            package="xvfb",
        )

    def _write_authority(self, cookie: bytes, number: int) -> None:
        host = socket.gethostname().encode()
        entries = _entry(_FAMILY_LOCAL, host, number, cookie)
        entries += _entry(_FAMILY_INTERNET, bytes((127, 0, 0, 1)), number, cookie)
        write_anew(self.xauthority, entries, self._isolation.user)


def _free_number() -> int:
    while True:
        number = secrets.choice(_NUMBERS)
        taken = (_LOCK.format(number), str(_SOCKETS / f"X{number}"))
        if not any(map(os.path.lexists, taken)):
            return number


def _remove_dead() -> None:
    """Remove our user's sockets of servers that were killed with their gateway."""
    for path in _SOCKETS.glob("X*"):
        with suppress(OSError, ValueError):  # gone, or of another kind
            found, number = path.lstat(), int(path.name[1:])
            is_ours = found.st_uid == os.geteuid() and number in _NUMBERS
            is_socket = stat.S_ISSOCK(found.st_mode)
            if is_socket and is_ours and _is_dead(path, number):
                path.unlink()


def _is_dead(path: Path, number: int) -> bool:
    """Whether nobody listens at a socket any more, nor is about to."""
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.setblocking(False)
        try:
            knocking.connect(str(path))
        except ConnectionRefusedError:
            return not _is_locked(number)
        except BlockingIOError:
            return False
    return False


def _is_locked(number: int) -> bool:
    """Whether a server lives that has taken a display's number."""
    try:
        pid = int(Path(_LOCK.format(number)).read_text())
    except (OSError, ValueError):
        return False
    return Path(f"/proc/{pid}").exists()


def _is_left(link: Path, place: Path) -> bool:
    """Tell whether a link is our user's, to a line's folder that is there no more."""
    is_ours = link.lstat().st_uid == os.geteuid() and place.name == _OWN_SOCKETS
    return is_ours and not place.exists()


def _entry(family: int, address: bytes, number: int, cookie: bytes) -> bytes:
    parts = (address, str(number).encode(), _COOKIE, cookie)
    counted = b"".join(struct.pack(">H", len(part)) + part for part in parts)
    return struct.pack(">H", family) + counted
