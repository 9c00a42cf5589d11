"""Free ports on the loopback address."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path

HOST = "127.0.0.1"

# Below the range from which the kernel takes the ports of outgoing connections
# (Linux: ip_local_port_range), else a stranger's connection could take a port
# between our look and its use.
_LOWEST = 20000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_TRIES = 200


def free_port(preferred: int | None = None) -> int:
    """Return a port free for TCP and UDP: `preferred` if it is, else another.

    Raises OSError if none can be found.
    """
    if preferred is not None and _is_free(range(preferred, preferred + 1)):
        return preferred
    return free_range(1).start


def free_range(size: int, preferred: int | None = None) -> range:
    """Return `size` neighbouring ports, the first even, all free for TCP and UDP.

    RTP takes even ports and RTCP the next odd one (RFC 3550, 11).
    """
    if preferred is not None and _is_free(range(preferred, preferred + size)):
        return range(preferred, preferred + size)
    highest = _first_ephemeral() - size
    for _ in range(_TRIES):
        start = random.randrange(_LOWEST, highest, 2)  # noqa: S311 - not a secret
        ports = range(start, start + size)
        if _is_free(ports):
            return ports
    message = f"no {size} neighbouring ports are free on {HOST}"
    raise OSError(message)


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768


def _is_free(ports: range) -> bool:
    with ExitStack() as held:
        try:
            for port in ports:
                _hold(held, socket.SOCK_STREAM, port)
                _hold(held, socket.SOCK_DGRAM, port)
        except OSError:
            return False
    return True


def _hold(held: ExitStack, kind: socket.SocketKind, port: int) -> None:
    probe = held.enter_context(socket.socket(socket.AF_INET, kind))
    if kind is socket.SOCK_STREAM:
        # A connection of the past in TIME_WAIT does not hinder a server.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # On every address: another demonstration may have it on another loopback address.
    probe.bind(("", port))
