"""What the people, phones and operators of the call drill can do.

Each act finds somebody it can be done to, by the step's `pick`, and tells what came of
it. What is refused because the call is just ending is part of the drill.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from skypechan.asterisk.ami.messages import Redirect
from skypechan.errors import SkypechanError
from tests.doubles.sip_agent import ANSWERS, BUSY, DECLINES, RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_values import Behaviour, CallState
from tests.drill.arena import Arena, Stand
from tests.drill.rounds import PHONES, Step
from tests.system.exchange import BlindTransfer

_SIP_S = 2.0
_ACT_S = 5.0
_CONTEXT = "from-sipphone"
_One = TypeVar("_One")

BEHAVIOURS = {
    "answers": ANSWERS,
    "answers later": Behaviour(answer_after_s=0.4),
    "rings": RINGS,
    "busy": BUSY,
    "declines": DECLINES,
}


class NobodyThere(SkypechanError):  # noqa: N818 - it is none of the house's errors
    """There is nobody that this could be done to."""


async def take(arena: Arena, step: Step) -> str:
    """Take a step of a round; return what came of it."""
    try:
        async with asyncio.timeout(_ACT_S):
            if step.who in PHONES:
                return await _by_phone(arena, step)
            if step.who == "operator":
                return await _OPERATORS[step.what](arena, step)
            return await _by_people(arena.stands[step.who], step)
    except (SkypechanError, TimeoutError, AssertionError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def _picked(step: Step, among: Sequence[_One]) -> _One:
    if not among:
        raise NobodyThere("nobody there")
    return among[step.pick % len(among)]


# Phones.


async def _by_phone(arena: Arena, step: Step) -> str:
    phone = arena.phones[step.who]
    if step.what == "calls":
        placed = phone.call(step.detail)
        arena.placed.append((step.detail, placed))
        return f"Call-ID {placed.call_id}"
    if step.what == "answer":
        ringing = [x for x in phone.calls if x.state is CallState.PLACED and not x.ours]
        _picked(step, ringing).answer()
        return "answered"
    call = _picked(step, phone.calls)
    await _PHONES[step.what](phone, call, step)
    return f"{call.call_id} {call.state.value}"


async def hang_up(call: Call) -> None:
    """End a call as a phone would, whatever its state."""
    if call.state is CallState.ANSWERED:
        await call.hang_up(_SIP_S)
    elif call.state is CallState.PLACED and call.ours:
        await call.cancel(_SIP_S)


async def _hang_up(_: SipAgent, call: Call, __: Step) -> None:
    await hang_up(call)


async def _hold(_: SipAgent, call: Call, __: Step) -> None:
    _talking(call)
    await call.hold(_SIP_S)


async def _resume(_: SipAgent, call: Call, __: Step) -> None:
    _talking(call)
    await call.resume(_SIP_S)


async def _digits(_: SipAgent, call: Call, step: Step) -> None:
    _talking(call)
    await call.rtp.send_digits(step.detail, 60, 40)


async def _transfer(phone: SipAgent, call: Call, step: Step) -> None:
    _talking(call)
    host, port = phone.peer
    await call.transfer(f"sip:{step.detail}@{host}:{port}", _SIP_S)
    await call.changes.until(
        lambda: call.transfer_status >= 200 or call.state is CallState.ENDED,
        _SIP_S,
        "end of the transfer",
    )
    await hang_up(call)


def _talking(call: Call) -> None:
    if call.state is not CallState.ANSWERED:
        raise NobodyThere(f"the call is {call.state.value}")


_PHONES: dict[str, Callable[[SipAgent, Call, Step], Awaitable[None]]] = {
    "hang up": _hang_up,
    "hold": _hold,
    "resume": _resume,
    "digits": _digits,
    "transfer": _transfer,
}


# People at both ends of a Skype call.


async def _by_people(stand: Stand, step: Step) -> str:
    if step.what == "rings":
        return f"call {await stand.skype.ring(step.detail)}"
    if step.what == "stumble":
        return str(await stand.skype.post("/faults", json.loads(step.detail)))
    call = _picked(step, await stand.live())
    path = f"/calls/{call['call']}"
    act, _, by_hand = step.what.partition(" by ")
    body: dict[str, Any] = {"by": "user"} if by_hand else {}
    if act == "digits":
        body = {"digits": step.detail, "gap_s": 0.08}
    told = await stand.skype.post(f"{path}/{act.replace(' ', '_')}", body)
    status = told["status"] if isinstance(told, dict) and "status" in told else told
    return f"call {call['call']} {status}"


# Operators, at the gateway and at Asterisk.


async def _hang_up_by_api(arena: Arena, step: Step) -> str:
    call = _picked(step, await arena.gateway.now.calls())
    await arena.operate("DELETE", f"/calls/{call['call']}")
    return str(call["call"])


async def _hold_by_api(arena: Arena, step: Step) -> str:
    call = _picked(step, await arena.gateway.now.calls())
    await arena.operate("POST", f"/calls/{call['call']}/{step.what}")
    return str(call["call"])


async def _redirect(arena: Arena, step: Step) -> str:
    audio = [x for x in await arena.channels() if x.startswith("AudioSocket/")]
    channel = _picked(step, audio)
    await arena.watch.do(Redirect(channel, _CONTEXT, step.detail))
    return channel


async def _transfer_by_ami(arena: Arena, step: Step) -> str:
    phones = [x for x in await arena.channels() if x.startswith("PJSIP/")]
    channel = _picked(step, phones)
    await arena.watch.do(BlindTransfer(channel, _CONTEXT, step.detail))
    return channel


async def _restart(arena: Arena, step: Step) -> str:
    await arena.operate("POST", f"/lines/{step.detail}/restart")
    return step.detail


_OPERATORS: dict[str, Callable[[Arena, Step], Awaitable[str]]] = {
    "hang up": _hang_up_by_api,
    "hold": _hold_by_api,
    "resume": _hold_by_api,
    "redirect": _redirect,
    "transfer": _transfer_by_ami,
    "restart": _restart,
}
