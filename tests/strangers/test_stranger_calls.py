"""Calls at the emulator: which statuses in which order, which verb and error when.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import re

import pytest

from skypechan.demo.parts.emulated import Emulator
from tests.strangers.application import Application
from tests.strangers.conftest import Join
from tests.strangers.steps import answered

SETTING_UP = ["UNPLACED", "ROUTING", "RINGING"]


@pytest.fixture
async def app(over_dbus: Join) -> Application:
    """An attached application."""
    app = await over_dbus()
    await app.attach("calls")
    return app


async def test_an_answered_call_goes_through_every_status(app: Application) -> None:
    number = await app.call("echo")
    await app.status(number, "INPROGRESS")
    await app.heard.line(f"CALL {number} DURATION 1")
    await app.ask(f"SET CALL {number} STATUS FINISHED")
    await app.status(number, "FINISHED")
    assert app.statuses(number)[-3:] == ["RINGING", "INPROGRESS", "FINISHED"]
    assert app.statuses(number)[:-3] in (["ROUTING"], ["UNPLACED", "ROUTING"])


async def test_duration_counts_seconds_while_in_progress(app: Application) -> None:
    number = await app.call("echo")
    await app.heard.line(f"CALL {number} DURATION 2", seconds=8)
    durations = [int(m[1]) for m in app.heard.found(rf"CALL {number} DURATION (\d+)")]
    assert durations == [1, 2]


@pytest.mark.parametrize(("callee", "end"), [("busy", "BUSY"), ("refuse", "REFUSED")])
async def test_a_callee_who_does_not_take_it(
    app: Application, callee: str, end: str
) -> None:
    number = await app.call(callee)
    await app.status(number, end)
    seen = app.statuses(number)
    assert seen[-1] == end
    assert set(seen[:-1]) <= set(SETTING_UP)
    assert not app.heard.found(rf"CALL {number} FAILUREREASON .*")


@pytest.mark.parametrize(("callee", "reason"), [("offline", 3), ("blocked", 9)])
async def test_a_failure_tells_its_reason_just_before(
    app: Application, callee: str, reason: int
) -> None:
    number = await app.call(callee)
    await app.status(number, "FAILED")
    own = [line for line in app.heard.lines if line.startswith(f"CALL {number} ")]
    last = own.index(f"CALL {number} STATUS FAILED")
    assert own[last - 1] == f"CALL {number} FAILUREREASON {reason}"
    assert app.statuses(number)[-2:] == ["ROUTING", "FAILED"]


@pytest.mark.parametrize(
    "verb",
    ["ALTER CALL {} HANGUP", "ALTER CALL {} END HANGUP", "SET CALL {} STATUS FINISHED"],
)
async def test_a_caller_who_gives_up_sees_cancelled(
    app: Application, verb: str
) -> None:
    number = await app.call("noanswer")
    await app.status(number, "RINGING")
    command = verb.format(number)
    reply = await app.ask(command)
    legacy = rf"CALL {number} STATUS (FINISHED|CANCELLED)"
    assert re.fullmatch(legacy if command.startswith("SET") else command, reply)
    await app.status(number, "CANCELLED")
    assert app.statuses(number)[-1] == "CANCELLED"


async def test_conf_id_comes_before_an_incoming_call_rings(
    app: Application, skype: Emulator
) -> None:
    number = await skype.ring("bob", display_name="Bob Roe")
    await app.status(number, "RINGING")
    own = [line for line in app.heard.lines if line.startswith(f"CALL {number} ")]
    assert own[0] == f"CALL {number} CONF_ID 0"
    assert own.index(f"CALL {number} STATUS RINGING") > 0
    assert await app.ask(f"GET CALL {number} PARTNER_HANDLE") == (
        f"CALL {number} PARTNER_HANDLE bob"
    )
    assert await app.ask(f"GET CALL {number} PARTNER_DISPNAME") == (
        f"CALL {number} PARTNER_DISPNAME Bob Roe"
    )
    assert (
        await app.ask(f"GET CALL {number} TYPE") == f"CALL {number} TYPE INCOMING_P2P"
    )
    assert await app.ask("SEARCH ACTIVECALLS") == f"CALLS {number}"


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("ALTER CALL {} ANSWER", "ALTER CALL {} ANSWER"),
        ("SET CALL {} STATUS INPROGRESS", "CALL {} STATUS INPROGRESS"),
    ],
)
async def test_both_verbs_answer(
    app: Application, skype: Emulator, verb: str, reply: str
) -> None:
    number = await skype.ring("bob")
    await app.status(number, "RINGING")
    assert await app.ask(verb.format(number)) == reply.format(number)
    await app.status(number, "INPROGRESS")
    assert (await skype.get(f"/calls/{number}"))["status"] == "INPROGRESS"


@pytest.mark.parametrize(
    "verb", ["ALTER CALL {} END HANGUP", "SET CALL {} STATUS FINISHED"]
)
async def test_rejecting_ends_in_refused(
    app: Application, skype: Emulator, verb: str
) -> None:
    number = await skype.ring("bob")
    await app.status(number, "RINGING")
    assert "ERROR" not in await app.ask(verb.format(number))
    await app.status(number, "REFUSED")
    assert app.statuses(number) == ["RINGING", "REFUSED"]


async def test_a_caller_who_gives_up_leaves_a_missed_call(
    app: Application, skype: Emulator
) -> None:
    number = await skype.ring("bob")
    await app.status(number, "RINGING")
    await skype.hang_up(number)
    await app.status(number, "MISSED")
    assert app.statuses(number) == ["RINGING", "MISSED"]
    missed = await app.ask("SEARCH MISSEDCALLS")
    assert str(number) in re.findall(r"\d+", missed)
    assert await app.ask(f"SET CALL {number} SEEN") == f"CALL {number} SEEN TRUE"


async def test_a_partner_who_hangs_up_finishes_the_call(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    await skype.hang_up(number)
    await app.status(number, "FINISHED")
    assert app.statuses(number) == ["RINGING", "INPROGRESS", "FINISHED"]


async def test_hold_and_resume_by_either_side(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    assert await app.ask(f"ALTER CALL {number} HOLD") == f"ALTER CALL {number} HOLD"
    await app.status(number, "LOCALHOLD")
    await app.ask(f"ALTER CALL {number} RESUME")
    await app.heard.line(f"CALL {number} STATUS INPROGRESS", times=2)
    await skype.post(f"/calls/{number}/hold", {"by": "partner"})
    await app.status(number, "REMOTEHOLD")
    mark = app.heard.mark
    await skype.post(f"/calls/{number}/resume", {"by": "partner"})
    await app.heard.line(f"CALL {number} STATUS INPROGRESS", since=mark)


async def test_a_verb_in_the_wrong_state_is_559(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    failed = "ERROR 559 CALL: Action failed"
    assert await app.ask(f"ALTER CALL {number} ANSWER") == failed
    assert await app.ask(f"ALTER CALL {number} RESUME") == failed
    assert await app.ask(f"ALTER CALL {number} START_VIDEO_SEND") == failed
    await app.ask(f"ALTER CALL {number} HANGUP")
    await app.status(number, "FINISHED")
    for verb in ("HANGUP", "END HANGUP", "ANSWER", "HOLD", "RESUME"):
        assert await app.ask(f"ALTER CALL {number} {verb}") == failed
    sound = await app.ask(f'ALTER CALL {number} SET_INPUT PORT="9"')
    assert re.fullmatch(r"ERROR (559|41).*", sound)
    assert re.fullmatch(r"ERROR 560.*", await app.ask(f"ALTER CALL {number} DANCE"))
    assert re.fullmatch(r"ERROR 557.*", await app.ask(f"ALTER CALL {number}"))


async def test_a_call_to_a_number_tells_its_price_and_has_early_media(
    app: Application,
) -> None:
    number = await app.call("+4930123456")
    await app.status(number, "INPROGRESS")
    own = [line for line in app.heard.lines if line.startswith(f"CALL {number} ")]
    words = [line.split()[2:] for line in own]
    assert [word[0] for word in words if "RATE" in word[0]] == [
        "RATE",
        "RATE_PRECISION",
        "RATE_CURRENCY",
    ]
    order = [word[0] for word in words].index("RATE")
    assert words.index(["STATUS", "EARLYMEDIA"]) > order
    kind = await app.ask(f"GET CALL {number} TYPE")
    assert kind == f"CALL {number} TYPE OUTGOING_PSTN"
    await app.ask(f"SET CALL {number} STATUS FINISHED")
    await app.status(number, "FINISHED")


async def test_a_second_call_is_refused_while_one_is_there(app: Application) -> None:
    first = await app.call("noanswer")
    await app.status(first, "RINGING")
    assert re.fullmatch(r"ERROR 96 CALL.*", await app.ask("CALL echo"))
    await app.ask(f"ALTER CALL {first} HANGUP")
    await app.status(first, "CANCELLED")
    second = await app.call("echo")
    await app.status(second, "INPROGRESS")
    assert re.fullmatch(r"ERROR 99 CALL.*", await app.ask("CALL echo123"))


async def test_a_second_caller_rings_while_the_first_is_talking(
    app: Application, skype: Emulator
) -> None:
    first = await answered(app, skype)
    second = await skype.ring("carol")
    await app.status(second, "RINGING")
    assert await app.ask(f"GET CALL {second} PARTNER_HANDLE") == (
        f"CALL {second} PARTNER_HANDLE carol"
    )
    await app.ask(f"ALTER CALL {second} END HANGUP")
    await app.status(second, "REFUSED")
    assert app.statuses(first)[-1] == "INPROGRESS"


async def test_numbers_of_calls_rise_and_leave_gaps_for_nobody_to_rely_on(
    app: Application,
) -> None:
    numbers = []
    for _ in range(3):
        numbers.append(await app.call("offline"))
        await app.status(numbers[-1], "FAILED")
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 0


async def test_digits_to_the_partner_are_acknowledged_one_by_one(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    for digit in "0123456789*#":
        command = f"SET CALL {number} DTMF {digit}"
        assert await app.ask(command) == command
    for _ in range(2):
        command = f"ALTER CALL {number} DTMF 5"
        assert await app.ask(command) == command
    assert (await skype.get(f"/calls/{number}"))["digits_heard"] == "0123456789*#55"
    for bad in ("A", "x", "12"):
        assert re.fullmatch(
            "ERROR 42.*", await app.ask(f"SET CALL {number} DTMF {bad}")
        )
    await app.ask(f"ALTER CALL {number} HANGUP")
    await app.status(number, "FINISHED")
    assert re.fullmatch("ERROR 41.*", await app.ask(f"SET CALL {number} DTMF 1"))


async def test_a_digit_sent_while_routing_is_answered_once_it_rings(
    app: Application,
) -> None:
    number = await app.call("noanswer")
    mark = app.say(f"SET CALL {number} DTMF 7")
    await app.heard.line(f"SET CALL {number} DTMF 7", since=mark)
    assert "RINGING" in app.statuses(number)


async def test_digits_of_the_partner_are_notified_in_order(
    app: Application, skype: Emulator
) -> None:
    number = await answered(app, skype)
    await skype.post(f"/calls/{number}/digits", {"digits": "12*#", "gap_s": 0.05})
    await app.heard.line(f"CALL {number} DTMF #")
    digits = [m[1] for m in app.heard.found(rf"CALL {number} DTMF (\S)")]
    assert digits == list("12*#")
