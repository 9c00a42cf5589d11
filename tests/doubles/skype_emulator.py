"""The Skype client emulator as a process of its own, and its control port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from typing import Any

import aiohttp

from tests.doubles.dbus_daemon import end

ACCOUNT = "skypet123"


class SkypeEmulator:
    """`control` does what the people at both ends of the emulated client do."""

    def __init__(
        self, bus_address: str = "", display: str = "", xauthority: str = ""
    ) -> None:
        """Only the transports that are named are opened."""
        self._where = ("--dbus", bus_address) if bus_address else ()
        self._where += ("--display", display) if display else ()
        self._environment = {**os.environ, "XAUTHORITY": xauthority}
        self._process: asyncio.subprocess.Process | None = None
        self._url = ""

    async def start(self, *options: str) -> None:
        """Run it until it says that it is ready."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "skypechan.emulator",
            "--account",
            ACCOUNT,
            "--control",
            "0",
            *self._where,
            *options,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._process.stdout
        line = await asyncio.wait_for(self._process.stdout.readline(), 20)
        assert line, "the emulator did not start"
        self._url = f"http://127.0.0.1:{json.loads(line)['control']}"

    def send_signal(self, number: signal.Signals) -> None:
        """As `kill -STOP` and its like."""
        assert self._process
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            await end(process)

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """One request to the control port; its JSON."""
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, self._url + path, json=body or None) as response,
        ):
            return await response.json()

    async def call(self, call_id: str, until: str = "") -> Any:
        """What the emulator knows of a call, once its status is as wished."""
        query = f"?until={until}&timeout_s=10" if until else ""
        return await self.control("GET", f"/calls/{call_id}{query}")
