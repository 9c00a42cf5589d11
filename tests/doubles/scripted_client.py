"""A Skype client that says what a test tells it to, as raw lines of text.

Written from the transcripts of the Skype API alone: it imports nothing of the
protocol package, so a mistake there is not made twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from skypechan.errors import CommandError, LinkDownError
from tests.doubles.waiting import Changes

Answer = str | list[str] | None

# As a signed-in client that has allowed us before answers (transcript T1).
ATTACHED: dict[str, Answer] = {
    "NAME skypechan": "OK",
    "PROTOCOL 8": [
        "PROTOCOL 7",
        "CONNSTATUS ONLINE",
        "CURRENTUSERHANDLE alice",
        "USERSTATUS ONLINE",
    ],
    "GET CONNSTATUS": "CONNSTATUS ONLINE",
    "GET CURRENTUSERHANDLE": "CURRENTUSERHANDLE alice",
    "SEARCH ACTIVECALLS": "CALLS ",
    "SET AUTOAWAY OFF": "AUTOAWAY OFF",
    "SET AGC OFF": "AGC OFF",
    "SET AEC OFF": "AEC OFF",
    "PING": "PONG",
}


class ScriptedClient:
    """Implements the gateway's `Client`.

    `answers` maps a command to its reply, or to its reply and the notifications
    that follow. A command that is not listed, or listed with None, stays open until
    `answer`; what the client is `deaf_to` fails on the way. With `by_return` false a
    reply comes as a notification, as over X11.
    """

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {**ATTACHED, **answers}
        self.heard: list[str] = []
        self.by_return = True
        self.deaf_to: set[str] = set()
        self.on_text: Callable[[str], None] = _unheard
        self.gone = asyncio.Event()
        self._open: dict[str, str] = {}
        self._changes = Changes()

    async def send(self, text: str, within_s: float) -> str:
        if self.gone.is_set():
            raise LinkDownError("the client is gone")
        token, _, command = text.partition(" ")
        assert token.startswith("#"), f"a command without a token: {text}"
        self.heard.append(command)
        if command in self.deaf_to:
            raise CommandError("no such method")
        self._open[command] = token
        self._changes.notify()
        answer = self.answers.get(command)
        if answer is None:
            return ""
        reply, *rest = [answer] if isinstance(answer, str) else answer
        if not self.by_return:
            self.say(f"{token} {reply}", *rest)
            return ""
        for line in rest:
            asyncio.get_running_loop().call_soon(self.on_text, line)
        return f"{token} {reply}"

    async def wait_gone(self) -> None:
        await self.gone.wait()

    def say(self, *lines: str) -> None:
        for line in lines:
            self.on_text(line)

    def answer(self, command: str, reply: str) -> None:
        """Answer a command that was left open, late, by a notification."""
        self.on_text(f"{self._open.pop(command)} {reply}")

    async def hear(self, part: str, seconds: float = 5.0) -> str:
        """The first command with these words in it, once it has come."""

        def found() -> list[str]:
            return [command for command in self.heard if part in command]

        await self._changes.until(found, seconds, f"{part!r} in {self.heard}")
        return found()[0]

    def count(self, command: str) -> int:
        return self.heard.count(command)


class ScriptedDesktop:
    """Implements the gateway's `Transport`: where the client appears and goes."""

    def __init__(self) -> None:
        self.client: ScriptedClient | None = None
        self.up = True
        self.opened = 0
        self._changed = asyncio.Event()

    async def open(self) -> ScriptedDesktop:
        if not self.up:
            raise LinkDownError("no bus")
        self.opened += 1
        return self

    async def wait_for_client(self) -> ScriptedClient:
        while True:
            if not self.up:
                raise LinkDownError("the bus went away")
            if self.client is not None:
                return self.client
            self._changed.clear()
            await self._changed.wait()

    async def close(self) -> None:
        pass

    def start(self, client: ScriptedClient) -> ScriptedClient:
        self.client = client
        self._changed.set()
        return client

    def stop_client(self) -> None:
        assert self.client
        self.client.gone.set()
        self.client = None

    def lose_bus(self) -> None:
        self.up = False
        if self.client is not None:
            self.client.gone.set()
        self._changed.set()


def _unheard(text: str) -> None:
    """Nobody listens yet."""
