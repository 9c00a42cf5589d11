"""Accounts that call, hold, transfer, dial and write to each other over emulators that
share a network, each with a client of its own.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import workspace
from tests.doubles.loop_thread import LoopThread
from tests.strangers.application import Application
from tests.strangers.dbus_wire import Bus, DbusWire

ACCOUNTS = ("anna", "bert", "cleo")
OVER = "FINISHED|MISSED|REFUSED|CANCELLED|FAILED|TRANSFERRED"


@pytest.fixture(scope="module")
def networked(stranger_house: LoopThread) -> Iterator[dict[str, str]]:
    """Three emulators on one network; the address of each account's bus."""
    with workspace() as place, stranger_house.sub() as programs:
        network = ["--network", f"{HOST}:{free_port()}"]
        buses = {}
        skypes: list[Emulator] = []
        for account in ACCOUNTS:
            bus = programs.enter(PrivateBus(place / f"{account}-bus"))
            options = ["--dbus", bus.address, "--account", account, *network]
            skypes.append(programs.enter(emulator(place / account, options)))
            buses[account] = bus.address
        for account, skype in zip(ACCOUNTS, skypes, strict=True):
            others = ",".join(other for other in ACCOUNTS if other != account)
            query = f"/account?network={others}&timeout_s=10"
            stranger_house.run(skype.get(query))
        yield buses


@pytest.fixture
async def three(networked: dict[str, str]) -> AsyncIterator[list[Application]]:
    """A client of each account; no call is left afterwards."""
    async with AsyncExitStack() as stack:
        apps = []
        for account in ACCOUNTS:
            wire = DbusWire(await Bus.open(networked[account]))
            apps.append(await stack.enter_async_context(Application(wire)))
            await apps[-1].attach(account)
        yield apps
        for app in apps:
            for number in re.findall(r"\d+", await app.ask("SEARCH ACTIVECALLS")):
                await app.ask(f"ALTER CALL {number} END HANGUP")
        for app in apps:
            async with asyncio.timeout(5):
                while (await app.ask("SEARCH ACTIVECALLS")).rstrip() != "CALLS":
                    pass


async def rings(app: Application, mark: int) -> int:
    """The number of the call that comes in."""
    line = r"CALL (\d+) STATUS RINGING"
    return int((await app.heard.line(line, since=mark))[1])


async def talk(
    caller: Application, callee: Application, handle: str
) -> tuple[int, int]:
    """A call that was answered: its numbers at both ends."""
    mark = callee.heard.mark
    theirs = await caller.call(handle)
    ours = await rings(callee, mark)
    await callee.ask(f"ALTER CALL {ours} ANSWER")
    await asyncio.gather(
        caller.status(theirs, "INPROGRESS"), callee.status(ours, "INPROGRESS")
    )
    return theirs, ours


async def handle_of(app: Application, number: int) -> str:
    """Who is at the other end."""
    return (await app.ask(f"GET CALL {number} PARTNER_HANDLE")).split()[-1]


async def test_holding_shows_at_the_other_end(three: list[Application]) -> None:
    anna, bert, _ = three
    a, b = await talk(anna, bert, "bert")
    for holder, number, other, its in ((anna, a, bert, b), (bert, b, anna, a)):
        marks = holder.heard.mark, other.heard.mark
        await holder.ask(f"ALTER CALL {number} HOLD")
        await holder.heard.line(f"CALL {number} STATUS LOCALHOLD", since=marks[0])
        await other.heard.line(f"CALL {its} STATUS REMOTEHOLD", since=marks[1])
        marks = holder.heard.mark, other.heard.mark
        await holder.ask(f"ALTER CALL {number} RESUME")
        await holder.heard.line(f"CALL {number} STATUS INPROGRESS", since=marks[0])
        await other.heard.line(f"CALL {its} STATUS INPROGRESS", since=marks[1])
    await bert.ask(f"ALTER CALL {b} HANGUP")
    await anna.status(a, "FINISHED")
    await bert.status(b, "FINISHED")


async def test_a_call_that_both_hold_goes_on_when_both_have_resumed(
    three: list[Application],
) -> None:
    anna, bert, _ = three
    a, b = await talk(anna, bert, "bert")
    await anna.ask(f"ALTER CALL {a} HOLD")
    await bert.status(b, "REMOTEHOLD")
    reply = await bert.ask(f"ALTER CALL {b} HOLD")
    both = "ERROR" not in reply
    assert "ERROR" not in await anna.ask(f"ALTER CALL {a} RESUME")
    if both:
        assert "ERROR" not in await bert.ask(f"ALTER CALL {b} RESUME")
    for app, number in ((anna, a), (bert, b)):
        await app.settles(number, "INPROGRESS")
    anna.say(f"SET CALL {a} DTMF 3")
    await bert.heard.line(f"CALL {b} DTMF 3")


async def test_digits_reach_the_other_end_each_once(three: list[Application]) -> None:
    anna, bert, _ = three
    a, b = await talk(anna, bert, "bert")
    burst = "1122334455667788990*#"
    for app, number in ((anna, a), (bert, b)):
        for digit in burst:
            app.say(f"SET CALL {number} DTMF {digit}")
    for app, number in ((anna, a), (bert, b)):
        pattern = rf"CALL {number} DTMF (\S)"
        await app.heard.line(pattern, times=len(burst))
        assert "".join(m[1] for m in app.heard.found(pattern)) == burst


