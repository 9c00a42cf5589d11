"""A client that the gateway starts carries calls; a drained gateway waits for them."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.process import Process, Program
from skypechan.desktop.users import workspace
from tests.system import parts
from tests.system.parts import eventually

SKYPE = str(Path(sys.executable).with_name("skype"))
CLIENT = f"""
[lines.skypeclient.client]
command = ["{SKYPE}", "--pipelogin", "--dbpath=profile"]
login = "skypet123 sesame"
isolation = "none"  # its control port is on the machine's loopback
"""


@pytest.fixture
async def gateway(asterisk: LocalAsterisk) -> AsyncIterator[Gateway]:
    """A gateway that starts its line's client."""
    web_port = free_port()
    config = parts.config(asterisk, "", web_port)
    with workspace() as folder:
        async with parts.gateway(config + CLIENT, web_port, folder) as running:
            yield running


@pytest.fixture
async def client(gateway: Gateway) -> Emulator:
    """The client, which tells its control port in its log."""
    folder = gateway.process.program.directory / "clients" / "skypeclient"

    async def told() -> re.Match[str] | None:
        log = (folder / "client.log").read_text()
        return re.search(r"^\{.*\}$", log, re.MULTILINE)

    ready = await eventually(told, 5, "control port of the client")
    return Emulator(gateway.process, json.loads(ready.group()))


def drain(gateway: Gateway, *options: str) -> Program:
    folder = gateway.process.program.directory
    command = (sys.executable, "-m", "skypechan.cli", "drain", *options)
    config = ("-c", str(folder / "skypechan.toml"))
    return Program("drain", (*command, *config), folder)


async def has_stopped(gateway: Gateway) -> bool:
    (line,) = await gateway.get("/api/lines")
    return bool(line["state"] == "stopped")


async def test_a_drained_gateway_stops_when_its_last_call_has_ended(
    gateway: Gateway, client: Emulator
) -> None:
    number = await client.ring("talker")
    await client.call(number, "INPROGRESS")
    async with await Process.start(drain(gateway)) as command:
        await eventually(lambda: has_stopped(gateway), 5, "stopped line")
        heard = (await client.get(f"/calls/{number}"))["heard_samples"]
        await client.heard(number, heard + 8_000)
        late = await client.ring("late")
        await client.call(late, "REFUSED")
        assert command.returncode is None
        await client.hang_up(number)
        assert await command.wait() == 0
    assert command.lines == ("the gateway has no call any more, and stops",)
    async with asyncio.timeout(10):
        assert await gateway.process.wait() == 0


async def test_a_drain_ends_what_goes_on_beyond_its_time(
    gateway: Gateway, client: Emulator
) -> None:
    number = await client.ring("talker")
    await client.call(number, "INPROGRESS")
    async with await Process.start(drain(gateway, "--timeout", "0")) as command:
        assert await command.wait() == 0
    assert command.lines == ("the gateway ends 1 call, the time is up, and stops",)
    async with asyncio.timeout(10):
        assert await gateway.process.wait() == 0
