"""Emulated Skype clients in number, in one process.

    python -m benchmarks.parts.many_clients CLIENTS_AS_JSON

Each is `["dbus" or "x11", ADDRESS, ACCOUNT]`; XAUTHORITY has the cookies of all
displays. Says "ready" when all are there, and goes with SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from contextlib import AsyncExitStack

from skypechan.clock import SystemClock
from skypechan.emulator.client import Client
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.hosts import open_hosts
from skypechan.emulator.program import Program
from skypechan.emulator.script import Script


async def serve(clients: list[tuple[str, str, str]]) -> None:
    """Be all of them until SIGTERM."""
    async with AsyncExitStack() as stack:
        for transport, address, account in clients:
            script = Script()
            client = Client(
                account,
                script.people,
                permission=script.permission,
                engine=CallEngine(),
            )
            program = Program(client, SystemClock(), 1.0, 1)
            stack.push_async_callback(program.stop)
            bus = address if transport == "dbus" else None
            display = address if transport == "x11" else None
            await open_hosts(program, stack, dbus=bus, display=display)
        print("ready", flush=True)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
