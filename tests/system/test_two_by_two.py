"""Two gateways and two Asterisks: each gateway has a line at each of both.

Lines, sockets and events stay apart, and the end of one program is nobody else's.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from skypechan.asterisk.dialplan import audio_uuid
from skypechan.audio.probe import measured_tone
from skypechan.demo.parts import emulated
from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway, gateway
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import private_folder
from tests.doubles.loop_thread import LoopThread
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_messages import Credentials, reasons_of
from tests.system.mortal_parts import Mortal
from tests.system.parts import CHECKOUT, eventually

SAMPLE = CHECKOUT / "asterisk-conf"
WEST, EAST = "west", "east"
HEAD, BRANCH = "head", "branch"
# Of each line: its gateway, its Asterisk, and the tone of its client's `marker`; who
# calls from there has twice that.
LINES = {
    "west-head": (WEST, HEAD, 500),
    "west-branch": (WEST, BRANCH, 700),
    "east-head": (EAST, HEAD, 900),
    "east-branch": (EAST, BRANCH, 1100),
}
LOGIN = """
[{name}]
secret = @AMI_SECRET@
read = call,user,dtmf
write = call,originate
"""
DIALPLAN = """
[from-sipphone](+)
exten => _to_.,1,Gosub(skypechan,dial,1(${CUT(EXTEN,_,2)}/${CUT(EXTEN,_,3)},30))
 same => n,Hangup(${SKYPECHAN_CAUSE})
exten => _all_.,1,Gosub(skypechan,dial,1(${CUT(EXTEN,_,2)}:ANY/${CUT(EXTEN,_,3)},30))
 same => n,Hangup(${SKYPECHAN_CAUSE})
"""
CONFIG = """\
[web]
listen = "127.0.0.1:{web_port}"

[asterisk]
{head}

