"""Where an X display is: its name, the socket that leads there, and its cookie.

`HOST:N` is TCP port 6000 + N of that host, `:N` and `unix:N` the local socket of
display N (X(7)), `unix:/PATH` a local socket elsewhere (libxcb 1.16 reads it too). A
name such as `localhost:11.0`, which many write for `:11`, tries the local socket when
TCP is refused, as Xvfb does unless told otherwise.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from skypechan.errors import (
    ConfigError,
    DeadlineError,
    LinkDownError,
    LinkRefusedError,
)

_NAME: Final = re.compile(
    r"(?P<host>[-\w.]*|\[[0-9a-fA-F:]+\])(?P<unix>/unix)?:(?P<number>\d{1,5})(\.\d+)?",
    re.ASCII,
)
_BY_PATH: Final = "unix:/"
_MOST_PATH_BYTES: Final = 107  # unix(7), without the zero at the end
_TCP_BASE: Final = 6000
_MOST_NUMBER: Final = 65_535 - _TCP_BASE
_SOCKET_PATH: Final = "/tmp/.X11-unix/X{}"  # noqa: S108 - where X servers listen
_MOST_AUTHORITY_BYTES: Final = 65_536
_COOKIE: Final = b"MIT-MAGIC-COOKIE-1"
_CREDENTIALS: Final = struct.Struct("3i")  # unix(7), struct ucred: pid, uid, gid

# Xau: address families of an entry.
_INTERNET: Final = 0
_INTERNET_6: Final = 6
_LOCAL: Final = 256
_WILD: Final = 65_535

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DisplayName:
    """A display; an empty `host` is the local socket, that of `path` if there is one.

    One by its path has no number.
    """

    host: str
    number: int
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> DisplayName:
        """Read `[HOST]:NUMBER[.SCREEN]` or `unix:/PATH`. Raises ConfigError."""
        if text.startswith(_BY_PATH):
            return cls("", 0, _path_in(text))
        match = _NAME.fullmatch(text)
        if match is None or int(match["number"]) > _MOST_NUMBER:
            wanted = "[HOST]:NUMBER or unix:/PATH is needed"
            raise ConfigError(f"{text!r} is no X display: {wanted}")
        host = match["host"].strip("[]")
        local = host == "unix" or bool(match["unix"])
        return cls("" if local else host, int(match["number"]))

    @property
    def on_this_host(self) -> bool:
        """True for names of this machine, so that its local socket may do."""
        host = self.host.lower()
        return (
            host in {"", "localhost", "::1", socket.gethostname().lower()}
            or re.fullmatch(r"127(\.\d+){3}", host) is not None
        )

    @property
    def socket_path(self) -> str:
        """Its local socket."""
        return self.path or _SOCKET_PATH.format(self.number)

    @property
    def port(self) -> int:
        """Its TCP port."""
        return _TCP_BASE + self.number

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.number}"


def _path_in(text: str) -> str:
    path = text.removeprefix("unix:")
    if "\0" in path or len(os.fsencode(path)) > _MOST_PATH_BYTES:
        wanted = f"a path has at most {_MOST_PATH_BYTES} bytes, none of them zero"
        raise ConfigError(f"{text!r} is no X display: {wanted}")
    return path


def display_of_session() -> DisplayName:
    """Return the display in the environment. Raises LinkDownError without one."""
    name = os.environ.get("DISPLAY", "")
    if not name:
        raise LinkDownError("no display: DISPLAY is not set")
    try:
        return DisplayName.parse(name)
    except ConfigError as error:
        raise LinkDownError(f"DISPLAY: {error}") from error


@dataclass(frozen=True, slots=True)
class Way:
    """An open connection to a display, on which nothing was said yet.

    `described` says where it leads, for people; `cookie` is empty if there is none.
    """

    socket: socket.socket
    described: str
    cookie: bytes


def open_way(name: DisplayName, xauthority: str, timeout_s: float) -> Way:
    """Connect to a display; blocks for at most `timeout_s` at each address.

    `xauthority` names the file with the cookie; empty is $XAUTHORITY or, without it,
    ~/.Xauthority. Raises LinkDownError (nobody listens, the file named cannot be
    read), LinkRefusedError (no right to connect, or a cookie that is not for who
    listens there), DeadlineError.
    """
    authority = _read_authority(xauthority)
    try:
        opened, described = _connect(name, timeout_s)
    except TimeoutError as error:
        raise DeadlineError(f"the display {name} says nothing") from error
    except PermissionError as error:
        raise LinkRefusedError(f"no right to connect to {name}: {error}") from error
    except OSError as error:
        raise LinkDownError(f"no display at {name}: {error.strerror}") from error
    try:
        cookie = _cookie(authority.entries, opened, name)
        if cookie and opened.family == socket.AF_UNIX:
            _check_listener(authority, opened, name)
        return Way(opened, described, cookie)
    except OSError as error:
        opened.close()
        raise LinkDownError(f"no display at {name}: {error.strerror}") from error
    except LinkRefusedError:
        opened.close()
        raise


def _connect(name: DisplayName, timeout_s: float) -> tuple[socket.socket, str]:
    if name.path:
        return _connect_unix(name.path, timeout_s), f"display {name}"
    if not name.host:
        return _connect_local(name, timeout_s), f"display {name}"
    try:
        opened = socket.create_connection((name.host, name.port), timeout_s)
    except TimeoutError:
        raise
    except OSError as error:
        # Refused, or by the last address of `localhost` not even to be tried.
        if not name.on_this_host:
            raise
        return _connect_instead(name, timeout_s, error)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened, f"display {name}, TCP port {name.port}"


def _connect_instead(
    name: DisplayName, timeout_s: float, fault: OSError
) -> tuple[socket.socket, str]:
    """Take the local socket of a display that refuses TCP."""
    refused = f"TCP port {name.port} is refused"
    if not isinstance(fault, ConnectionRefusedError):
        refused = f"TCP port {name.port} cannot be reached ({fault.strerror})"
    try:
        opened = _connect_local(name, timeout_s)
    except OSError as error:
        words = f"{refused}; its local socket: {error.strerror}"
        raise ConnectionRefusedError(errno.ECONNREFUSED, words) from error
    described = f"display {name}, by the local socket :{name.number} as {refused}"
    logger.info("= %s", described)
    return opened, described


def _connect_local(name: DisplayName, timeout_s: float) -> socket.socket:
    path = name.socket_path
    try:
        return _connect_unix(path, timeout_s)
    except (FileNotFoundError, ConnectionRefusedError):
        # The abstract name, which Linux servers take as well.
        return _connect_unix(f"\0{path}", timeout_s)


def _connect_unix(path: str, timeout_s: float) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX)
    try:
        opened.settimeout(timeout_s)
        opened.connect(path)
    except BlockingIOError:
        opened.close()
        # The queue of a server that has stopped accepting is full.
        raise TimeoutError from None
    except BaseException:
        opened.close()
        raise
    return opened


@dataclass(frozen=True, slots=True)
class _Entry:
    family: int
    address: bytes
    number: bytes
    scheme: bytes
    cookie: bytes


@dataclass(frozen=True, slots=True)
class _Authority:
    """What an Xauthority file holds, whose it is, and if it lay at its very path."""

    entries: list[_Entry]
    owner: int
    is_link: bool


def _read_authority(xauthority: str) -> _Authority:
    path = xauthority or os.environ.get("XAUTHORITY", "")
    try:
        return _read(Path(path or "~/.Xauthority").expanduser())
    except (OSError, RuntimeError) as error:
        if xauthority:
            raise LinkDownError(f"cannot read {xauthority}: {error}") from error
        return _Authority([], os.geteuid(), False)  # it may be open to everyone


def _read(path: Path) -> _Authority:
    """Read a file that a client may have laid: without an end, a pipe, a link."""
    flags, is_link = os.O_RDONLY | os.O_NONBLOCK, False
    try:
        opened = os.open(path, flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        opened, is_link = os.open(path, flags), True
    with open(opened, "rb", buffering=0) as file:
        content = file.read(_MOST_AUTHORITY_BYTES) or b""
        return _Authority(_entries(content), os.fstat(opened).st_uid, is_link)


def _check_listener(
    authority: _Authority, opened: socket.socket, name: DisplayName
) -> None:
    """Raise LinkRefusedError where the cookie would be told to somebody else.

    A client whose folder holds the file may put a link to another's there, and listen
    itself. So who listens has to be who the file belongs to, or who may read it anyway;
    a file of our own is good for any display, unless a link has led to it.
    """
    told = opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, listener, _ = _CREDENTIALS.unpack(told)
    mine = {0, os.geteuid()}
    if listener in mine or listener == authority.owner:
        return
    if authority.owner not in mine or authority.is_link:
        raise LinkRefusedError(
            f"the display {name} is of user {listener}, and the Xauthority file is of"
            f" user {authority.owner}: its cookie is not for that display"
        )


def _entries(content: bytes) -> list[_Entry]:
    """The entries of an Xauthority file, as far as it is whole."""
    entries = []
    position = 0
    with suppress(struct.error):
        while position < len(content):
            (family,) = struct.unpack_from(">H", content, position)
            position += 2
            fields = []
            for _ in range(4):
                (length,) = struct.unpack_from(">H", content, position)
                (part,) = struct.unpack_from(f"{length}s", content, position + 2)
                fields.append(part)
                position += 2 + length
            entries.append(_Entry(family, *fields))
    return entries


def _cookie(entries: list[_Entry], opened: socket.socket, name: DisplayName) -> bytes:
    """The cookie for this connection, or none.

    One over TCP to this machine goes by the host's name, as for the local socket;
    servers and xauth also write it by address. A socket by its path may be of a
    container, which has numbers and a name of its own: the first local one does.
    """
    places = {(_LOCAL, socket.gethostname().encode())}
    if opened.family == socket.AF_INET:
        place = (_INTERNET, socket.inet_pton(opened.family, opened.getpeername()[0]))
    elif opened.family == socket.AF_INET6:
        place = (_INTERNET_6, socket.inet_pton(opened.family, opened.getpeername()[0]))
    else:
        place = None
    if place is not None:
        local = opened.getpeername()[0] == opened.getsockname()[0]
        places = {place} | (places if local else set())
    for entry in entries:
        here = entry.family == _WILD or (entry.family, entry.address) in places
        this = entry.number in {b"", str(name.number).encode()}
        if name.path:
            here, this = entry.family in {_LOCAL, _WILD}, True
        if here and this and entry.scheme == _COOKIE:
            return entry.cookie
    return b""