@pytest.mark.parametrize("answered", [False, True])
async def test_a_transferred_caller_talks_to_the_target(
    three: list[Application], answered: bool
) -> None:
    anna, bert, cleo = three
    if answered:
        a, b = await talk(anna, bert, "bert")
    else:
        mark = bert.heard.mark
        a = await anna.call("bert")
        b = await rings(bert, mark)
    can = await bert.ask(f"GET CALL {b} CAN_TRANSFER cleo")
    assert can == f"CALL {b} CAN_TRANSFER cleo TRUE"
    mark = cleo.heard.mark
    await bert.ask(f"ALTER CALL {b} TRANSFER cleo")
    c = await rings(cleo, mark)
    assert await handle_of(cleo, c) == "anna"
    await cleo.ask(f"ALTER CALL {c} ANSWER")
    await cleo.status(c, "INPROGRESS")
    await bert.status(b, "TRANSFERRED")
    assert (await bert.ask("SEARCH ACTIVECALLS")).rstrip() == "CALLS"
    found = await anna.ask("SEARCH ACTIVECALLS")
    (now,) = re.findall(r"\d+", found)
    await anna.heard.line(f"CALL {now} STATUS INPROGRESS")
    mark = anna.heard.mark
    cleo.say(f"SET CALL {c} DTMF 5")
    await anna.heard.line(f"CALL {now} DTMF 5", since=mark)
    await cleo.ask(f"ALTER CALL {c} HANGUP")
    await anna.heard.line(rf"CALL {now} STATUS ({OVER})", since=mark)
    assert a in {int(number) for number in re.findall(r"\d+", found)} or not (
        await anna.ask(f"GET CALL {a} STATUS")
    ).endswith("INPROGRESS")


async def test_a_target_that_refuses_leaves_the_caller_where_it_was_or_ends_it(
    three: list[Application],
) -> None:
    anna, bert, cleo = three
    a, b = await talk(anna, bert, "bert")
    marks = [app.heard.mark for app in three]
    await bert.ask(f"ALTER CALL {b} TRANSFER cleo")
    c = await rings(cleo, marks[2])
    await cleo.ask(f"ALTER CALL {c} END HANGUP")
    await cleo.status(c, "REFUSED")
    after = await bert.heard.line(
        rf"CALL {b} STATUS (INPROGRESS|{OVER})", since=marks[1]
    )
    if after[1] == "INPROGRESS":
        mark = anna.heard.mark
        await bert.ask(f"SET CALL {b} DTMF 9")
        await anna.heard.line(f"CALL {a} DTMF 9", since=mark)
        await bert.ask(f"ALTER CALL {b} HANGUP")
    await anna.heard.line(rf"CALL {a} STATUS ({OVER})", since=marks[0])


async def test_a_caller_who_gives_up_during_a_transfer_leaves_nobody_ringing(
    three: list[Application],
) -> None:
    anna, bert, cleo = three
    a, b = await talk(anna, bert, "bert")
    mark = cleo.heard.mark
    await bert.ask(f"ALTER CALL {b} TRANSFER cleo")
    c = await rings(cleo, mark)
    await anna.ask(f"ALTER CALL {a} HANGUP")
    for app, number in ((anna, a), (bert, b), (cleo, c)):
        await app.heard.line(rf"CALL {number} STATUS ({OVER})")
        assert (await app.ask("SEARCH ACTIVECALLS")).rstrip() == "CALLS"


async def test_messages_are_delivered_to_the_other_account(
    three: list[Application],
) -> None:
    anna, bert, _ = three
    texts = ["Hello \u2603", "x" * 20_000, "#1 PING"]
    for writer, reader, handle, name in (
        (anna, bert, "bert", "anna"),
        (bert, anna, "anna", "bert"),
    ):
        mark = reader.heard.mark
        for text in texts:
            reply = await writer.ask(f"MESSAGE {handle} {text}")
            assert re.fullmatch(r"CHATMESSAGE \d+ STATUS SEN(DING|T)", reply)
        line = r"CHATMESSAGE (\d+) STATUS RECEIVED"
        await reader.heard.line(line, since=mark, times=len(texts))
        got = []
        for m in reader.heard.found(line, mark):
            body = await reader.ask(f"GET CHATMESSAGE {m[1]} BODY")
            got.append(body.removeprefix(f"CHATMESSAGE {m[1]} BODY "))
            author = await reader.ask(f"GET CHATMESSAGE {m[1]} FROM_HANDLE")
            assert author == f"CHATMESSAGE {m[1]} FROM_HANDLE {name}"
        assert got == texts


async def test_three_accounts_talk_in_a_conference_until_its_host_leaves(
    three: list[Application],
) -> None:
    anna, bert, cleo = three
    marks = [app.heard.mark for app in three]
    await anna.call("bert, cleo")
    guests = []
    for app, mark in ((bert, marks[1]), (cleo, marks[2])):
        number = await rings(app, mark)
        await app.ask(f"ALTER CALL {number} ANSWER")
        await app.status(number, "INPROGRESS")
        guests.append((app, number))
        assert await handle_of(app, number) == "anna"
    hosted = re.findall(r"\d+", await anna.ask("SEARCH ACTIVECALLS"))
    assert len(hosted) == 2
    for number in hosted:
        await anna.status(int(number), "INPROGRESS")
    for number in hosted:
        await anna.ask(f"ALTER CALL {number} HANGUP")
    for app, number in guests:
        await app.status(number, "FINISHED")
        reason = app.heard.found(rf"CALL {number} FAILUREREASON (\d+)")
        assert [m[1] for m in reason] in ([], ["14"])
