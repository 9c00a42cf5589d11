"""Every way a call can end, at both ends and in both directions, over both transports.

The Skype side is the emulated client, the other one a SIP phone at a real Asterisk with
an operator's own dialplan. Each row says what the phone hears (SIP code, Q.850 in
Reason), what the dialplan reads, what the record says and how Skype calls it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from skypechan.asterisk.causes import spoken
from skypechan.call.causes import HangupCause, meaning
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from tests.doubles.loop_thread import LoopThread
from tests.doubles.sip_agent import ANSWERS, RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_values import Behaviour, EndedBy
from tests.system.figures import MEASURED
from tests.system.matrix import REASONS, TRANSPORTS, Matrix, first_ns, matrix
from tests.system.parts import eventually

SOON_MS = 50
"""What the phone hears follows the Skype event by no more, in the median."""

# How a cause is told to a phone that waits for an answer: SIP code, Q.850 in the Reason
# header, DIALSTATUS. As measured on Asterisk 22; 603 is never said.
TOLD = {
    1: (404, 1, "CHANUNAVAIL"),
    16: (480, 19, "NOANSWER"),
    17: (486, 17, "BUSY"),
    19: (480, 19, "NOANSWER"),
    20: (480, 20, "CHANUNAVAIL"),
    21: (403, 21, "CHANUNAVAIL"),
    31: (480, 31, "CHANUNAVAIL"),
    38: (500, 38, "CHANUNAVAIL"),
    41: (503, 42, "CHANUNAVAIL"),
    44: (503, 42, "CHANUNAVAIL"),
    58: (488, 58, "CHANUNAVAIL"),
}
FAILURES = {
    1: 31,  # FAILUREREASON: cause
    2: 1,
    3: 20,
    4: 38,
    5: 16,
    6: 58,
    7: 41,
    8: 41,
    9: 21,
    10: 21,
    11: 21,
    12: 41,
    13: 41,
    14: 16,
}


@pytest.fixture(scope="module")
def parts(house: LoopThread, place: Path, asterisk: LocalAsterisk) -> Iterator[Matrix]:
    with matrix(house, place / "matrix", asterisk) as found:
        yield found


@pytest.fixture(autouse=True)
async def _quiet(parts: Matrix) -> AsyncIterator[None]:
    """After each test, and the phone's leaving, nothing is left of its calls."""
    yield
    await parts.quiet()


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt to reach a Skype user that fails.

    `skype` is the client's last status, empty where it was never asked.
    """

    address: str
    cause: int
    reason: str
    skype: str
    seconds: int = 30
    fail: tuple[tuple[str, object], ...] = ()


OUTBOUND = {
    "busy": Failure("busy", 17, "busy", "BUSY"),
    "refused": Failure("refuses", 21, "refused", "REFUSED"),
    "no answer": Failure("rings", 19, "nobody answered in time", "CANCELLED", 1),
    "offline": Failure("offline", 20, "FAILUREREASON 3: user is offline", "FAILED"),
    "blocked": Failure("blocked", 21, "FAILUREREASON 9: call blocked", "FAILED"),
    "nobody": Failure("nobody.at.all", 1, "ERROR 92: unrecognised identity", ""),
    "voicemail": Failure("machine", 19, "no answer", "VM_CANCELLED"),
    "PSTN reject": Failure(
        "+4930111", 21, "refused by the telephone network", "WAITING_REDIAL_COMMAND"
    ),
    "PSTN timeout": Failure(
        "+4930222",
        41,
        "FAILUREREASON 1: miscellaneous error",
        "FAILED",
        fail=(("failure_reason", 1), ("pstn_status", "6500 creation timeout")),
    ),
    "unknown reason": Failure(
        "rings", 31, "FAILUREREASON 99", "FAILED", fail=(("failure_reason", 99),)
    ),
    **{
        f"reason {reason}": Failure(
            f"fails{reason}", cause, f"FAILUREREASON {reason}: ", "FAILED"
        )
        for reason, cause in FAILURES.items()
    },
}


async def skype_status(client: Emulator, record: dict[str, str]) -> str:
    number = record["skype_call"]
    return str((await client.get(f"/calls/{number}"))["status"]) if number else ""


async def trying(client: Emulator, address: str) -> int:
    """The number of the call to somebody, once there is something to hear."""

    async def newest() -> int | None:
        live = await client.live()
        return next((x["call"] for x in live if x["partner"] == address), None)

    number = await eventually(newest, 5, f"call to {address}")
    await client.get(f"/calls/{number}?until=RINGING,EARLYMEDIA&timeout_s=5")
    return number


@pytest.mark.parametrize("name", OUTBOUND)
@pytest.mark.parametrize("line", TRANSPORTS)
async def test_call_to_skype_fails(
    parts: Matrix, phone: SipAgent, line: str, name: str
) -> None:
    row, client = OUTBOUND[name], parts.clients[line]
    call = phone.call(f"case-prepare-{row.seconds}-{line}-{row.address}")
    if row.fail:
        number = await trying(client, row.address)
        await client.post(f"/calls/{number}/fail", dict(row.fail))
    sip, told, status = TOLD[row.cause]
    final = await call.final_response(5)
    assert final.status == sip, call.statuses
    assert [(reason.protocol, reason.cause) for reason in call.reasons] == [
        ("Q.850", told)
    ]
    read = await parts.told(call.call_id)
    assert (read["status"], read["cause"]) == (status, str(told))
    assert (read["dialstatus"], read["hangupcause"]) == (status, str(told))
    assert unquote(read["reason"]).startswith(row.reason)
    record = await parts.gateway.record(sip_call_id=call.call_id)
    assert (record["cause"], record["status"]) == (row.cause, status)
    assert record["reason"].startswith(row.reason)
    assert (record["line"], record["answered"]) == (line, None)
    assert await skype_status(client, record) == row.skype


@pytest.mark.parametrize("form", ["dial", "local"])
@pytest.mark.parametrize(
    ("address", "cause"),
    [("busy", 17), ("refuses", 21), ("fails5", 16), ("fails7", 41), ("machine", 19)],
)
async def test_every_form_tells_the_same(
    parts: Matrix, phone: SipAgent, form: str, address: str, cause: int
) -> None:
    call = phone.call(f"case-{form}-30-dbus-{address}")
    final = await call.final_response(5)
    read = await parts.told(call.call_id)
    sip, told, status = TOLD[cause]
    assert final.status == sip
    assert [reason.cause for reason in call.reasons] == [told]
    assert (read["dialstatus"], read["hangupcause"]) == (status, str(told))


@pytest.mark.parametrize("cause", HangupCause)
async def test_words_and_codes_of_a_cause_are_those_of_asterisk(
    parts: Matrix, phone: SipAgent, cause: HangupCause
) -> None:
    call = phone.call(f"case-leg-{int(spoken(cause))}")
    final = await call.final_response(5)
    read = await parts.told(call.call_id)
    assert final.status == meaning(cause).sip
    assert [reason.cause for reason in call.reasons] == [spoken(cause)]
    assert read["dialstatus"] == meaning(cause).status


async def placed(parts: Matrix, phone: SipAgent, line: str) -> tuple[Call, int]:
    """A call that a Skype user has answered; what followed when is noted."""
    call = phone.call(f"case-prepare-30-{line}-answers")
    answered = await call.response(200, 5)
    rang = await call.response(180, 1)
    client = parts.clients[line]
    number = await client.newest()
    then = await client.call(number, "INPROGRESS")
    note("RINGING to 180", first_ns(then, "RINGING"), rang.at_ns)
    note("INPROGRESS to 200", first_ns(then, "INPROGRESS"), answered.at_ns)
    return call, number


async def end(call: Call, number: int, client: Emulator, ends: str) -> None:
    """End an answered call from one side; how fast the phone hears of it is noted."""
    if ends == "phone":
        await call.hang_up()
    else:
        await client.hang_up(number)
        await call.ended(2)
        assert call.ended_by is EndedBy.THEM
        assert [reason.cause for reason in call.reasons] == [16]
    finished = await client.call(number, "FINISHED")
    if ends == "skype":
        note("FINISHED to BYE", first_ns(finished, "FINISHED"), call.ended_ns)


def note(what: str, from_ns: int, to_ns: int) -> None:
    MEASURED.add(f"cause matrix: {what}", (to_ns - from_ns) / 1e6)


@pytest.mark.parametrize("ends", ["phone", "skype"])
@pytest.mark.parametrize("line", TRANSPORTS)
async def test_call_to_skype_is_answered(
    parts: Matrix, phone: SipAgent, line: str, ends: str
) -> None:
    call, number = await placed(parts, phone, line)
    await end(call, number, parts.clients[line], ends)
    assert call.statuses == [100, 180, 200]
    read = await parts.told(call.call_id)
    assert read["status"] == read["dialstatus"] == "ANSWER"
    assert read["hangupcause"] == "16"
    record = await parts.gateway.record(sip_call_id=call.call_id)
    assert (record["cause"], record["status"]) == (16, "ANSWER")
    assert record["released_by"] == {"phone": "pbx", "skype": "line"}[ends]


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_call_to_skype_is_cancelled(
    parts: Matrix, phone: SipAgent, line: str
) -> None:
    call = phone.call(f"case-prepare-30-{line}-rings")
    await call.response(180, 5)
    await call.cancel()
    assert (await call.final_response(2)).status == 487
    number = await parts.clients[line].newest()
    await parts.clients[line].call(number, "CANCELLED")
    read = await parts.told(call.call_id)
    assert read["status"] == read["dialstatus"] == "CANCEL"
    assert unquote(read["reason"]) == "the caller gave up"
    record = await parts.gateway.record(sip_call_id=call.call_id)
    assert (record["cause"], record["status"]) == (16, "CANCEL")
    assert record["reason"] == "the caller gave up"


@pytest.fixture
async def without_network(
    parts: Matrix, line: str
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Takes the client of the test's line off its network, until the test is over."""
    client = parts.clients[line]

    async def cut() -> None:
        await client.post("/account", {"connection": "CONNECTING"})
        await parts.line_is(line, "connecting")

    yield cut
    await client.post("/account", {"connection": "ONLINE"})
    await parts.line_is(line, "ready")


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_call_to_skype_while_its_network_is_down(
    parts: Matrix,
    phone: SipAgent,
    line: str,
    without_network: Callable[[], Awaitable[None]],
) -> None:
    await without_network()
    call = phone.call(f"case-prepare-30-{line}-answers")
    assert (await call.final_response(5)).status == 503
    assert [reason.cause for reason in call.reasons] == [42]
    read = await parts.told(call.call_id)
    assert read["status"] == read["dialstatus"] == "CHANUNAVAIL"
    record = await parts.gateway.record(sip_call_id=call.call_id)
    assert (record["cause"], record["status"]) == (44, "CHANUNAVAIL")


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_network_goes_down_while_skype_rings(
    parts: Matrix,
    phone: SipAgent,
    line: str,
    without_network: Callable[[], Awaitable[None]],
) -> None:
    client = parts.clients[line]
    call = phone.call(f"case-prepare-30-{line}-rings")
    await call.response(180, 5)
    await without_network()
    await client.post(f"/calls/{await client.newest()}/fail", {"failure_reason": 4})
    assert (await call.final_response(5)).status == 500
    record = await parts.gateway.record(sip_call_id=call.call_id)
    assert (record["cause"], record["released_by"]) == (38, "line")


