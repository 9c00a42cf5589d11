"""What is read: health, metrics, lines, calls, records, people."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from typing import Any

from aiohttp import web

from skypechan.call.record import CallRecord
from skypechan.gateway.people import ReceivedMessage, WaitingRequest
from skypechan.gateway.selftest import Verdict
from skypechan.gateway.snapshot import (
    CallSnapshot,
    GatewaySnapshot,
    LineSnapshot,
    LinkSnapshot,
    as_json,
    in_pieces,
)
from skypechan.web import metrics
from skypechan.web.fields import Field, Kind
from skypechan.web.operations import (
    Asked,
    Operation,
    json_response,
    json_text,
    text_response,
)
from skypechan.web.view import GatewayView

_USUAL_RECORDS = 100
_MOST_RECORDS = 1_000
_AT_ONCE = 4  # values made JSON in one go: some 0.4 ms

_LIMIT = Field(
    "limit", Kind.WHOLE, "how many at most, the last ones", least=1, most=_MOST_RECORDS
)
_RECORDS = (
    _LIMIT,
    Field("call", Kind.TEXT, "only that of the call with this id"),
    Field("after", Kind.TEXT, "only those filed after that of the call with this id"),
    Field("since", Kind.MOMENT, "only those of calls that ended then or later"),
)


@dataclass(frozen=True, slots=True)
class Alive:
    """The process serves."""

    alive: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a call could be made now, and what is not well."""

    ready: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at one moment."""

    ready: bool
    reasons: tuple[str, ...]
    links: tuple[LinkSnapshot, ...]
    lines: tuple[LineSnapshot, ...]
    calls: tuple[CallSnapshot, ...]


@dataclass(frozen=True, slots=True)
class AudioText:
    """The audio chain of a call in words."""

    text: str


class StatusApi:
    """Answers what is asked about one gateway."""

    def __init__(self, view: GatewayView) -> None:
        self._view = view

    def operations(self) -> Iterator[Operation]:
        """Yield what can be asked."""
        get = HTTPMethod.GET
        yield Operation(get, "/healthz", self._healthz, Alive)
        yield Operation(get, "/readyz", self._readyz, Readiness)
        yield Operation(get, "/metrics", self._metrics, str, kind=metrics.CONTENT_TYPE)
        yield Operation(get, "/api/status", self._status, Status)
        yield Operation(get, "/api/lines", self._lines, tuple[LineSnapshot, ...])
        yield Operation(get, "/api/calls", self._calls, tuple[CallSnapshot, ...])
        yield Operation(get, "/api/calls/{id}/audio", self._audio, AudioText)
        yield Operation(
            get, "/api/records", self._records, tuple[CallRecord, ...], query=_RECORDS
        )
        yield Operation(
            get,
            "/api/messages",
            self._messages,
            tuple[ReceivedMessage, ...],
            query=(_LIMIT,),
        )
        yield Operation(
            get,
            "/api/contact-requests",
            self._contact_requests,
            tuple[WaitingRequest, ...],
        )
        yield Operation(get, "/api/self-test", self._last_self_test, Verdict | None)

    async def _healthz(self, _: Asked) -> web.Response:
        """Answer for as long as the process serves at all."""
        return json_response(as_json(Alive(True)))

    async def _readyz(self, _: Asked) -> web.Response:
        """Tell whether a call could be made now, and what is not well.

        The HTTP status is 503 when no call could.
        """
        readiness = readiness_of(await self._view.snapshot())
        unready = HTTPStatus.SERVICE_UNAVAILABLE
        status = HTTPStatus.OK if readiness.ready else unready
        return json_response(as_json(readiness), status)

    async def _metrics(self, _: Asked) -> web.Response:
        """Return the metrics, as Prometheus reads them."""
        shown = []
        for piece in metrics.pieces(await self._view.snapshot()):
            shown.append(piece)
            await asyncio.sleep(0)  # the audio of calls passes in between
        return web.Response(
            body="".join(shown).encode("utf-8", "replace"),
            headers={"Content-Type": metrics.CONTENT_TYPE},
        )

    async def _status(self, _: Asked) -> web.Response:
        """Return everything at one moment: readiness, links, lines and calls."""
        now = await self._view.snapshot()
        readiness = readiness_of(now)
        shown = {
            "ready": json_text(readiness.ready),
            "reasons": json_text(readiness.reasons),
            "links": await _array(now.links),
            "lines": await _array(now.lines),
            "calls": await _array(now.calls),
        }
        fields = ", ".join(f'"{name}": {text}' for name, text in shown.items())
        return text_response(f"{{{fields}}}")

    async def _lines(self, _: Asked) -> web.Response:
        """Return the lines with state, reason and since when."""
        now = await self._view.snapshot()
        return text_response(await _array(now.lines))

    async def _calls(self, _: Asked) -> web.Response:
        """Return the live calls with their times and audio."""
        now = await self._view.snapshot()
        return text_response(await _array(now.calls))

    async def _audio(self, asked: Asked) -> web.Response:
        """Return the audio chain of a live call in words, with its counters."""
        text = self._view.audio_text(asked["id"])
        if text is None:
            raise web.HTTPNotFound(text="there is no live call of this id")
        return json_response(as_json(AudioText(text)))

    async def _records(self, asked: Asked) -> web.Response:
        """Return the records of the last calls, newest last."""
        records = self._view.records(asked.get("since"), asked.get("call", ""))
        if after := asked.get("after", ""):
            records = _after(records, after)
        last = records[-asked.get("limit", _USUAL_RECORDS) :]
        return text_response(await _array(last, CallRecord.as_json))

    async def _messages(self, asked: Asked) -> web.Response:
        """Return the last messages that came to the lines' accounts, newest last."""
        messages = self._view.people.messages()
        last = messages[-asked.get("limit", _USUAL_RECORDS) :]
        return text_response(await _array(last))

    async def _contact_requests(self, _: Asked) -> web.Response:
        """Return who wants to be a contact and waits for an answer, newest last."""
        return text_response(await _array(self._view.people.contact_requests()))

    async def _last_self_test(self, _: Asked) -> web.Response:
        """Return the verdict of the last self-test, null before the first."""
        return json_response(as_json(self._view.last_self_test))


