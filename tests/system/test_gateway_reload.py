"""Another configuration under calls that go on, and what outlives a restart."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skypechan.cli import main
from skypechan.config.reader import load
from skypechan.demo.parts import gateway as gateways
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import workspace
from skypechan.errors import ConfigError
from tests.system import parts
from tests.system.parts import eventually

LINE = "skypeclient"
ECHO = '\n[lines.{}]\nbackend = "echo"\n'
_MORE_SAMPLES = 8_000  # half a second of what the caller hears


@dataclass(slots=True)
class Operated:
    """A gateway, the file that it has been started with, and its operator."""

    gateway: Gateway
    config: Path
    capsys: pytest.CaptureFixture[str]
    first: str

    def write(self, *lines: str, **changes: str) -> None:
        """Write the configuration, with these lines of echo and in other words."""
        text = self.first.split("\n[lines.kept]")[0]
        text += "".join(map(ECHO.format, lines))
        for old, new in changes.items():
            text = text.replace(old, new)
        self.config.write_text(text)

    async def reload(self, status: int = 0) -> list[str]:
        words = ["reload", "-c", str(self.config)]
        assert await asyncio.to_thread(main, words) == status
        told = self.capsys.readouterr()
        return (told.out if status == 0 else told.err).splitlines()

    async def lines(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in await self.gateway.get("/api/lines")}

    async def line(self, name: str, state: str) -> dict[str, Any]:
        """A line, once it is in a state."""

        async def found() -> dict[str, Any] | None:
            one = (await self.lines()).get(name)
            return one if one is not None and one["state"] == state else None

        return await eventually(found, 10, f"line {name} that is {state}")

    async def gone(self, name: str) -> None:
        async def is_gone() -> bool:
            return name not in await self.lines()

        await eventually(is_gone, 10, f"end of line {name}")


def text_of(asterisk: LocalAsterisk, bus: PrivateBus, web_port: int) -> str:
    state = '\n[state]\nfolder = "state"\n'
    lines = "".join(map(ECHO.format, ("kept", "old")))
    return parts.config(asterisk, bus.address, web_port) + state + lines


@pytest.fixture
async def operated(
    asterisk: LocalAsterisk,
    bus: PrivateBus,
    emulator: Emulator,
    capsys: pytest.CaptureFixture[str],
) -> AsyncIterator[Operated]:
    """A gateway with the Skype client's line and two of echo."""
    web_port = free_port()
    text = text_of(asterisk, bus, web_port)
    with workspace() as folder:
        async with parts.gateway(text, web_port, folder) as running:
            yield Operated(running, folder / "skypechan.toml", capsys, text)
            await running.idle()
    assert await emulator.live() == []


async def talks_on(emulator: Emulator, number: int) -> None:
    """Return when the caller has heard more of himself."""
    heard = (await emulator.get(f"/calls/{number}"))["heard_samples"]
    await emulator.heard(number, heard + _MORE_SAMPLES)


async def test_a_call_goes_on_while_lines_come_go_and_change(
    operated: Operated, emulator: Emulator
) -> None:
    number = await emulator.ring("talker")
    await emulator.call(number, "INPROGRESS")
    (call,) = await operated.gateway.calls()
    operated.write("new", "kept", **{'extension = "600"': 'extension = "601"'})
    assert await operated.reload() == [
        f"line {LINE} has other settings from now on (extension)",
        "line new is added",
        "line kept is as it was",
        "line old is removed",
    ]
    await operated.line("new", "ready")
    await operated.gone("old")
    assert list(await operated.lines()) == [LINE, "new", "kept"]
    await talks_on(emulator, number)

    # What would need its end waits for it.
    operated.write("kept", **{f"[lines.{LINE}]": "[lines.renamed]"})
    assert await operated.reload() == [
        "line renamed is added when the call in its way has ended",
        "line kept is as it was",
        f"line {LINE} is removed when the call in its way has ended",
        "line new is removed",
    ]
    waits = await operated.line("renamed", "starting")
    assert waits["reason"] == "waits until another line has let go of its client"
    await talks_on(emulator, number)
    assert [one["call"] for one in await operated.gateway.calls()] == [call["call"]]
    await emulator.hang_up(number)
    record = await operated.gateway.record(call=call["call"])
    assert (record["status"], record["released_by"]) == ("ANSWER", "line")

    await operated.line("renamed", "ready")
    await operated.gone(LINE)
    again = await emulator.ring("talker")
    await emulator.call(again, "INPROGRESS")
    await talks_on(emulator, again)
    (call,) = await operated.gateway.calls()
    assert call["line"] == "renamed"
    await emulator.hang_up(again)


async def test_a_hangup_signal_reloads_and_a_faulty_file_changes_nothing(
    operated: Operated, emulator: Emulator
) -> None:
    process = operated.gateway.process
    number = await emulator.ring("talker")
    await emulator.call(number, "INPROGRESS")
    before = await operated.lines()
    operated.write("kept", **{'backend = "skype"': 'backend = "skipe"\nanswer = 1'})
    mark = process.line_count
    process.signal(signal.SIGHUP)
    await process.line("not reloaded: .*knows no 'answer'", since=mark)
    with pytest.raises(ConfigError) as caught:  # what `skypechan check` says
        load(operated.config)
    faults = caught.value.faults
    assert [one.partition(" ")[0].rpartition("/")[2] for one in faults] == [
        "skypechan.toml:11:",
        "skypechan.toml:12:",
    ]
    told = await operated.reload(status=2)
    assert told == [f"skypechan: {fault}" for fault in faults]
    assert await operated.lines() == before
    await talks_on(emulator, number)

    port = operated.gateway.url.rpartition(":")[2]
    operated.write("kept", **{f'listen = "127.0.0.1:{port}"': 'listen = "127.0.0.1:0"'})
    mark = process.line_count
    process.signal(signal.SIGHUP)
    await process.line("reloaded: line old is removed", since=mark)
    await process.line(r"reloaded: \[web\] listen stays as it is", since=mark)
    await operated.gone("old")
    await talks_on(emulator, number)
    await emulator.hang_up(number)


async def test_a_pause_outlives_the_gateway(
    asterisk: LocalAsterisk, bus: PrivateBus, emulator: Emulator
) -> None:
    web_port = free_port()
    text = text_of(asterisk, bus, web_port)
    headers = {"Authorization": "Bearer tests"}
    with workspace() as folder:
        async with parts.gateway(text, web_port, folder) as running:
            url = f"{running.url}/api/lines/kept"
            await ask("POST", f"{url}/pause", {}, headers)
        async with gateways.gateway(text, web_port, folder) as running:
            await running.ready()
            states = {
                one["name"]: one["state"] for one in await running.get("/api/lines")
            }
            assert (states["kept"], states["old"]) == ("paused", "ready")
            await ask("POST", f"{url}/resume", {}, headers)
