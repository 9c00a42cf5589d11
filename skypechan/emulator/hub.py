"""The meeting place of emulators: passes signals and sound between accounts.

JSON, one object a line. A member says who it is with `hello`; everyone is told who
is there with `accounts`. A call is known by a token that its caller makes up:

    {"type": "hello", "account": "alice"}       an empty account is signed out
    {"type": "accounts", "accounts": ["alice", "bob"]}
    {"type": "signal", "call": T, "signal": "invite", "value": "bob"}
    {"type": "signal", "call": T, "signal": "invite", "value": "alice"}   arriving
    {"type": "signal", "call": T, "signal": "answer", "value": ""}
    {"type": "sound", "call": T, "pcm": base64 of S16LE at 16 kHz}
    {"type": "message", "to": "bob", "text": "hi"}
    {"type": "message", "from": "alice", "text": "hi"}                    arriving

A callee may `transfer` a call to accounts; they are invited, with `by` saying who
sent it on, and the callee hears `transferred` or `transfer_failed`. Where the caller
is only data, `person` describes it and moves with the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass, field
from typing import Any, Final

from skypechan.emulator.outputs import Ending, Signal

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
class _Transfer:
    """Who sends a call on, and whom it rings at; `moves` is of a caller of data."""

    by: _Member
    targets: list[_Member]
    moves: bool


@dataclass(slots=True)
class _Route:
    """Who takes part in a call; all instances of an account ring."""

    caller: _Member
    callees: list[_Member] = field(default_factory=list)
    transfer: _Transfer | None = None

    def takes_part(self, member: _Member) -> bool:
        targets = self.transfer.targets if self.transfer else []
        return member in (self.caller, *self.callees, *targets)

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
            case "message":
                self._post(member, message)
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
        if message["signal"] == Signal.TRANSFER:
            self._transfer(member, token, message)
            return
        route = self._route(member, token)
        if route is None:
            return
        if route.transfer is not None and self._of_transfer(
            route, member, token, message
        ):
            return
        if message["signal"] == Signal.ANSWER and member in route.callees:
            self._end(token, [item for item in route.callees if item is not member])
            route.callees = [member]
        self._pass_on(member, token, message)
        if message["signal"] == Signal.END:
            self._end(token, [item for item in route.callees if item is not member])
            self._routes.pop(token, None)

    def _pass_on(self, member: _Member, token: str, message: dict[str, Any]) -> None:
        if route := self._route(member, token):
            for other in route.others(member):
                write_line(other.writer, message)

    def _route(self, member: _Member, token: str) -> _Route | None:
        """The call, for those who take part in it."""
        route = self._routes.get(token)
        return route if route is not None and route.takes_part(member) else None

    def _post(self, sender: _Member, message: dict[str, Any]) -> None:
        """A written message, to every instance of an account."""
        wanted = str(message.get("to", "")).lower()
        text = str(message.get("text", ""))
        for member in self._members:
            if wanted and member.account.lower() == wanted and member is not sender:
                post = {"type": "message", "from": sender.account, "text": text}
                write_line(member.writer, post)

    def _transfer(self, member: _Member, token: str, message: dict[str, Any]) -> None:
        route, person = self._routes.get(token), message.get("person")
        moves = route is None and isinstance(person, dict)
        if moves:
            route = _Route(member)
        elif route is None or member not in route.callees or route.transfer:
            return
        wanted = {name.lower() for name in str(message.get("value", "")).split(",")}
        taken = (route.caller, *route.callees)
        targets = [
            other
            for other in self._members
            if other.account and other.account.lower() in wanted and other not in taken
        ]
        if not targets:
            write_line(member.writer, _signal(token, Signal.TRANSFER_FAILED, ""))
            return
        self._routes[token] = route
        route.transfer = _Transfer(member, targets, moves)
        caller = str(message.get("from", "")) if moves else route.caller.account
        invite = _signal(token, Signal.INVITE, caller) | {"by": member.account}
        for target in targets:
            write_line(target.writer, invite | ({"person": person} if moves else {}))

    def _of_transfer(
        self, route: _Route, member: _Member, token: str, message: dict[str, Any]
    ) -> bool:
        """What concerns the transfer under way; False for the rest."""
        transfer = route.transfer
        if transfer is None:
            return False
        signal = message["signal"]
        if member in transfer.targets:
            if signal == Signal.ANSWER:
                self._transferred(route, transfer, member, token)
            elif signal == Signal.END:
                self._target_gone(route, transfer, member, token)
            return True
        if signal in {Signal.TRANSFER_FAILED, Signal.END}:
            self._end(token, transfer.targets)
            self._end_transfer(route, token)
            return bool(signal == Signal.TRANSFER_FAILED)
        return False

    def _transferred(
        self, route: _Route, transfer: _Transfer, winner: _Member, token: str
    ) -> None:
        losers = [*transfer.targets, *route.callees]
        self._end(token, [m for m in losers if m not in (winner, transfer.by)])
        account = winner.account
        write_line(transfer.by.writer, _signal(token, Signal.TRANSFERRED, account))
        route.callees = [winner]
        self._end_transfer(route, token)
        if not transfer.moves:
            write_line(route.caller.writer, _signal(token, Signal.ANSWER, ""))

    def _target_gone(
        self, route: _Route, transfer: _Transfer, member: _Member, token: str
    ) -> None:
        transfer.targets.remove(member)
        if not transfer.targets:
            failed = _signal(token, Signal.TRANSFER_FAILED, "")
            write_line(transfer.by.writer, failed)
            self._end_transfer(route, token)

    def _end_transfer(self, route: _Route, token: str) -> None:
        moved = route.transfer is not None and route.transfer.moves
        route.transfer = None
        if moved:
            self._routes.pop(token, None)

    def _end(self, token: str, members: list[_Member]) -> None:
        for member in members:
            write_line(
                member.writer, _signal(token, Signal.END, Ending.CANCELLED.value)
            )

    def _leave(self, member: _Member) -> None:
        self._members.remove(member)
        for token, route in list(self._routes.items()):
            self._leave_transfer(member, token, route)
            if token not in self._routes:
                continue
            if member is route.caller or route.callees == [member]:
                lost = _signal(token, Signal.END, Ending.LOST.value)
                self._pass_on(member, token, lost)
                del self._routes[token]
            elif member in route.callees:
                route.callees.remove(member)
        self._tell_accounts()

    def _leave_transfer(self, member: _Member, token: str, route: _Route) -> None:
        transfer = route.transfer
        if transfer is None:
            return
        if member in transfer.targets:
            self._target_gone(route, transfer, member, token)
        elif member in (transfer.by, route.caller):
            self._end(token, transfer.targets)
            self._end_transfer(route, token)

    def _tell_accounts(self) -> None:
        accounts = sorted({member.account for member in self._members} - {""})
        for member in self._members:
            write_line(member.writer, {"type": "accounts", "accounts": accounts})


def _signal(token: str, signal: Signal, value: str) -> dict[str, Any]:
    return {"type": "signal", "call": token, "signal": signal.value, "value": value}
