"""What a client needs to run where nobody sits: a display and a D-Bus of its own."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.isolation import Isolation, Room
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import private_folder


@dataclass(frozen=True, slots=True)
class Place:
    """Where a client is found; `xauthority` is the file with the display's cookie."""

    dbus_address: str
    display: str
    xauthority: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return what a client needs to find it."""
        return {
            "DISPLAY": self.display,
            "XAUTHORITY": str(self.xauthority),
            "DBUS_SESSION_BUS_ADDRESS": self.dbus_address,
        }


class Desktop:
    """A display and a bus in a private folder, from `async with` to its end."""

    def __init__(self, folder: Path, screen: str, isolation: Isolation) -> None:
        self._folder = folder
        self._isolation = isolation
        self._screen = PrivateScreen(
            folder / "screen", screen=screen, isolation=isolation
        )
        self._bus = PrivateBus(folder / "bus", isolation=isolation)
        self._stack = AsyncExitStack()

    @property
    def place(self) -> Place:
        """Where a client is to come; only while the desktop is up."""
        screen = self._screen
        return Place(self._bus.address, screen.display, screen.xauthority)

    @property
    def room(self) -> Room:
        """What a client within walls sees of it."""
        walled = self._isolation.is_walled
        # Folders, in which links lead nowhere: the daemons can write to them.
        reads = (self._screen.xauthority.parent, self._folder / "bus")
        return Room(reads, sockets=self._screen.sockets if walled else None)

    @property
    def is_up(self) -> bool:
        """Tell whether both programs run."""
        both = (self._screen.process, self._bus.process)
        return all(process.returncode is None for process in both)

    async def wait_lost(self) -> str:
        """Wait until one of the programs has ended; return how."""
        waits = {
            asyncio.create_task(process.wait(), name=process.program.name): process
            for process in (self._screen.process, self._bus.process)
        }
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return str(waits[done.pop()].gone())
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start both. Raises LinkError and OSError."""
        private_folder(self._folder)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._bus)
            await stack.enter_async_context(self._screen)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop both."""
        await self._stack.aclose()
