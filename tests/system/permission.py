"""Two accounts from nothing, whose clients ask on their screens whether we may."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skypechan.demo.parts import gateway as gateways
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.users import workspace
from skypechan.emulator.windows import (
    ALLOW,
    NAME,
    SIGN_IN,
    TICK,
    Box,
    PermissionWindow,
    SignInWindow,
)
from tests.doubles.browser import Page
from tests.doubles.pictures import read_png
from tests.system.parts import eventually

SKYPE = str(Path(sys.executable).with_name("skype"))
TITLE = PermissionWindow.title
TOKEN = {"Authorization": "Bearer tests"}
BLUE = (0, 116, 176)
READY_S = 20
TWO_ACCOUNTS = """
[lines.alice]
account = "alice"

[lines.alice.client]
command = ["{skype}", "--pipelogin", "--dbpath=profile", "--authorise", "ask"]
login = "alice sesame"
screen_in_page = true
isolation = "none"  # its control port is on the machine's loopback

[lines.bob]
account = "bob"
transport = "x11"

[lines.bob.client]
command = ["{skype}", "--pipelogin", "--dbpath=profile", "--authorise", "ask"]
login = "bob sesame"
screen = "800x600x8"
screen_in_page = true

[[routes]]
line = "alice"
to = "bob*echo@skypechan-lines"
"""
NOBODY_SIGNED_IN = """
[lines.carol]
account = "carol"

[lines.carol.client]
command = ["{skype}", "--dbpath=profile", "--authorise", "ask"]
screen_in_page = true
"""


@dataclass(frozen=True, slots=True)
class Office:
    """The gateway, and the folder that its clients have made below it."""

    gateway: Gateway
    folder: Path

    async def line(self, name: str) -> dict[str, Any]:
        lines: list[dict[str, Any]] = await self.gateway.get("/api/lines")
        return next(line for line in lines if line["name"] == name)

    async def waits(self, name: str) -> None:
        """Wait until a line waits for what its dialog asks."""

        async def asks() -> bool:
            line = await self.line(name)
            state, reason = line["state"], line["reason"]
            return state == "waiting_for_permission" and repr(TITLE) in reason

        await eventually(asks, READY_S, f"dialog of {name}")

    async def ready(self, name: str) -> None:
        async def is_ready() -> bool:
            return bool((await self.line(name))["state"] == "ready")

        await eventually(is_ready, READY_S, f"ready line {name}")

    async def picture(self, name: str) -> NDArray[np.uint8]:
        url = f"{self.gateway.url}/api/lines/{name}/screen"
        return read_png(await ask("GET", url, headers=TOKEN))

    async def post(self, name: str, action: str, body: object = None) -> Any:
        url = f"{self.gateway.url}/api/lines/{name}/{action}"
        return await ask("POST", url, body or {}, TOKEN)

    async def alarm(self, name: str) -> NDArray[np.uint8]:
        """Wait for the alarm of a dialog; return its picture."""
        said = rf"line {name}: its client shows '{TITLE}', as in (\S+)"
        return private_png(Path((await self.gateway.process.line(said))[1]))

    def profile(self) -> str:
        """What the first line's client keeps of its settings."""
        home = self.folder / "clients" / "alice" / "home"
        return (home / "profile" / "alice" / "config.xml").read_text()

    def started(self) -> list[dict[str, Any]]:
        """What the client of the first line has said each time it was started."""
        log = (self.folder / "clients/alice/client.log").read_text()
        return [json.loads(line) for line in re.findall(r"^\{.*\}$", log, re.MULTILINE)]


@asynccontextmanager
async def office(
    asterisk: LocalAsterisk, lines: str = TWO_ACCOUNTS
) -> AsyncIterator[Office]:
    """Start the gateway in an empty folder; nobody has allowed it anything yet."""
    web_port = free_port()
    config = config_head(asterisk.settings, web_port) + 'token = "tests"\n'
    config += lines.format(skype=SKYPE)
    with workspace() as folder:
        async with gateways.gateway(config, web_port, folder) as running:
            await running.process.line("web page and API")
            yield Office(running, folder)


def private_png(path: Path) -> NDArray[np.uint8]:
    assert path.stat().st_mode & 0o077 == 0
    return read_png(path.read_bytes())


Window = type[PermissionWindow] | type[SignInWindow]


