"""A private D-Bus daemon, which can be killed and started again at its address."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path


class DbusDaemon:
    """One daemon, listening in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "bus"
        self._process: asyncio.subprocess.Process | None = None
        self.address = f"unix:path={self._path}"

    async def start(self) -> None:
        program = shutil.which("dbus-daemon")
        assert program, "these tests need dbus-daemon"
        self._path.unlink(missing_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            program,
            "--session",
            "--nofork",
            "--nopidfile",
            "--print-address=1",
            f"--address={self.address}",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout
        await asyncio.wait_for(self._process.stdout.readline(), 10)

    async def kill(self) -> None:
        """End it as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            await end(process)


async def end(process: asyncio.subprocess.Process) -> None:
    """Kill a process, and leave no pipe of it to the garbage collector."""
    if process.returncode is None:
        process.kill()
    await process.wait()
    process._transport.close()
    # The loop closes the child's pipe one turn after its death.
    await asyncio.sleep(0)
