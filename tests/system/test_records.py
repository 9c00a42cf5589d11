"""Call records as the operator finds them: in files, once each; Asterisk's own too."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import private_folder
from tests.doubles.sip_agent import RINGS, SipAgent
from tests.system import parts
from tests.system.parts import eventually

MORE = """
[lines.echo]
backend = "echo"

[records]
folder = "records"
"""
CDR = """\
[mappings]
ours.csv => ${CDR(disposition)},${CDR(skypechan_line)},${CDR(skypechan_address)},\
${CDR(skypechan_cause)},${CDR(skypechan_reason)},${CDR(skypechan_call)},${CDR(linkedid)}
"""

GatewayStarter = Callable[[], AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the records are written."""
    return private_folder(private_folder(tmp_path / "gateway") / "records")


@pytest.fixture
def gateways(
    asterisk: LocalAsterisk, bus: PrivateBus, emulator: Emulator, folder: Path
) -> GatewayStarter:
    """Start a gateway that keeps records in the folder."""
    web_port = free_port()
    config = parts.config(asterisk, bus.address, web_port) + MORE

    @asynccontextmanager
    async def start() -> AsyncIterator[Gateway]:
        async with parts.gateway(config, web_port, folder.parent) as running:

            async def all_ready() -> bool:
                lines = await running.get("/api/lines")
                return all(line["state"] == "ready" for line in lines)

            await eventually(all_ready, 5, "line that is ready")
            yield running

    return start


@pytest.fixture
async def gateway(gateways: GatewayStarter) -> AsyncIterator[Gateway]:
    async with gateways() as running:
        yield running


def json_lines(file: Path) -> list[dict[str, object]]:
    text = file.read_text() if file.exists() else ""
    return [json.loads(line) for line in text.split("\n") if line]


def csv_rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as rows:
        return list(csv.DictReader(rows))


def becomes(what: Callable[[], object], wanted: object) -> Awaitable[object]:
    """Wait until something is as it should be."""

    async def look() -> object:
        return what() == wanted

    return eventually(look, 3, lambda: f"{wanted}, but {what()}")


async def test_each_call_has_one_record_though_the_gateway_was_killed(
    gateways: GatewayStarter, folder: Path, phone: SipAgent, emulator: Emulator
) -> None:
    def answered() -> list[bool]:
        return [one["answered"] is not None for one in json_lines(journal)]

    journal, began = folder / "open-calls.jsonl", datetime.now(UTC)
    async with gateways() as gateway:
        over = phone.call("dial-20-busy")
        await over.final_response(5)
        await gateway.idle()
        ringing = phone.call("dial-20-noanswer")
        await ringing.response(180, 5)
        talking = phone.call("7somebody")  # the other line's
        await talking.answered(5)
        await becomes(answered, [False, True])
        gateway.process.kill()
        await gateway.process.wait()
    killed = datetime.now(UTC)
    await talking.ended(5)
    await ringing.final_response(5)
    async with gateways() as gateway:
        known = [one["call"] for one in await gateway.get("/api/records")]
        assert known == [one["call"] for one in json_lines(folder / "calls.jsonl")]
    for left in await emulator.live():
        await emulator.hang_up(left["call"])
    busy, rang, talked = records = json_lines(folder / "calls.jsonl")
    assert [row["call"] for row in csv_rows(folder / "calls.csv")] == known
    assert (busy["cause"], busy["status"], busy["reason"]) == (17, "BUSY", "busy")
    assert (rang["status"], talked["status"]) == ("CHANUNAVAIL", "ANSWER")
    for record in (rang, talked):
        assert record["reason"] == "the gateway died"
        assert (record["cause"], record["released_by"]) == (38, "gateway")
    for record in records:
        ended = datetime.fromisoformat(str(record["ended"]))
        assert began <= ended <= killed


async def test_files_may_be_moved_away_and_the_folder_may_be_gone(
    gateway: Gateway, folder: Path, phone: SipAgent
) -> None:
    def calls_in(where: Path) -> int:
        return len(json_lines(where / "calls.jsonl"))

    async def call() -> None:
        await phone.call("dial-20-busy").final_response(5)
        await gateway.idle()

    await call()
    await becomes(lambda: calls_in(folder), 1)
    (folder / "calls.jsonl").rename(folder / "calls.jsonl.1")
    await call()
    await becomes(lambda: calls_in(folder), 1)
    await becomes(lambda: len(csv_rows(folder / "calls.csv")), 2)  # written behind it
    os.rename(folder, folder.with_name("gone"))
    await call()
    await gateway.process.line("no call records can be written.*No such file")
    trouble = "call records: No such file or directory, 1 are not written yet"
    assert (await gateway.get("/readyz"))["reasons"] == [trouble]
    private_folder(folder)
    await gateway.process.line("call records are written to .* again")
    assert calls_in(folder) == 1
    assert len(await gateway.get("/api/records")) == 3


@pytest.fixture
async def details(asterisk: LocalAsterisk) -> Callable[[], set[str]]:
    """Let Asterisk write call details with our fields; what it has written so far.

    It goes on with that: Asterisk 22.10 crashes after an unload of these modules.
    """
    (asterisk.directory / "etc/cdr_custom.conf").write_text(CDR)
    file = asterisk.directory / "log/cdr-custom/ours.csv"
    file.parent.mkdir(exist_ok=True)
    for module in ("res_cdrel_custom.so", "cdr_custom.so"):  # the first one since 22.7
        await asterisk.cli(f"module load {module}")
    return lambda: set(file.read_text().split("\n")) if file.exists() else set()


async def test_the_call_details_of_asterisk_name_line_address_and_cause(
    gateway: Gateway,
    phone: SipAgent,
    emulator: Emulator,
    details: Callable[[], set[str]],
) -> None:
    await phone.call("dial-20-busy").final_response(5)
    call = phone.call("prepare-20-echo")
    await call.answered(5)
    await call.hang_up()
    await gateway.idle()
    phone.behaviour = RINGS
    await emulator.ring("to-phone-cdr")
    rung = await phone.next_call(3)

    async def known_to_ring() -> bool:
        return all(one["ringing"] for one in await gateway.calls())

    await eventually(known_to_ring, 3, "ringing")
    rung.respond(486)
    await gateway.idle()
    records = await gateway.get("/api/records")
    busy, talk, back = [f"{one['call']},{one['linkedid']}" for one in records]
    expected = {
        f"BUSY,skypeclient,busy,17,busy,{busy}",
        f"ANSWERED,skypeclient,echo,16,answered,{talk}",
        f"BUSY,skypeclient,to-phone-cdr,,,{back}",
    }
    await becomes(lambda: expected - details(), set())