# From Skype to the phone, by an operator's bare Dial.


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the phone does, and what the dialplan and the record then say.

    `parting` is what the caller gets on the line over X11, which is set so; on the
    other one everybody is rejected.
    """

    behaviour: Behaviour
    cause: int
    dial_status: str
    parting: str = "reject"
    caller: str = "somebody"


def rejects(sip: int) -> Behaviour:
    return Behaviour(ring_after_s=None, reject=sip)


INBOUND = {
    "busy": Refusal(rejects(486), 17, "BUSY", "voicemail"),
    "busy everywhere": Refusal(rejects(600), 17, "BUSY", "voicemail"),
    "refused": Refusal(rejects(603), 21, "CHANUNAVAIL"),
    "blocked": Refusal(rejects(403), 21, "CHANUNAVAIL"),
    "PSTN reject": Refusal(rejects(603), 21, "CHANUNAVAIL", caller="+4930333"),
    "unknown": Refusal(rejects(404), 1, "CHANUNAVAIL", "forward"),
    "not now": Refusal(rejects(480), 19, "NOANSWER", "ring"),
    "no codec": Refusal(rejects(488), 58, "CHANUNAVAIL", "forward"),
    "trouble": Refusal(rejects(500), 38, "CHANUNAVAIL", "forward"),
    "overload": Refusal(rejects(503), 34, "CONGESTION", "forward"),
    "no answer": Refusal(RINGS, 19, "NOANSWER", "ring", caller="hasty"),
}
SKYPE_SAYS = {"reject": "REFUSED", "voicemail": "REFUSED", "ring": "RINGING"}
SENT_ON = {"voicemail": "voicemail"}


async def refused(parts: Matrix, line: str, number: int, row: Refusal) -> None:
    """The call of that number has ended as the row says."""
    client = parts.clients[line]
    record = await parts.gateway.record(skype_call=str(number), line=line)
    read = await parts.told(record["call"])
    assert read["dialstatus"] == row.dial_status
    assert (record["cause"], record["answered"]) == (row.cause, None)
    assert record["status"] == meaning(HangupCause(row.cause)).status
    assert record["released_by"] == "pbx"
    parting = row.parting if line == "x11" else "reject"
    status = SKYPE_SAYS.get(parting, "REFUSED")
    ended = await client.call(number, status)
    assert ended["sent_on"] == SENT_ON.get(parting, "")


@pytest.mark.parametrize("name", INBOUND)
@pytest.mark.parametrize("line", TRANSPORTS)
async def test_phone_does_not_answer(
    parts: Matrix, phone: SipAgent, line: str, name: str
) -> None:
    row = INBOUND[name]
    phone.behaviour = row.behaviour
    number = await parts.clients[line].ring(row.caller)
    call = await phone.next_call(5)
    await refused(parts, line, number, row)
    await call.ended(2)


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_phone_is_not_there(parts: Matrix, phone: SipAgent, line: str) -> None:
    await phone.register(0)
    number = await parts.clients[line].ring("somebody")
    row = Refusal(RINGS, 20, "CHANUNAVAIL", "forward")
    await refused(parts, line, number, row)


@pytest.mark.parametrize("ends", ["phone", "skype"])
@pytest.mark.parametrize("line", TRANSPORTS)
async def test_phone_answers(
    parts: Matrix, phone: SipAgent, line: str, ends: str
) -> None:
    client = parts.clients[line]
    phone.behaviour = ANSWERS
    number = await client.ring("somebody")
    call = await phone.next_call(5)
    then = await client.call(number, "INPROGRESS")
    assert first_ns(then, "INPROGRESS") > call.answered_ns
    note("phone's 200 to INPROGRESS", call.answered_ns, first_ns(then, "INPROGRESS"))
    await parts.established()
    await end(call, number, client, ends)
    record = await parts.gateway.record(skype_call=str(number), line=line)
    assert (record["cause"], record["status"]) == (16, "ANSWER")
    assert record["released_by"] == {"phone": "pbx", "skype": "line"}[ends]


async def ringing(parts: Matrix, phone: SipAgent, line: str) -> tuple[Call, int]:
    """A Skype user lets the phone ring."""
    phone.behaviour = RINGS
    number = await parts.clients[line].ring("somebody")
    return await phone.next_call(5), number


async def stops_ringing(
    parts: Matrix, call: Call, number: int, line: str, cause: int
) -> dict[str, Any]:
    """The phone is told why, and so is the record, which is returned."""
    await call.ended(2)
    assert call.ended_by is EndedBy.CANCELLED
    assert [(x.protocol, x.cause) for x in call.reasons] == [("Q.850", cause)]
    ended = await parts.clients[line].get(f"/calls/{number}")
    status = ended["status"]
    note(f"{status} to CANCEL", first_ns(ended, status), call.ended_ns)
    record = await parts.gateway.record(skype_call=str(number), line=line)
    assert (record["cause"], record["released_by"]) == (cause, "line")
    assert (await parts.told(record["call"]))["dialstatus"] == "CANCEL"
    return dict(record)


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_skype_caller_gives_up(parts: Matrix, phone: SipAgent, line: str) -> None:
    call, number = await ringing(parts, phone, line)
    await parts.clients[line].hang_up(number)
    record = await stops_ringing(parts, call, number, line, 16)
    assert (record["status"], record["reason"]) == ("CANCEL", "the caller gave up")


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_person_at_the_client_rejects(
    parts: Matrix, phone: SipAgent, line: str
) -> None:
    call, number = await ringing(parts, phone, line)
    await parts.clients[line].post(f"/calls/{number}/reject", {"by": "user"})
    record = await stops_ringing(parts, call, number, line, 21)
    assert record["status"] == "CHANUNAVAIL"
    assert record["reason"] == "refused at the client"


@pytest.mark.parametrize("reason", [*REASONS, 99])
@pytest.mark.parametrize("line", TRANSPORTS)
async def test_call_from_skype_fails_while_the_phone_rings(
    parts: Matrix, phone: SipAgent, line: str, reason: int
) -> None:
    call, number = await ringing(parts, phone, line)
    fail = {"failure_reason": reason}
    await parts.clients[line].post(f"/calls/{number}/fail", fail)
    cause = FAILURES.get(reason, 31)
    record = await stops_ringing(parts, call, number, line, cause)
    assert record["status"] == ("CANCEL" if cause == 16 else TOLD[cause][2])
    assert record["reason"].startswith(f"FAILUREREASON {reason}: ")


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_network_goes_down_while_the_phone_rings(
    parts: Matrix,
    phone: SipAgent,
    line: str,
    without_network: Callable[[], Awaitable[None]],
) -> None:
    call, number = await ringing(parts, phone, line)
    await without_network()
    await parts.clients[line].post(f"/calls/{number}/fail", {})
    record = await stops_ringing(parts, call, number, line, 31)
    assert record["reason"] == "failed without a reason"


@pytest.mark.parametrize("line", TRANSPORTS)
async def test_the_phone_hears_soon_what_happens_at_skype(
    parts: Matrix, phone: SipAgent, line: str
) -> None:
    for _ in range(3):
        call, number = await placed(parts, phone, line)
        await parts.clients[line].hang_up(number)
        await call.ended(2)
        finished = await parts.clients[line].call(number, "FINISHED")
        note("FINISHED to BYE", first_ns(finished, "FINISHED"), call.ended_ns)
        await parts.gateway.record(sip_call_id=call.call_id)
    for what in ("RINGING to 180", "INPROGRESS to 200", "FINISHED to BYE"):
        taken = MEASURED.as_dict()[f"cause matrix: {what}"]
        assert np.median(taken) < SOON_MS, (what, taken)
