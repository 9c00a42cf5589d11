"""The event feed over HTTP: server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPMethod
from typing import Any

from aiohttp import hdrs, web

from skypechan.gateway.feed import Entry, Reader
from skypechan.gateway.snapshot import as_json
from skypechan.web.fields import Field, Kind
from skypechan.web.operations import Asked, Operation
from skypechan.web.view import GatewayView

CONTENT_TYPE = "text/event-stream"

_MOST_PAST = 1_000
_GLANCE_S = 1.0  # how soon it is seen that nobody listens any more
_GLANCES = 15  # until a sign of life
_WRITE_S = 10.0
_CLOSE_S = 0.25
_LAST_ID = "Last-Event-ID"
_QUERY = (
    Field("after", Kind.WHOLE, "first those behind this number", least=0, most=1e15),
    Field("last", Kind.WHOLE, "first so many of the past", least=0, most=_MOST_PAST),
)


class EventsApi:
    """Streams what happens, to a bounded number of readers."""

    def __init__(self, view: GatewayView) -> None:
        self._view = view
        self._streams: dict[Reader, asyncio.Task[Any] | None] = {}

    async def close(self, _: web.Application) -> None:
        """End the streams, also of who has left: nobody else would."""
        for reader in self._streams:
            reader.stop()
        tasks = [task for task in self._streams.values() if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_S)

    def operations(self) -> Iterator[Operation]:
        """Yield the one operation."""
        yield Operation(
            HTTPMethod.GET,
            "/api/events",
            self._events,
            Entry,
            kind=CONTENT_TYPE,
            query=_QUERY,
        )

    async def _events(self, asked: Asked) -> web.StreamResponse:
        """Stream what happens as server-sent events, one entry each.

        The event's name is the entry's kind, its id the entry's number; after a break
        `Last-Event-ID` or `after` gives what was missed, as far as it is kept. A
        reader that is too slow gets the event `lost` and is closed.
        """
        with self._view.feed.reader(self._past(asked)) as reader, ExitStack() as ends:
            self._streams[reader] = asyncio.current_task()
            ends.callback(self._streams.pop, reader)
            response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
            await response.prepare(asked.request)
            if asked.request.method == hdrs.METH_HEAD:
                return response
            try:
                await self._stream(asked.request, response, reader)
            except TimeoutError:
                if asked.request.transport is not None:
                    asked.request.transport.abort()
            except ConnectionError:
                pass  # the reader has gone
            return response

    def _past(self, asked: Asked) -> tuple[Entry, ...]:
        """Return the entries that the reader wants first."""
        given = asked.request.headers.get(_LAST_ID, "")
        is_number = given.isascii() and given.isdigit() and len(given) <= 15
        after = int(given) if is_number else asked.get("after")
        if after is not None:
            return self._view.feed.entries(after)
        return self._view.feed.entries(most=asked.get("last", 0))

    async def _stream(
        self, request: web.Request, response: web.StreamResponse, reader: Reader
    ) -> None:
        await _write(response, ": these are the events\n\n")
        glances = 0
        while request.transport is not None and not request.transport.is_closing():
            try:
                async with asyncio.timeout(_GLANCE_S):
                    entry = await reader.next()
            except TimeoutError:
                glances += 1
                if glances % _GLANCES == 0:
                    await _write(response, ": nothing new\n\n")
                continue
            if entry is None:
                if reader.lost:
                    await _write(response, "event: lost\ndata: too slow a reader\n\n")
                return
            await _write(response, _text_of(entry))


async def _write(response: web.StreamResponse, text: str) -> None:
    """Write, but not to somebody who does not read. Raises TimeoutError."""
    async with asyncio.timeout(_WRITE_S):
        await response.write(text.encode())


def _text_of(entry: Entry) -> str:
    # ASCII: neither a line break nor half a character can come through.
    data = json.dumps(as_json(entry))
    return f"id: {entry.number}\nevent: {entry.kind}\ndata: {data}\n\n"
