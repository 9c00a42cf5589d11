"""Callers choose names and what they dial; it is never more than a name, an address."""

from __future__ import annotations

import re
from unicodedata import category
from urllib.parse import quote
from uuid import UUID

import pytest

from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import display_name_of, user_of
from tests.doubles.skype_transcript import SkypeTranscript

pytestmark = pytest.mark.usefixtures("every_call_ends")

NAMES = {
    "injection": "Bob,Uuid: 00000000-dead,To: skypeclient/+19005551234",
    "quotes": 'a "quoted" \\ name\'s',
    "shell": "${SHELL(id)}",
    "expression": "$[1 + 1] ${CHANNEL} `id` $(id)",
    "encoded": "%0d%0aTo: x %2C %22 ^ | ; & ~",
    "wide": "Zoë 雪 ☃ \N{RIGHT-TO-LEFT OVERRIDE}evil",
    "long": "x" * 2000,
    "empty": "",
}
BREAKS = {
    "header": "Bob\r\nTo: skypeclient/+19005551234",
    "action": "Bob\r\n\r\nAction: Originate\r\nChannel: Local/600@from-skypechan",
}
DIALLED = [
    "echo,5,m",
    "echo,60,S(1)",
    "echo,Uuid: x,To: skypeclient/+19005551234",
    "+19005551234,echo",
    "${SHELL(id)}",
    "echo&tone",
    "echo@from-sipphone",
    "echo/../tone",
    "echo%2Ctone",
    "echo\r\nSET USERSTATUS AWAY",
    'ec"ho',
    "echo tone",
]
# Asterisk's own limit on a caller name that comes by SIP or goes into a channel.
LEAST_KEPT = 79


def same_name(heard: str, true: str) -> bool:
    """Equal but for blanks and what is invisible; a long one may be cut short."""
    heard, true = (visible(name) for name in (heard, true))
    if len(true) > LEAST_KEPT:
        return len(heard) >= LEAST_KEPT and true.startswith(heard)
    return heard == true


def visible(name: str) -> str:
    """The name with control and direction characters and runs of blanks as a blank."""
    kept = [" " if category(char)[0] in "CZ" else char for char in name]
    return re.sub(" +", " ", "".join(kept)).strip()


@pytest.mark.parametrize("name", BREAKS)
async def test_line_break_in_a_phones_name_starts_no_call(
    phone: SipAgent, skype: SkypeTranscript, name: str
) -> None:
    hostile = phone.call("dial-30-tone", display_name=BREAKS[name])
    # Asterisk takes one message after the other: this one comes behind it.
    honest = phone.call("dial-30-echo")
    await honest.answered(10)
    await honest.hang_up()
    await skype.status("FINISHED", 2)
    assert skype.commands(r"^CALL ") == ["CALL echo"]
    assert hostile.responses == []
    hostile.clear()


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


@pytest.mark.parametrize("name", [*NAMES, *BREAKS])
async def test_skype_caller_reaches_its_route_whatever_its_name(
    phone: SipAgent, emulator: Emulator, gateway: Gateway, name: str
) -> None:
    chosen = (NAMES | BREAKS)[name]
    number = await emulator.ring("to-phone-x", display_name=chosen)
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
        assert same_name(heard, chosen), heard
        assert same_name(record["caller_name"], chosen), record["caller_name"]


@pytest.mark.parametrize("dialled", DIALLED)
async def test_what_a_phone_dials_is_an_address_or_refused(
    phone: SipAgent, skype: SkypeTranscript, dialled: str
) -> None:
    call = phone.call("7" + quote(dialled, safe=""))
    final = await call.final_response(5)
    assert final.status in (404, 484)
    asked = skype.commands(r"^(?!GET |NAME |PROTOCOL |PING$)")
    assert asked in ([], [f"CALL {dialled}"])
