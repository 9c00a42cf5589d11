"""What a request may hold: declared once, for reading it and for describing it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from aiohttp import web

_MOST_DIGITS = 15
_BODY_S = 10.0


class Kind(Enum):
    """What a value is, and how OpenAPI calls it: type and format."""

    TEXT = ("string", "")
    MOMENT = ("string", "date-time")
    WHOLE = ("integer", "")
    NUMBER = ("number", "")
    FLAG = ("boolean", "")


@dataclass(frozen=True, slots=True)
class Field:
    """A value of the query or of the body; `least` and `most` limit numbers."""

    name: str
    kind: Kind
    meaning: str
    needed: bool = False
    least: float = -math.inf
    most: float = math.inf

    @property
    def form(self) -> str:
        """What the value must be, in words."""
        match self.kind:
            case Kind.TEXT:
                return "a text" if not self.needed else "a text that is not empty"
            case Kind.MOMENT:
                return "an ISO time with its zone"
            case Kind.FLAG:
                return "true or false"
        return f"a number from {self.least:g} to {self.most:g}"

    def schema(self) -> dict[str, Any]:
        """Return the JSON schema of the value."""
        name, form = self.kind.value
        schema: dict[str, Any] = {"type": name, "description": self.meaning}
        if form:
            schema["format"] = form
        if math.isfinite(self.least):
            schema["minimum"] = self.least
        if math.isfinite(self.most):
            schema["maximum"] = self.most
        return schema

    def read(self, value: Any) -> Any:
        """Return a JSON value as what it means. Raises HTTPBadRequest."""
        match self.kind, value:
            case Kind.TEXT, str() if self._is_text(value):
                return value
            case Kind.MOMENT, str() if (moment := _moment(value)) is not None:
                return moment
            case Kind.FLAG, bool():
                return value
            case ((Kind.WHOLE | Kind.NUMBER), int() | float()) if self._allows(value):
                return value
        raise web.HTTPBadRequest(text=f"{self.name} must be {self.form}")

    def read_query(self, text: str) -> Any:
        """Return a value of the query as what it means. Raises HTTPBadRequest."""
        if self.kind in (Kind.TEXT, Kind.MOMENT):
            return self.read(text)
        return self.read(_json_or_none(text))

    def _is_text(self, value: str) -> bool:
        try:
            value.encode()  # half a character can be sent to nobody
        except UnicodeEncodeError:
            return False
        return bool(value) or not self.needed

    def _allows(self, value: float) -> bool:
        is_number = not isinstance(value, bool) and math.isfinite(value)
        is_whole = isinstance(value, int) or self.kind is Kind.NUMBER
        return is_number and is_whole and self.least <= value <= self.most


def read_query(
    fields: tuple[Field, ...], query: Mapping[str, str]
) -> Mapping[str, Any]:
    """Return the values of a query. Raises HTTPBadRequest."""
    known = {field.name: field for field in fields}
    _refuse_strangers(query, known)
    return {name: known[name].read_query(text) for name, text in query.items()}


async def read_body(
    fields: tuple[Field, ...], request: web.Request
) -> Mapping[str, Any]:
    """Return the values of a body, empty where none is needed and none came.

    Raises HTTPBadRequest.
    """
    try:
        async with asyncio.timeout(_BODY_S):
            text = await request.text()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body did not come") from None
    except UnicodeDecodeError:
        raise web.HTTPBadRequest(text="the body must be UTF-8") from None
    try:
        body = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        raise web.HTTPBadRequest(text="the body must be JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="the body must be a JSON object")
    known = {field.name: field for field in fields}
    _refuse_strangers(body, known)
    for field in fields:
        if field.needed and field.name not in body:
            raise web.HTTPBadRequest(text=f"{field.name} is needed: {field.meaning}")
    return {name: known[name].read(value) for name, value in body.items()}


def _refuse_strangers(given: Mapping[str, Any], known: Mapping[str, Field]) -> None:
    if strangers := sorted(given.keys() - known.keys()):
        names = ", ".join(known) or "none"
        raise web.HTTPBadRequest(
            text=f"{strangers[0][:80]!r} is not known here; known: {names}"
        )


def _json_or_none(text: str) -> Any:
    if len(text) > _MOST_DIGITS or not text.isascii():
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
