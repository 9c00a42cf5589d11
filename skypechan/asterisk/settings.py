"""The settings of everything that speaks with Asterisk: the table `[asterisk]`."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from skypechan.errors import ConfigError
from skypechan.settings import Endpoint, one_line, setting

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_network(text: str) -> Network:
    """Read a network as `10.0.0.0/8`. Raises ConfigError."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"{text!r} is no network: {error}") from error


@dataclass(frozen=True, slots=True)
class AsteriskSettings:
    """Where Asterisk is, how it reaches us, and how long things may take."""

    ami: str = setting(
        "127.0.0.1:5038", "Asterisk's manager interface, HOST:PORT", form=Endpoint.parse
    )
    ami_username: str = setting("skypechan", "section of manager.conf", form=one_line)
    ami_secret: str = setting(
        "", "its secret; better in a file", secret=True, form=one_line
    )
    alone: bool = setting(
        True,
        "false where other gateways serve this Asterisk too, each with a login and "
        "lines of its own: what asks for a line that is not here is theirs",
    )
    audiosocket_listen: str = setting(
        "127.0.0.1:9092",
        "where audio is taken, HOST:PORT; port 0 picks a free one",
        form=Endpoint.parse,
    )
    audiosocket_advertise: str = setting(
        "",
        "what Asterisk dials for audio, HOST:PORT; empty: as listened on",
        form=Endpoint.parse,
    )
    audiosocket_allow: tuple[str, ...] = setting(
        ("127.0.0.1/32",), "addresses from which audio is taken", form=parse_network
    )
    lines_from: str = setting(
        "", "a skypiax.conf whose lines are added to those of this file"
    )
    action_seconds: float = setting(
        5.0, "how long Asterisk may take over an AMI action, seconds", least=0.1
    )
    ping_seconds: float = setting(
        5.0, "how often the AMI link is tried; two misses end it", least=0.1
    )
    refused_retry_seconds: float = setting(
        60.0, "when to try again after a refused login", least=0.1
    )
    identify_seconds: float = setting(
        3.0, "how long an audio connection may stay without a UUID", least=0.1
    )

    def ami_endpoint(self) -> Endpoint:
        """Return the address of AMI. Raises ConfigError."""
        return Endpoint.parse(self.ami)

    def listen_endpoint(self) -> Endpoint:
        """Return where audio is taken. Raises ConfigError."""
        return Endpoint.parse(self.audiosocket_listen)

    def allowed_networks(self) -> tuple[Network, ...]:
        """Return the networks that may send audio. Raises ConfigError."""
        return tuple(parse_network(text) for text in self.audiosocket_allow)
