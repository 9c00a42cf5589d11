"""Where a Skype client and its gateway meet: a bus or a display, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import User

TRANSPORTS = ("dbus", "x11")

_SCREEN = "1024x768x8"  # 8 bit deep, as the screens of Skype's days


@dataclass(frozen=True, slots=True)
class Desktop:
    """The meeting point in the words of each side.

    `options` and `environment` are for the emulated client, `settings` are lines of
    the gateway's configuration.
    """

    options: tuple[str, ...]
    environment: Mapping[str, str]
    settings: str


@asynccontextmanager
async def desktop(
    folder: Path, transport: str, user: User | None = None
) -> AsyncIterator[Desktop]:
    """Bring up what one of the TRANSPORTS needs."""
    if transport == "dbus":
        async with PrivateBus(folder / "bus", user=user) as bus:
            settings = f'transport = "dbus"\ndbus_address = "{bus.address}"'
            yield Desktop(("--dbus", bus.address), {}, settings)
        return
    async with PrivateScreen(folder / "screen", screen=_SCREEN, user=user) as screen:
        cookie = str(screen.xauthority)
        settings = (
            f'transport = "x11"\ndisplay = "{screen.display}"\nxauthority = "{cookie}"'
        )
        options = ("--display", screen.display)
        yield Desktop(options, {"XAUTHORITY": cookie}, settings)
