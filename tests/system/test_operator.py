"""The operator's surface against real programs: people, lines, calls, events, page."""

from __future__ import annotations

import asyncio
import json
import re
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from skypechan.cli import main
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from tests.doubles.loop_thread import LoopThread
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system import parts
from tests.system.parts import eventually

pytestmark = pytest.mark.usefixtures("every_call_ends")

LINE = "skypeclient"
MORE = 'raw_commands = ["GET PROFILE"]\n\n[lines.echo]\nbackend = "echo"'


@pytest.fixture(scope="module")
def folder(place: Path) -> Path:
    return place / "operator"


@pytest.fixture(scope="module")
def gateway(
    house: LoopThread,
    folder: Path,
    asterisk: LocalAsterisk,
    bus: PrivateBus,
    emulator: Emulator,
) -> Iterator[Gateway]:
    """A gateway whose line may be sent a raw command, and with a line of echo."""
    web_port = free_port()
    config = parts.config(asterisk, bus.address, web_port, line=MORE)
    with house.sub() as running:
        yield running.enter(parts.gateway(config, web_port, folder))


class Operator:
    """Somebody at the command line of the gateway's machine."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._config = str(folder / "skypechan.toml")
        self._capsys = capsys

    async def _run(self, *words: str) -> tuple[int, str, str]:
        status = await asyncio.to_thread(main, [*words, "-c", self._config])
        told = self._capsys.readouterr()
        return status, told.out.strip(), told.err.strip()

    async def does(self, *words: str) -> str:
        """Run a command that has to succeed."""
        status, out, err = await self._run(*words)
        assert status == 0, (words, out, err)
        return out

    async def shown(self, *words: str) -> Any:
        return json.loads(await self.does(*words, "--json"))

    async def refused(self, *words: str) -> str:
        """Run a command that the gateway has to refuse."""
        status, out, err = await self._run(*words)
        assert status == 1, (words, out, err)
        return err


@pytest.fixture
def operator(folder: Path, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(folder, capsys)


@asynccontextmanager
async def watching(gateway: Gateway) -> AsyncIterator[aiohttp.StreamReader]:
    """Follow the events from now on."""
    async with (
        aiohttp.ClientSession() as client,
        client.get(f"{gateway.url}/api/events") as answer,
    ):
        yield answer.content


async def event(stream: aiohttp.StreamReader, **wanted: str) -> Any:
    """The next event with these values."""
    async with asyncio.timeout(10):
        while line := await stream.readline():
            if not line.startswith(b"data: "):
                continue
            one = json.loads(line.removeprefix(b"data: "))
            if all(one[name] == value for name, value in wanted.items()):
                return one
    pytest.fail(f"the stream ended before {wanted}")


async def test_a_message_comes_in_is_seen_and_is_answered(
    gateway: Gateway, emulator: Emulator, operator: Operator
) -> None:
    async with watching(gateway) as stream:
        text = "<b>call me</b> {{7*7}} \N{PILE OF POO}"
        await emulator.post("/messages", {"from": "writer", "text": text})
        told = await event(stream, kind="message", line=LINE)
    assert told["details"] == {"who": "writer", "text": text}
    newest = (await operator.shown("messages"))[-1]
    assert (newest["sender"], newest["text"]) == ("writer", text)
    assert await gateway.get("/api/messages") == await operator.shown("messages")

    await operator.does("line", "message", LINE, "writer", "I will")
    texts = await emulator.get("/messages")
    assert texts[-1]["text"] == "I will"


async def test_a_contact_request_waits_and_is_never_accepted_by_itself(
    gateway: Gateway, emulator: Emulator, operator: Operator, skype: SkypeTranscript
) -> None:
    async with watching(gateway) as stream:
        for who in ("friend", "foe"):
            request = {"from": who, "text": f"I am a {who}"}
            await emulator.post("/contact_requests", request)
            await event(stream, kind="contact_request", line=LINE)
    waiting = await operator.shown("contact-requests")
    assert [(one["who"], one["text"]) for one in waiting] == [
        ("friend", "I am a friend"),
        ("foe", "I am a foe"),
    ]
    assert "ISAUTHORIZED TRUE" not in str(skype.lines)
    assert await operator.does("line", "accept", LINE, "friend") == "friend is accepted"
    assert await operator.does("line", "refuse", LINE, "foe") == "foe is refused"
    assert await operator.shown("contact-requests") == []


async def test_what_the_client_knows_of_people_and_money_is_asked_for(
    gateway: Gateway, operator: Operator
) -> None:
    assert await operator.does("line", "presence", LINE, "offline") == "offline"
    assert await operator.does("line", "balance", LINE) == "10000 EUR"
    assert "echo123" in await operator.does("line", "find", LINE, "echo123")
    said = await operator.refused("line", "message", "echo", "bob", "hi")
    assert said == "skypechan: line echo's client cannot carry messages"


async def test_only_what_the_configuration_lists_is_sent_raw(
    gateway: Gateway, operator: Operator
) -> None:
    reply = await operator.does("line", "send", LINE, "GET PROFILE PSTN_BALANCE")
    assert reply == "PROFILE PSTN_BALANCE 1000000"
    said = await operator.refused("line", "send", LINE, "CALL echo123")
    assert "do not allow 'CALL echo123'" in said
    assert "cannot take commands" in await operator.refused("line", "send", "echo", "X")


async def test_a_line_is_paused_and_resumed_and_everybody_is_told(
    gateway: Gateway, operator: Operator
) -> None:
    async with watching(gateway) as stream:
        assert "line echo is paused" in await operator.does("line", "pause", "echo")
        told = await event(stream, kind="line", line="echo")
        assert told["details"]["state"] == "paused"
        assert "line echo: paused" in str(await gateway.get("/readyz"))
        metrics = (await gateway.get("/metrics")).decode()
        assert 'skypechan_line_state{line="echo",state="paused"} 1\n' in metrics
        await operator.does("line", "resume", "echo")
        await event(stream, kind="line", line="echo", text="ready")
        await operator.does("line", "restart", "echo", "--now")
        by = "the control socket"
        await event(stream, kind="operator", text=f"{by} restarts the line")
        await event(stream, kind="line", line="echo", text="ready")


async def test_the_wire_of_a_line_is_traced_with_its_name(
    gateway: Gateway, operator: Operator
) -> None:
    async with watching(gateway) as stream:
        await operator.does("line", "trace", LINE, "on")
        await operator.does("line", "balance", LINE)
        told = await event(stream, kind="wire", line=LINE)
        assert re.match(r"[<>] ", told["text"])
        await gateway.process.line(
            rf"DEBUG +skypechan\.wire\.{LINE} > #\d+ GET PROFILE PSTN_BALANCE"
        )
        await operator.does("line", "trace", LINE, "off")
        await event(stream, kind="operator", line=LINE)


async def test_a_live_call_is_held_tapped_described_and_counted(
    gateway: Gateway, emulator: Emulator, operator: Operator, tmp_path: Path
) -> None:
    before = await frames(gateway)
    async with watching(gateway) as stream:
        number = await emulator.ring("talker")
        call = (await event(stream, kind="call", text="established"))["call"]
        await emulator.heard(number, 1_600)
        await operator.does("tap", call[:8], str(tmp_path / "call.wav"))
        await emulator.heard(number, 17_600)
        chain = await operator.does("describe", "audio", "--call", call)
        assert re.search(r"^call .*\nTO_PBX", chain)
        assert re.search(r"[1-9]\d* frames, clock", chain)

        await operator.does("hold", call[:8])
        held = await event(stream, kind="call", call=call)
        assert held["details"]["held_by"]
        await emulator.call(number, "LOCALHOLD")
        await operator.does("resume", call[:8])
        await event(stream, kind="call", call=call, text="established")
        await emulator.call(number, "INPROGRESS")
        await operator.does("tap", call[:8])
        with wave.open(str(tmp_path / "call.wav")) as tapped:
            assert tapped.getnchannels() == 2
            assert tapped.getnframes() > 8_000

        live = await frames(gateway)
        await operator.does("line", "gain", LINE, "--playback", "-3")
        shown = (await operator.shown("lines"))[0]
        assert (shown["playback_db"], shown["capture_db"]) == (-3, 0)
        await operator.does("line", "gain", LINE, "--playback", "0")
        await operator.does("hangup", call[:8])
        ended = await event(stream, kind="record", call=call)
        assert ended["details"]["status"] == "ANSWER"
    (record,) = await operator.shown("records", "--call", call)
    after = await frames(gateway)
    assert before < live <= after
    assert after - before == record["audio"]["to_pbx_frames"]


async def frames(gateway: Gateway) -> float:
    """How many frames of all calls came from lines, as the metrics have it."""
    text = (await gateway.get("/metrics")).decode()
    name = r'skypechan_media_frames_total\{direction="to_pbx"\}'
    (value,) = re.findall(rf"^{name} (\S+)$", text, re.MULTILINE)
    return float(value)


async def test_over_the_web_the_token_is_needed(
    gateway: Gateway, operator: Operator
) -> None:
    pause = f"{gateway.url}/api/lines/echo/pause"
    with pytest.raises(Exception, match="401"):
        await ask("POST", pause)
    token = {"Authorization": "Bearer tests"}
    assert (await ask("POST", pause, {}, token))["state"] == "paused"
    shown = await ask("POST", f"{gateway.url}/api/lines/echo/resume", {}, token)
    assert shown["name"] == "echo"

    async def is_ready() -> bool:
        lines = {one["name"]: one for one in await operator.shown("lines")}
        return bool(lines["echo"]["state"] == "ready")

    await eventually(is_ready, 5, "ready line")


async def test_the_api_describes_itself(gateway: Gateway) -> None:
    described = await gateway.get("/api/openapi.json")
    assert "/api/lines/{name}/pause" in described["paths"]
