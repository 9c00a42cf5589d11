"""Two agents call each other: everything that they do without a PBX between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from skypechan.audio.probe import measured_tone, tone
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import BUSY, DECLINES, RINGS, SipAgent
from tests.doubles.sip_messages import Credentials, Message, display_name_of, parse
from tests.doubles.sip_transport import response_to
from tests.doubles.sip_values import Behaviour, CallState, EndedBy
from tests.doubles.stamped_udp import Address, StampedUdp

HOST = "127.0.0.1"
Pair = tuple[SipAgent, SipAgent]


def agent(name: str, peer: Address) -> SipAgent:
    return SipAgent(HOST, peer, Credentials(name, "secret"))


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with agent("one", (HOST, 9)) as one, agent("two", (HOST, 9)) as two:
        one.peer, two.peer = two.transport.address, one.transport.address
        yield one, two


async def test_call_is_rung_answered_and_hung_up_by_the_caller(pair: Pair) -> None:
    one, two = pair
    two.behaviour = Behaviour(ring_after_s=0.02, answer_after_s=0.06)
    out = one.call("two", display_name='A "quoted" caller')
    into = await two.next_call(2)
    await out.answered(2)
    assert out.statuses == [100, 180, 200]
    assert display_name_of(into.caller) == 'A "quoted" caller'
    assert into.placed_ns >= out.placed_ns
    assert out.answered_ns >= into.answered_ns
    assert (await out.hang_up()).status == 200
    await into.ended(1)
    assert (out.ended_by, into.ended_by) == (EndedBy.US, EndedBy.THEM)


async def test_called_agent_hangs_up_when_told(pair: Pair) -> None:
    one, two = pair
    two.behaviour = Behaviour(hang_up_after_s=0.05)
    out = one.call("two")
    await out.ended(2)
    assert out.ended_by is EndedBy.THEM
    assert out.ended_ns - out.answered_ns >= 50_000_000


@pytest.mark.parametrize(("behaviour", "status"), [(BUSY, 486), (DECLINES, 603)])
async def test_called_agent_refuses(
    pair: Pair, behaviour: Behaviour, status: int
) -> None:
    one, two = pair
    two.behaviour = behaviour
    out = one.call("two")
    assert (await out.final_response(2)).status == status
    into = await two.next_call(1)
    await into.changes.until(lambda: into not in two.calls, 1, "ACK")


async def test_cancelled_call_ends_with_487_on_both_sides(pair: Pair) -> None:
    one, two = pair
    two.behaviour = RINGS
    out = one.call("two")
    await out.response(180, 2)
    assert (await out.cancel()).status == 200
    assert (await out.final_response(1)).status == 487
    into = await two.next_call(1)
    assert into.ended_by is EndedBy.CANCELLED


async def test_sound_flows_both_ways_and_stops_on_hold(pair: Pair) -> None:
    one, two = pair
    out = one.call("two")
    into = await two.next_call(2)
    await out.answered(2)
    out.rtp.play(tone(400, 0.5))
    into.rtp.play(tone(900, 0.5))
    await out.rtp.wait_for_audio(20, 2)
    heard = measured_tone(sound_of(out.rtp.received[3:18]).samples)
    assert heard.frequency_hz == pytest.approx(900, abs=2)
    heard = measured_tone(sound_of(into.rtp.received[3:18]).samples)
    assert heard.frequency_hz == pytest.approx(400, abs=2)
    await out.hold()
    assert (into.remote_direction, out.remote_direction) == ("sendonly", "recvonly")
    await out.resume()
    assert into.remote_direction == "sendrecv"
    await into.rtp.wait_for_audio(2, 1)


async def test_digits_pass_inside_a_call(pair: Pair) -> None:
    one, two = pair
    out = one.call("two")
    into = await two.next_call(2)
    await out.answered(2)
    await out.rtp.send_digits("7#", duration_ms=40)
    assert await into.rtp.wait_for_digits(2, 1) == "7#"


async def test_leaving_the_agent_ends_its_calls(pair: Pair) -> None:
    _, two = pair
    async with agent("three", two.transport.address) as three:
        two.peer = three.transport.address
        ringing = three.call("two")
        two.behaviour = RINGS
        await ringing.response(180, 2)
        into = await two.next_call(1)
    await into.ended(1)
    assert into.ended_by is EndedBy.CANCELLED
    assert ringing.state is CallState.ENDED


async def test_request_without_an_answer_is_repeated() -> None:
    came: list[int] = []

    def on_datagram(data: bytes, sender: Address, at_ns: int) -> None:
        came.append(at_ns)

    silent = StampedUdp(HOST, on_datagram)
    async with agent("one", silent.address) as one:
        with pytest.raises(TimeoutError, match="no answer to REGISTER"):
            async with asyncio.timeout(3):
                await one.transport.answer_to(one._register_request(60), one.peer, 1.2)
    silent.close()
    assert len(came) == 2
    assert came[1] - came[0] >= 500_000_000


async def test_challenged_register_is_answered_with_credentials() -> None:
    async with agent("one", (HOST, 9)) as one:
        seen: list[Message] = []

        def on_datagram(data: bytes, sender: Address, at_ns: int) -> None:
            seen.append(parse(data))
            challenge = ("WWW-Authenticate", 'Digest realm="r", nonce="n"')
            answered = seen[-1].get("Authorization")
            status, phrase = (200, "OK") if answered else (401, "Unauthorized")
            reply = response_to(seen[-1], status, phrase, "t", (challenge,))
            registrar.send(reply.encoded(), sender)

        registrar = StampedUdp(HOST, on_datagram)
        one.peer = registrar.address
        await one.register()
        await one.close()
        registrar.close()
    kinds = [message.get("Expires") for message in seen]
    assert kinds == ["120", "120", "0", "0"]
    assert [m.cseq for m in seen] == sorted({m.cseq for m in seen})
