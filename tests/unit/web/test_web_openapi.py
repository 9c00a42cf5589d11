"""The description of the API is what the API is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from http import HTTPMethod
from typing import Any

import aiohttp
import pytest

from skypechan.backends.base import ContactRequest, Message
from skypechan.gateway.feed import Kind
from skypechan.web import page
from skypechan.web.api import Api
from skypechan.web.control import serve_control
from skypechan.web.operations import document
from skypechan.web.server import application
from skypechan.web.settings import ControlSettings
from tests.unit.web.fixed_gateway import (
    FixedGateway,
    figures,
    gateway_of,
    line,
    live_call,
    record,
)

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


@pytest.fixture
def gateway() -> FixedGateway:
    lines, calls = (line("skypeclient"),), (live_call("c1", figures()), live_call("c2"))
    gateway = FixedGateway(gateway_of(lines, calls), [record("old")])
    gateway.client.on_message(Message("bob", "Bob", "hi", "#chat", "4"))
    gateway.client.on_contact_request(ContactRequest("bob", "hi"))
    return gateway


@pytest.fixture
async def client(gateway: FixedGateway, tmp_path: Any) -> AsyncIterator[Any]:
    settings = ControlSettings("c.sock")
    async with serve_control(gateway, settings, tmp_path / "skypechan.toml") as path:
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://gateway", connector=connector) as near:
            yield near


async def described(client: aiohttp.ClientSession) -> Any:
    async with client.get("/api/openapi.json") as answer:
        assert answer.status == 200
        return await answer.json()


async def test_every_route_is_described_and_everything_described_is_a_route(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    shown = await described(client)
    said = {
        (method.upper(), path) for path, one in shown["paths"].items() for method in one
    }
    routes = {
        (route.method, route.resource.canonical)
        for route in application(gateway).router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert said == routes
    assert len(said) > 25


async def test_each_operation_says_what_it_is_for_and_who_may(
    client: aiohttp.ClientSession,
) -> None:
    for path, methods in (await described(client))["paths"].items():
        for method, one in methods.items():
            assert re.fullmatch(r"[A-Z].*\.", one["summary"]), path
            is_private = method != "get" or path.endswith("/screen")
            assert ("security" in one) == is_private, path
            named = set(re.findall(r"\{(\w+)\}", path))
            given = one.get("parameters", [])
            assert {p["name"] for p in given if p["in"] == "path"} == named


def faults(schema: Any, value: Any, where: str = "") -> Iterator[str]:
    """What of a value is not as its schema says; the part of JSON Schema we use."""
    if "anyOf" in schema:
        if all(list(faults(one, value)) for one in schema["anyOf"]):
            yield f"{where}: {value!r} is none of {schema['anyOf']}"
        return
    kinds = schema.get("type", [])
    allowed = tuple(
        one
        for kind in ([kinds] if isinstance(kinds, str) else kinds)
        for one in TYPES[kind]
    )
    if allowed and not isinstance(value, allowed):
        yield f"{where}: {value!r} is no {kinds}"
        return
    if isinstance(value, dict) and "properties" in schema:
        if set(schema["properties"]) != set(value):
            yield f"{where}: {sorted(set(schema['properties']) ^ set(value))}"
        for name in schema["properties"].keys() & value.keys():
            yield from faults(
                schema["properties"][name], value[name], f"{where}.{name}"
            )
    for item in value if isinstance(value, list) else ():
        yield from faults(schema["items"], item, f"{where}[]")


@pytest.mark.parametrize(
    ("method", "path", "asked", "body"),
    [
        ("get", "/healthz", "", None),
        ("get", "/readyz", "", None),
        ("get", "/api/status", "", None),
        ("get", "/api/lines", "", None),
        ("get", "/api/calls", "", None),
        ("get", "/api/calls/{id}/audio", "/api/calls/c1/audio", None),
        ("get", "/api/records", "", None),
        ("get", "/api/messages", "", None),
        ("get", "/api/contact-requests", "", None),
        ("post", "/api/self-test", "", {}),
        ("post", "/api/drain", "", {}),
        ("post", "/api/reload", "", {}),
        ("post", "/api/calls", "", {"line": "ANY", "address": "echo"}),
        ("post", "/api/calls/{id}/hold", "/api/calls/c1/hold", {}),
        ("post", "/api/lines/{name}/pause", "/api/lines/skypeclient/pause", {}),
        ("post", "/api/lines/{name}/balance", "/api/lines/skypeclient/balance", {}),
    ],
)
async def test_answers_are_as_they_are_described(
    client: aiohttp.ClientSession,
    method: str,
    path: str,
    asked: str,
    body: dict[str, str] | None,
) -> None:
    operation = (await described(client))["paths"][path][method]
    async with client.request(method, asked or path, json=body) as answer:
        content = operation["responses"][str(answer.status)]["content"]
        schema = content["application/json"]["schema"]
        value = await answer.json()
    assert value
    assert list(faults(schema, value, path)) == []


def test_a_schema_that_is_wrong_would_be_found(gateway: FixedGateway) -> None:
    operations = list(Api(gateway).operations())
    lines = document(operations)["paths"]["/api/lines"]["get"]
    schema = lines["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(faults(schema, [{"name": "x"}]))
    assert list(faults(schema, "x"))


async def test_an_entry_of_the_feed_is_as_it_is_described(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    operation = (await described(client))["paths"]["/api/events"]["get"]
    schema = operation["responses"]["200"]["content"]["text/event-stream"]["schema"]
    kinds = schema["properties"]["kind"]["enum"]
    assert kinds == [kind.value for kind in Kind]


def test_the_page_is_no_part_of_the_api(gateway: FixedGateway) -> None:
    api = {(one.method, one.path) for one in Api(gateway).operations()}
    assert not api & {(HTTPMethod(one.method), one.path) for one in page.routes()}
