from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import aiohttp
import pytest

from skypechan.settings import Endpoint
from skypechan.web.server import serve
from skypechan.web.settings import WebSettings
from tests.unit.web.fixed_gateway import FixedGateway

ELSEWHERE = re.compile(r"(?:https?:)?//(?!www\.w3\.org/2000/svg\b)[a-z]", re.IGNORECASE)
MARKUP_FROM_TEXT = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "DOMParser",
    "setHTML",
    "eval(",
    "Function(",
    "srcdoc",
)


class Page(HTMLParser):
    """What a page loads, which ids it has, and what runs inside it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.loads += [given[name] for name in ("src", "href") if name in given]
        if "id" in given:
            self.ids.append(given["id"])
        self.inline += [
            name for name in given if name.startswith("on") or name == "style"
        ]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    settings = WebSettings(listen=Endpoint("127.0.0.1", 0))
    async with (
        serve(FixedGateway(), settings) as address,
        aiohttp.ClientSession(f"http://{address}") as client,
    ):
        yield client


async def text_of(client: aiohttp.ClientSession, path: str) -> str:
    async with client.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


async def loaded(client: aiohttp.ClientSession) -> list[str]:
    """What the page loads, and what its script imports."""
    loads = [
        path for path in Page(await text_of(client, "/")).loads if path.startswith("/")
    ]
    script = await text_of(client, "/static/page.js")
    imported = re.findall(r'^import .* from "\./([\w.]+)";$', script, re.MULTILINE)
    assert imported == ["gateway.js", "screen.js"]
    assert len(loads) == 3
    return [*loads, *(f"/static/{name}" for name in imported)]


async def test_everything_that_the_page_loads_is_served_with_its_type(
    client: aiohttp.ClientSession,
) -> None:
    types = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    for path in await loaded(client):
        async with client.get(path) as answer:
            assert answer.status == 200
            assert answer.content_type == types[path.rpartition(".")[2]]


async def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(
    client: aiohttp.ClientSession,
) -> None:
    html = await text_of(client, "/")
    page = Page(html)
    assert page.inline == []
    for text in (html, *[await text_of(client, path) for path in await loaded(client)]):
        code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not ELSEWHERE.search(code)
        assert "@import" not in code


async def test_what_strangers_wrote_only_ever_becomes_text(
    client: aiohttp.ClientSession,
) -> None:
    for path in (one for one in await loaded(client) if one.endswith(".js")):
        script = await text_of(client, path)
        assert not [way for way in MARKUP_FROM_TEXT if way in script]
    assert "textContent" in await text_of(client, "/static/page.js")


async def test_the_script_finds_every_element_that_it_names(
    client: aiohttp.ClientSession,
) -> None:
    page = Page(await text_of(client, "/"))
    script = await text_of(client, "/static/page.js")
    named = set(re.findall(r'byId\("([\w-]+)"\)', script))
    for list_id, template_id in re.findall(r'sync\("([\w-]+)", "([\w-]+)"', script):
        named |= {list_id, template_id}
    assert named
    assert named <= set(page.ids)
    assert {path[1:] for path in page.loads if path.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
