from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord
from skypechan.errors import CallError, CommandError, LinkDownError, SkypechanError
from skypechan.gateway.snapshot import GatewaySnapshot
from skypechan.settings import Endpoint
from skypechan.web import status
from skypechan.web.server import SECURITY_HEADERS, serve
from skypechan.web.settings import WebSettings
from tests.unit.web.fixed_gateway import (
    HOSTILE,
    FixedGateway,
    figures,
    gateway_of,
    line,
    link,
    live_call,
    record,
)

TOKEN = "open sesame"
WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}
LOOPBACK = Endpoint("127.0.0.1", 0)


@asynccontextmanager
async def client_of(
    gateway: FixedGateway, token: str = TOKEN
) -> AsyncIterator[aiohttp.ClientSession]:
    settings = WebSettings(listen=LOOPBACK, token=token)
    async with (
        serve(gateway, settings) as address,
        aiohttp.ClientSession(f"http://{address}") as client,
    ):
        yield client


@pytest.fixture
def gateway() -> FixedGateway:
    return FixedGateway(gateway_of(calls=(live_call("c1", figures()),)))


@pytest.fixture
async def client(gateway: FixedGateway) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_of(gateway) as client:
        yield client


async def test_health_is_good_while_the_process_serves() -> None:
    gateway = FixedGateway(gateway_of(lines=(), links=(link("link_down"),)))
    async with client_of(gateway) as client, client.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"alive": True})


