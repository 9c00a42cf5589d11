"""The commands that do something, against a gateway that remembers what."""

from __future__ import annotations

import asyncio
import json
import shlex
import tomllib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skypechan import cli
from skypechan.backends.base import ContactRequest, Message
from skypechan.cli import _parser, main
from skypechan.console import manual
from skypechan.console.commands import KINDS
from skypechan.errors import CommandError, ConfigError
from skypechan.gateway.feed import Kind
from skypechan.web.control import serve_control
from skypechan.web.settings import ControlSettings
from tests.unit.web.fixed_gateway import (
    FixedGateway,
    figures,
    gateway_of,
    line,
    live_call,
)

CONFIG = '[lines.skypeclient]\nbackend = "echo"\n[control]\nsocket = "here.sock"\n'
HOSTILE = "\x1b[2J\r\nhello"
DEADLINE_S = 10


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "skypechan.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
async def gateway(configuration: Path) -> AsyncIterator[FixedGateway]:
    lines = (line("skypeclient"), line("dumb"))
    calls = (live_call("c1", figures()), live_call("d1"))
    gateway = FixedGateway(gateway_of(lines, calls))
    async with serve_control(gateway, ControlSettings("here.sock"), configuration):
        yield gateway


class Shell:
    """Runs commands for one configuration."""

    def __init__(self, configuration: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._configuration = configuration
        self._capsys = capsys

    async def run(self, words: str, status: int = 0) -> str:
        """Run a command; what it printed, or said of a failure."""
        arguments = [*shlex.split(words), "-c", str(self._configuration)]
        assert await asyncio.to_thread(main, arguments) == status
        told = self._capsys.readouterr()
        return (told.out if status == 0 else told.err).strip()

    async def json(self, words: str) -> Any:
        return json.loads(await self.run(f"{words} --json"))


@pytest.fixture
def shell(configuration: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(configuration, capsys)


async def test_a_line_is_operated(gateway: FixedGateway, shell: Shell) -> None:
    for words in ("pause", "pause --now", "resume", "restart", "restart --when-idle"):
        action, *options = words.split()
        said = await shell.run(f"line {action} skypeclient {' '.join(options)}")
        assert said.startswith("line skypeclient is ready, gain +0 dB")
    await shell.run("line gain skypeclient --playback -6.5")
    shown = await shell.json("line gain skypeclient --capture 3")
    assert shown["name"] == "skypeclient"
    assert gateway.acts == [
        ("pause", "skypeclient", True),
        ("pause", "skypeclient", False),
        ("resume", "skypeclient"),
        ("restart", "skypeclient", True),
        ("restart", "skypeclient", True),
        ("gain", "skypeclient", -6.5, None),
        ("gain", "skypeclient", None, 3),
    ]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("line pause other", 1, "there is no line 'other'"),
        ("line pause a/../b", 1, "there is no line 'a/../b'"),
        ("line gain skypeclient", 2, "say --playback DB or --capture DB"),
        ("line gain skypeclient --playback 41", 2, "from -40 to 40"),
        ("line balance dumb", 1, "line dumb's client cannot tell a balance"),
        ("line message skypeclient '' hi", 2, "address must be a text"),
        ("call skypeclient echo --to 555", 2, "'555' is not EXTENSION@CONTEXT"),
        ("call skypeclient echo --to ''", 2, "is not EXTENSION@CONTEXT"),
        ("hold ''", 2, "say how the id of the call begins"),
        ("hold x", 1, "there is no live call whose id begins with 'x'"),
        ("hold d", 1, "the call cannot do that now"),
        ("records --since ''", 2, "ISO time"),
        ("events --last 1001", 2, "last must be a number from 0 to 1000"),
        ("describe audio --call x", 1, "there is no live call"),
        ("describe calls bob", 2, "describe calls takes no names"),
        ("describe contacts", 2, "say whom"),
    ],
)
async def test_what_is_wrong_is_said_with_the_status_for_it(
    gateway: FixedGateway, shell: Shell, words: str, status: int, said: str
) -> None:
    told = await shell.run(words, status)
    assert told.startswith("skypechan: ")
    assert said in told
    assert gateway.acts == gateway.clicks == []


