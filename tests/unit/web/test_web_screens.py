"""The screen of a line's client over the API: who may have it, and what is noted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator

import aiohttp
import pytest

from skypechan.errors import LinkDownError, LocalWireError
from skypechan.settings import Endpoint
from skypechan.web.server import serve
from skypechan.web.settings import WebSettings
from tests.unit.web.fixed_gateway import FixedGateway, gateway_of, line

TOKEN = {"Authorization": "Bearer sesame"}
SCREEN = "/api/lines/skypeclient/screen"


@pytest.fixture
def gateway() -> FixedGateway:
    return FixedGateway(gateway_of((line("skypeclient"), line("dumb"))))


@pytest.fixture
async def client(gateway: FixedGateway) -> AsyncIterator[aiohttp.ClientSession]:
    settings = WebSettings(listen=Endpoint("127.0.0.1", 0), token="sesame")
    async with (
        serve(gateway, settings) as address,
        aiohttp.ClientSession(f"http://{address}") as client,
    ):
        yield client


async def post(
    client: aiohttp.ClientSession, action: str, body: object, line: str = "skypeclient"
) -> tuple[int, object]:
    path = f"/api/lines/{line}/{action}"
    async with client.post(path, json=body, headers=TOKEN) as answer:
        return answer.status, await answer.json()


async def test_the_picture_comes_once_until_it_is_another(
    client: aiohttp.ClientSession, gateway: FixedGateway
) -> None:
    async with client.get(SCREEN, headers=TOKEN) as answer:
        assert (answer.status, answer.content_type) == (200, "image/png")
        assert await answer.read() == b"a picture"
        known = {"If-None-Match": answer.headers["ETag"]}
    async with client.get(SCREEN, headers=TOKEN | known) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    gateway.glass.shown = b"another picture"
    async with client.get(SCREEN, headers=TOKEN | known) as answer:
        assert (answer.status, await answer.read()) == (200, b"another picture")


async def test_nobody_sees_a_screen_without_the_token(
    client: aiohttp.ClientSession,
) -> None:
    for headers in ({}, {"Authorization": "Bearer guess"}):
        async with client.get(SCREEN, headers=headers) as answer:
            assert answer.status == 401
    async with client.get("/api/openapi.json") as answer:
        described = (await answer.json())["paths"]["/api/lines/{name}/screen"]["get"]
    assert described["security"] == [{"token": []}]
    assert "image/png" in described["responses"]["200"]["content"]


@pytest.mark.parametrize(
    ("action", "body", "done", "noted"),
    [
        (
            "click",
            {"x": 3, "y": 4},
            ("click", 3, 4, 1),
            "clicks at 3,4, button 1, on the screen of line",
        ),
        (
            "click",
            {"x": 3, "y": 4, "button": 3},
            ("click", 3, 4, 3),
            "clicks at 3,4, button 3, on the screen of line",
        ),
        (
            "type",
            {"text": "Xyzzy"},
            ("type", "Xyzzy"),
            "types on the screen of line",
        ),
        (
            "press",
            {"key": "Enter"},
            ("press", "Enter"),
            "presses a key on the screen of line",
        ),
    ],
)
async def test_each_act_is_done_and_noted_but_no_key_told(
    client: aiohttp.ClientSession,
    gateway: FixedGateway,
    caplog: pytest.LogCaptureFixture,
    action: str,
    body: dict[str, object],
    done: tuple[object, ...],
    noted: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    assert await post(client, action, body) == (200, {"line": "skypeclient"})
    assert gateway.glass.worked == [done]
    (entry,) = gateway.feed.entries()
    assert (entry.kind, entry.line) == ("operator", "skypeclient")
    assert entry.text == f"127.0.0.1 {noted}"
    assert f"{noted} skypeclient" in caplog.text
    assert "Xyzzy" not in caplog.text + entry.text
    assert "Enter" not in caplog.text + entry.text


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("click", {"x": 3}),
        ("click", {"x": -1, "y": 4}),
        ("click", {"x": 3, "y": 4, "button": 6}),
        ("type", {"text": ""}),
        ("press", {}),
    ],
)
async def test_what_makes_no_sense_is_refused(
    client: aiohttp.ClientSession,
    gateway: FixedGateway,
    action: str,
    body: dict[str, object],
) -> None:
    status, _ = await post(client, action, body)
    assert status == 400
    assert gateway.glass.worked == []


async def test_a_screen_that_is_kept_or_gone_is_told_as_such(
    client: aiohttp.ClientSession, gateway: FixedGateway
) -> None:
    body = {"x": 3, "y": 4}
    assert (await post(client, "click", body, "nobody"))[0] == 404
    assert (await post(client, "click", body, "dumb"))[0] == 409
    assert gateway.feed.entries() == ()
    gateway.glass.refusal = LocalWireError("3,4 is not on the screen of 2x2")
    assert (await post(client, "click", body))[0] == 400
    gateway.glass.refusal = LinkDownError("the display is lost")
    assert (await post(client, "click", body))[0] == 503
    async with client.get(SCREEN, headers=TOKEN) as answer:
        assert (answer.status, await answer.json()) == (
            503,
            {"error": "the display is lost"},
        )
