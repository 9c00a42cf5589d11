"""How a setting is declared: a dataclass field with its comment.

Each package declares its own frozen dataclass of settings; the field's default,
type and comment are the one source of the sample configuration, of `describe
config` and of the checks when a file is read.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skypechan.errors import ConfigError

_MOST_PORT = 65_535


def setting(default: Any, comment: str, **limits: Any) -> Any:
    """Declare a setting: its default, what it is, and the limits of its value.

    Limits: `least`, `most` (numbers), `choices` (words), `secret` (never shown),
    `form` (a function that raises ConfigError for a text of another form; an empty
    text has none).
    """
    return dataclasses.field(
        default_factory=lambda: default,
        metadata={"comment": comment, "default": default, **limits},
    )


def one_line(text: str) -> None:
    """Be content with a text that a protocol of lines can carry, else ConfigError."""
    if not text.isprintable():
        raise ConfigError("must not hold line breaks or control characters")


def _is_host(text: str) -> bool:
    try:
        return bool(text.encode("idna")) and not set(text) & set(" []/@")
    except UnicodeError:  # an empty or overlong part between dots
        return False


def _comparable(host: str) -> str | ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return host.lower()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A TCP address as the configuration writes it, `HOST:PORT`."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read `HOST:PORT` or `[IPV6]:PORT`. Raises ConfigError."""
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        if not colon or not host or not port.isascii() or not port.isdigit():
            raise ConfigError(f"{text!r} is not HOST:PORT")
        if not _is_host(host):
            raise ConfigError(f"{text!r}: {host!r} is no name of a host")
        if int(port) > _MOST_PORT:
            raise ConfigError(f"{text!r}: there is no port {port}")
        return cls(host, int(port))

    def may_be(self, other: Endpoint) -> bool:
        """Tell whether both may be one place, without asking who a name is."""
        if self.port != other.port:
            return False
        mine, theirs = _comparable(self.host), _comparable(other.host)
        return mine == theirs or isinstance(mine, str) != isinstance(theirs, str)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def state_folder(configuration: Path, environment: Mapping[str, str]) -> Path:
    """Return where relative folders are: in systemd's state directory, if we have one.

    Else they are beside the configuration.
    """
    return Path(environment.get("STATE_DIRECTORY") or configuration.parent)
