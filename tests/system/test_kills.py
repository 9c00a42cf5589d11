"""Any program of a call is killed outright, while it rings and while people talk.

What is left must notice, clear its half, and take the next call once the killed one is
back, without anything else being started again.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from skypechan.desktop.users import workspace
from tests.conftest import _children as children_of_ours
from tests.conftest import _open_sockets as open_sockets
from tests.doubles.sip_agent import ANSWERS, RINGS, SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_values import CallState
from tests.system.figures import MEASURED
from tests.system.mortal_parts import MortalParts, mortal_parts
from tests.system.parts import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE_S = 0.5
NOTICED_S = 3.0
# An originated call outlives its gateway by the length of its lease.
LEASE_S = 3.5
AGAIN_S = 2.0

GONE = {"status": "CHANUNAVAIL", "released_by": "line", "cause": 27}
NO_PBX = {"status": "CHANUNAVAIL", "released_by": "pbx", "cause": 38}
CUT_BY_LINE = {"status": "ANSWER", "released_by": "line", "cause": 27}
CUT_BY_PBX = {"status": "ANSWER", "released_by": "pbx", "cause": 38}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["dbus", "x11"])
async def running(request: pytest.FixtureRequest) -> AsyncIterator[MortalParts]:
    with workspace() as folder:
        async with mortal_parts(folder, request.param) as parts:
            yield parts


@pytest_asyncio.fixture(loop_scope="module")
async def parts(running: MortalParts) -> AsyncIterator[MortalParts]:
    await running.mend()
    yield running
    assert running.tracebacks() == []


@pytest.fixture(autouse=True)
def nothing_is_left(parts: MortalParts) -> Iterator[None]:
    """In place of the common one: the programs are others afterwards, but the same."""
    children, sockets = sorted(children_of_ours().values()), open_sockets()
    yield
    assert sorted(children_of_ours().values()) == children
    assert open_sockets() <= sockets


@pytest_asyncio.fixture(loop_scope="module")
async def phone(parts: MortalParts) -> AsyncIterator[SipAgent]:
    async with parts.phone() as agent:
        yield agent


@dataclass(frozen=True, slots=True)
class Victim:
    """A call that somebody is going to cut: its halves at the phone and at Skype."""

    call: Call
    number: int
    direction: str
    state: str

    @property
    def name(self) -> str:
        return f"{self.state} {self.direction}"


async def make_call(
    parts: MortalParts, phone: SipAgent, state: str, direction: str
) -> Victim:
    phone.behaviour = ANSWERS if state == "talking" else RINGS
    if direction == "to_pbx":
        number = await parts.skype.ring("to-phone-kill")
        call = await phone.next_call(3)
    else:
        whom = "echo" if state == "talking" else "noanswer"
        call = phone.call(f"dial-60-{whom}")
        await call.response(180, 3)
        number = await parts.skype.newest()
    if state == "talking":
        await call.answered(5)
        await parts.skype.call(number, "INPROGRESS")
        await call.rtp.wait_for_audio(10, 3)
    else:
        await parts.skype.call(number, "RINGING")
    return Victim(call, number, direction, state)


def since_ms(start_ns: int, end_ns: int | None = None) -> float:
    return ((end_ns or time.monotonic_ns()) - start_ns) / 1e6


async def phone_is_told(victim: Victim, killed: str, start_ns: int, by_s: float) -> int:
    """The cause that the phone is told, 0 where it is told none.

    `killed` is what the figure is called after.
    """
    call = victim.call
    if victim.state == "ringing" and victim.direction == "to_line":
        end_ns = (await call.final_response(by_s)).at_ns
    else:
        await call.ended(by_s)
        end_ns = call.ended_ns
    MEASURED.add(
        f"{killed} killed to end at the phone, {victim.name}",
        since_ms(start_ns, end_ns),
    )
    return call.reasons[0].cause if call.reasons else 0


async def no_channel_is_left(parts: MortalParts) -> None:
    async def none() -> bool:
        return await parts.channels() == 0

    await eventually(none, 1, "end of all channels")


async def everything_is_over(parts: MortalParts) -> None:
    await no_channel_is_left(parts)
    await parts.gateway.now.idle(NOTICED_S)
    assert await parts.skype.live() == []


async def next_call_works(parts: MortalParts, phone: SipAgent) -> None:
    for direction in ("to_line", "to_pbx"):
        again = await make_call(parts, phone, "talking", direction)
        await again.call.hang_up()
        await parts.gateway.now.idle()
    await everything_is_over(parts)


async def ready_again(parts: MortalParts, killed: str) -> None:
    start_ns = time.monotonic_ns()
    await parts.gateway.now.ready(AGAIN_S)
    MEASURED.add(f"{parts.called(killed)} back to ready", since_ms(start_ns))


async def record_of(
    parts: MortalParts, victim: Victim, wanted: dict[str, object]
) -> None:
    await parts.gateway.now.record(
        1, direction=victim.direction, skype_call=str(victim.number), **wanted
    )


DIRECTIONS = pytest.mark.parametrize("direction", ["to_line", "to_pbx"])
STATES = pytest.mark.parametrize("state", ["ringing", "talking"])


@STATES
@DIRECTIONS
@pytest.mark.parametrize("killed", ["client", "desktop"])
async def test_without_a_client_the_phone_is_let_go_at_once(
    parts: MortalParts, phone: SipAgent, killed: str, direction: str, state: str
) -> None:
    gateway = parts.gateway.now
    victim = await make_call(parts, phone, state, direction)
    start_ns = time.monotonic_ns()
    await parts.kill(killed)
    cause = await phone_is_told(victim, parts.called(killed), start_ns, AT_ONCE_S)
    if (state, direction) == ("ringing", "to_line"):
        assert cause == 27
    await no_channel_is_left(parts)
    await gateway.idle(1)
    await record_of(parts, victim, GONE if state == "ringing" else CUT_BY_LINE)
    assert (await parts.line())[0] == "waiting_for_client"
    await parts.revive(killed)
    await ready_again(parts, killed)
    await next_call_works(parts, phone)
    assert gateway is parts.gateway.now


@STATES
@DIRECTIONS
async def test_without_asterisk_skype_is_let_go_and_the_line_stays_ready(
    parts: MortalParts, phone: SipAgent, direction: str, state: str
) -> None:
    victim = await make_call(parts, phone, state, direction)
    start_ns = time.monotonic_ns()
    await parts.kill("asterisk")

    async def skype_is_let_go() -> bool:
        return await parts.skype.live() == []

    await eventually(skype_is_let_go, AGAIN_S, "end of the Skype call")
    MEASURED.add(f"asterisk killed to end at Skype, {victim.name}", since_ms(start_ns))
    await parts.gateway.now.idle(1)
    await record_of(parts, victim, NO_PBX if state == "ringing" else CUT_BY_PBX)
    assert await parts.line() == ("ready", "")
    await victim.call.close()
    await parts.revive("asterisk")
    await ready_again(parts, "asterisk")
    await phone.register()
    await next_call_works(parts, phone)


@STATES
@DIRECTIONS
async def test_without_a_gateway_asterisk_lets_go_and_the_next_one_sweeps_skype(
    parts: MortalParts, phone: SipAgent, direction: str, state: str
) -> None:
    victim = await make_call(parts, phone, state, direction)
    start_ns = time.monotonic_ns()
    await parts.kill("gateway")
    by_s = AT_ONCE_S if state == "talking" else NOTICED_S
    if (state, direction) == ("ringing", "to_pbx"):
        by_s = LEASE_S
    cause = await phone_is_told(victim, "gateway", start_ns, by_s)
    if (state, direction) == ("ringing", "to_line"):
        assert cause == 38
        assert victim.call.final is not None
        assert victim.call.final.status == 500
    assert victim.call.state is CallState.ENDED
    await no_channel_is_left(parts)
    started_ns = time.monotonic_ns()
    await parts.revive("gateway")

    async def swept() -> bool:
        return await parts.skype.live() == []

    await parts.gateway.now.process.line("line skypeclient is ready")
    await eventually(swept, AGAIN_S, "end of what the dead gateway left")
    timeline = (await parts.skype.get(f"/calls/{victim.number}"))["timeline"]
    MEASURED.add(
        f"gateway started again to end of an orphan at Skype, {victim.name}",
        since_ms(started_ns, timeline[-1][0]),
    )
    await parts.gateway.now.ready()
    await next_call_works(parts, phone)