[asterisks.branch]
{branch}
"""
ASTERISK = """\
ami = "127.0.0.1:{port}"
ami_username = "{login}"
ami_secret = "{secret}"
alone = false
audiosocket_listen = "127.0.0.1:0"
"""
LINE = """
[lines.{name}]
asterisk = "{asterisk}"
account = "{name}"
dbus_address = "{bus}"
extension = "600"
"""

_STRETCH = 15  # packets in which a tone is told
_EQUAL_HZ = 5.0
_RATE_HZ, _FRAME = 16_000, 320  # of a client

_Part = TypeVar("_Part", Mortal[Gateway], LocalAsterisk)


@dataclass(slots=True)
class Town:
    """Everything, by name: clients by their lines. All of it lives in `house`."""

    house: LoopThread
    asterisks: dict[str, LocalAsterisk]
    gateways: dict[str, Mortal[Gateway]]
    clients: dict[str, Emulator]

    async def ready(self) -> None:
        """Return once every link and every line is."""
        for one in self.gateways.values():
            await _all_up(one.now)

    async def kill(self, part: Mortal[Gateway] | LocalAsterisk) -> None:
        """End a program as a crash would."""
        process = part.process if isinstance(part, LocalAsterisk) else part.now.process
        process.kill()
        await self.house.wait(process.wait())

    def start(self, part: _Part) -> _Part:
        """Start it again, and return once every link and every line is up."""
        self.house.run(part.stop())
        self.house.run(_start(part))
        self.house.run(self.ready())
        return part

    async def audio_of(self, name: str) -> set[str]:
        """The UUIDs of the audio channels of an Asterisk."""
        shown = await self.asterisks[name].cli("core show channels concise")
        names = [line.partition("!")[0] for line in shown.splitlines()]
        return {str(uuid) for one in names if (uuid := audio_uuid(one))}

    async def record(self, line: str) -> Any:
        """The newest record of a line, from the gateway that has it."""
        return await self.gateways[LINES[line][0]].now.record(line=line)

    async def filed(self) -> dict[str, list[str]]:
        """Of each gateway the lines of its records, oldest first.

        Neither these nor its events are of a line or a call that another has.
        """
        found = {}
        for name, one in self.gateways.items():
            records = await one.now.get("/api/records?limit=1000")
            found[name] = [record["line"] for record in records]
            calls = [record["call"] for record in records]
            events = await _events(one.now, calls[-1]) if calls else []
            assert {event["call"] for event in events} <= {"", *calls}
            lines = {event["line"] for event in events}
            assert {*found[name], *lines} <= {"", *_lines_of(name)}
        return found

    async def nothing_left(self) -> None:
        """Return once no call lives anywhere."""
        for one in self.gateways.values():
            await one.now.idle()
        for asterisk in self.asterisks.values():

            async def empty(of: LocalAsterisk = asterisk) -> bool:
                return "0 active channels" in await of.cli("core show channels")

            await eventually(empty, 5, "empty Asterisk")


def _lines_of(gateway: str) -> list[str]:
    return [line for line, (owner, _, _) in LINES.items() if owner == gateway]


async def _events(gateway: Gateway, call: str) -> list[Any]:
    """What has happened, up to the record of a call."""
    found: list[Any] = []
    url = f"{gateway.url}/api/events?last=1000"
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession() as session,
        session.get(url) as answer,
    ):
        async for line in answer.content:
            if line.startswith(b"data: "):
                found.append(json.loads(line.removeprefix(b"data: ")))
                if (found[-1]["kind"], found[-1]["call"]) == ("record", call):
                    return found
    raise AssertionError(f"no record of {call} in {found}")


async def _start(part: Mortal[Gateway] | LocalAsterisk) -> None:
    await part.start()  # of two kinds, and so not of one coroutine type


async def _all_up(gateway: Gateway) -> None:
    seen: list[object] = []

    async def up() -> bool:
        status = await gateway.get("/api/status")
        seen[:] = [status["links"], status["lines"]]
        return all(link["state"] == "up" for link in status["links"]) and all(
            line["state"] == "ready" for line in status["lines"]
        )

    await gateway.ready()
    await eventually(up, 10, lambda: f"gateway with all that it serves: {seen}")


def _asterisk(folder: Path) -> LocalAsterisk:
    logins = "".join(LOGIN.format(name=name) for name in (WEST, EAST))
    files = {
        "manager.conf": (SAMPLE / "manager.conf.in").read_text() + logins,
        "extensions.conf": (SAMPLE / "extensions.conf").read_text() + DIALPLAN,
    }
    found = installation(CHECKOUT, os.environ)
    return LocalAsterisk(found, folder, SAMPLE, files=files)


async def _client(stack: AsyncExitStack, folder: Path, line: str, bus: str) -> Emulator:
    people = [{"handle": "marker", "voice": f"tone:{LINES[line][2]}", "answer_s": 0.1}]
    script = private_folder(folder) / f"{line}.json"
    script.write_text(json.dumps({"contacts": people}))
    options = ("-c", str(script), "--account", line, "--dbus", bus)
    return await stack.enter_async_context(emulated.emulator(folder / line, options))


def _config(
    name: str,
    web_port: int,
    asterisks: dict[str, LocalAsterisk],
    buses: dict[str, PrivateBus],
) -> str:
    tables = {
        where: ASTERISK.format(
            port=one.settings.ami_port, secret=one.settings.ami_secret, login=name
        )
        for where, one in asterisks.items()
    }
    config = CONFIG.format(web_port=web_port, **tables)
    for line, (owner, where, _) in LINES.items():
        if owner == name:
            at = where if where == BRANCH else ""
            config += LINE.format(name=line, asterisk=at, bus=buses[line].address)
    return config


@asynccontextmanager
async def _running(house: LoopThread, folder: Path) -> AsyncIterator[Town]:
    private_folder(folder)
    async with AsyncExitStack() as stack:
        asterisks = {name: _asterisk(folder / name) for name in (HEAD, BRANCH)}
        buses = {line: PrivateBus(folder / f"bus-{line}") for line in LINES}
        async with asyncio.TaskGroup() as starting:
            for part in (*asterisks.values(), *buses.values()):
                starting.create_task(stack.enter_async_context(part))
        async with asyncio.TaskGroup() as starting:
            clients = {
                line: starting.create_task(
                    _client(stack, folder / "clients", line, bus.address)
                )
                for line, bus in buses.items()
            }
        ready = {line: one.result() for line, one in clients.items()}
        town = Town(house, asterisks, {}, ready)
        for name in (WEST, EAST):  # east comes last
            web_port = free_port()
            config = _config(name, web_port, asterisks, buses)

            def make(
                config: str = config, web_port: int = web_port, name: str = name
            ) -> AbstractAsyncContextManager[Gateway]:
                return gateway(config, web_port, folder / name)

            town.gateways[name] = Mortal(make)
            stack.push_async_callback(town.gateways[name].stop)
            await town.gateways[name].start()
            await _all_up(town.gateways[name].now)
        yield town


@pytest.fixture(scope="module")
def town(house: LoopThread, place: Path) -> Iterator[Town]:
    with house.sub() as stack:
        yield stack.enter(_running(house, place / "town"))


@pytest.fixture(scope="module")
def east_again(town: Town) -> Gateway:
    """The gateway in the east, started after it was killed."""
    return town.start(town.gateways[EAST]).now


@pytest.fixture(scope="module")
def branch_again(east_again: Gateway, town: Town) -> LocalAsterisk:
    """The Asterisk of the branch, started after it was killed."""
    return town.start(town.asterisks[BRANCH])


@pytest.fixture
async def head_phone(town: Town) -> AsyncIterator[SipAgent]:
    """The phone at the first Asterisk."""
    async with _phone(town.asterisks[HEAD]) as agent:
        yield agent


@pytest.fixture
async def phones(
    head_phone: SipAgent, town: Town
) -> AsyncIterator[dict[str, SipAgent]]:
    """A phone at each Asterisk."""
    async with _phone(town.asterisks[BRANCH]) as agent:
        yield {HEAD: head_phone, BRANCH: agent}


@asynccontextmanager
async def _phone(asterisk: LocalAsterisk) -> AsyncIterator[SipAgent]:
    settings = asterisk.settings
    credentials = Credentials("sipphone", settings.sip_secret)
    async with SipAgent(HOST, (HOST, settings.sip_port), credentials) as agent:
        await agent.register()
        yield agent


async def _hears(call: Call, frequency_hz: float) -> None:
    """Return once a phone hears a tone; a stall of the machine may break it before."""
    heard_hz = 0.0

    async def is_heard() -> bool:
        nonlocal heard_hz
        await call.rtp.wait_for_audio(_STRETCH, 10)
        latest = sound_of(call.rtp.received[-_STRETCH:])
        heard_hz = measured_tone(latest.samples).frequency_hz
        return abs(heard_hz - frequency_hz) <= _EQUAL_HZ

    what = f"tone of {frequency_hz:g} Hz"
    await eventually(is_heard, 10, lambda: f"{what} but {heard_hz:.1f} Hz")


async def _hears_itself(client: Emulator, number: int, frequency_hz: float) -> None:
    """Return once a client hears, from the echo of its Asterisk, what it says."""
    heard_hz = 0.0

    async def is_heard() -> bool:
        nonlocal heard_hz
        await client.heard(number, _RATE_HZ)
        latest = (await client.sound(number, "heard")).samples[-_STRETCH * _FRAME :]
        heard_hz = measured_tone(latest, _RATE_HZ).frequency_hz
        return abs(heard_hz - frequency_hz) <= _EQUAL_HZ

    what = f"tone of {frequency_hz:g} Hz"
    await eventually(is_heard, 10, lambda: f"{what} but {heard_hz:.1f} Hz")


async def _call_all_lines(
    town: Town, phones: dict[str, SipAgent], outward: list[str]
) -> tuple[dict[str, Call], dict[str, int]]:
    """Call on all lines at once, outward or inward; return when all talk."""
    calls = {line: phones[LINES[line][1]].call(f"to_{line}_marker") for line in outward}
    rung = {
        line: await client.ring("carol", voice=f"tone:{2 * LINES[line][2]}")
        for line, client in town.clients.items()
        if line not in outward
    }
    for call in calls.values():
        await call.answered(15)
    for line, number in rung.items():
        await town.clients[line].call(number, "INPROGRESS", 15)
    return calls, rung


@pytest.mark.parametrize(
    "outward",
    [["west-head", "east-branch"], ["east-head", "west-branch"]],
    ids=["crosswise", "the-other-way"],
)
async def test_calls_on_all_lines_at_once_are_each_at_the_right_place(
    town: Town, phones: dict[str, SipAgent], outward: list[str]
) -> None:
    before = await town.filed()
    calls, rung = await _call_all_lines(town, phones, outward)
    for line, call in calls.items():
        await _hears(call, LINES[line][2])
    for line, number in rung.items():
        await _hears_itself(town.clients[line], number, 2 * LINES[line][2])
    audio = {name: await town.audio_of(name) for name in (HEAD, BRANCH)}
    for call in calls.values():
        await call.hang_up()
    for line, number in rung.items():
        await town.clients[line].hang_up(number)
    await town.nothing_left()
    filed = await town.filed()
    records = {line: await town.record(line) for line in LINES}
    assert {record["status"] for record in records.values()} == {"ANSWER"}
    for name in (HEAD, BRANCH):
        of_lines = {records[x]["uuid"] for x, (_, at, _) in LINES.items() if at == name}
        assert audio[name] == of_lines
    for name in (WEST, EAST):
        assert sorted(filed[name][len(before[name]) :]) == sorted(_lines_of(name))


async def test_any_line_is_asked_of_one_gateway(
    town: Town, phones: dict[str, SipAgent]
) -> None:
    calls = {
        line: phones[at].call(f"all_{owner}_marker")
        for line, (owner, at, _) in LINES.items()
    }
    for line, call in calls.items():
        await call.answered(15)
        await _hears(call, LINES[line][2])
        await call.hang_up()


async def test_the_end_of_a_gateway_is_not_that_of_the_calls_of_another(
    town: Town, phones: dict[str, SipAgent]
) -> None:
    talking = phones[BRANCH].call("to_west-branch_marker")
    waiting = phones[HEAD].call("to_west-head_noanswer")
    lost = phones[HEAD].call("to_east-head_marker")
    await waiting.response(180, 15)
    await talking.answered(15)
    await lost.answered(15)
    await town.kill(town.gateways[EAST])
    await lost.ended(10)
    refused = await phones[BRANCH].call("to_east-branch_marker").final_response(10)
    assert [reason.cause for reason in reasons_of(refused.message)] == [38]
    await talking.rtp.wait_for_audio(50, 10)
    await _hears(talking, 700)
    # By now its dialplan has looked twice whether its gateway lives.
    assert waiting.final is None
    await waiting.cancel()
    await talking.hang_up()


async def test_a_gateway_that_came_again_has_the_calls_of_its_lines(
    east_again: Gateway, town: Town, phones: dict[str, SipAgent]
) -> None:
    for line in ("east-head", "east-branch"):
        call = phones[LINES[line][1]].call(f"to_{line}_marker")
        await call.answered(15)
        await _hears(call, LINES[line][2])
        assert [one["line"] for one in await east_again.calls()] == [line]
        await call.hang_up()
        await east_again.idle()


async def test_the_end_of_an_asterisk_is_not_that_of_the_calls_at_another(
    east_again: Gateway, town: Town, head_phone: SipAgent
) -> None:
    talking = {
        line: head_phone.call(f"to_{line}_marker")
        for line in ("west-head", "east-head")
    }
    client = town.clients["west-branch"]
    rung = await client.ring("carol")
    await client.call(rung, "INPROGRESS", 15)
    for call in talking.values():
        await call.answered(15)
    await town.kill(town.asterisks[BRANCH])
    await client.call(rung, "FINISHED", 10)
    for line, call in talking.items():
        await _hears(call, LINES[line][2])
        await call.hang_up()
    for one in (town.gateways[WEST].now, east_again):
        await one.idle()
        links = (await one.get("/api/status"))["links"]
        assert {link["name"]: link["state"] for link in links} == {
            "asterisk": "up",
            "asterisk branch": "link_down",
        }


async def test_an_asterisk_that_came_again_has_the_calls_of_both_gateways(
    branch_again: LocalAsterisk, town: Town
) -> None:
    clients = [town.clients[line] for line in ("west-branch", "east-branch")]
    rung = [(client, await client.ring("carol")) for client in clients]
    for client, number in rung:
        await client.call(number, "INPROGRESS", 15)
    assert len(await town.audio_of(BRANCH)) == 2
    for client, number in rung:
        await client.hang_up(number)
    await town.nothing_left()
    await town.filed()
