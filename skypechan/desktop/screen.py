"""A private X display without a screen: Xvfb, its access kept by a cookie."""

from __future__ import annotations

import os
import secrets
import socket
import struct
from pathlib import Path

from skypechan.desktop.process import Part, Process, Program
from skypechan.desktop.users import User, give, private_folder

# X11 protocol, Xau: address families of an authority entry.
_FAMILY_INTERNET = 0
_FAMILY_LOCAL = 256
_COOKIE = b"MIT-MAGIC-COOKIE-1"
# Far from where others look for a free number first, so that nobody takes ours while a
# server that has died is started again. With 6000 added they are below the ports that
# the kernel gives away.
_NUMBERS = range(2_000, 22_000)


class PrivateScreen(Part):
    """An `Xvfb` on a display number that was free.

    `screen` is WIDTHxHEIGHTxDEPTH. `listen_tcp` also opens TCP port 6000 + number,
    what a display named `localhost:N` means.
    """

    def __init__(
        self,
        directory: Path,
        *,
        screen: str = "1024x768x24",
        listen_tcp: bool = False,
        user: User | None = None,
    ) -> None:
        self._directory = directory
        self._screen = screen
        self._tcp = "-listen" if listen_tcp else "-nolisten"
        self._user = user
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
        private_folder(self._directory.absolute(), self._user)
        if self._number is None:
            self._number = _free_number()
        self._write_authority(secrets.token_bytes(16), self._number)
        self._process = await Process.start(self._program())
        # The server writes its number when it is ready for clients (Xserver(1)).
        await self._process.line(rf"^{self._number}$")

    async def stop(self) -> None:
        """Stop the server; every client loses its connection."""
        if self._process is not None:
            await self._process.stop()

    def _program(self) -> Program:
        options = ("-screen", "0", self._screen, self._tcp, "tcp", "-noreset")
        access = ("-auth", str(self.xauthority), "-displayfd", "1")
        return Program(
            "Xvfb",
            ("Xvfb", self.display, *options, *access),
            self._directory.absolute(),
            self._user,
            package="xvfb",
        )

    def _write_authority(self, cookie: bytes, number: int) -> None:
        host = socket.gethostname().encode()
        entries = _entry(_FAMILY_LOCAL, host, number, cookie)
        entries += _entry(_FAMILY_INTERNET, bytes((127, 0, 0, 1)), number, cookie)
        self.xauthority.touch(mode=0o600)
        self.xauthority.write_bytes(entries)
        give(self.xauthority, self._user)


def _free_number() -> int:
    while True:
        number = secrets.choice(_NUMBERS)
        taken = (f"/tmp/.X{number}-lock", f"/tmp/.X11-unix/X{number}")  # noqa: S108
        if not any(map(os.path.lexists, taken)):
            return number


def _entry(family: int, address: bytes, number: int, cookie: bytes) -> bytes:
    parts = (address, str(number).encode(), _COOKIE, cookie)
    counted = b"".join(struct.pack(">H", len(part)) + part for part in parts)
    return struct.pack(">H", family) + counted
