"""Transfers and conferences at the emulator.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import re

import pytest

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.application import Application
from tests.strangers.conftest import Join
from tests.strangers.standin_values import ENDED
from tests.strangers.steps import answered, attached_at

NO_TRANSFER = r"ERROR (592|559)( .*)?"


@pytest.fixture
async def app(join: Join) -> Application:
    """An attached application of level 7."""
    return await attached_at(join, 7)


async def incoming(app: Application, skype: Emulator, state: str) -> int:
    """A call from bob that rings, or that we have answered; its number."""
    if state == "INPROGRESS":
        return await answered(app, skype)
    number = await skype.ring("bob")
    await app.status(number, "RINGING")
    return number


async def transferred(app: Application, number: int, targets: str) -> int:
    """Transfer a call; the place in what was heard before it."""
    mark = app.heard.mark
    command = f"ALTER CALL {number} TRANSFER {targets}"
    assert await app.ask(command) == command
    return mark


states = pytest.mark.parametrize("state", ["RINGING", "INPROGRESS"])


@states
async def test_an_incoming_call_is_transferred(
    app: Application, skype: Emulator, state: str
) -> None:
    number = await incoming(app, skype, state)
    reply = await app.ask(f"GET CALL {number} CAN_TRANSFER tone")
    assert reply == f"CALL {number} CAN_TRANSFER tone TRUE"
    mark = await transferred(app, number, "tone")
    await app.heard.line(f"CALL {number} STATUS TRANSFERRED", since=mark)
    told = [
        line for line in app.heard.lines[mark:] if line.startswith(f"CALL {number}")
    ]
    begun = {
        f"CALL {number} STATUS TRANSFERRING",
        f"CALL {number} TRANSFER_ACTIVE TRUE",
    }
    assert begun & set(told)
    assert told.index(f"CALL {number} STATUS TRANSFERRED") > 0
    assert not app.heard.found(rf"CALL {number} STATUS (?!TRANSFERR).*", mark)
    assert (await app.ask("SEARCH ACTIVECALLS")).rstrip() == "CALLS"
    reply = await app.ask(f"GET CALL {number} TRANSFERRED_TO")
    assert reply == f"CALL {number} TRANSFERRED_TO tone"
    for verb in ("HANGUP", "END HANGUP", "ANSWER", "TRANSFER echo"):
        reply = await app.ask(f"ALTER CALL {number} {verb}")
        assert re.fullmatch(r"ERROR (559|592|24)( .*)?", reply), verb


async def test_of_several_targets_the_first_to_answer_has_the_call(
    app: Application, skype: Emulator
) -> None:
    number = await incoming(app, skype, "RINGING")
    mark = await transferred(app, number, "noanswer, refuse, tone")
    await app.heard.line(f"CALL {number} STATUS TRANSFERRED", since=mark)
    reply = await app.ask(f"GET CALL {number} TRANSFERRED_TO")
    assert reply == f"CALL {number} TRANSFERRED_TO tone"


@states
async def test_a_call_whose_target_refuses_is_what_it_was_before_or_ends(
    app: Application, skype: Emulator, state: str
) -> None:
    number = await incoming(app, skype, state)
    mark = await transferred(app, number, "refuse")
    await app.heard.line(f"CALL {number} STATUS (?!TRANSFERR).*", since=mark)
    after = app.heard.found(rf"CALL {number} STATUS (?!TRANSFERR)(\w+)", mark)[0][1]
    assert after in {state} | ENDED
    assert await app.ask(f"GET CALL {number} STATUS") == f"CALL {number} STATUS {after}"
    if after == state:  # it is as good as before
        mark = await transferred(app, number, "tone")
        await app.heard.line(f"CALL {number} STATUS TRANSFERRED", since=mark)


@states
async def test_the_caller_may_give_up_while_the_target_rings(
    app: Application, skype: Emulator, state: str
) -> None:
    number = await incoming(app, skype, state)
    mark = await transferred(app, number, "noanswer")
    await skype.hang_up(number)
    over = rf"CALL {number} STATUS ({'|'.join(sorted(ENDED))})"
    await app.heard.line(over, since=mark)
    assert (await app.ask("SEARCH ACTIVECALLS")).rstrip() == "CALLS"


async def test_what_cannot_be_transferred_is_592_and_stays_as_it_is(
    app: Application, skype: Emulator
) -> None:
    number = await incoming(app, skype, "RINGING")
    reply = await app.ask(f"GET CALL {number} CAN_TRANSFER no-such-user")
    assert re.fullmatch(
        rf"CALL {number} CAN_TRANSFER no-such-user FALSE|ERROR.*", reply
    )
    transfer = f"ALTER CALL {number} TRANSFER"
    assert re.fullmatch(r"ERROR 592 ALTER CALL.*", await app.ask(f"{transfer} no-such"))
    assert re.fullmatch(r"ERROR (592|55[78])( .*)?", await app.ask(transfer))
    assert await app.ask(f"GET CALL {number} STATUS") == f"CALL {number} STATUS RINGING"
    await app.ask(f"ALTER CALL {number} END HANGUP")
    await app.status(number, "REFUSED")
    number = await app.call("echo")  # only incoming calls can be transferred
    await app.status(number, "INPROGRESS")
    reply = await app.ask(f"GET CALL {number} CAN_TRANSFER tone")
    assert reply == f"CALL {number} CAN_TRANSFER tone FALSE"
    assert re.fullmatch(
        NO_TRANSFER, await app.ask(f"ALTER CALL {number} TRANSFER tone")
    )
    assert app.statuses(number)[-1] == "INPROGRESS"


async def test_an_application_of_an_older_level_sees_a_transferred_call_end(
    over_dbus: Join, over_x11: Join, skype: Emulator
) -> None:
    old, new = await attached_at(over_dbus, 5), await attached_at(over_x11, 7)
    number = await incoming(new, skype, "INPROGRESS")
    await transferred(new, number, "tone")
    await new.status(number, "TRANSFERRED")
    await old.heard.line(rf"CALL {number} STATUS ({'|'.join(sorted(ENDED))})")
    status = (await old.ask(f"GET CALL {number} STATUS")).split()[-1]
    assert status in ENDED
    assert (await old.ask("SEARCH ACTIVECALLS")).rstrip() == "CALLS"


# Conferences


async def conf_id(app: Application, number: int) -> int:
    """The conference that a call is in; 0 is none."""
    reply = await app.ask(f"GET CALL {number} CONF_ID")
    head = f"CALL {number} CONF_ID "
    assert reply.startswith(head)
    return int(reply.removeprefix(head))


async def participants(app: Application, number: int) -> set[str]:
    """Handles of a conference, as one of its calls tells them."""
    found = set()
    for place in range(1, 10):
        reply = await app.ask(f"GET CALL {number} CONF_PARTICIPANT {place}")
        if re.match("ERROR 71", reply):
            break
        head = rf"CALL {number} CONF_PARTICIPANT {place} (\S+) \w+_P2P \w+( .*)?"
        match = re.fullmatch(head, reply)
        assert match, reply
        found.add(match[1])
    return found


async def test_a_call_to_several_is_a_conference(app: Application) -> None:
    first = await app.call("echo, tone")
    await app.status(first, "INPROGRESS")
    found = await app.ask("SEARCH ACTIVECALLS")
    numbers = [int(number) for number in re.findall(r"\d+", found)]
    assert first in numbers
    assert len(numbers) == 2
    for number in numbers:
        await app.status(number, "INPROGRESS")
    conference = {await conf_id(app, number) for number in numbers}
    assert len(conference) == 1
    assert min(conference) > 0
    assert {"echo", "tone"} <= await participants(app, first)
    for number in numbers:
        await app.ask(f"ALTER CALL {number} HANGUP")
        await app.status(number, "FINISHED")


async def test_two_calls_are_joined_and_one_of_them_goes_on_alone(
    app: Application, skype: Emulator
) -> None:
    first = await answered(app, skype)
    second = await answered(app, skype, "carol")
    await app.status(first, "LOCALHOLD")
    assert await conf_id(app, first) == await conf_id(app, second) == 0
    reply = await app.ask(f"SET CALL {second} JOIN_CONFERENCE {first}")
    joined = re.fullmatch(rf"CALL {second} CONF_ID (\d+)", reply)
    assert joined, reply
    assert int(joined[1]) > 0
    assert await conf_id(app, first) == await conf_id(app, second) == int(joined[1])
    assert {"bob", "carol"} <= await participants(app, second)
    await app.ask(f"ALTER CALL {first} HANGUP")
    await app.status(first, "FINISHED")
    status = await app.ask(f"GET CALL {second} STATUS")
    assert status == f"CALL {second} STATUS INPROGRESS"
    await skype.hang_up(second)
    await app.status(second, "FINISHED")


async def test_what_cannot_be_joined_is_an_error(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    for command in (
        f"SET CALL {number} JOIN_CONFERENCE 999999",
        f"SET CALL {number} JOIN_CONFERENCE x",
        f"SET CALL {number} JOIN_CONFERENCE",
        f"SET CALL {number} JOIN_CONFERENCE {number}",
        f"SET CALL 999999 JOIN_CONFERENCE {number}",
    ):
        assert re.match(r"ERROR \d+", await app.ask(command)), command
    assert await conf_id(app, number) == 0
    many = ", ".join(f"+4930123{place:04}" for place in range(40))
    await app.ask(f"ALTER CALL {number} HANGUP")
    await app.status(number, "FINISHED")
    assert re.match(r"ERROR \d+", await app.ask(f"CALL {many}"))
