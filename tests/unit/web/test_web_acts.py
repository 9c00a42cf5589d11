"""What is done over the API: to lines, to calls, to people."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from skypechan.backends.base import ContactRequest, Message
from skypechan.call.causes import HangupCause
from skypechan.errors import CallError, CommandError, LinkDownError, SkypechanError
from skypechan.gateway.feed import Kind
from skypechan.settings import Endpoint
from skypechan.web.control import serve_control
from skypechan.web.server import serve
from skypechan.web.settings import ControlSettings, WebSettings
from tests.unit.web.fixed_gateway import (
    HOSTILE,
    FixedGateway,
    figures,
    gateway_of,
    line,
    live_call,
)

TOKEN = {"Authorization": "Bearer word"}
LINE = "/api/lines/skypeclient"
BOB = ContactRequest("Bob", "let me in")


@pytest.fixture
def gateway() -> FixedGateway:
    lines = (line("skypeclient"), line("dumb"))
    calls = (live_call("talks", figures()), live_call("rings"))
    return FixedGateway(gateway_of(lines, calls))


@pytest.fixture
async def client(gateway: FixedGateway) -> AsyncIterator[aiohttp.ClientSession]:
    settings = WebSettings(listen=Endpoint("127.0.0.1", 0), token="word")
    async with (
        serve(gateway, settings) as address,
        aiohttp.ClientSession(f"http://{address}", headers=TOKEN) as client,
    ):
        yield client


async def post(
    client: aiohttp.ClientSession, where: str, status: int = 200, /, **body: object
) -> Any:
    async with client.post(where, json=body) as answer:
        shown = await answer.json()
        assert answer.status == status, shown
        return shown


async def test_a_line_is_operated_and_shown(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    shown = await post(client, f"{LINE}/pause")
    assert shown["name"] == "skypeclient"
    await post(client, f"{LINE}/pause", when_idle=False)
    await post(client, f"{LINE}/resume")
    await post(client, f"{LINE}/restart")
    await post(client, f"{LINE}/gain", playback_db=-6.5)
    await post(client, f"{LINE}/gain", playback_db=0, capture_db=40)
    assert gateway.acts == [
        ("pause", "skypeclient", True),
        ("pause", "skypeclient", False),
        ("resume", "skypeclient"),
        ("restart", "skypeclient", True),
        ("gain", "skypeclient", -6.5, None),
        ("gain", "skypeclient", 0, 40),
    ]


@pytest.mark.parametrize(
    ("act", "body", "said"),
    [
        ("gain", {}, "playback_db or capture_db is needed"),
        ("gain", {"playback_db": 41}, "playback_db must be a number from -40 to 40"),
        ("gain", {"playback_db": "6"}, "playback_db must be a number from -40 to 40"),
        ("gain", {"capture_db": True}, "capture_db must be a number from -40 to 40"),
        ("pause", {"when_idle": 1}, "when_idle must be true or false"),
        ("pause", {"now": True}, "'now' is not known here; known: when_idle"),
        ("resume", {"x": 1}, "'x' is not known here; known: none"),
        ("trace", {}, "on is needed: begin or end it"),
        ("message", {"address": "bob"}, "text is needed: what to write"),
        ("message", {"address": "", "text": "x"}, "address must be a text"),
    ],
)
async def test_what_is_asked_wrongly_is_told_and_nothing_is_done(
    gateway: FixedGateway,
    client: aiohttp.ClientSession,
    act: str,
    body: dict[str, object],
    said: str,
) -> None:
    shown = await post(client, f"{LINE}/{act}", 400, **body)
    assert shown["error"].startswith(said)
    assert gateway.acts == gateway.client.asked == []
    assert gateway.feed.entries() == ()


@pytest.mark.parametrize(
    ("act", "body"),
    [
        ("pause", {}),
        ("gain", {"capture_db": 1}),
        ("trace", {"on": True}),
        ("balance", {}),
    ],
)
async def test_there_is_no_such_line(
    client: aiohttp.ClientSession, act: str, body: dict[str, object]
) -> None:
    shown = await post(client, f"/api/lines/other/{act}", 404, **body)
    assert shown == {"error": "there is no line 'other'"}


async def test_an_act_that_there_is_not_is_not_found(
    client: aiohttp.ClientSession,
) -> None:
    await post(client, f"{LINE}/explode", 404)


async def test_a_call_is_held_and_resumed_if_it_can(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    assert await post(client, "/api/calls/talks/hold", 202) == {"call": "talks"}
    assert await post(client, "/api/calls/talks/resume", 202) == {"call": "talks"}
    assert gateway.acts == [("hold", "talks"), ("resume", "talks")]
    shown = await post(client, "/api/calls/rings/hold", 409)
    assert shown == {"error": "the call cannot do that now"}
    await post(client, "/api/calls/other/hold", 404)


async def test_the_audio_of_a_call_is_told_in_words(
    client: aiohttp.ClientSession,
) -> None:
    async with client.get("/api/calls/talks/audio") as answer:
        assert await answer.json() == {"text": "TO_PBX: all of it\n"}
    async with client.get("/api/calls/other/audio") as answer:
        assert answer.status == 404


async def test_a_tap_goes_to_a_file_that_only_the_control_socket_may_name(
    gateway: FixedGateway, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    tap, wav = "/api/calls/talks/tap", str(tmp_path / "call.wav")
    await post(client, tap, 403, path=wav)
    assert gateway.acts == []
    configuration = tmp_path / "skypechan.toml"
    async with serve_control(gateway, ControlSettings("c.sock"), configuration) as path:
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://gateway", connector=connector) as near:
            await post(near, tap, path=wav, seconds=5)
            await post(near, tap, 400, path="call.wav")
            gateway.refusal = CallError(
                HangupCause.NORMAL_UNSPECIFIED, "the call has no audio yet"
            )
            await post(near, tap, 409, path=wav)
            gateway.refusal = None
    await post(client, tap)
    assert gateway.acts == [
        ("tap", "talks", Path(wav), 5),
        ("tap", "talks", None, 600),
    ]


async def test_what_concerns_people_is_asked_of_the_lines_client(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    replies = [
        await post(client, f"{LINE}/message", address="bob", text=HOSTILE[:40]),
        await post(client, f"{LINE}/presence", address="bob"),
        await post(client, f"{LINE}/balance"),
        await post(client, f"{LINE}/find", words="bob"),
        await post(client, f"{LINE}/send", command="PING"),
    ]
    assert replies == [
        {"reply": "1"},
        {"reply": "away"},
        {"amount": "12.50", "currency": "EUR"},
        {"found": ["bob", "bobby"]},
        {"reply": "PONG"},
    ]
    assert gateway.client.asked == [
        ("message", "bob", HOSTILE[:40]),
        ("presence", "bob"),
        ("balance",),
        ("find", "bob"),
        ("raw", "PING"),
    ]


@pytest.mark.parametrize(
    ("act", "body", "what"),
    [
        ("message", {"address": "bob", "text": "hi"}, "carry messages"),
        ("presence", {"address": "bob"}, "tell how reachable somebody is"),
        ("balance", {}, "tell a balance"),
        ("find", {"words": "bob"}, "search for people"),
        ("send", {"command": "PING"}, "take commands"),
        ("accept", {"who": "bob"}, "have contacts"),
        ("refuse", {"who": "bob"}, "have contacts"),
        ("trace", {"on": True}, "be traced"),
    ],
)
async def test_what_a_lines_client_cannot_is_said(
    client: aiohttp.ClientSession, act: str, body: dict[str, object], what: str
) -> None:
    shown = await post(client, f"/api/lines/dumb/{act}", 409, **body)
    assert shown == {"error": f"line dumb's client cannot {what}"}


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (CommandError("the settings do not allow 'PING'"), 409),
        (CallError(HangupCause.INTERWORKING, "ERROR 26"), 409),
        (LinkDownError("the line is signed_out: "), 503),
    ],
)
async def test_what_the_client_refuses_is_passed_on(
    gateway: FixedGateway,
    client: aiohttp.ClientSession,
    refusal: SkypechanError,
    status: int,
) -> None:
    gateway.client.refusal = refusal
    shown = await post(client, f"{LINE}/send", status, command="PING")
    assert shown == {"error": str(refusal)}


async def test_messages_and_contact_requests_are_read_and_answered(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    gateway.client.on_message(Message("bob", HOSTILE, HOSTILE, "#chat", "4"))
    gateway.client.on_contact_request(BOB)
    async with client.get("/api/messages") as answer:
        (message,) = await answer.json()
    assert (message["line"], message["sender"]) == ("skypeclient", "bob")
    assert (message["text"], message["sender_name"]) == (HOSTILE, HOSTILE[:256])
    async with client.get("/api/contact-requests") as answer:
        (request,) = await answer.json()
    assert (request["who"], request["text"]) == ("Bob", "let me in")
    decided = await post(client, f"{LINE}/accept", who="bob")
    assert decided == {"who": "bob", "accepted": True}
    assert gateway.client.asked == [("decide", "bob", True)]
    async with client.get("/api/contact-requests") as answer:
        assert await answer.json() == []


async def test_a_request_that_could_not_be_answered_waits_on(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    gateway.client.on_contact_request(BOB)
    gateway.client.refusal = LinkDownError("the client went away")
    await post(client, f"{LINE}/refuse", 503, who="Bob")
    assert [one.who for one in gateway.people.contact_requests()] == ["Bob"]


async def test_each_act_is_noted_with_who_did_it(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    await post(client, f"{LINE}/pause")
    await client.delete("/api/calls/talks")
    await post(client, f"{LINE}/message", address="bob", text="a secret")
    noted = [(one.kind, one.text, one.line, one.call) for one in gateway.feed.entries()]
    assert noted == [
        (Kind.OPERATOR, "127.0.0.1 pauses the line", "skypeclient", ""),
        (Kind.OPERATOR, "127.0.0.1 ends the call", "", "talks"),
        (Kind.OPERATOR, "127.0.0.1 writes to bob", "skypeclient", ""),
    ]


async def test_an_act_is_logged_in_one_line(
    gateway: FixedGateway,
    client: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    await post(client, f"{LINE}/send", command="GET X\nERROR forged\x1b[2J")
    (logged,) = [one for one in caplog.messages if "GET X" in one]
    assert logged == "= 127.0.0.1 sends GET X?ERROR forged?[2J skypeclient"


async def test_nothing_of_this_is_done_without_the_token(
    gateway: FixedGateway, client: aiohttp.ClientSession
) -> None:
    gateway.client.on_contact_request(BOB)
    for act, body in (
        ("pause", {}),
        ("send", {"command": "PING"}),
        ("accept", {"who": "Bob"}),
        ("presence", {"address": "bob"}),
    ):
        path, strange = f"{LINE}/{act}", {"Authorization": "Bearer guess"}
        async with client.post(path, json=body, headers=strange) as answer:
            assert answer.status == 401
    assert gateway.acts == gateway.client.asked == []
