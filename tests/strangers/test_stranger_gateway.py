"""The gateway before a Skype that behaves as real ones were seen to, each quirk alone
and all together: calls both ways between a SIP phone and the stand-in, through a real
Asterisk.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from skypechan.demo.parts.gateway import Gateway
from tests.doubles.sip_agent import BUSY, RINGS, SipAgent
from tests.doubles.sip_call import Call as SipCall
from tests.doubles.sip_values import Behaviour, EndedBy
from tests.strangers.between import both_hear
from tests.strangers.standin import Standin
from tests.strangers.standin_values import ENDED, Call, Quirks

QUIRKS = {
    "none": Quirks(),
    "doubled": Quirks(doubled=True),
    "gaps": Quirks(gap=37),
    "permission late": Quirks(permission_s=0.5),
    "CALL is replied ROUTING": Quirks(call_reply="ROUTING"),
    "CALL is replied OK": Quirks(call_reply="OK"),
    "replies by Notify": Quirks(notified=True),
    "replies late": Quirks(reply_delay_s=0.15),
    "sound late": Quirks(sound_delay_s=0.4),
    "sound late, output first": Quirks(sound_delay_s=0.3, output_first=True),
    "unknown objects": Quirks(unknown=True),
    "giant lines": Quirks(giant=True),
    "reason 14": Quirks(reason_14=True),
    "no INPROGRESS": Quirks(no_inprogress=True),
    "swapped slices": Quirks(swapped=True),
    "no STATUS at the end": Quirks(mute_end=True),
    "all": Quirks(
        doubled=True,
        gap=37,
        permission_s=0.5,
        call_reply="OK",
        notified=True,
        reply_delay_s=0.1,
        sound_delay_s=0.2,
        output_first=True,
        unknown=True,
        giant=True,
        reason_14=True,
        no_inprogress=True,
        mute_end=True,
        swapped=True,
    ),
}


def before(cases: list[tuple[str, str]]) -> pytest.MarkDecorator:
    """Run a test before the stand-in with each of these quirks."""
    names = [f"{transport}: {name}" for transport, name in cases]
    return pytest.mark.parametrize("skype", cases, ids=names, indirect=True)


TAKES = Behaviour(answer_after_s=0.15)
CASES = [("dbus", name) for name in QUIRKS if name != "swapped slices"]
CASES += [("x11", name) for name in ("none", "swapped slices", "all")]
OUTWARD = (
    "gaps",
    "permission late",
    "CALL is replied ROUTING",
    "CALL is replied OK",
    "swapped slices",
)
"""What does not show in calls from Skype, or no otherwise than in calls to it."""
FEW = ("none", "CALL is replied OK", "unknown objects", "swapped slices", "all")


@pytest.fixture
async def skype(
    request: pytest.FixtureRequest, appear: Callable[..., Awaitable[Standin]]
) -> AsyncIterator[Standin]:
    """The stand-in with the gateway attached; no call of it is left afterwards."""
    transport, name = request.param
    skype = await appear(transport, QUIRKS[name])
    yield skype
    for call in skype.calls.values():
        await skype.state(call, *ENDED)


async def talk(skype: Standin, call: Call, sip: SipCall) -> None:
    """Sound and digits both ways, at once."""
    await both_hear(skype, call, sip)
    skype.partner_dials(call, "5#")
    await asyncio.gather(
        sip.rtp.send_digits("1*", 80, 40), sip.rtp.wait_for_digits(2, 5)
    )
    await skype.said.until(lambda: len(call.digits) >= 2, "digits at Skype")
    assert call.digits == "1*"
    assert "".join(digit.symbol for digit in sip.rtp.digits) == "5#"


@before([case for case in CASES if case[1] != "swapped slices"])
async def test_a_phone_calls_and_hangs_up(phone: SipAgent, skype: Standin) -> None:
    mark = skype.said.mark
    sip = phone.call(f"call-{skype.transport}-good")
    await sip.response(180, 10)
    call = await skype.newest(mark)
    await sip.answered(10)
    assert call.talked
    await talk(skype, call, sip)
    await sip.hang_up()
    await skype.state(call, "FINISHED")
    assert sip.statuses == [100, 180, 200]
    assert len(skype.calls) == 1


@before([case for case in CASES if case[1] not in OUTWARD])
async def test_skype_calls_and_hangs_up(phone: SipAgent, skype: Standin) -> None:
    phone.behaviour = TAKES
    call = skype.ring("bob", "Bob Roe")
    sip = await phone.next_call(5)
    assert "bob" in sip.caller.lower()
    assert call.status == "RINGING"  # the phone only rings
    await sip.answered(5)
    await skype.state(call, "INPROGRESS")
    await talk(skype, call, sip)
    skype.partner_hangs_up(call)
    await sip.ended(5)
    assert sip.ended_by is EndedBy.THEM


@before([case for case in CASES if case[1] in FEW])
async def test_calls_that_are_not_taken(
    phone: SipAgent, skype: Standin, running_gateway: Gateway
) -> None:
    for callee, status in (("busy", 486), ("refuse", 403), ("nobody", 404)):
        sip = phone.call(f"call-{skype.transport}-{callee}")
        assert (await sip.final_response(10)).status == status, callee
        await running_gateway.idle()
    mark = skype.said.mark
    sip = phone.call(f"call-{skype.transport}-rings")
    await sip.response(180, 10)
    await sip.cancel()
    call = await skype.newest(mark)
    await skype.state(call, "CANCELLED")
    await running_gateway.idle()
    phone.behaviour = BUSY
    call = skype.ring("bob")
    await phone.next_call(5)
    await skype.state(call, "REFUSED")
    await running_gateway.idle()
    phone.behaviour = RINGS
    call = skype.ring("bob")
    sip = await phone.next_call(5)
    skype.partner_hangs_up(call)
    await sip.ended(5)
    assert call.status == "MISSED"


@before([("dbus", "none")])
async def test_a_dialplan_tries_one_contact_after_another(
    phone: SipAgent, skype: Standin
) -> None:
    sip = phone.call("hunt-dbus")  # 30 times nobody, then good
    final = await sip.final_response(20)
    if final.status == 200:
        await sip.hang_up()
    tried = len(skype.said.found("> .*CALL nobody"))
    assert (tried, sip.statuses) == (30, [100, 180, 200])
