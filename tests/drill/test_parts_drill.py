"""Parts that are killed at random come back, on their addresses, as often as needed."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import unprivileged_user, workspace

CHECKOUT = Path(__file__).parents[2]
CONFIGURATION = CHECKOUT / "tests" / "data" / "asterisk-minimal"


async def test_killed_parts_come_back_at_their_addresses(
    chance: random.Random, drill_s: float
) -> None:
    found = installation(CHECKOUT, os.environ)
    user = unprivileged_user(found.modules)
    with workspace(user) as folder:
        async with (
            PrivateBus(folder / "bus", user=user) as bus,
            PrivateScreen(folder / "screen", user=user) as screen,
            LocalAsterisk(found, folder / "pbx", CONFIGURATION, user=user) as asterisk,
        ):
            display, address = screen.display, bus.address
            loop = asyncio.get_running_loop()
            end_s = loop.time() + drill_s
            while loop.time() < end_s:
                part = chance.choice((bus, screen, asterisk))
                part.process.kill()
                await part.process.wait()
                await part.start()
            assert (screen.display, bus.address) == (display, address)
            assert "sipphone" in await asterisk.cli("pjsip show endpoints")
