"""A headless Chromium with one page, worked as a person would: pointer and keys.

It is spoken to by the Chrome DevTools Protocol, over aiohttp's own WebSocket.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

from skypechan.desktop.process import Process, Program

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
MISSING = "no Chromium here: apt-get install chromium"

_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1300,1400",
    "--remote-debugging-port=0",
    "about:blank",
)


class Page:
    """One page. What its scripts throw or the browser refuses is in `trouble`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = count(1)
        self.session = ""
        self.trouble: list[str] = []

    async def do(self, method: str, **given: object) -> Any:
        """Give a command; return its result."""
        number = next(self._numbers)
        session = {"sessionId": self.session} if self.session else {}
        command = {"id": number, "method": method, "params": given, **session}
        await self._socket.send_json(command)
        while True:
            told = json.loads(await self._socket.receive_str())
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]
            if told.get("method") == "Runtime.exceptionThrown":
                self.trouble.append(json.dumps(told["params"]["exceptionDetails"]))
            if told.get("method") == "Log.entryAdded":
                entry = told["params"]["entry"]
                if entry["level"] in ("warning", "error"):
                    self.trouble.append(f"{entry['text']} {entry.get('url')}")

    async def value(self, expression: str) -> Any:
        """Return what a piece of JavaScript is, awaited."""
        told = await self.do(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def click(self, x: float, y: float) -> None:
        """Press the mouse's left button at a point of the window."""
        where = {"x": x, "y": y, "button": "left", "clickCount": 1}
        await self.do("Input.dispatchMouseEvent", type="mousePressed", **where)
        await self.do("Input.dispatchMouseEvent", type="mouseReleased", **where)

    async def key(self, key: str) -> None:
        """Press a key by its name, or the one of a character."""
        text = {"text": key} if len(key) == 1 else {}
        await self.do("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await self.do("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def picture(self) -> str:
        """Return what the page looks like, PNG in Base64."""
        return str((await self.do("Page.captureScreenshot"))["data"])


@asynccontextmanager
async def page(folder: Path, url: str) -> AsyncIterator[Page]:
    """Open a page in a browser of its own."""
    assert CHROMIUM is not None
    profile = f"--user-data-dir={folder / 'profile'}"
    program = Program(
        "chromium",
        (CHROMIUM, profile, *_OPTIONS),
        folder,
        environment={"HOME": str(folder)},
    )
    async with await Process.start(program) as browser:
        found = await browser.line(r"DevTools listening on (ws://\S+)", within_s=30)
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(found[1], max_msg_size=0) as socket,
        ):
            opened = Page(socket)
            target = await opened.do("Target.createTarget", url="about:blank")
            attached = await opened.do(
                "Target.attachToTarget", targetId=target["targetId"], flatten=True
            )
            opened.session = attached["sessionId"]
            for domain in ("Runtime", "Log", "Page"):
                await opened.do(f"{domain}.enable")
            await opened.do("Page.navigate", url=url)
            yield opened
