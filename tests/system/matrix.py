"""One gateway with a line over D-Bus and one over X11, for the matrix of causes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skypechan.asterisk.ami.link import AmiLink, LinkState
from skypechan.clock import SystemClock
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import private_folder
from tests.doubles.dialplan_steps import Steps
from tests.doubles.loop_thread import LoopThread
from tests.doubles.pbx_driver import settings_for
from tests.system import parts
from tests.system.parts import CHECKOUT, eventually

TRANSPORTS = ("dbus", "x11")
REASONS = tuple(range(1, 15))

# Everybody is quick, so that many calls fit into a minute.
SCRIPT = {
    "voicemail": True,
    "contacts": [
        {"handle": "answers", "answer_s": 0.05},
        {"handle": "refuses", "manner": "refuse", "answer_s": 0.05},
        {"handle": "rings", "manner": "manual"},
        {"handle": "machine", "manner": "voicemail", "answer_s": 0.05},
        {"handle": "+4930111", "manner": "refuse", "answer_s": 0.05},
        {"handle": "+4930222", "manner": "manual"},
        *(
            {"handle": f"fails{reason}", "manner": "fail", "failure": reason}
            for reason in REASONS
        ),
    ],
}
LINES = """
[lines.dbus]
account = "skypet123"
dbus_address = "{bus}"
context = "matrix-in"
extension = "phone"
numbers_allowed = ["+49*"]

[lines.x11]
account = "skypet456"
transport = "x11"
display = "{display}"
xauthority = "{xauthority}"
context = "matrix-in"
extension = "phone"
numbers_allowed = ["+49*"]
when_busy = "voicemail"
when_no_answer = "ring"
when_unreachable = "forward"

[[routes]]
caller = "hasty*"
to = "shortly@matrix-in"
"""


@dataclass(frozen=True, slots=True)
class Matrix:
    """The parts; `clients` are the Skype clients by the names of their lines."""

    house: LoopThread
    gateway: Gateway
    clients: dict[str, Emulator]
    steps: Steps

    async def told(self, call: str) -> dict[str, str]:
        """What the dialplan could read at the end of a call."""
        event = await self.house.wait(self.steps.until(call))
        return dict(event.fields)

    async def line_is(self, line: str, state: str) -> None:
        """Return once a line has a state."""

        async def reached() -> bool:
            lines = await self.gateway.get("/api/lines")
            return any(x["name"] == line and x["state"] == state for x in lines)

        await eventually(reached, 5, f"line {line} {state}")

    async def established(self) -> None:
        """Return once the gateway knows that both sides have answered."""

        async def reached() -> bool:
            return any(x["state"] == "established" for x in await self.gateway.calls())

        await eventually(reached, 5, "call established")

    async def quiet(self) -> None:
        """Return once no call lives; what still rings at a client is ended."""
        await self.gateway.idle()
        for client in self.clients.values():
            for call in await client.live():
                await client.hang_up(call["call"])


def first_ns(call: dict[str, Any], status: str) -> int:
    """When the client first had that status."""
    return int(next(at_ns for at_ns, name in call["timeline"] if name == status))


@asynccontextmanager
async def _listening(asterisk: LocalAsterisk) -> AsyncIterator[Steps]:
    link = AmiLink(settings_for(asterisk), SystemClock())
    steps = Steps(link)

    async def is_up() -> bool:
        return link.state is LinkState.UP

    running = asyncio.create_task(link.run())
    try:
        await eventually(is_up, 5, "AMI link")
        yield steps
    finally:
        running.cancel()
        await asyncio.wait([running])


@asynccontextmanager
async def _dialplan(asterisk: LocalAsterisk) -> AsyncIterator[None]:
    """The extensions of the matrix are there."""
    before = (asterisk.directory / "etc/extensions.conf").read_text()
    ours = (CHECKOUT / "tests/data/matrix.conf").read_text()
    asterisk.replace_file("extensions.conf", f"{before}\n{ours}")
    await asterisk.cli("dialplan reload")
    yield
    asterisk.replace_file("extensions.conf", before)
    await asterisk.cli("dialplan reload")


@contextmanager
def matrix(
    house: LoopThread, folder: Path, asterisk: LocalAsterisk
) -> Iterator[Matrix]:
    """Start the parts; both lines are ready."""
    web_port = free_port()
    script = private_folder(folder) / "people.json"
    script.write_text(json.dumps(SCRIPT))
    with house.sub() as stack:
        stack.enter(_dialplan(asterisk))
        bus = stack.enter(PrivateBus(folder / "bus"))
        screen = stack.enter(PrivateScreen(folder / "screen"))
        people = ("-c", str(script))
        by_bus = emulator(
            folder / "client-dbus",
            (*people, "--account", "skypet123", "--dbus", bus.address),
        )
        by_display = emulator(
            folder / "client-x11",
            (*people, "--account", "skypet456", "--display", screen.display),
            environment={"XAUTHORITY": str(screen.xauthority)},
        )
        clients = {"dbus": stack.enter(by_bus), "x11": stack.enter(by_display)}
        config = config_head(asterisk.settings, web_port) + LINES.format(
            bus=bus.address,
            display=screen.display,
            xauthority=screen.xauthority,
        )
        gateway = stack.enter(parts.gateway(config, web_port, folder / "gateway"))
        found = Matrix(house, gateway, clients, stack.enter(_listening(asterisk)))
        for line in clients:
            house.run(found.line_is(line, "ready"))
        yield found