def place_of(
    picture: NDArray[np.uint8], box: Box, window: Window = PermissionWindow
) -> tuple[int, int]:
    """Where on a screen a part of a window is, which stands in its middle."""
    rows, columns, _ = picture.shape
    left = (columns - window.width) // 2 + 1
    top = (rows - window.height) // 2 + 1
    across, down = box.middle
    return left + across, top + down


def has_dialog(picture: NDArray[np.uint8]) -> bool:
    return _has_button(picture, ALLOW, PermissionWindow)


def _has_button(picture: NDArray[np.uint8], box: Box, window: Window) -> bool:
    x, y = place_of(picture, box, window)
    return bool((picture[y - box.height // 2 + 2, x] == BLUE).all())


def is_ticked(picture: NDArray[np.uint8]) -> bool:
    x, y = place_of(picture, TICK)
    return bool((picture[y - 3 : y + 5, x - 3 : x + 4] == 0).all(axis=2).sum() > 5)


Point = Callable[[int, int], Awaitable[object]]


async def allow(office: Office, name: str, point: Point) -> None:
    """Look, tick "Remember", see that it is ticked, allow."""

    async def is_seen() -> bool:
        return has_dialog(await office.picture(name))

    await office.waits(name)
    await eventually(is_seen, READY_S, "picture of the dialog")
    picture = await office.picture(name)
    assert not is_ticked(picture)
    await point(*place_of(picture, TICK))

    async def ticked() -> bool:
        return is_ticked(await office.picture(name))

    await eventually(ticked, READY_S, "tick")
    await point(*place_of(picture, ALLOW))
    await office.ready(name)


async def sign_in(office: Office, name: str, password: str, page: Page) -> None:
    """Sign somebody in on the page, at the client's own window."""
    point = await on_page(page, name)

    async def is_seen() -> bool:
        return _has_button(await office.picture(name), SIGN_IN, SignInWindow)

    await eventually(is_seen, READY_S, "window to sign in")
    await point(*place_of(await office.picture(name), NAME, SignInWindow))
    for key in (*name, "Tab", *password, "Enter"):
        await page.key(key)
    await office.waits(name)


async def prove_remembered(office: Office) -> None:
    """A client that is started again asks nobody any more, and keeps its settings."""
    assert len(office.started()) == 1
    await office.post("alice", "restart")

    async def is_there_again() -> bool:
        return len(office.started()) == 2

    await eventually(is_there_again, READY_S, "client that was started again")
    await office.ready("alice")
    assert not has_dialog(await office.picture("alice"))
    kept = office.profile()
    assert "<Authorizations>skypechan</Authorizations>" in kept
    assert "<AutoUpdate>0</AutoUpdate>" in kept


async def prove_call(office: Office) -> None:
    """In on the first line, out on the second, and the far end's echo back."""
    client = Emulator(office.gateway.process, office.started()[-1])
    number = await client.ring("talker")
    await client.call(number, "INPROGRESS", READY_S)
    await client.heard(number, 8_000, READY_S)
    calls = await office.gateway.calls()
    assert {call["line"]: call["direction"] for call in calls} == {
        "alice": "to_pbx",
        "bob": "to_line",
    }
    await client.hang_up(number)
    await office.gateway.idle(READY_S)


async def on_page(page: Page, name: str) -> Point:
    """Open the screen of a line on the page; return what points at it."""
    card = f"document.querySelector('[data-key={name}] .screen')"

    async def is_there() -> bool:
        return bool(await page.value(f"{card} && !{card}.hidden"))

    await eventually(is_there, READY_S, "line on the page")
    await page.value("document.getElementById('token').value = 'tests'")
    await page.value(f"{card}.open = true")

    async def is_shown() -> bool:
        return bool(await page.value(f"{card}.querySelector('canvas').width > 320"))

    await eventually(is_shown, READY_S, "picture on the page")

    async def point(x: int, y: int) -> None:
        scrolled = f"{card}.querySelector('canvas').scrollIntoView({{block: 'center'}})"
        await page.value(scrolled)
        left, top, scale = await page.value(
            f"(() => {{ const c = {card}.querySelector('canvas');"
            " const r = c.getBoundingClientRect();"
            " return [r.left + c.clientLeft, r.top + c.clientTop,"
            " c.clientWidth / c.width]; })()"
        )
        await page.click(left + (x + 0.5) * scale, top + (y + 0.5) * scale)

    return point
