"""The API: health, metrics, lines, calls and records."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from skypechan.call import address as addresses
from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord
from skypechan.call.routes import Target
from skypechan.errors import (
    CallError,
    CommandError,
    ConfigError,
    LinkError,
    RemoteWireError,
)
from skypechan.gateway.snapshot import GatewaySnapshot, as_json
from skypechan.web import metrics
from skypechan.web.view import GatewayView

_log = logging.getLogger(__name__)

_USUAL_RECORDS = 100
_MOST_RECORDS = 1_000
_BATCH = 8  # values made plain in one go: some 0.3 ms


class Api:
    """Answers about one gateway."""

    def __init__(self, view: GatewayView) -> None:
        self._view = view

    def routes(self) -> list[web.RouteDef]:
        """Return what is served where."""
        return [
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
            web.get("/metrics", self._metrics),
            web.get("/api/status", self._status),
            web.get("/api/lines", self._lines),
            web.get("/api/calls", self._calls),
            web.get("/api/records", self._records),
            web.post("/api/calls", self._call),
            web.delete("/api/calls/{id}", self._hangup),
            web.get("/api/self-test", self._last_self_test),
            web.post("/api/self-test", self._self_test),
        ]

    async def _healthz(self, _: web.Request) -> web.Response:
        """Answer for as long as the process serves at all."""
        return json_response({"alive": True})

    async def _readyz(self, _: web.Request) -> web.Response:
        """Tell whether a call could be made now, and what is not well."""
        readiness = readiness_of(self._view.snapshot())
        return json_response(readiness, status=200 if readiness["ready"] else 503)

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=metrics.text(self._view.snapshot()).encode("utf-8", "replace"),
            headers={"Content-Type": metrics.CONTENT_TYPE},
        )

    async def _status(self, _: web.Request) -> web.Response:
        """Return everything at one moment: readiness, links, lines and calls."""
        now = self._view.snapshot()
        shown = readiness_of(now) | {
            "links": await _plain(now.links),
            "lines": await _plain(now.lines),
            "calls": await _plain(now.calls),
        }
        return json_response(shown)

    async def _lines(self, _: web.Request) -> web.Response:
        return json_response(await _plain(self._view.snapshot().lines))

    async def _calls(self, _: web.Request) -> web.Response:
        return json_response(await _plain(self._view.snapshot().calls))

    async def _records(self, request: web.Request) -> web.Response:
        """Return the last records, newest last.

        `limit` is how many at most, `call` the id of the only one wanted, `after`
        that of the last one known: only records filed since then are wanted. `since`
        is a time: only calls that ended then or later are wanted.
        """
        limit = _limit(request.query.get("limit", str(_USUAL_RECORDS)))
        records = self._view.records()
        if call := request.query.get("call"):
            records = [record for record in records if record.call == call]
        if after := request.query.get("after"):
            records = _after(records, after)
        if since := request.query.get("since"):
            begin = _moment(since)
            records = [one for one in records if one.ended and one.ended >= begin]
        return json_response(await _plain(records[-limit:], CallRecord.as_json))

    async def _hangup(self, request: web.Request) -> web.Response:
        """Ask a call to end; it is gone from the calls when it has."""
        call = request.match_info["id"]
        if not self._view.hangup(call):
            raise web.HTTPNotFound(text="there is no live call of this id")
        where = request.remote or "the control socket"
        _log.info("! call %s is ended by %s", call, where)
        return json_response({"call": call}, status=202)

    async def _call(self, request: web.Request) -> web.Response:
        """Ring an extension that then calls an address on a line.

        Takes `{"line": ..., "address": ..., "to": "EXTEN@CONTEXT"}`, without `to` the
        line's own target, and answers when the extension rings. The record of the
        call will have the `uniqueid` of the answer.
        """
        line, address, phone = _wish(await _json_of(request))
        try:
            rung = await self._view.click(line, address, phone)
        except CallError as error:
            unknown = error.cause == HangupCause.NO_ROUTE
            fault = web.HTTPNotFound if unknown else web.HTTPConflict
            raise fault(text=error.reason) from error
        except CommandError as error:
            raise web.HTTPConflict(text=str(error)) from error
        except LinkError as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        shown = {
            "line": line,
            "address": address,
            "to": str(rung.click.phone),
            "uniqueid": rung.uniqueid,
        }
        return json_response(shown, status=202)

    async def _self_test(self, _: web.Request) -> web.Response:
        """Make a test call, which takes some seconds, and return the verdict."""
        try:
            return json_response(as_json(await self._view.self_test()))
        except CommandError as error:
            raise web.HTTPConflict(text=str(error)) from error

    async def _last_self_test(self, _: web.Request) -> web.Response:
        """Return the verdict of the last self-test, null before the first."""
        return json_response(as_json(self._view.last_self_test))


def json_response(value: Any, status: int = 200) -> web.Response:
    """Return a value as JSON; what is no finite number becomes null."""
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), allow_nan=False)
    return web.Response(
        text=f"{text}\n", status=status, content_type="application/json"
    )


async def _json_of(request: web.Request) -> Any:
    try:
        return await request.json()
    except ValueError as error:
        raise web.HTTPBadRequest(text="the body must be JSON") from error


def _wish(body: Any) -> tuple[str, str, Target | None]:
    """Return line, address and target of a wish for a call."""
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object")
    words = [body.get(name, "") for name in ("line", "address", "to")]
    if not all(isinstance(word, str) for word in words) or not all(words[:2]):
        raise web.HTTPBadRequest(text="line and address are needed, as texts")
    line, written, to = words
    try:
        address = addresses.decode(addresses.encode(written))
        return line, address, Target.parse(to) if to else None
    except (ConfigError, RemoteWireError, UnicodeError) as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def readiness_of(now: GatewaySnapshot) -> dict[str, Any]:
    """Return whether a call could be made, and what is not well, for JSON."""
    return {"ready": now.is_ready, "reasons": list(troubles(now))}


def troubles(now: GatewaySnapshot) -> Iterator[str]:
    """Say which links and lines do not work, in what state they are, and why."""
    for link in now.links:
        if link.state != "up":
            yield _trouble("link", link.name, link.state, link.reason)
    for line in now.lines:
        if line.state != "ready":
            yield _trouble("line", line.name, line.state, line.reason)
    if not now.lines:
        yield "no line is configured"


def _trouble(kind: str, name: str, state: str, reason: str) -> str:
    words = f"{kind} {name}: {state.replace('_', ' ')}"
    return f"{words}, {reason}" if reason else words


async def _plain(
    items: Iterable[Any], as_plain: Callable[[Any], Any] = as_json
) -> list[Any]:
    """Return items as JSON values, letting the audio of calls pass in between."""
    plain = []
    for number, item in enumerate(items, 1):
        plain.append(as_plain(item))
        if number % _BATCH == 0:
            await asyncio.sleep(0)
    return plain


def _after(records: Sequence[CallRecord], call: str) -> Sequence[CallRecord]:
    """Return the records behind that of a call; all if it is not there (any more)."""
    for place in range(len(records), 0, -1):
        if records[place - 1].call == call:
            return records[place:]
    return records


def _limit(text: str) -> int:
    is_short_number = text.isascii() and text.isdigit() and len(text) < 10
    if is_short_number and 1 <= int(text) <= _MOST_RECORDS:
        return int(text)
    raise web.HTTPBadRequest(text=f"limit must be a number from 1 to {_MOST_RECORDS}")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise web.HTTPBadRequest(text="since must be an ISO time with its zone")
    return moment


def _finite(value: Any) -> Any:
    match value:
        case dict():
            return {key: _finite(one) for key, one in value.items()}
        case list():
            return [_finite(one) for one in value]
        case float() if not math.isfinite(value):
            return None
    return value
