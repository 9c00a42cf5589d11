from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from skypechan.errors import ConfigError
from skypechan.gateway.selftest import Verdict
from skypechan.settings import Endpoint
from skypechan.web import connections, fields
from skypechan.web.connections import MOST
from skypechan.web.server import serve
from skypechan.web.settings import WebSettings
from tests.unit.web.fixed_gateway import FixedGateway, gateway_of, live_call

LOOPBACK = WebSettings(listen=Endpoint("127.0.0.1", 0))


@pytest.fixture
async def address() -> AsyncIterator[Endpoint]:
    async with serve(FixedGateway(), LOOPBACK) as address:
        yield address


async def is_healthy(address: Endpoint) -> bool:
    async with (
        aiohttp.ClientSession(f"http://{address}") as client,
        client.get("/healthz") as answer,
    ):
        return answer.status == 200


async def ask(address: Endpoint, request: bytes) -> bytes:
    """Send bytes as they are; return everything until the server closes."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def test_by_default_only_this_machine_is_served() -> None:
    settings = WebSettings()
    assert str(settings.listen) == "127.0.0.1:8087"
    assert (settings.allow_hosts, settings.token) == ((), "")


async def test_a_taken_port_is_a_fault_of_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = WebSettings(listen=Endpoint("127.0.0.1", port))
        with pytest.raises(ConfigError) as caught:
            async with serve(FixedGateway(), settings):
                pass
    assert str(caught.value) == (
        f"[web] listen = '127.0.0.1:{port}': another program has this port:"
        " stop it or choose another port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
async def test_an_address_of_another_machine_is_a_fault_of_the_setting(
    host: str,
) -> None:
    with pytest.raises(ConfigError, match=r"\[web\] listen = .*: ."):
        async with serve(FixedGateway(), WebSettings(listen=Endpoint(host, 0))):
            pass


async def test_the_port_is_free_again_at_once_afterwards() -> None:
    async with serve(FixedGateway(), LOOPBACK) as first:
        assert await is_healthy(first)
    async with serve(FixedGateway(), WebSettings(listen=first)) as second:
        assert second == first


async def test_ipv6_loopback_is_served_under_its_own_name() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    async with serve(FixedGateway(), WebSettings(listen=Endpoint("::1", 0))) as address:
        assert await is_healthy(address)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 9\r\n\r\nx",
    ],
    ids=["silent", "half a line", "kept alive", "half a body"],
)
async def test_open_connections_do_not_delay_the_end(sent: bytes) -> None:
    async with serve(FixedGateway(), LOOPBACK) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(sent % address.port if b"%d" in sent else sent)
        await writer.drain()
        if b"\r\n\r\n" in sent:
            await reader.readline()
        began = time.monotonic()
    assert time.monotonic() - began < 1
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_does_not_read_does_not_delay_the_end() -> None:
    calls = tuple(live_call(f"c{number}") for number in range(5_000))
    async with serve(FixedGateway(gateway_of(calls=calls)), LOOPBACK) as address:
        reader, writer = await asyncio.open_connection(
            address.host, address.port, limit=1_024
        )
        host = str(address).encode()
        writer.write(b"GET /api/calls HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        assert b" 200 " in await reader.readline()
        began = time.monotonic()
    assert time.monotonic() - began < 1
    writer.transport.abort()


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=[
        "TLS",
        "no path",
        "two hosts",
        "no host",
        "HTTP/1.0 without host",
        "long path",
        "long header",
        "many headers",
        "negative length",
    ],
)
async def test_garbage_gets_a_4xx_and_no_line_in_the_error_log(
    address: Endpoint, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await ask(address, garbage)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), answer[:200]
    assert b"Traceback" not in answer
    assert not [line for line in caplog.records if line.levelno >= logging.ERROR]
    assert await is_healthy(address)


async def test_a_body_that_does_not_come_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fields, "_BODY_S", 0.05)
    settings = WebSettings(listen=Endpoint("127.0.0.1", 0), token="word")
    async with serve(FixedGateway(), settings) as address:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(
            f"POST /api/self-test HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n"
            "Authorization: Bearer word\r\nContent-Length: 9\r\n\r\n{".encode()
        )
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}")
            writer.write(b"        ")  # too late
            await reader.read()
        writer.close()
        await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"the body did not come" in answer


async def test_who_says_nothing_makes_room_for_who_asks(address: Endpoint) -> None:
    silent = [
        await asyncio.open_connection(address.host, address.port) for _ in range(MOST)
    ]
    assert await is_healthy(address)
    async with asyncio.timeout(5):
        assert await silent[0][0].read() == b""  # the longest idle had to go
    silent[1][1].write(f"GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
    assert b" 200 " in await silent[1][0].readline()
    for _, writer in silent:
        writer.close()


class SlowGateway(FixedGateway):
    """Its self-test takes as long as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.tested = 0
        self.go_on = asyncio.Event()

    async def self_test(self) -> Verdict:
        self.tested += 1
        await self.go_on.wait()
        return await super().self_test()


async def test_who_is_being_answered_has_not_to_make_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    gateway = SlowGateway()
    settings = WebSettings(listen=Endpoint("127.0.0.1", 0), token="word")
    async with (
        serve(gateway, settings) as address,
        aiohttp.ClientSession(
            f"http://{address}", headers={"Authorization": "Bearer word"}
        ) as client,
        asyncio.timeout(5),
    ):
        asked = [asyncio.create_task(client.post("/api/self-test")) for _ in range(2)]
        while gateway.tested < 2:  # noqa: ASYNC110 - a socket's doing
            await asyncio.sleep(0.001)
        with pytest.raises(aiohttp.ClientError):
            await client.get("/healthz")
        gateway.go_on.set()
        answers = await asyncio.gather(*asked)
        assert [answer.status for answer in answers] == [200, 200]


@pytest.mark.parametrize("host", ["evil.example", ""], ids=["stranger", "ours"])
async def test_what_is_asked_for_cannot_forge_a_line_of_the_log(
    address: Endpoint, caplog: pytest.LogCaptureFixture, host: str
) -> None:
    caplog.set_level(logging.INFO)
    await ask(
        address,
        b"DELETE /api/calls/x%0aERROR%20forged%1b[2J HTTP/1.1\r\n"
        b"Host: " + (host or str(address)).encode() + b"\r\nConnection: close\r\n\r\n",
    )
    (refused,) = [one for one in caplog.messages if one.startswith("! refused")]
    assert refused.isprintable()
    assert "x?ERROR forged?[2J" in refused
