"""An emulator as a child process, its control port, and an application at its bus.

The application speaks plain lines: it shares nothing with the emulator but the bus.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from skypechan.demo.parts import emulated
from skypechan.desktop.process import Process
from skypechan.desktop.users import workspace
from skypechan.errors import CommandError
from skypechan.links.dbus import DbusLink
from tests.doubles.waiting import Changes

SKYPE = ("com.Skype.API", "/com/Skype", "com.Skype.API")
_SESSION = ("DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS")


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator, asked with keywords; `ready_after_s` it took to start."""

    client: emulated.Emulator
    ready_after_s: float

    @property
    def process(self) -> Process:
        return self.client.process

    @property
    def ready(self) -> Mapping[str, Any]:
        return self.client.ready

    @property
    def url(self) -> str:
        return self.client.url

    async def get(self, path: str) -> Any:
        """JSON, or bytes where it is none."""
        return await self.client.get(path)

    async def post(self, path: str, **content: Any) -> Any:
        return await self.client.post(path, content)

    async def refused(self, path: str, **content: Any) -> int | None:
        """The status of a request that is turned down; None if it is not."""
        try:
            await self.client.post(path, content)
        except CommandError as error:
            return error.code
        return None

    async def put(self, path: str, **content: Any) -> Any:
        return await self.client.put(path, content)

    async def call(self, call_id: int, until: str = "") -> Any:
        if until:
            return await self.client.call(call_id, until, 10)
        return await self.client.get(f"/calls/{call_id}")

    async def terminate(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.signal(number)
        return await asyncio.wait_for(self.process.wait(), 10)


@asynccontextmanager
async def emulator_at(address: str, *options: str) -> AsyncIterator[Emulator]:
    """An emulator on this bus, if one is named, with its control port open."""
    where = ("--dbus", address) if address else ()
    of_the_session = {name: os.environ[name] for name in _SESSION if name in os.environ}
    started = time.monotonic()
    with workspace() as folder:
        running = emulated.emulator(
            folder, (*where, *options), environment=of_the_session
        )
        async with running as client:
            yield Emulator(client, time.monotonic() - started)


class Application:
    """A program that uses the Skype API over D-Bus."""

    def __init__(self, link: DbusLink) -> None:
        self._link = link
        self._changes = Changes()
        self.heard: list[str] = []
        link.on_call(self._on_call)

    def _on_call(self, call: Any) -> bool:
        if (call.path, call.member) != ("/com/Skype/Client", "Notify"):
            return False
        assert call.interface == "com.Skype.API.Client"
        assert not call.wants_reply
        self.heard.append(call.text)
        self._changes.notify()
        return True

    async def say(self, text: str, timeout_s: float = 5.0) -> str:
        return await self._link.call(*SKYPE, "Invoke", text, timeout_s)

    async def attach(self) -> None:
        assert await self.say("NAME test") == "OK"
        assert await self.say("PROTOCOL 8") == "PROTOCOL 8"
        await self.hears("USERSTATUS ONLINE")

    async def hears(self, *lines: str, seconds: float = 10.0) -> None:
        """Wait for these notifications, in this order, among others."""

        def all_there() -> bool:
            rest = iter(self.heard)
            return all(line in rest for line in lines)

        await self._changes.until(all_there, seconds, f"{lines} in {self.heard}")

    async def ringing(self) -> int:
        """Wait for an incoming call; returns its id."""
        found: list[int] = []

        def rings() -> bool:
            found[:] = [
                int(line.split()[1])
                for line in self.heard
                if line.endswith("CONF_ID 0")
            ]
            return bool(found)

        await self._changes.until(rings, 10.0, "incoming call")
        await self.hears(f"CALL {found[-1]} STATUS RINGING")
        return found[-1]

    async def place(self, target: str) -> int:
        reply = await self.say(f"CALL {target}")
        assert reply.endswith("STATUS UNPLACED"), reply
        return int(reply.split()[1])


@asynccontextmanager
async def application_at(address: str) -> AsyncIterator[Application]:
    """An application that is not yet attached."""
    link = await DbusLink.connect(address)
    try:
        yield Application(link)
    finally:
        link.close()
        await link.wait_lost()


class SoundEnd:
    """One sound port of an application: listens, then collects what it is sent."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._changes = Changes()
        self.content = bytearray()
        self.sizes: list[int] = []
        self.stamps: list[int] = []
        self.closed = False

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _serve(self, reader: Any, writer: Any) -> None:
        self._writer = writer
        self._changes.notify()
        with suppress(ConnectionError):
            while part := await reader.read(65536):
                self.stamps.append(time.monotonic_ns())
                self.sizes.append(len(part))
                self.content += part
                self._changes.notify()
        writer.close()
        self.closed = True
        self._changes.notify()

    async def until(self, condition: Any, what: str, seconds: float = 10.0) -> None:
        await self._changes.until(condition, seconds, what)

    def samples(self) -> Any:
        return np.frombuffer(bytes(self.content[: len(self.content) & ~1]), "<i2")

    async def write(self, samples: Any) -> None:
        """Send samples at the pace of sound, 20 ms at a time."""
        assert self._writer
        loop = asyncio.get_running_loop()
        due = loop.time()
        for start in range(0, samples.size, 320):
            self._writer.write(samples[start : start + 320].astype("<i2").tobytes())
            due += 0.02
            await asyncio.sleep(max(0, due - loop.time()))

    async def stop(self) -> None:
        if self._writer is not None:
            self._writer.close()
            await self.until(lambda: self.closed, "end of the sound connection")
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()


@asynccontextmanager
async def sound_of(
    application: Application, call_id: int
) -> AsyncIterator[tuple[SoundEnd, SoundEnd]]:
    """Both sound ports of a call, set up: (to the partner, from the partner)."""
    to_partner, from_partner = SoundEnd(), SoundEnd()
    try:
        for verb, end in (("SET_INPUT", to_partner), ("SET_OUTPUT", from_partner)):
            command = f'ALTER CALL {call_id} {verb} PORT="{await end.start()}"'
            assert await application.say(command) == command
        yield to_partner, from_partner
    finally:
        await to_partner.stop()
        await from_partner.stop()


def level_dbfs(samples: Any) -> float:
    """RMS level; -200 for digital silence."""
    if not samples.size:
        return -200.0
    power = float(np.mean((samples.astype(float) / 32768) ** 2))
    return 10 * float(np.log10(max(power, 1e-20)))


def pitch_hz(samples: Any, rate_hz: int = 16_000) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(samples.size)))
    return float(np.argmax(spectrum)) * rate_hz / samples.size
