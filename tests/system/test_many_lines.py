"""Which line has a call: several clients, one account on two, twenty lines, lamps.

The clients are joined by the emulators' network: they can call each other, and send
a call on from one to another.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from tests.doubles.loop_thread import LoopThread
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_messages import reasons_of
from tests.system import parts
from tests.system.parts import eventually

TOKEN_AND_ROUTE = """\
token = "tests"

[[routes]]
caller = "to-phone*"
to = "555@from-skypechan"
"""
LINE = """
[lines.{name}]
account = "{account}"
dbus_address = "{bus}"
extension = "600"
"""
# The account of the first two is the same.
ACCOUNTS = {
    "first": "skypet123",
    "second": "skypet123",
    "other": "skypet456",
    "alice": "alice",
}
MANY = [f"line{number:02}" for number in range(20)]


@dataclass(slots=True)
class Switchboard:
    """The clients by the names of their lines, and the gateway that has them all."""

    clients: dict[str, Emulator]
    gateway: Gateway

    async def lines(self) -> dict[str, dict[str, Any]]:
        return {line["name"]: line for line in await self.gateway.get("/api/lines")}

    async def act(self, line: str, action: str, **wish: object) -> None:
        """Operate a line."""
        url = f"{self.gateway.url}/api/lines/{line}/{action}"
        await ask("POST", url, wish, {"Authorization": "Bearer tests"})

    async def call_on(self, line: str, state: str = "") -> dict[str, Any]:
        """The live call that has a line, in that state if one is named."""

        async def found() -> dict[str, Any] | None:
            live = [one for one in await self.gateway.calls() if one["line"] == line]
            return next((one for one in live if state in (one["state"], "")), None)

        return await eventually(found, 5, f"{state} call on {line}")


def gateway_of(asterisk: LocalAsterisk, lines: str, folder: Path) -> Any:
    web_port = free_port()
    config = config_head(asterisk.settings, web_port) + TOKEN_AND_ROUTE + lines
    return parts.gateway(config, web_port, folder)


@contextmanager
def _switchboard(
    house: LoopThread, folder: Path, asterisk: LocalAsterisk
) -> Iterator[Switchboard]:
    network = f"127.0.0.1:{free_port()}"
    clients, lines = {}, ""
    with house.sub() as stack:
        for name, account in ACCOUNTS.items():
            bus = stack.enter(PrivateBus(folder / f"bus-{name}"))
            options = ("--account", account, "--dbus", bus.address)
            client = emulator(
                folder / f"client-{name}", (*options, "--network", network)
            )
            clients[name] = stack.enter(client)
            lines += LINE.format(name=name, account=account, bus=bus.address)
        gateway = stack.enter(gateway_of(asterisk, lines, folder / "gateway"))
        yield Switchboard(clients, gateway)


@pytest.fixture(scope="module")
def shared_board(
    house: LoopThread, place: Path, asterisk: LocalAsterisk
) -> Iterator[Switchboard]:
    with _switchboard(house, place / "board", asterisk) as board:
        yield board


@pytest.fixture
async def board(shared_board: Switchboard) -> AsyncIterator[Switchboard]:
    """Every line is ready before the test, and no call is left after it."""

    async def ready() -> bool:
        lines = await shared_board.lines()
        return all(one["state"] == "ready" for one in lines.values())

    await eventually(ready, 10, "ready lines")
    for client in shared_board.clients.values():
        account = (await client.get("/account"))["account"]
        others = {*ACCOUNTS.values()} - {account}
        await client.get(f"/account?network={','.join(sorted(others))}&timeout_s=10")
    yield shared_board
    await shared_board.gateway.idle()
    for client in shared_board.clients.values():
        for left in await client.live():
            await client.hang_up(left["call"])


async def test_an_account_on_two_clients_rings_on_both_and_is_one_call(
    phone: SipAgent, board: Switchboard
) -> None:
    call = phone.call("by-alice-skypet123")
    await call.answered(10)
    inward = [x for x in await board.gateway.calls() if x["direction"] == "to_pbx"]
    assert [one["caller"] for one in inward] == ["alice"]
    taken = inward[0]["line"]
    (free,) = {"first", "second"} - {taken}
    assert (await board.lines())[free]["call"] is None
    assert [one["status"] for one in await board.clients[free].get("/calls")][-1:] == [
        "MISSED"
    ]
    await call.hang_up()
    record = await board.gateway.record(direction="to_pbx", caller="alice")
    assert (record["line"], record["status"]) == (taken, "ANSWER")
    records = await board.gateway.get("/api/records")
    assert sum(one["direction"] == "to_pbx" for one in records) == 1


async def test_a_second_caller_of_an_account_is_taken_by_its_other_client(
    phone: SipAgent, board: Switchboard
) -> None:
    first = phone.call("by-alice-skypet123")
    await first.answered(10)
    second = phone.call("by-other-skypet123")
    await second.answered(10)
    inward = [x for x in await board.gateway.calls() if x["direction"] == "to_pbx"]
    assert {one["line"] for one in inward} == {"first", "second"}
    assert [one["caller"] for one in inward] == ["alice", "skypet456"]
    for call in (first, second):
        await call.hang_up()
    await board.gateway.idle()
    records = await board.gateway.get("/api/records")
    of_the_second = [one for one in records if one["caller"] == "skypet456"]
    assert [one["status"] for one in of_the_second] == ["ANSWER"]


async def test_a_second_caller_is_sent_on_to_an_idle_line_of_another_account(
    board: Switchboard,
) -> None:
    client = board.clients["first"]
    first = await client.ring("carol")
    await client.call(first, "INPROGRESS")
    second = await client.ring("dora", display_name="Dora D.", voice="tone:700")
    moved = await board.call_on("other")
    assert (moved["caller"], moved["caller_name"]) == ("dora", "Dora D.")
    await client.call(second, "TRANSFERRED")
    record = await board.gateway.record(line="first", caller="dora")
    assert (record["cause"], record["status"]) == (17, "BUSY")
    assert (
        record["reason"] == "line first is in use; sent on to skypet456 on line other"
    )
    assert len(await board.gateway.calls()) == 2
    there = await board.clients["other"].newest()
    await board.clients["other"].call(there, "INPROGRESS")
    await board.clients["other"].heard(there, 16_000)  # it talks with its echo
    await board.clients["other"].hang_up(there)
    await client.hang_up(first)
    answered = await board.gateway.record(line="other", caller="dora")
    assert answered["status"] == "ANSWER"


async def test_a_client_that_rings_as_we_dial_refuses_ours_and_theirs_comes_in(
    phone: SipAgent, board: Switchboard
) -> None:
    client = board.clients["other"]
    await client.post("/faults", {"slow_s": 0.5})
    call = phone.call("by-other-echo")
    assert (await board.call_on("other"))["direction"] == "to_line"
    rang = await client.ring("carol")  # before it has served what we ordered
    final = await call.final_response(10)
    await client.post("/faults", {"slow_s": 0})
    assert [reason.cause for reason in reasons_of(final.message)] == [34]
    await client.call(rang, "INPROGRESS")
    await client.hang_up(rang)
    record = await board.gateway.record(line="other", caller="carol")
    assert record["status"] == "ANSWER"


async def test_a_call_for_any_line_goes_on_where_a_person_uses_the_first(
    phone: SipAgent, board: Switchboard
) -> None:
    client = board.clients["first"]
    by_hand = await client.post("/place", {"to": "echo"})
    await client.call(by_hand["call"], "INPROGRESS")
    call = phone.call("by-ANY-echo")
    await call.answered(10)
    assert (await board.call_on("second"))["address"] == "echo"
    assert (await board.lines())["first"]["call"] is None
    await call.hang_up()
    await board.gateway.record(line="second", status="ANSWER")
    final = await phone.call("by-first-echo").final_response(5)
    assert [reason.cause for reason in reasons_of(final.message)] == [34]
    await client.post(f"/calls/{by_hand['call']}/hang_up")


async def test_a_telephone_number_that_is_not_allowed_is_not_called(
    phone: SipAgent, board: Switchboard
) -> None:
    before = await board.clients["first"].newest()
    for dialled in ("+4930123456", "004930123456"):
        call = phone.call(f"by-first-{dialled}")
        final = await call.final_response(5)
        assert final.status == 403
        assert [reason.cause for reason in reasons_of(final.message)] == [21]
        record = await board.gateway.record(address=dialled)
        assert "numbers_allowed of the line does not allow +49" in record["reason"]
    assert await board.clients["first"].newest() == before


async def test_a_lamp_shows_what_a_line_does(
    phone: SipAgent, board: Switchboard
) -> None:
    lamp = await phone.subscribe("skypechan-first")
    await lamp.shows("terminated")
    phone.behaviour = RINGS
    client = board.clients["first"]
    number = await client.ring("to-phone")
    call = await phone.next_call(5)
    await lamp.shows("early")
    call.answer()
    await lamp.shows("confirmed")
    await call.hold()  # perhaps before Skype is answered
    await lamp.shows("held")
    await call.resume()
    await lamp.shows("confirmed")
    await call.hang_up()
    await lamp.shows("terminated")
    await client.call(number, "FINISHED")


async def test_a_paused_line_ends_its_call_and_takes_no_other_until_resumed(
    phone: SipAgent, board: Switchboard
) -> None:
    call = phone.call("by-first-echo")
    await call.answered(10)
    await board.act("first", "pause", when_idle=False)
    await call.ended(3)
    await board.gateway.record(line="first", reason="the line is paused")
    lamp = await phone.subscribe("skypechan-first")
    await lamp.shows("confirmed")  # as of somebody who does not want to be disturbed
    assert (await phone.call("by-first-echo").final_response(5)).status == 503
    record = await board.gateway.record(line="first", cause=44)
    assert record["reason"] == "line first is paused: by the operator"
    await board.act("first", "resume")
    await lamp.shows("terminated")
    call = phone.call("by-first-echo")
    await call.answered(10)
    await call.hang_up()


async def test_a_line_in_use_is_restarted_when_its_call_has_ended(
    phone: SipAgent, board: Switchboard
) -> None:
    call = phone.call("by-first-echo")
    await call.answered(10)
    await board.act("first", "restart", when_idle=True)
    assert (await board.lines())["first"]["state"] == "ready"
    await call.rtp.wait_for_audio(25, 5)
    await call.hang_up()

    async def ready_again() -> bool:
        said = "line first is starting: restarted by the operator"
        anew = any(said in line for line in board.gateway.process.lines)
        return anew and (await board.lines())["first"]["state"] == "ready"

    await eventually(ready_again, 2, "line that is ready again")


async def test_a_gain_acts_on_the_call_that_runs(
    phone: SipAgent, board: Switchboard
) -> None:
    client = board.clients["first"]
    number = await client.ring("to-phone", voice="tone:700")
    call = await phone.next_call(5)
    await call.answered(5)
    before_dbfs = await level_of(call)
    await board.act("first", "gain", capture_db=-12)
    assert await level_of(call) - before_dbfs == pytest.approx(-12, abs=1)
    await board.act("first", "gain", capture_db=0)
    assert await level_of(call) - before_dbfs == pytest.approx(0, abs=1)
    await call.hang_up()
    await client.call(number, "FINISHED")


async def level_of(call: Call) -> float:
    """The level that the phone hears, once what is on its way has passed."""
    await call.rtp.wait_for_audio(40, 5)
    samples = sound_of(call.rtp.received[-20:]).samples.astype(np.float64)
    return 10 * np.log10(np.mean(samples**2) / 2**30)


@pytest.fixture(scope="module")
def twenty(
    house: LoopThread, place: Path, asterisk: LocalAsterisk, shared_board: Switchboard
) -> Iterator[Gateway]:
    """Another gateway, with twenty lines at whose far end is an echo."""
    os.kill(shared_board.gateway.process.pid, signal.SIGTERM)
    house.run(shared_board.gateway.process.wait())
    lines = "".join(f'[lines.{name}]\nbackend = "echo"\n' for name in MANY)
    with house.sub() as stack:
        yield stack.enter(gateway_of(asterisk, lines, place / "twenty"))


async def test_lines_of_a_gateway_that_has_ended_are_unavailable(
    twenty: Gateway, asterisk: LocalAsterisk
) -> None:
    expected = dict.fromkeys(ACCOUNTS, "UNAVAILABLE") | dict.fromkeys(MANY, "NOT_INUSE")

    async def told() -> bool:
        states = await asterisk.cli("devstate list")
        return all(
            f"'Custom:skypechan-{name}'  State: '{state}'" in states
            for name, state in expected.items()
        )

    await eventually(told, 5, "state of each line")


async def test_lamps_are_right_again_after_the_link_to_asterisk_was_lost(
    twenty: Gateway, asterisk: LocalAsterisk
) -> None:
    lamp = f"Custom:skypechan-{MANY[3]}"
    await asterisk.cli(f"devstate change {lamp} INUSE")
    shown = await asterisk.cli("manager show connected")
    sessions = re.findall(
        r"^ *skypechan .* (\d+) +\d+ +\d+ +\d+ *$", shown, re.MULTILINE
    )
    assert sessions, shown
    for number in sessions:
        await asterisk.cli(f"manager kick session {number}")

    async def right() -> bool:
        return f"'{lamp}'  State: 'NOT_INUSE'" in await asterisk.cli("devstate list")

    await eventually(right, 5, "right state")
    await twenty.ready()


async def test_twenty_calls_have_each_of_twenty_lines_once_and_one_more_has_none(
    phone: SipAgent, twenty: Gateway
) -> None:
    calls: list[Call] = []
    for _ in MANY:
        calls.append(phone.call("by-RR-echo"))
        await calls[-1].answered(10)
    live = await twenty.calls()
    assert [call["line"] for call in live] == MANY
    for selector in ("RR", "LRU", "ANY", MANY[7]):
        final = await phone.call(f"by-{selector}-echo").final_response(5)
        assert final.status == 503
        assert [reason.cause for reason in reasons_of(final.message)] == [34]
    record = await twenty.record(line="RR")
    assert (record["status"], record["reason"]) == (
        "CONGESTION",
        "all lines are in use",
    )
    await asyncio.gather(*(call.hang_up() for call in calls))
    await twenty.idle()
