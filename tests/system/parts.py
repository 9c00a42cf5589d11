"""Our own programs as the system tests run them: who is there, which lines, routes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from skypechan.demo.parts import emulated
from skypechan.demo.parts import gateway as gateways
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.desktop.users import private_folder

_Found = TypeVar("_Found")

CHECKOUT = Path(__file__).parents[2]
CONTACT_UUID = "5f1c9a52-2f3e-4b8e-9c0e-7d3b6d3f8a10"
_POLL_S = 0.02

# Beside the people who are there without a script.
SCRIPT = {"contacts": [{"handle": "silent", "voice": "silence", "answer_s": 0.3}]}
_REST = """\
token = "tests"

[lines.skypeclient]
backend = "skype"
account = "skypet123"
transport = "dbus"
dbus_address = "{bus}"
extension = "600"
numbers_allowed = ["*"]

[[routes]]
caller = "to-phone*"
to = "555@from-skypechan"

[[routes]]
caller = "to-digits*"
to = "610@from-skypechan"

[contacts]
echo123 = {{ uuid = "{contact}", line = "ANY", address = "echo" }}
"""


def config(
    asterisk: LocalAsterisk,
    bus: str,
    web_port: int,
    *,
    line: str = "",
    ami_port: int = 0,
) -> str:
    """The gateway's file; ``line`` goes on with the table of its line."""
    settings = asterisk.settings
    if ami_port:
        settings = replace(settings, ami_port=ami_port)
    text = config_head(settings, web_port) + _REST.format(bus=bus, contact=CONTACT_UUID)
    return text.replace("[[routes]]", f"{line}\n\n[[routes]]", 1) if line else text


async def eventually(
    look: Callable[[], Awaitable[_Found | None]],
    seconds: float,
    what: str | Callable[[], str],
) -> _Found:
    """Look again until there is something true to see; TimeoutError names ``what``."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        if time.monotonic() > deadline:
            missing = what if isinstance(what, str) else what()
            message = f"after {seconds:g} s still no {missing}"
            raise TimeoutError(message)
        await asyncio.sleep(_POLL_S)
    return found


@asynccontextmanager
async def emulator(bus_address: str, folder: Path) -> AsyncIterator[Emulator]:
    """Run the emulator with the people of SCRIPT on a bus."""
    script = private_folder(folder) / "people.json"
    script.write_text(json.dumps(SCRIPT))
    options = ("-c", str(script), "--dbus", bus_address)
    async with emulated.emulator(folder, options) as running:
        yield running


Starter = Callable[[], Gateway]
"""Starts a gateway that ends with the test, if it lives so long."""


@asynccontextmanager
async def gateway(config: str, web_port: int, folder: Path) -> AsyncIterator[Gateway]:
    """Run the gateway with a configuration; ready when calls can be made."""
    async with gateways.gateway(config, web_port, folder) as running:
        await running.ready()
        yield running
