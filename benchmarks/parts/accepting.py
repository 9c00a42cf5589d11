"""How a gateway under load gets its calls and learns that the load has ended.

Three connections are a call: audio from the line, audio to the line, AudioSocket. The
first connection to each port is of the first call, and so on, so nothing needs a name.
Standard output has the ports, then "ready" when audio may come.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import ExitStack

Trio = tuple[socket.socket, socket.socket, socket.socket]
"""The sockets of one call: from the line, to the line, AudioSocket."""


def accept_calls(count: int) -> list[Trio]:
    """Tell three free ports on standard output, return `count` calls."""
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=count))
            for _ in range(3)
        ]
        print(*(one.getsockname()[1] for one in listeners), flush=True)
        from_line, to_line, pbx = [
            [one.accept()[0] for _ in range(count)] for one in listeners
        ]
    return list(zip(from_line, to_line, pbx, strict=True))


async def until_load_ends() -> None:
    """Say that all is ready; return when standard input is closed."""
    print("ready", flush=True)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()
    loop.remove_reader(sys.stdin)
