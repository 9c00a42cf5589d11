"""How a call's media ends: who ended it, what the other side hears, what is left."""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import replace

import pytest

from skypechan.call.causes import HangupCause
from skypechan.call.record import Side
from skypechan.errors import CallError
from skypechan.media.engine import Engine, EngineSettings, MediaEnd, MediaStart
from skypechan.media.values import EndReason
from tests.doubles.media_talk import StartTalk, Talk
from tests.doubles.pcm_peers import message, tcp_pair
from tests.unit.media.conftest import PATIENT

FRAME = b"\x10\x20" * 320
ALONE = replace(PATIENT, most_calls=1)
QUICK = EngineSettings(gap_ms=40, stall_seconds=60, follow_line_clock=False)


async def end_of(talk: Talk) -> MediaEnd:
    async with asyncio.timeout(10):
        return await talk.ends.get()


@pytest.mark.parametrize("two_sockets", [False, True])
async def test_the_line_s_close_is_told_and_the_pbx_goes_on_with_silence(
    start_talk: StartTalk, two_sockets: bool
) -> None:
    talk = start_talk(settings=QUICK, two_sockets=two_sockets)
    await talk.line.send(FRAME)
    await talk.pbx.audio()
    talk.line.close()
    assert await end_of(talk) == MediaEnd(Side.LINE, EndReason.CLOSED)
    silence = [await talk.pbx.message() for _ in range(4)]
    assert silence[-2:] == [(0x12, bytes(640))] * 2


async def test_the_close_of_the_socket_that_only_hears_is_told(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK, two_sockets=True)
    talk.line_ear.reset()
    end = await end_of(talk)
    assert (end.side, end.reason) == (Side.LINE, EndReason.CLOSED)


