"""The emulated Skype client, which can be killed and started again."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from typing import Any

from skypechan.demo.parts.emulated import ACCOUNT, Emulator, emulator
from skypechan.demo.parts.http import ask
from skypechan.desktop.users import workspace


class SkypeEmulator:
    """`control` does what the people at both ends of the emulated client do."""

    def __init__(
        self, bus_address: str = "", display: str = "", xauthority: str = ""
    ) -> None:
        """Only the transports that are named are opened."""
        self._where = ("--dbus", bus_address) if bus_address else ()
        self._where += ("--display", display) if display else ()
        self._environment = {"XAUTHORITY": xauthority} if xauthority else {}
        self._stack = AsyncExitStack()
        self._running: Emulator | None = None

    async def start(self, *options: str) -> None:
        """Run it until it says that it is ready."""
        folder = self._stack.enter_context(workspace())
        options = ("--account", ACCOUNT, *self._where, *options)
        started = emulator(folder, options, environment=self._environment)
        self._running = await self._stack.enter_async_context(started)

    def send_signal(self, number: signal.Signals) -> None:
        """As `kill -STOP` and its like."""
        assert self._running
        self._running.process.signal(number)

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._running:
            self._running.process.kill()
        self._running = None
        await self._stack.aclose()

    async def control(self, method: str, path: str, **body: Any) -> Any:
        """One request to the control port; its JSON."""
        assert self._running
        return await ask(method, self._running.url + path, body or None)

    async def call(self, call_id: str, until: str = "") -> Any:
        """What the emulator knows of a call, once its status is as wished."""
        query = f"?until={until}&timeout_s=10" if until else ""
        return await self.control("GET", f"/calls/{call_id}{query}")