@pytest.mark.parametrize(
    "words",
    [
        "line",
        "line explode skypeclient",
        "line pause",
        "line pause skypeclient --now --when-idle",
        "line trace skypeclient maybe",
        "events --kind other",
        "tap c1 file --seconds long",
        "drain --timeout -1",
        "drain --timeout nan",
    ],
)
def test_what_is_no_command_is_usage(words: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words.split())
    assert caught.value.code == 2


async def test_a_reload_says_what_became_of_each_line(
    gateway: FixedGateway, shell: Shell
) -> None:
    assert (await shell.run("reload")).splitlines() == [
        "line skypeclient is replaced when the call in its way has ended (display)",
        "line dumb is as it was",
        "[web] listen stays as it is: it needs a restart of the gateway",
        "warning: line 3 is odd",
    ]
    told = await shell.json("reload")
    assert [one["change"] for one in told["lines"]] == ["replace", "keep"]
    assert gateway.acts == [("reload",), ("reload",)]


async def test_a_reload_of_a_faulty_configuration_says_each_fault(
    gateway: FixedGateway, shell: Shell
) -> None:
    gateway.refusal = ConfigError("a.toml:1: is bad", "a.toml:2: is worse")
    said = await shell.run("reload", 2)
    assert said.splitlines() == [
        "skypechan: a.toml:1: is bad",
        "skypechan: a.toml:2: is worse",
    ]


@pytest.mark.parametrize(
    ("ours", "said"),
    [
        (True, "the gateway starts its client anew"),
        (False, "its client was started elsewhere and goes on: the gateway attaches"),
    ],
)
async def test_a_restart_says_what_becomes_of_the_client(
    gateway: FixedGateway, shell: Shell, ours: bool, said: str
) -> None:
    lines = (replace(line("skypeclient"), client_is_ours=ours),)
    gateway.now = gateway_of(lines)
    _, told = (await shell.run("line restart skypeclient")).splitlines()
    assert told.startswith(said)


async def test_a_drain_says_whether_calls_had_to_be_ended(
    gateway: FixedGateway, shell: Shell
) -> None:
    told = await shell.run("drain --timeout 5")
    assert told == "the gateway ends 2 calls, the time is up, and stops"
    gateway.now = gateway_of((line("skypeclient"),), ())
    assert await shell.run("drain") == "the gateway has no call any more, and stops"
    assert gateway.acts == [("drain", 5), ("drain", 3600)]