def readiness_of(now: GatewaySnapshot) -> Readiness:
    """Return whether a call could be made, and what is not well."""
    return Readiness(now.is_ready, tuple(troubles(now)))


def troubles(now: GatewaySnapshot) -> Iterator[str]:
    """Say what does not work, in what state it is, and why."""
    for link in now.links:
        if link.state != "up":
            yield _trouble("link", link.name, link.state, link.reason)
    for line in now.lines:
        if line.state != "ready":
            yield _trouble("line", line.name, line.state, line.reason)
        if line.isolation_reason:
            level = f"isolation {line.isolation}"
            yield _trouble("client", line.name, level, line.isolation_reason)
    if not now.lines:
        yield "no line is configured"
    if now.records.reason:
        waiting = f"{now.records.waiting} are not written yet"
        yield f"call records: {now.records.reason}, {waiting}"
    if now.records.lost:
        yield f"{now.records.lost} call records stand only in the log"


def _trouble(kind: str, name: str, state: str, reason: str) -> str:
    words = f"{kind} {name}: {state.replace('_', ' ')}"
    return f"{words}, {reason}" if reason else words


async def _array(items: Iterable[Any], as_plain: Callable[[Any], Any] = as_json) -> str:
    """Return items as a JSON array, letting the audio of calls pass in between."""
    texts = await in_pieces(items, lambda one: json_text(as_plain(one)), _AT_ONCE)
    return f"[{', '.join(texts)}]"


def _after(records: Sequence[CallRecord], call: str) -> Sequence[CallRecord]:
    """Return the records behind that of a call; all if it is not there (any more)."""
    for place in range(len(records), 0, -1):
        if records[place - 1].call == call:
            return records[place:]
    return records
