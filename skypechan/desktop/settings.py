"""What an operator may set of a line's client; most is of one the gateway starts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from skypechan.errors import ConfigError
from skypechan.settings import one_line, setting

_SCREEN = re.compile(r"([1-9]\d{1,4})x([1-9]\d{1,4})x(8|16|24)\Z")
_MOST_PIXELS = 8_192  # a side: what a picture of it takes stays bearable
_PROGRAMS = ("setpriv", "Xvfb", "dbus-daemon")
_MOST_LOGIN = 1_000


def _is_screen(text: str) -> None:
    if not (match := _SCREEN.match(text)):
        raise ConfigError(f"must be WIDTHxHEIGHTxDEPTH, as 1024x768x24, not {text!r}")
    if max(int(match[1]), int(match[2])) > _MOST_PIXELS:
        raise ConfigError(f"must have at most {_MOST_PIXELS} pixels a side")


def _is_absolute(path: str) -> None:
    if not Path(path).is_absolute():
        raise ConfigError(f"must be absolute paths, not {path!r}")


def _is_login(text: str) -> None:
    one_line(text)
    if len(text) > _MOST_LOGIN:
        raise ConfigError(f"must have at most {_MOST_LOGIN} characters")


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """One line's client: how it is started, within which limits, how often again."""

    command: tuple[str, ...] = setting(
        (),
        "the client's program, by its name in PATH or an absolute path, and its "
        "arguments; empty: the client is started elsewhere. It gets a display and "
        "a D-Bus of its own, where the line finds it. Historical, "
        "the last real client for Linux, 4.3 of 2014: "
        '["skype", "--pipelogin", "--dbpath=profile"]',
    )
    login: str = setting(
        "",
        "one line for the client's standard input and for nothing else; --pipelogin "
        "wants name and password",
        secret=True,
        form=_is_login,
    )
    folder: str = setting(
        "",
        "where its log is, and below it the HOME that the client runs in; empty: "
        "clients/NAME beside this file",
    )
    isolation: str = setting(
        "auto",
        "what keeps the client and its desktop from everybody else. namespace: files, "
        "processes and a network of their own, with nothing but the sound ports in it; "
        "needs no root, but user namespaces and Linux 5.12. user: they run as `user`, "
        "who cannot read what is others' but has the machine's network, for a client "
        "that needs the internet. none. auto: the first of these that the machine "
        "allows; the log says which",
        choices=("auto", "namespace", "user", "none"),
    )
    user: str = setting(
        "",
        "whom they run as, one for each line, if root starts the gateway; empty: "
        "nobody within namespaces, else the gateway's own user",
        form=one_line,
    )
    readable: tuple[str, ...] = setting(
        (),
        "absolute paths that the client may read within namespaces, besides /usr, "
        "what programs need of /etc, and its own program",
        form=_is_absolute,
    )
    screen: str = setting(
        "1024x768x24", "size and depth of its display", form=_is_screen
    )
    screen_in_page: bool = setting(
        False,
        "show its display in the page, with its mouse and keyboard, to who has the "
        "token: to sign in, to allow the gateway. That of a client that is started "
        "elsewhere is the line's display, by its xauthority",
    )
    memory_mb: int = setting(
        4096, "most address space of each of its processes; 0: no limit", least=0
    )
    open_files: int = setting(
        1024, "most files that each of its processes may have open", least=16
    )
    processes: int = setting(
        256, "most processes and threads it may have, if it is isolated", least=8
    )
    home_mb: int = setting(
        1024,
        "most that it may keep in its HOME; with more, or with more than 100,000 "
        "files, it is ended; 0: no limit",
        least=0,
    )
    hung_seconds: int = setting(
        15,
        "a client that answers nothing is killed and started again after so long in "
        "the state degraded; 0: never",
        least=0,
    )
    crashes_most: int = setting(
        5, "so many ends within crash_window_seconds are borne", least=1
    )
    crash_window_seconds: int = setting(60, "see crashes_most", least=1)
    crash_pause_seconds: int = setting(
        300,
        "how long a client that ends more often is left alone; `line restart` starts "
        "it at once",
        least=1,
    )

    @property
    def is_ours(self) -> bool:
        """Tell whether the gateway starts the client."""
        return bool(self.command)

    @property
    def programs(self) -> tuple[str, ...]:
        """Return what must be installed; nothing where the client is not ours."""
        return (*_PROGRAMS, self.command[0]) if self.is_ours else ()

    def folder_from(self, base: Path, line: str) -> Path:
        """Return the client's folder; what is relative is below `base`."""
        return (base / (self.folder or f"clients/{line}")).absolute()

    @property
    def limits(self) -> tuple[str, ...]:
        """Return the resource limits in the words of the warden; never a core file."""
        memory = (f"AS={self.memory_mb << 20}",) if self.memory_mb else ()
        most = self.home_mb << 20
        disk = (f"FSIZE={most}", f"HOME={most}") if most else ()
        return (*memory, *disk, f"NOFILE={self.open_files}", "CORE=0")
