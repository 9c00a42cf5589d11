"""Whatever ends a call before its answer: the phone is never told that it is up.

A false 200 costs the caller money and lies to whoever counts calls.
"""

from __future__ import annotations

import pytest

from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.http import ask
from tests.doubles.sip_agent import SipAgent

FORMS = ("prepare", "dial", "local")
TOKEN = {"Authorization": "Bearer tests"}


async def test_a_session_that_ends_before_the_answer_is_no_answer(
    gateway: Gateway, phone: SipAgent, emulator: Emulator
) -> None:
    """FAILUREREASON 5 (session terminated) and 14 mean normal clearing."""
    for reason in (5, 14):
        handle = f"ends-{reason}"
        await emulator.put(f"/contacts/{handle}", {"manner": "fail", "failure": reason})
        call = phone.call(f"dial-30-{handle}")
        final = await call.final_response(5)
        assert final.status == 480
        assert 200 not in call.statuses
        record = await gateway.record(address=handle)
        assert record["answered"] is None
        assert record["status"] == "NOANSWER"


@pytest.mark.parametrize("form", FORMS)
async def test_an_operator_who_ends_a_ringing_call_answers_nobody(
    gateway: Gateway, phone: SipAgent, emulator: Emulator, form: str
) -> None:
    call = phone.call(f"{form}-30-noanswer")
    await call.response(180, 5)
    [live] = await gateway.calls()
    await ask("DELETE", f"{gateway.url}/api/calls/{live['call']}", headers=TOKEN)
    final = await call.final_response(5)
    assert final.status == 480
    assert 200 not in call.statuses
    await gateway.idle()
    assert await emulator.live() == []
