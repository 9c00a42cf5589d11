"""One of each program, every one of which may be killed and started again.

Unlike the fixtures that tests share, all of it belongs to whoever made it and lives in
their event loop. What is started again has the address it had before.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.emulated import ACCOUNT, Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head, gateway
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import Credentials
from tests.system.parts import CHECKOUT

_Program = TypeVar("_Program", Emulator, Gateway)

LINE_AND_ROUTE = """
[lines.skypeclient]
account = "{account}"
{transport}
extension = "600"

[[routes]]
caller = "to-phone*"
to = "555@from-skypechan"
"""


class Mortal(Generic[_Program]):
    """The client or the gateway: one process after the other."""

    def __init__(
        self, make: Callable[[], AbstractAsyncContextManager[_Program]]
    ) -> None:
        self._make = make
        self._stack = AsyncExitStack()
        self._running: _Program | None = None

    @property
    def now(self) -> _Program:
        """The one that runs, or ran last."""
        assert self._running is not None, "it was never started"
        return self._running

    async def start(self) -> _Program:
        await self.stop()
        self._running = await self._stack.enter_async_context(self._make())
        return self._running

    async def stop(self) -> None:
        await self._stack.aclose()

    async def kill(self) -> None:
        self.now.process.kill()
        await self.now.process.wait()


@dataclass(slots=True)
class MortalParts:
    """Asterisk, the desktop (a bus or a display), client and gateway."""

    asterisk: LocalAsterisk
    desktop: PrivateBus | PrivateScreen
    client: Mortal[Emulator]
    gateway: Mortal[Gateway]
    said: list[str] = field(default_factory=list)

    @property
    def skype(self) -> Emulator:
        """The client that runs."""
        return self.client.now

    def called(self, name: str) -> str:
        """A part's name in words."""
        if name != "desktop":
            return name
        return "bus" if isinstance(self.desktop, PrivateBus) else "X server"

    async def kill(self, name: str) -> None:
        """End a part as a crash would. A client does not outlive its desktop."""
        match name:
            case "client":
                await self.client.kill()
            case "desktop":
                self.desktop.process.kill()
                await self.desktop.process.wait()
                await self.skype.process.wait()
            case "asterisk":
                self.asterisk.kill()
                await self.asterisk.process.wait()
            case "gateway":
                self.said += self.gateway.now.process.lines
                await self.gateway.kill()

    async def revive(self, name: str) -> None:
        """Start a killed part again, and the client with its desktop."""
        match name:
            case "client":
                await self.client.start()
            case "desktop":
                await self.desktop.start()
                await self.client.start()
            case "asterisk":
                await self.asterisk.start()
            case "gateway":
                await self.gateway.start()

    async def mend(self) -> None:
        """Revive whatever does not run, as a test that failed may leave it."""
        processes = {
            "desktop": self.desktop.process,
            "client": self.skype.process,
            "asterisk": self.asterisk.process,
            "gateway": self.gateway.now.process,
        }
        for name, process in processes.items():
            if process.returncode is not None:
                await self.revive(name)
        await self.gateway.now.ready()

    async def line(self) -> tuple[str, str]:
        """State of the line and its reason."""
        [line] = await self.gateway.now.get("/api/lines")
        return line["state"], line["reason"]

    async def channels(self) -> int:
        """How many channels Asterisk has."""
        told = await self.asterisk.cli("core show channels count")
        return int(told.split()[0])

    def tracebacks(self) -> list[str]:
        """What no gateway may ever say."""
        lines = [*self.said, *self.gateway.now.process.lines]
        return [line for line in lines if "Traceback" in line]

    @asynccontextmanager
    async def phone(self) -> AsyncIterator[SipAgent]:
        """The sample's phone, registered."""
        settings = self.asterisk.settings
        credentials = Credentials("sipphone", settings.sip_secret)
        async with SipAgent(HOST, (HOST, settings.sip_port), credentials) as agent:
            await agent.register()
            yield agent


@asynccontextmanager
async def mortal_parts(folder: Path, transport: str) -> AsyncIterator[MortalParts]:
    """Bring all of it up; ready when a call could be made."""
    plans = (CHECKOUT / "asterisk-conf", CHECKOUT / "tests/data")
    dialplan = "\n".join((plan / "extensions.conf").read_text() for plan in plans)
    asterisk = LocalAsterisk(
        installation(CHECKOUT, os.environ),
        folder / "asterisk",
        plans[0],
        files={"extensions.conf": dialplan},
    )
    desktop: PrivateBus | PrivateScreen
    if transport == "dbus":
        desktop = PrivateBus(folder / "bus")
    else:
        desktop = PrivateScreen(folder / "screen")
    async with asterisk, desktop, AsyncExitStack() as stack:
        web_port = free_port()
        config = config_head(asterisk.settings, web_port, audio_port=free_port())
        config += LINE_AND_ROUTE.format(account=ACCOUNT, transport=_settings(desktop))
        parts = MortalParts(
            asterisk,
            desktop,
            Mortal(lambda: _client(desktop, folder / "client")),
            Mortal(lambda: gateway(config, web_port, folder / "gateway")),
        )
        for part in (parts.client, parts.gateway):
            stack.push_async_callback(part.stop)
            await part.start()
        await parts.gateway.now.ready()
        yield parts


def _settings(desktop: PrivateBus | PrivateScreen) -> str:
    if isinstance(desktop, PrivateBus):
        return f'transport = "dbus"\ndbus_address = "{desktop.address}"'
    cookie, display = desktop.xauthority, desktop.display
    return f'transport = "x11"\ndisplay = "{display}"\nxauthority = "{cookie}"'


def _client(
    desktop: PrivateBus | PrivateScreen, folder: Path
) -> AbstractAsyncContextManager[Emulator]:
    options = ("--account", ACCOUNT)
    if isinstance(desktop, PrivateBus):
        return emulator(folder, (*options, "--dbus", desktop.address))
    return emulator(
        folder,
        (*options, "--display", desktop.display),
        environment={"XAUTHORITY": str(desktop.xauthority)},
    )
