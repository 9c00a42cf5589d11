"""The meeting place of emulators: passes signals and sound between accounts.

JSON, one object a line. A member says who it is with `hello`; everyone is told who
is there with `accounts`. A call is known by a token that its caller makes up:

    {"type": "hello", "account": "alice"}       an empty account is signed out
    {"type": "accounts", "accounts": ["alice", "bob"]}
    {"type": "signal", "call": T, "signal": "invite", "value": "bob"}
    {"type": "signal", "call": T, "signal": "invite", "value": "alice"}   arriving
    {"type": "signal", "call": T, "signal": "answer", "value": ""}
    {"type": "sound", "call": T, "pcm": base64 of S16LE at 16 kHz}
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from skypechan.emulator.engine import Ending, Signal

LONGEST_LINE: Final = 256 * 1024
_MOST_UNSENT_BYTES: Final = 1024 * 1024

logger = logging.getLogger(__name__)


def write_line(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    """Send one message; dropped when the other end is gone or does not read."""
    if writer.is_closing():
        return
    if writer.transport.get_write_buffer_size() <= _MOST_UNSENT_BYTES:
        writer.write(json.dumps(message).encode() + b"\n")


async def read_line(reader: asyncio.StreamReader) -> dict[str, Any]:
    """The next message; empty at the end or when the other end talks nonsense."""
    with contextlib.suppress(ValueError, ConnectionError):
        message = json.loads(await reader.readline() or "null")
        if isinstance(message, dict):
            return message
    return {}


@dataclass(slots=True, eq=False)
class _Member:
    writer: asyncio.StreamWriter
    account: str = ""


@dataclass(slots=True)
class _Route:
    """Who takes part in a call; all instances of an account ring."""

    caller: _Member
    callees: list[_Member] = field(default_factory=list)

    def others(self, member: _Member) -> list[_Member]:
        return self.callees if member is self.caller else [self.caller]


class Hub:
    """The server that the first emulator of a network runs for all."""

    def __init__(self) -> None:
        self._members: list[_Member] = []
        self._routes: dict[str, _Route] = {}
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen; OSError when somebody else does, or the host is elsewhere."""
        self._server = await asyncio.start_server(
            self._serve, host, port, limit=LONGEST_LINE
        )

    async def stop(self) -> None:
        """Stop listening and close every member's connection."""
        if self._server is None:
            return
        self._server.close()
        for member in self._members:
            member.writer.close()
        await self._server.wait_closed()
        self._server = None

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        member = _Member(writer)
        self._members.append(member)
        try:
            while message := await read_line(reader):
                self._receive(member, message)
        finally:
            self._leave(member)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _receive(self, member: _Member, message: dict[str, Any]) -> None:
        token = str(message.get("call", ""))
        match message.get("type"):
            case "hello":
                member.account = str(message.get("account", ""))
                self._tell_accounts()
            case "signal" if message.get("signal") == Signal.INVITE:
                self._invite(member, token, str(message.get("value", "")))
            case "signal":
                self._pass_signal(member, token, message)
            case "sound":
                self._pass_on(member, token, message)
            case _:
                logger.info("! not understood: %s", message.get("type"))

    def _invite(self, caller: _Member, token: str, account: str) -> None:
        callees = [
            member
            for member in self._members
            if member.account.lower() == account.lower() and member is not caller
        ]
        if not callees or not account or token in self._routes:
            write_line(caller.writer, _signal(token, Signal.END, Ending.LOST.value))
            return
        self._routes[token] = _Route(caller, callees)
        for callee in callees:
            write_line(callee.writer, _signal(token, Signal.INVITE, caller.account))

    def _pass_signal(
        self, member: _Member, token: str, message: dict[str, Any]
    ) -> None:
        route = self._route(member, token)
        if route is None:
            return
        if message["signal"] == Signal.ANSWER and member in route.callees:
            self._end(token, [item for item in route.callees if item is not member])
            route.callees = [member]
        self._pass_on(member, token, message)
        if message["signal"] == Signal.END:
            self._end(token, [item for item in route.callees if item is not member])
            del self._routes[token]

    def _pass_on(self, member: _Member, token: str, message: dict[str, Any]) -> None:
        if route := self._route(member, token):
            for other in route.others(member):
                write_line(other.writer, message)

    def _route(self, member: _Member, token: str) -> _Route | None:
        """The call, for those who take part in it."""
        route = self._routes.get(token)
        if route is None or member not in (route.caller, *route.callees):
            return None
        return route

    def _end(self, token: str, members: list[_Member]) -> None:
        for member in members:
            write_line(
                member.writer, _signal(token, Signal.END, Ending.CANCELLED.value)
            )

    def _leave(self, member: _Member) -> None:
        self._members.remove(member)
        for token, route in list(self._routes.items()):
            if member is route.caller or route.callees == [member]:
                lost = _signal(token, Signal.END, Ending.LOST.value)
                self._pass_on(member, token, lost)
                del self._routes[token]
            elif member in route.callees:
                route.callees.remove(member)
        self._tell_accounts()

    def _tell_accounts(self) -> None:
        accounts = sorted({member.account for member in self._members} - {""})
        for member in self._members:
            write_line(member.writer, {"type": "accounts", "accounts": accounts})


def _signal(token: str, signal: Signal, value: str) -> dict[str, Any]:
    return {"type": "signal", "call": token, "signal": signal.value, "value": value}