async def test_ready_when_asterisk_and_a_line_are_up(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {"ready": True, "reasons": []}


async def test_readiness_names_each_link_and_line_with_its_reason() -> None:
    now = gateway_of(
        lines=(line("one"), line("two", "waiting_for_client", "no bus")),
        links=(link("link_refused", "wrong password"),),
    )
    async with client_of(FixedGateway(now)) as client, client.get("/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {
            "ready": False,
            "reasons": [
                "link asterisk: link refused, wrong password",
                "line two: waiting for client, no bus",
            ],
        }


async def test_a_second_line_that_is_down_is_named_but_does_not_end_readiness() -> None:
    now = gateway_of(lines=(line("one"), line("two", "refused")))
    async with client_of(FixedGateway(now)) as client, client.get("/readyz") as answer:
        assert answer.status == 200
        assert (await answer.json())["reasons"] == ["line two: refused"]


async def test_a_gateway_without_lines_is_not_ready_and_says_so() -> None:
    gateway = FixedGateway(gateway_of(lines=()))
    async with client_of(gateway) as client, client.get("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["no line is configured"]


async def test_metrics_come_in_the_prometheus_content_type(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/metrics") as answer:
        kind = answer.headers["Content-Type"]
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        assert 'skypechan_calls_live{direction="to_pbx"} 1\n' in await answer.text()


async def test_a_line_is_shown_with_state_reason_and_since() -> None:
    gateway = FixedGateway(gateway_of(lines=(line("one", "refused", "by a person"),)))
    async with client_of(gateway) as client, client.get("/api/lines") as answer:
        assert await answer.json() == [
            {
                "name": "one",
                "backend": "skype",
                "state": "refused",
                "reason": "by a person",
                "since": "2026-01-02T03:04:00.000+00:00",
                "account": "skypet123",
                "call": None,
                "calls_total": 3,
                "playback_db": 0.0,
                "capture_db": 0.0,
                "screen": False,
                "client_is_ours": False,
                "isolation": "",
                "isolation_reason": "",
            }
        ]


async def test_the_status_is_readiness_links_lines_and_calls_in_one(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/status") as answer:
        status = await answer.json()
    assert (status["ready"], status["reasons"]) == (True, [])
    assert [one["name"] for one in status["links"]] == ["asterisk"]
    for name in ("lines", "calls"):
        async with client.get(f"/api/{name}") as answer:
            assert status[name] == await answer.json()


async def test_hundreds_of_calls_are_shown_in_order() -> None:
    calls = tuple(live_call(f"c{n}", figures()) for n in range(300))
    gateway = FixedGateway(gateway_of(calls=calls))
    async with client_of(gateway) as client, client.get("/api/calls") as answer:
        shown = [call["call"] for call in await answer.json()]
    assert shown == [call.call for call in calls]


async def test_others_have_their_turn_while_many_values_are_made_json() -> None:
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(take_turns())
    await status._array([live_call("c1")] * 160)
    other.cancel()
    assert turns >= 20


async def test_a_call_is_shown_with_its_times_and_media(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/calls") as answer:
        (call,) = await answer.json()
    assert call["call"] == "c1"
    assert call["answered"] == "2026-01-02T03:04:04.000+00:00"
    assert call["held_by"] == []
    assert call["media"]["to_pbx"]["level"]["level_dbfs"] == -23.4
    assert call["media"]["to_line"]["dropped"] == 4


async def test_a_hostile_name_arrives_as_the_very_same_text_in_plain_ascii(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/calls") as answer:
        assert answer.content_type == "application/json"
        body = await answer.read()
    assert body.isascii()
    assert json.loads(body)[0]["caller_name"] == HOSTILE


async def test_what_is_no_finite_number_is_null() -> None:
    now = gateway_of(calls=(live_call("c1", figures(math.nan, -math.inf)),))
    async with (
        client_of(FixedGateway(now)) as client,
        client.get("/api/calls") as answer,
    ):
        (call,) = await answer.json()
    assert call["media"]["to_pbx"]["level"]["level_dbfs"] is None
    assert call["media"]["to_line"]["queue_ms"] is None


async def records_of(client: aiohttp.ClientSession, query: str) -> list[str]:
    async with client.get(f"/api/records{query}") as answer:
        assert answer.status == 200
        return [one["call"] for one in await answer.json()]


async def test_records_are_the_last_ones_newest_last(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    gateway.ended = [record(f"c{n}") for n in range(150)]
    assert await records_of(client, "") == [f"c{n}" for n in range(50, 150)]
    assert await records_of(client, "?limit=2") == ["c148", "c149"]
    assert await records_of(client, "?limit=1000") == [f"c{n}" for n in range(150)]
    assert await records_of(client, "?call=c7") == ["c7"]
    assert await records_of(client, "?call=unknown") == []


async def test_only_records_after_a_known_one_are_asked_for(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    gateway.ended = [record(f"c{n}") for n in range(5)]
    assert await records_of(client, "?after=c2") == ["c3", "c4"]
    assert await records_of(client, "?after=c4") == []
    assert await records_of(client, "?after=c0&limit=1") == ["c4"]
    assert await records_of(client, "?after=forgotten&limit=3") == ["c2", "c3", "c4"]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "", "1e2", "٣", "9" * 5_000])
async def test_a_limit_that_is_none_is_refused(
    client: aiohttp.ClientSession, limit: str
) -> None:
    async with client.get("/api/records", params={"limit": limit}) as answer:
        assert answer.status == 400
        fault = await answer.json()
    assert fault == {"error": "limit must be a number from 1 to 1000"}


async def test_a_call_is_ended_by_who_has_the_token(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    async with client.delete("/api/calls/c1", headers=WITH_TOKEN) as answer:
        assert (answer.status, await answer.json()) == (202, {"call": "c1"})
    assert gateway.hung_up == ["c1"]


async def test_a_call_that_is_not_there_cannot_be_ended(
    client: aiohttp.ClientSession,
) -> None:
    async with client.delete("/api/calls/c2", headers=WITH_TOKEN) as answer:
        assert answer.status == 404
        assert await answer.json() == {"error": "there is no live call of this id"}


async def test_without_the_token_nothing_is_operated(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    async with client.delete("/api/calls/c1") as answer:
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "[web] token_file" in (await answer.json())["error"]
    assert gateway.hung_up == []


async def test_where_no_token_is_configured_operating_is_off(
    gateway: FixedGateway,
) -> None:
    async with (
        client_of(gateway, token="") as client,
        client.delete("/api/calls/c1", headers={"Authorization": "Bearer "}) as answer,
    ):
        assert answer.status == 403
        assert "set [web] token_file" in (await answer.json())["error"]
    assert gateway.hung_up == []


async def test_a_page_of_another_origin_cannot_operate_even_with_the_token(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    for origin in ("http://evil.example", "null"):
        headers = WITH_TOKEN | {"Origin": origin}
        async with client.delete("/api/calls/c1", headers=headers) as answer:
            assert answer.status == 403
            assert "origin" in (await answer.json())["error"]
    assert gateway.hung_up == []


async def test_our_own_page_can_operate(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    own = str(client._base_url).rstrip("/")
    headers = WITH_TOKEN | {"Origin": own}
    async with client.delete("/api/calls/c1", headers=headers) as answer:
        assert answer.status == 202


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/metrics", "/api/calls", "/nowhere"]
)
async def test_a_name_that_is_not_ours_gets_nothing(
    client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(path, headers={"Host": "evil.example"}) as answer:
        assert answer.status == 421
        assert "[web] allow_hosts" in (await answer.json())["error"]


async def test_an_allowed_host_is_served(gateway: FixedGateway) -> None:
    settings = WebSettings(listen=LOOPBACK, allow_hosts=("pbx.example",))
    async with (
        serve(gateway, settings) as address,
        aiohttp.ClientSession(f"http://{address}") as client,
        client.get("/api/lines", headers={"Host": "pbx.example"}) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/static/../server.py", 404),
        ("GET", "/static/%2e%2e/server.py", 404),
        ("GET", "/static/", 404),
        ("DELETE", "/nowhere", 404),
        ("POST", "/api/lines", 405),
        ("GET", "/api/calls/c1", 405),
        ("OPTIONS", "/api/calls", 405),
        ("PROPFIND", "/", 405),
    ],
)
async def test_what_is_not_served_is_a_json_sentence(
    client: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with client.request(method, path) as answer:
        assert answer.status == status
        fault = await answer.json()
        assert fault["error"]
        assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/metrics", "/api/lines", "/api/records"]
)
async def test_head_is_get_without_the_body(
    client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(path) as full, client.head(path) as head:
        assert head.status == full.status == 200
        assert head.headers["Content-Type"] == full.headers["Content-Type"]
        assert head.headers["Content-Length"] == full.headers["Content-Length"]
        assert await head.read() == b""


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/api/calls", "/nowhere"])
async def test_every_answer_carries_the_security_headers(
    client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(path) as answer:
        carried = {name: answer.headers.get(name) for name in SECURITY_HEADERS}
    assert carried == SECURITY_HEADERS
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_body_that_is_too_big_is_refused(
    client: aiohttp.ClientSession,
) -> None:
    async with client.delete(
        "/api/calls/c1", data=b"x" * 100_000, headers=WITH_TOKEN
    ) as answer:
        assert answer.status == 413


class FaultyGateway(FixedGateway):
    def snapshot(self) -> GatewaySnapshot:
        raise RuntimeError("secret detail")


@pytest.fixture
def quiet_log() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


async def test_a_fault_of_the_gateway_tells_a_stranger_nothing(quiet_log: None) -> None:
    async with client_of(FaultyGateway()) as client:
        async with client.get("/api/lines") as answer:
            assert answer.status == 500
            assert "secret detail" not in await answer.text()
        async with client.get("/healthz") as answer:
            assert answer.status == 200


def test_a_record_of_a_hostile_caller_is_plain_json() -> None:
    shown: CallRecord = record("c1")
    assert json.loads(json.dumps(shown.as_json()))["caller_name"] == HOSTILE


async def test_a_call_is_asked_for_with_the_token_only(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    wish = {"line": "one", "address": "echo123", "to": "555@phones"}
    async with client.post("/api/calls", json=wish) as answer:
        assert answer.status == 401
    assert gateway.clicks == []
    async with client.post("/api/calls", json=wish, headers=WITH_TOKEN) as answer:
        assert answer.status == 202
        assert await answer.json() == wish | {"uniqueid": "skypechan-1"}
    (click,) = gateway.clicks
    assert (str(click.phone), click.line) == ("555@phones", "one")


async def test_without_a_target_the_lines_own_is_rung(
    client: aiohttp.ClientSession,
) -> None:
    wish = {"line": "one", "address": "+49 30/1"}
    async with client.post("/api/calls", json=wish, headers=WITH_TOKEN) as answer:
        assert (await answer.json())["to"] == "600@from-skypechan"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"line": "one"}',
        b'{"line": "one", "address": ""}',
        b'{"line": "one", "address": 5}',
        b'{"line": "one", "address": "x", "to": "here"}',
        b'{"line": "one", "address": "x", "to": "1@a,b"}',
        b'{"line": "one", "address": "a\\nb"}',
        b'{"line": "one", "address": "\\ud800"}',
    ],
)
async def test_a_wish_that_is_none_is_a_bad_request(
    gateway: FixedGateway, client: aiohttp.ClientSession, body: bytes
) -> None:
    async with client.post("/api/calls", data=body, headers=WITH_TOKEN) as answer:
        assert answer.status == 400
        assert (await answer.json())["error"]
    assert gateway.clicks == []


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (CallError(HangupCause.NO_ROUTE, "there is no line 'x'"), 404),
        (CallError(HangupCause.CONGESTION, "line x is in use"), 409),
        (CommandError("Asterisk has no extension 1@x"), 409),
        (LinkDownError("no AMI link: down"), 503),
    ],
)
async def test_what_stands_against_a_call_is_told(
    gateway: FixedGateway,
    client: aiohttp.ClientSession,
    refusal: SkypechanError,
    status: int,
) -> None:
    gateway.refusal = refusal
    wish = {"line": "x", "address": "y"}
    async with client.post("/api/calls", json=wish, headers=WITH_TOKEN) as answer:
        assert answer.status == status
        assert await answer.json() == {"error": str(refusal)}


async def test_the_verdict_of_a_self_test_is_kept(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    async with client.get("/api/self-test") as answer:
        assert await answer.json() is None
    async with client.post("/api/self-test", headers=WITH_TOKEN) as answer:
        verdict = await answer.json()
    assert verdict["passed"]
    assert verdict["figures"] == {"chirps_heard": 5}
    async with client.get("/api/self-test") as answer:
        assert await answer.json() == verdict
    gateway.refusal = CommandError("a self-test runs already")
    async with client.post("/api/self-test", headers=WITH_TOKEN) as answer:
        assert answer.status == 409


@pytest.mark.parametrize(("asked", "seconds"), [({}, 3600), ({"timeout_s": 5}, 5)])
async def test_a_drain_waits_an_hour_unless_it_is_told_otherwise(
    gateway: FixedGateway,
    client: aiohttp.ClientSession,
    asked: dict[str, float],
    seconds: float,
) -> None:
    async with client.post("/api/drain", json=asked, headers=WITH_TOKEN) as answer:
        assert await answer.json() == {"calls_ended": len(gateway.now.calls)}
    assert gateway.acts == [("drain", seconds)]


async def test_records_are_chosen_by_the_time_of_their_end(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    gateway.ended = [record("old", 9), record("new", 30)]
    query = {"since": "2026-01-02T03:04:30+00:00"}
    async with client.get("/api/records", params=query) as answer:
        assert [one["call"] for one in await answer.json()] == ["new"]
    for bad in ("yesterday", "2026-01-02T03:04:30"):
        async with client.get("/api/records", params={"since": bad}) as answer:
            assert answer.status == 400