async def test_a_client_that_died_is_told_like_one_that_closed(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    talk.line.reset()
    end = await end_of(talk)
    assert (end.side, end.reason) == (Side.LINE, EndReason.CLOSED)


async def test_the_pbx_s_hang_up_message_is_told_from_its_close(
    start_talk: StartTalk,
) -> None:
    hung_up, closed = start_talk(), start_talk()
    await hung_up.pbx.send(message(0x00))
    assert await end_of(hung_up) == MediaEnd(Side.PBX, EndReason.TERMINATED)
    assert await hung_up.pbx.message() == (0x12, bytes(640))
    assert await hung_up.pbx.is_at_end()
    closed.pbx.close()
    end = await end_of(closed)
    assert (end.side, end.reason) == (Side.PBX, EndReason.CLOSED)


async def test_the_line_hears_silence_after_the_pbx_has_gone(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK)
    await talk.pbx.send(message(0x12, FRAME), message(0x00))
    await end_of(talk)
    heard = await talk.line.receive(4 * 640)
    assert heard[160:640] == FRAME[160:]
    assert heard[-1280:] == bytes(1280)


@pytest.mark.parametrize(
    "violation",
    [
        message(0x01, bytes(16)),
        message(0x20, b"x"),
        message(0xFF, b"\x02"),
        message(0x00, b"x"),
        message(0x03, b""),
        message(0x03, b"12"),
        message(0x03, b"x"),
        message(0x03, b"\xb2"),
    ],
)
@pytest.mark.parametrize("whole", [True, False])
async def test_what_asterisk_never_sends_ends_the_pbx_side(
    start_talk: StartTalk, violation: bytes, whole: bool
) -> None:
    talk = start_talk()
    pieces = [violation] if whole else [violation[:1], violation[1:]]
    await talk.pbx.send(message(0x12, FRAME), *pieces)
    end = await end_of(talk)
    assert (end.side, end.reason) == (Side.PBX, EndReason.PROTOCOL_ERROR)
    assert f"{violation[0]:#04x}" in end.detail
    assert (await talk.line.receive(640))[160:] == FRAME[160:]
    assert not talk.digits


async def test_a_violation_behind_the_uuid_is_told_too(start_talk: StartTalk) -> None:
    talk = start_talk(pbx_pending=message(0x42))
    end = await end_of(talk)
    assert (end.side, end.reason) == (Side.PBX, EndReason.PROTOCOL_ERROR)


async def test_a_header_in_pieces_is_waited_for(start_talk: StartTalk) -> None:
    talk = start_talk()
    wire = message(0x12, FRAME)
    await talk.pbx.send(wire[:1])
    await talk.line.send(FRAME)  # the other direction does not wait
    await talk.pbx.audio()
    await talk.pbx.send(wire[1:])
    assert (await talk.line.receive(640))[160:] == FRAME[160:]


async def test_each_side_is_told_once(start_talk: StartTalk) -> None:
    talk = start_talk(settings=QUICK, two_sockets=True)
    talk.line.close()
    talk.line_ear.reset()
    talk.pbx.reset()
    ends = {(await end_of(talk)).side, (await end_of(talk)).side}
    assert ends == {Side.LINE, Side.PBX}
    assert talk.ends.empty()


async def test_stop_hangs_up_the_pbx_and_closes_the_line(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(two_sockets=True)
    talk.media.stop()
    assert await talk.pbx.message() == (0x12, bytes(640))
    assert await talk.pbx.message() == (0x00, b"")
    assert await talk.pbx.is_at_end()
    assert await talk.line.is_at_end()
    assert await talk.line_ear.is_at_end()
    assert talk.ends.empty()


async def test_after_stop_nothing_is_told_and_all_is_harmless(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=ALONE)
    await talk.line.send(FRAME)
    await talk.pbx.audio()
    await talk.pbx.send(message(0x03, b"1") + message(0x00))
    async with asyncio.timeout(10):
        await _seen_but_not_told(talk)
    talk.media.stop()
    last = talk.media.figures()
    successor = start_talk(settings=ALONE)
    talk.media.stop()
    talk.media.set_gain(playback_db=-40, capture_db=-40)
    talk.media.mute(playback=True, capture=True)
    await successor.line.send(FRAME)
    assert (await successor.pbx.audio())[160:] == FRAME[160:]
    assert talk.media.figures() == last
    assert last.to_pbx.frames == 1
    assert talk.digits == []
    assert talk.ends.empty()


async def _seen_but_not_told(talk: Talk) -> None:
    """Stop at the turn of the loop in which the engine has read the digit."""
    turns = iter(lambda: talk.media.figures().digits, 1)
    for _ in turns:
        await asyncio.sleep(0)
    assert talk.digits == []


async def test_a_full_engine_refuses_with_a_cause_and_takes_again_after_a_stop(
    start_talk: StartTalk,
) -> None:
    first = start_talk(settings=ALONE)
    with pytest.raises(CallError) as refusal:
        start_talk(settings=ALONE)
    assert refusal.value.cause == HangupCause.CONGESTION
    first.media.stop()
    second = start_talk(settings=ALONE)
    await second.line.send(FRAME)
    assert (await second.pbx.audio())[160:] == FRAME[160:]
    assert second.media.figures().to_pbx.frames == 1


async def test_a_new_call_inherits_nothing_of_its_row(start_talk: StartTalk) -> None:
    first = start_talk(settings=ALONE, pbx_rate_hz=8_000, capture_db=20, playback_db=20)
    await first.line.send(FRAME + FRAME[:321])
    await first.pbx.audio()
    await first.pbx.send(message(0x10, FRAME[:320]) + b"\x12")
    await first.line.receive(640)
    first.media.stop()
    second = start_talk(settings=ALONE)
    assert second.media.figures().to_pbx.frames == 0
    await second.line.send(FRAME)
    assert (await second.pbx.audio())[160:] == FRAME[160:]
    await second.pbx.send(message(0x12, FRAME))
    assert (await second.line.receive(640))[160:] == FRAME[160:]


@pytest.mark.parametrize(
    "wrong",
    [
        {"line_rate_hz": 8_000},
        {"pbx_rate_hz": 48_000},
        {"playback_db": 41},
        {"capture_db": -41},
    ],
)
async def test_what_the_engine_does_not_have_is_refused_and_takes_no_row(
    start_talk: StartTalk, wrong: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=r"Hz|dB"):
        start_talk(settings=ALONE, **wrong)
    start_talk(settings=ALONE)


async def test_closing_the_engine_ends_all_calls_and_leaves_the_loop() -> None:
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1))
    engine.close()
    engine.close()


async def test_a_refused_call_s_sockets_are_closed() -> None:
    engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1))
    pairs = [tcp_pair() for _ in range(3)]
    with pytest.raises(ValueError, match="Hz"):
        engine.start(
            MediaStart(
                line_receive=pairs[0][0],
                line_send=pairs[1][0],
                pbx=pairs[2][0],
                on_digit=str,
                on_closed=repr,
                pbx_rate_hz=44_100,
            )
        )
    for near, far in pairs:
        assert near.fileno() == -1
        far.close()
    engine.close()


@pytest.mark.parametrize("seed", range(20))
async def test_no_bytes_of_any_kind_harm_the_engine(
    start_talk: StartTalk, seed: int
) -> None:
    faults: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    chance = random.Random(seed)
    victim, neighbour = start_talk(), start_talk()
    kinds = [0x00, 0x03, 0x10, 0x12, 0x12, 0x12, 0x16, 0x18, chance.randrange(256)]
    wire = b"".join(
        message(chance.choice(kinds), chance.randbytes(chance.choice([0, 1, 160, 640])))
        for _ in range(20)
    )
    wire = wire[chance.randrange(3) :]
    with contextlib.suppress(ConnectionError):
        while wire:
            size = chance.randrange(1, 900)
            await victim.pbx.send(wire[:size])
            await victim.line.send(chance.randbytes(chance.randrange(1, 900)))
            wire = wire[size:]
    await neighbour.line.send(FRAME)
    assert (await neighbour.pbx.audio())[160:] == FRAME[160:]
    assert not faults
