"""Callers choose their names; nothing that they choose is ever more than a name."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import display_name_of, user_of
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system.parts import Emulator, Gateway

pytestmark = pytest.mark.usefixtures("every_call_ends")

NAMES = {
    "injection": "Bob,Uuid: 00000000-dead,To: skypeclient/+19005551234",
    "quotes": 'a "quoted" \\ name\'s',
    "newline": "Bob\r\nTo: skypeclient/+19005551234",
    "action": "Bob\r\n\r\nAction: Originate\r\nChannel: Local/600@from-skypechan",
    "shell": "${SHELL(id)}",
    "expression": "$[1 + 1] ${CHANNEL} `id` $(id)",
    "encoded": "%0d%0aTo: x %2C %22 ^ | ; & ~",
    "wide": "Zoë 雪 ☃ \N{RIGHT-TO-LEFT OVERRIDE}evil",
    "long": "x" * 2000,
    "empty": "",
}
# Asterisk's own limit on a caller name that comes by SIP or goes into a channel.
LEAST_KEPT = 79


def same_name(heard: str, true: str) -> bool:
    """Equal, control characters and runs of blanks being one blank; or cut short."""
    heard, true = (
        re.sub(r"[\s\x00-\x1f]+", " ", name).strip() for name in (heard, true)
    )
    if len(true) > LEAST_KEPT:
        return len(heard) >= LEAST_KEPT and true.startswith(heard)
    return heard == true


@pytest.mark.parametrize("form", ["prepare", "dial", "local"])
@pytest.mark.parametrize("name", NAMES)
async def test_phone_calls_whom_it_dialled_whatever_its_name(
    phone: SipAgent, skype: SkypeTranscript, gateway: Gateway, form: str, name: str
) -> None:
    call = phone.call(f"{form}-30-echo", display_name=NAMES[name])
    await call.answered(10)
    live = await gateway.calls()
    await call.hang_up()
    await skype.status("FINISHED", 2)
    assert skype.commands(r"^CALL ") == ["CALL echo"]
    assert len(live) == 1
    record = await gateway.record(call=live[0]["call"])
    assert UUID(record["uuid"]).version == 4
    assert record["address"] == "echo"
    assert record["caller"] == "sipphone"
    if name != "empty":
        assert same_name(record["caller_name"], NAMES[name]), record["caller_name"]


@pytest.mark.parametrize("name", NAMES)
async def test_skype_caller_reaches_its_route_whatever_its_name(
    phone: SipAgent, emulator: Emulator, gateway: Gateway, name: str
) -> None:
    number = await emulator.ring("to-phone-x", display_name=NAMES[name])
    call = await phone.next_call(5)
    await call.answered(5)
    await emulator.call(number, "INPROGRESS")
    live = await gateway.calls()
    await call.hang_up()
    await emulator.call(number, "FINISHED")
    assert len(live) == 1
    record = await gateway.record(call=live[0]["call"])
    assert UUID(record["uuid"]).version == 4
    assert record["address"] == "555@from-skypechan"
    assert record["caller"] == "to-phone-x"
    assert user_of(call.caller) == "to-phone-x"
    if name != "empty":
        heard = display_name_of(call.caller)
        assert same_name(heard, NAMES[name]), heard
        assert same_name(record["caller_name"], NAMES[name]), record["caller_name"]
