"""The AMI side of an Asterisk, scripted by a test, written from AMI's description.

It knows nothing of our code: text in, text out. It shows every byte that came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from tests.doubles.waiting import Changes

Headers = list[tuple[str, str]]
Answer = Callable[["AmiServer", Mapping[str, str]], None]

BANNER = b"Asterisk Call Manager/9.0.0\r\n"


class AmiServer:
    """Listens on a free port; answers as `answers` says, else with Success.

    `actions` holds what came, each with its headers in order.
    """

    def __init__(self) -> None:
        self.actions: list[Headers] = []
        self.raw = b""
        self.answers: dict[str, Answer] = {}
        self.logins = 0
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None
        self._changes = Changes()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def listen(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop the connection."""
        if self._server is not None:
            self._server.close()
        self.drop()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def drop(self) -> None:
        """Break the connection as a crash would."""
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None

    def send_raw(self, text: bytes) -> None:
        assert self._writer is not None, "nobody is connected"
        self._writer.write(text)

    def send(self, *headers: tuple[str, str]) -> None:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
        self.send_raw(f"{lines}\r\n".encode())

    def event(self, name: str, **headers: str) -> None:
        self.send(("Event", name), *headers.items())

    def respond(
        self, action: Mapping[str, str], response: str = "Success", **headers: str
    ) -> None:
        self.send(
            ("Response", response), ("ActionID", action["ActionID"]), *headers.items()
        )

    def named(self, name: str) -> list[Headers]:
        """The actions of a name that came."""
        return [action for action in self.actions if ("Action", name) in action]

    async def received(self, name: str, count: int = 1, seconds: float = 3) -> Headers:
        """The nth action of a name; raises TimeoutError."""
        await self._changes.until(
            lambda: len(self.named(name)) >= count, seconds, f"{count}. {name}"
        )
        return self.named(name)[count - 1]

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writer = writer
        writer.write(BANNER)
        headers: Headers = []
        try:
            while line := await reader.readline():
                self.raw += line
                text = line.decode().rstrip("\r\n")
                if text:
                    name, _, value = text.partition(": ")
                    headers.append((name, value))
                    continue
                self._take(headers)
                headers = []
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    def _take(self, headers: Headers) -> None:
        action = dict(headers)
        self.actions.append(headers)
        self.logins += action["Action"] == "Login"
        self.answers.get(action["Action"], AmiServer.respond)(self, action)
        self._changes.notify()


def refuse(message: str) -> Answer:
    """Answer with an error."""

    def answer(server: AmiServer, action: Mapping[str, str]) -> None:
        server.respond(action, "Error", Message=message)

    return answer


def silence(server: AmiServer, action: Mapping[str, str]) -> None:
    """Do not answer."""
