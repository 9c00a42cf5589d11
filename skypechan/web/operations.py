"""What the API offers, declared once: the routes and their description (OpenAPI)."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus
from importlib import metadata
from typing import Any

from aiohttp import web

from skypechan.web import schemas
from skypechan.web.fields import Field, read_body, read_query

_PARAMETER = re.compile(r"\{(\w+)\}")
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose values have been read: those of path, query and body."""

    request: web.Request
    values: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value, or the default where it was not given."""
        return self.values.get(name, default)

    @property
    def by(self) -> str:
        """From where it came."""
        return self.request.remote or "the control socket"


Answer = Callable[[Asked], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing to ask for. `answers` is the type of the JSON that is answered.

    `kind` is the content type of another answer. What it is for says the docstring of
    the function that answers. What `is_private` needs the token for reading, too.
    """

    method: HTTPMethod
    path: str
    answer: Answer
    answers: Any = None
    kind: str = _JSON
    status: HTTPStatus = HTTPStatus.OK
    query: tuple[Field, ...] = ()
    body: tuple[Field, ...] = ()
    is_private: bool = False

    @property
    def acts(self) -> bool:
        """Whether it changes something, and so needs the token."""
        return self.method is not HTTPMethod.GET

    def route(self) -> web.RouteDef:
        """Return the route that reads a request and has it answered."""

        async def answer(request: web.Request) -> web.StreamResponse:
            values = {**request.match_info, **read_query(self.query, request.query)}
            if self.acts:
                values |= await read_body(self.body, request)
            return await self.answer(Asked(request, values))

        return web.route(self.method, self.path, answer)

    def description(self) -> dict[str, Any]:
        """Return the operation as OpenAPI describes it."""
        summary, _, more = (inspect.getdoc(self.answer) or "").partition("\n")
        described: dict[str, Any] = {"summary": summary}
        if more.strip():
            described["description"] = more.strip()
        parameters = [
            _parameter(name, "path", True, {"type": "string"})
            for name in _PARAMETER.findall(self.path)
        ]
        parameters += [
            _parameter(field.name, "query", field.needed, field.schema())
            for field in self.query
        ]
        if parameters:
            described["parameters"] = parameters
        if self.body:
            described["requestBody"] = _body(self.body)
        described["responses"] = {
            str(int(self.status)): {
                "description": "done",
                "content": {self.kind: {"schema": schemas.schema_of(self.answers)}},
            },
            "default": {"$ref": "#/components/responses/Refusal"},
        }
        if self.acts or self.is_private:
            described["security"] = [{"token": []}]
        return described


def document(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of operations."""
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = one.description()
    return {
        "openapi": "3.1.0",
        "info": {"title": "skypechan", "version": metadata.version("skypechan")},
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                "Refusal": {
                    "description": "why it was not done, in one sentence",
                    "content": {_JSON: {"schema": _REFUSAL}},
                }
            },
        },
    }


_REFUSAL = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}


def _parameter(
    name: str, place: str, needed: bool, schema: dict[str, Any]
) -> dict[str, Any]:
    schema = dict(schema)
    parameter = {"name": name, "in": place, "required": needed, "schema": schema}
    if meaning := schema.pop("description", ""):
        parameter["description"] = meaning
    return parameter


def _body(fields: tuple[Field, ...]) -> dict[str, Any]:
    needed = [field.name for field in fields if field.needed]
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: field.schema() for field in fields},
        "additionalProperties": False,
    }
    if needed:
        schema["required"] = needed
    return {"required": bool(needed), "content": {_JSON: {"schema": schema}}}


def json_text(value: Any) -> str:
    """Return a value as JSON; what is no finite number becomes null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(schemas.finite(value), allow_nan=False)


def json_response(value: Any, status: int = HTTPStatus.OK) -> web.Response:
    """Return the answer that has a value as JSON."""
    return text_response(json_text(value), status)


def text_response(text: str, status: int = HTTPStatus.OK) -> web.Response:
    """Return the answer that has this JSON."""
    return web.Response(text=f"{text}\n", status=status, content_type=_JSON)
