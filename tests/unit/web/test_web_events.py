"""The event feed over HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from skypechan.gateway.feed import Kind
from skypechan.settings import Endpoint
from skypechan.web import events
from skypechan.web.server import serve
from skypechan.web.settings import WebSettings
from tests.unit.web.fixed_gateway import HOSTILE, FixedGateway

DEADLINE_S = 10


@pytest.fixture
def gateway() -> FixedGateway:
    return FixedGateway()


@pytest.fixture
async def address(gateway: FixedGateway) -> AsyncIterator[Endpoint]:
    async with serve(gateway, WebSettings(listen=Endpoint("127.0.0.1", 0))) as address:
        yield address


@pytest.fixture
async def client(address: Endpoint) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{address}") as client:
        yield client


Event = dict[str, str]


async def next_event(stream: aiohttp.ClientResponse) -> Event:
    """The next event with its fields; comments are passed over."""
    event: Event = {}
    async with asyncio.timeout(DEADLINE_S):
        async for line in stream.content:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if not name and event:
                return event
            if name and not line.startswith(b":"):
                event[name] = value
    return event


async def open_stream(
    client: aiohttp.ClientSession, query: str = "", **headers: str
) -> aiohttp.ClientResponse:
    """A stream on which the reader is known to be there."""
    stream = await client.get(f"/api/events{query}", headers=headers)
    assert stream.status == 200
    assert stream.content_type == "text/event-stream"
    assert (await stream.content.readline()).startswith(b":")
    assert await stream.content.readline() == b"\n"
    return stream


def data_of(event: Event) -> Any:
    return json.loads(event["data"])


async def test_what_happens_is_streamed_with_kind_number_and_all_of_it(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    stream = await open_stream(client)
    gateway.feed.note(Kind.LINE, "paused", line="skypeclient", state="paused")
    event = await next_event(stream)
    (entry,) = gateway.feed.entries()
    assert event["event"] == "line"
    assert event["id"] == str(entry.number)
    assert data_of(event) == {
        "number": entry.number,
        "time": entry.time.isoformat(timespec="milliseconds"),
        "kind": "line",
        "text": "paused",
        "line": "skypeclient",
        "call": "",
        "details": {"state": "paused"},
    }
    stream.close()


async def test_what_strangers_write_stays_one_event(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    stream = await open_stream(client)
    hostile = f"\n\nevent: record\r\rdata: {{}}\n\n{HOSTILE}"[:500]
    gateway.feed.note(Kind.MESSAGE, hostile)
    gateway.feed.note(Kind.LOG, "the next")
    first, second = await next_event(stream), await next_event(stream)
    assert (first["event"], data_of(first)["text"]) == ("message", hostile)
    assert data_of(second)["text"] == "the next"
    stream.close()


async def test_the_past_is_given_first_as_far_as_it_is_wanted(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    for number in range(5):
        gateway.feed.note(Kind.LOG, f"past {number}")
    third = gateway.feed.entries()[2].number
    for query, headers in (
        ("?last=2", {}),
        (f"?after={third}", {}),
        ("?last=5", {"Last-Event-ID": str(third)}),
    ):
        stream = await open_stream(client, query, **headers)
        said = [data_of(await next_event(stream))["text"] for _ in range(2)]
        assert said == ["past 3", "past 4"]
        stream.close()


async def test_a_number_of_an_earlier_run_gives_all_that_is_kept(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    gateway.feed.note(Kind.LOG, "kept")
    stream = await open_stream(client, **{"Last-Event-ID": "17"})
    assert data_of(await next_event(stream))["text"] == "kept"
    stream.close()


@pytest.mark.parametrize("query", ["?last=-1", "?last=1001", "?after=x", "?now=1"])
async def test_a_wish_that_is_none_is_refused(
    client: aiohttp.ClientSession, query: str
) -> None:
    async with client.get(f"/api/events{query}") as answer:
        assert answer.status == 400


async def test_a_reader_that_is_too_slow_is_told_and_left(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    stream = await open_stream(client)
    for number in range(1_001):  # in one go: the stream cannot take any meanwhile
        gateway.feed.note(Kind.LOG, str(number))
    assert await next_event(stream) == {"event": "lost", "data": "too slow a reader"}
    assert await stream.content.read() == b""
    stream.close()


async def test_a_reader_that_does_not_read_at_all_is_cut_off(
    gateway: FixedGateway, address: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_WRITE_S", 0.05)
    with socket.create_connection((address.host, address.port)) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.sendall(f"GET /api/events HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        await readers_are(gateway, 1)
        async with asyncio.timeout(DEADLINE_S):
            while readers(gateway):
                for _ in range(100):
                    gateway.feed.note(Kind.LOG, "x" * 900, more="y" * 900)
                await asyncio.sleep(0.001)


async def test_a_reader_that_has_left_is_forgotten(
    gateway: FixedGateway,
    client: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(events, "_GLANCE_S", 0.02)
    stream = await open_stream(client)
    assert readers(gateway) == 1
    stream.close()
    await readers_are(gateway, 0)


async def test_head_tells_the_type_and_reads_nothing(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    async with asyncio.timeout(DEADLINE_S), client.head("/api/events") as head:
        assert (head.status, head.content_type) == (200, "text/event-stream")
        assert await head.read() == b""
    await readers_are(gateway, 0)


async def test_so_many_readers_and_no_more(
    gateway: FixedGateway, address: Endpoint
) -> None:
    unlimited = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        f"http://{address}", connector=unlimited
    ) as client:
        streams = [await open_stream(client) for _ in range(32)]
        async with client.get("/api/events") as answer:
            assert answer.status == 409
            assert "32 read the events already" in (await answer.json())["error"]
        for stream in streams:
            stream.close()


def readers(gateway: FixedGateway) -> int:
    return len(gateway.feed._readers)


async def readers_are(gateway: FixedGateway, number: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while readers(gateway) != number:  # noqa: ASYNC110 - a socket's doing
            await asyncio.sleep(0.001)
