"""What a Skype client and an application say to each other, overheard on the bus.

An observer of its own: `dbus-monitor` sees each message when the daemon passes it on,
whatever either end believes or logs.
"""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.doubles.waiting import Changes

_HEADER = re.compile(r"^(method call|method return|signal|error) time=(\d+\.\d+) (.*)$")
_MEMBER = re.compile(r"member=(\w+)")
_STRING = re.compile(r'^   string "(.*)"$')
_READY_S = 10
_CALL_STATUS = re.compile(r"^(?:#\S+ )?CALL (\d+) STATUS (\w+)$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the Skype API; the time is on the clock of ``time.monotonic_ns``."""

    at_ns: int
    to_client: bool
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    """A call's status, as the client first told it."""

    at_ns: int
    call_id: int
    status: str


class SkypeTranscript:
    """Listens from `async with` on; ``lines`` in the order of the bus."""

    def __init__(self, bus_address: str) -> None:
        self.lines: list[Line] = []
        self.changes = Changes()
        self._address = bus_address
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._heard = asyncio.Event()
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._current: tuple[int, bool] | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *("dbus-monitor", "--address", self._address),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read())
        async with asyncio.timeout(_READY_S):
            await self._heard.wait()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._reader is not None
        if self._process.returncode is None:
            self._process.terminate()
        await self._reader
        await self._process.wait()

    @property
    def statuses(self) -> list[Status]:
        """Each call's statuses, repetitions left out."""
        found: list[Status] = []
        last: dict[int, str] = {}
        for line in self.lines:
            match = None if line.to_client else _CALL_STATUS.match(line.text)
            if match and last.get(int(match[1])) != match[2]:
                last[int(match[1])] = match[2]
                found.append(Status(line.at_ns, int(match[1]), match[2]))
        return found

    async def status(self, status: str, seconds: float, since_ns: int = 0) -> Status:
        """The first such status after ``since_ns``; raises TimeoutError."""

        def found() -> list[Status]:
            return [
                s for s in self.statuses if s.status == status and s.at_ns >= since_ns
            ]

        await self.changes.until(found, seconds, f"STATUS {status}")
        return found()[0]

    async def said(self, pattern: str, seconds: float) -> Line:
        """The first line that matches, either way; raises TimeoutError."""
        expression = re.compile(pattern)

        def found() -> list[Line]:
            return [line for line in self.lines if expression.search(line.text)]

        await self.changes.until(found, seconds, f"line like {pattern}")
        return found()[0]

    def commands(self, pattern: str) -> list[str]:
        """What the application asked for, command ids taken off."""
        texts = [re.sub(r"^#\S+ ", "", x.text) for x in self.lines if x.to_client]
        return [text for text in texts if re.search(pattern, text)]

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            self._take(line.decode("utf-8", "replace").rstrip("\n"))
        self._heard.set()

    def _take(self, line: str) -> None:
        if header := _HEADER.match(line):
            # The first message that it sees is its own connecting.
            self._heard.set()
            self._current = self._direction(header)
        elif (text := _STRING.match(line)) and self._current:
            at_ns, to_client = self._current
            self.lines.append(Line(at_ns, to_client, text[1]))
            self._current = None
            self.changes.notify()

    def _direction(self, header: re.Match[str]) -> tuple[int, bool] | None:
        """When, and whether to the client; None for what is no Skype API."""
        seconds, fraction = header[2].split(".")
        wall_ns = int(seconds) * 1_000_000_000 + int(fraction.ljust(9, "0"))
        at_ns = wall_ns - self._offset_ns
        member = _MEMBER.search(header[3])
        if header[1] == "method return":
            return at_ns, False
        if member and member[1] in ("Invoke", "Notify"):
            return at_ns, member[1] == "Invoke"
        return None
