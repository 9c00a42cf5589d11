"""The screen of a client that is started elsewhere: as a service, in a container."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from skypechan.backends.base import LineState
from skypechan.clock import Clock
from skypechan.desktop.users import private_folder
from skypechan.desktop.view import View
from skypechan.links.x11.display import DisplayName

_NOTHING: Final = ""


class Onlooker:
    """Looks at the display of one line's client. Implements `ClientSupervisor`.

    `display` and `xauthority` are as in `X11Link.connect`; pictures of alarms are kept
    in `folder`. Raises ConfigError for what is no display's name.
    """

    def __init__(
        self, line: str, display: str, xauthority: str, folder: Path, clock: Clock
    ) -> None:
        if display:
            DisplayName.parse(display)
        self._line = line
        self._display = display
        self._xauthority = xauthority
        self._folder = folder
        self._tell: Callable[[str], None] = _untold
        self.screen = View(line, folder, clock, self._windows_changed)
        self.starts_client = False
        self.isolation = _NOTHING
        self.isolation_reason = _NOTHING

    @property
    def windows(self) -> tuple[str, ...]:
        """The titles of the windows on the client's screen."""
        return self.screen.windows

    @asynccontextmanager
    async def supervising(self, tell: Callable[[str], None]) -> AsyncIterator[None]:
        """Look at the display; `tell` gets a sign when it shows other windows."""
        self._tell = tell
        with suppress(OSError):  # then an alarm says why it has no picture
            private_folder(self._folder)
        looking = asyncio.create_task(
            self.screen.attend(self._display, self._xauthority),
            name=f"screen of {self._line}",
        )
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def restart(self) -> None:
        """Leave the client to who has started it."""

    def line_is(self, state: LineState) -> None:
        """Leave the client to who has started it."""

    def _windows_changed(self) -> None:
        self._tell(_NOTHING)


def _untold(_: str) -> None:
    """Nobody listens yet."""
