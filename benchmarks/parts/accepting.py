"""How a gateway under load gets its calls and learns that the load has ended.

Three connections are a call: audio from the line, audio to the line, AudioSocket. The
first connection to each port is of the first call, and so on, so nothing needs a name.
Standard output has the ports, then "ready" when audio may come. Standard input has
nothing, and ends when the gateway is to end.
"""

from __future__ import annotations

import asyncio
import select
import socket
import sys
from contextlib import ExitStack

Trio = tuple[socket.socket, socket.socket, socket.socket]
"""The sockets of one call: from the line, to the line, AudioSocket."""


def accept_calls(count: int) -> list[Trio]:
    """Tell three free ports on standard output, return `count` calls.

    Ends the process if standard input ends before they are there.
    """
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=count))
            for _ in range(3)
        ]
        print(*(one.getsockname()[1] for one in listeners), flush=True)
        from_line, to_line, pbx = [
            [_accept(one) for _ in range(count)] for one in listeners
        ]
    return list(zip(from_line, to_line, pbx, strict=True))


def _accept(listener: socket.socket) -> socket.socket:
    """Return the next connection; small frames do not wait for acknowledgements."""
    ready, _, _ = select.select([listener, sys.stdin], [], [])
    if listener not in ready:
        sys.exit(1)
    sock, _ = listener.accept()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def until_load_ends() -> None:
    """Say that all is ready; return when standard input is closed."""
    print("ready", flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()
    loop.remove_reader(sys.stdin)