async def test_calls_are_held_resumed_and_tapped(
    gateway: FixedGateway, shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert await shell.run("hold c") == "call c1 is asked to rest"
    assert await shell.json("resume c1") == {"call": "c1"}
    assert "call.wav" in await shell.run("tap c1 call.wav --seconds 5")
    assert await shell.run("tap c1") == "call c1 is no longer recorded"
    assert gateway.acts == [
        ("hold", "c1"),
        ("resume", "c1"),
        ("tap", "c1", tmp_path / "call.wav", 5),
        ("tap", "c1", None, 600),
    ]


async def test_people_are_written_to_looked_for_and_asked_about(
    gateway: FixedGateway, shell: Shell
) -> None:
    assert await shell.run("line message skypeclient bob 'hi you'") == "1"
    assert await shell.run("line presence skypeclient bob") == "away"
    assert await shell.run("line balance skypeclient") == "12.50 EUR"
    assert await shell.run("line find skypeclient bob") == "bob\nbobby"
    assert await shell.run("line send skypeclient 'GET X'") == "PONG"
    assert await shell.json("line find skypeclient b") == {"found": ["bob", "bobby"]}
    gateway.client.refusal = CommandError("the settings do not allow 'GET X'")
    assert "do not allow" in await shell.run("line send skypeclient 'GET X'", 1)


async def test_messages_and_requests_are_shown_harmlessly_and_answered(
    gateway: FixedGateway, shell: Shell
) -> None:
    assert await shell.run("messages") == "no message"
    assert await shell.run("contact-requests") == "nobody waits"
    gateway.client.on_message(Message("bob", HOSTILE, HOSTILE, "", "1"))
    gateway.client.on_contact_request(ContactRequest("eve", HOSTILE))
    for words in ("messages", "contact-requests"):
        _, row = (await shell.run(words)).splitlines()
        assert row.isprintable()
        assert "?[2J??hello" in row
    assert (await shell.json("messages"))[0]["text"] == HOSTILE
    assert await shell.run("line refuse skypeclient eve") == "eve is refused"
    assert await shell.json("contact-requests") == []


async def test_a_trace_is_switched(gateway: FixedGateway, shell: Shell) -> None:
    await shell.run("line trace skypeclient on")
    assert gateway.client.wire.level == 10
    await shell.run("line trace skypeclient off")
    assert gateway.client.wire.level == 0


async def test_the_audio_of_live_calls_is_described_else_that_of_any(
    gateway: FixedGateway, shell: Shell
) -> None:
    assert await shell.run("describe audio --call c") == "call c1\nTO_PBX: all of it"
    assert "call d1" in await shell.run("describe audio")
    gateway.now = gateway_of()
    assert (await shell.run("describe audio")).startswith("TO_PBX: the client speaks")


async def test_contacts_get_a_uuid_each(gateway: FixedGateway, shell: Shell) -> None:
    said = await shell.run("describe contacts echo123 +49301 'a.b c'")
    contacts = tomllib.loads(said)["contacts"]
    assert list(contacts) == ["echo123", "+49301", "a.b c"]
    assert len({one["uuid"] for one in contacts.values()}) == 3


async def test_events_are_printed_as_they_happen_until_the_gateway_ends(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = FixedGateway()
    gateway.feed.note(Kind.LOG, "the past")
    async with serve_control(gateway, ControlSettings("here.sock"), configuration):
        words = ["events", "--last", "5", "--kind", "log", "-c", str(configuration)]
        plain = asyncio.create_task(asyncio.to_thread(main, words))
        raw = asyncio.create_task(asyncio.to_thread(main, [*words, "--json"]))
        async with asyncio.timeout(DEADLINE_S):
            while len(gateway.feed._readers) < 2:  # noqa: ASYNC110 - other threads
                await asyncio.sleep(0.001)
        gateway.feed.note(Kind.CALL, "not wanted")
        gateway.feed.note(Kind.LOG, HOSTILE, call="c1")
        printed = ""
        async with asyncio.timeout(DEADLINE_S):
            while printed.count("hello") < 2:
                printed += capsys.readouterr().out
                await asyncio.sleep(0.001)
    assert await asyncio.gather(plain, raw) == [1, 1]
    lines = printed.splitlines()
    assert len(lines) == 4
    entries = [json.loads(one) for one in lines if one.startswith("{")]
    assert [one["text"] for one in entries] == ["the past", HOSTILE]
    said = [one for one in lines if not one.startswith("{")]
    assert said[0].endswith("log              the past")
    assert said[1].endswith("log              c1  ?[2J??hello")


def test_every_kind_of_event_can_be_chosen() -> None:
    assert list(KINDS) == [kind.value for kind in Kind]


PAGES = {
    ("run",): manual.RUN,
    ("describe",): manual.DESCRIBE,
    ("demo",): manual.DEMO,
    ("convert",): manual.CONVERT,
    ("emulator",): cli._EMULATOR,
    **{(name,): page for name, page in manual.OPERATING.items()},
    **{("line", name): page for name, page in manual.LINE_ACTIONS.items()},
}


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_command_has_a_page_whose_examples_are_commands(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    page = PAGES[words]
    with pytest.raises(SystemExit) as caught:
        main([*words, "--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert page.text.splitlines()[0] in shown
    assert "exit status: " in shown
    for example in page.examples:
        arguments = shlex.split(example)
        assert tuple(arguments[: len(words)]) == words
        assert _parser(arguments).command
