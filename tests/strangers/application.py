"""A Skype API client: what every one of them does, whichever wire it has."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Protocol, Self

from tests.strangers.transcript import Transcript


class Wire(Protocol):
    """One client's connection to Skype."""

    on_line: Callable[[str], None]
    faults: list[str]

    def send(self, text: str) -> None:
        """Send a command."""

    async def close(self) -> None:
        """Leave."""


class Application:
    """Attached to Skype over a wire; everything heard stands in ``heard``."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.heard = Transcript()
        self._numbers = itertools.count(1)
        wire.on_line = self.heard.add

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.wire.close()
        assert not self.wire.faults, self.wire.faults

    def say(self, command: str) -> int:
        """Send a command; returns the place in ``heard`` before its reply."""
        mark = self.heard.mark
        self.wire.send(command)
        return mark

    async def ask(self, command: str, *, token: str = "", seconds: float = 5) -> str:
        """The reply to a command sent with a token, without the token."""
        token = token or f"#{next(self._numbers)}"
        mark = self.say(f"{token} {command}")
        reply = await self.heard.line(
            re.escape(token) + r" (?s:(.*))", since=mark, seconds=seconds
        )
        return reply[1]

    async def answer_to(self, command: str, pattern: str, seconds: float = 5) -> str:
        """The first line of that pattern after a command without a token."""
        mark = self.say(command)
        return (await self.heard.line(pattern, since=mark, seconds=seconds))[0]

    async def attach(self, name: str, protocol: int = 7) -> None:
        """NAME and PROTOCOL, and the three lines that follow unasked."""
        assert await self.ask(f"NAME {name}") == "OK"
        mark = self.heard.mark
        assert re.fullmatch(r"PROTOCOL \d+", await self.ask(f"PROTOCOL {protocol}"))
        await self.heard.line("USERSTATUS .*", since=mark)

    async def call(self, target: str) -> int:
        """Place a call; its number."""
        reply = await self.ask(f"CALL {target}")
        placed = re.fullmatch(r"CALL (\d+) STATUS (UNPLACED|ROUTING)", reply)
        assert placed, reply
        return int(placed[1])

    async def status(self, number: int, word: str, seconds: float = 8) -> None:
        """Wait until a call is said to have that status."""
        await self.heard.line(f"CALL {number} STATUS {word}", seconds=seconds)

    async def settles(self, number: int, word: str, seconds: float = 8) -> None:
        """Wait until the last status that a call is said to have is that one."""
        await self.heard.until(
            lambda: self.statuses(number)[-1:] == [word],
            f"call {number} that stays {word}",
            seconds,
        )

    def statuses(self, number: int) -> list[str]:
        """The statuses of a call as notified, repetitions left out."""
        words = [m[1] for m in self.heard.found(rf"CALL {number} STATUS (\S+)")]
        return [word for word, _ in itertools.groupby(words)]
