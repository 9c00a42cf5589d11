"""What the two ends hear while the other is quiet, and what is done about slow ones."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import numpy as np
import pytest

from skypechan.call.record import Side
from skypechan.media.engine import EngineSettings
from skypechan.media.values import EndReason, Payload
from tests.doubles.media_talk import StartTalk, Talk
from tests.doubles.pcm_peers import message

SILENT = (0x12, bytes(640))
QUICK = EngineSettings(gap_ms=40, stall_seconds=60, follow_line_clock=False)
LOUD = np.full(320, 8_000, "<i2").tobytes()


async def test_asterisk_hears_silence_from_the_start_and_on_in_real_time(
    start_talk: StartTalk,
) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    talk = start_talk(settings=QUICK)
    assert [await talk.pbx.message() for _ in range(8)] == [SILENT] * 8
    # One at once, one after the gap, six more 20 ms apart.
    assert loop.time() - begun >= 0.040 + 6 * 0.020 - 0.005
    assert talk.media.figures().to_pbx.gaps == 0
    assert talk.media.figures().to_pbx.filled >= 8


async def test_the_line_hears_silence_before_asterisk_speaks(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK)
    assert await talk.line.receive(1920) == bytes(1920)


async def test_a_pause_of_asterisk_fades_out_and_is_filled_until_it_returns(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK)
    await talk.pbx.send(message(0x12, LOUD + LOUD))
    heard = np.frombuffer(await talk.line.receive(5 * 640), "<i2").astype(int)
    first = int(np.argmax(heard == 8_000))  # behind silence of the start, if any
    after = heard[first + 240 + 320 :]
    assert np.abs(np.diff(heard)).max() <= 101  # 8000 over 80 samples
    assert not after[80:].any()
    assert talk.media.figures().to_line.gaps == 1
    await talk.pbx.send(message(0x12, LOUD))
    while (await talk.line.receive(640))[-2:] != LOUD[:2]:
        pass
    assert talk.media.figures().to_line.frames == 3


async def test_a_pause_of_an_8_khz_asterisk_is_filled_at_its_rate(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK, pbx_rate_hz=8_000)
    await talk.pbx.send(message(0x10, LOUD[:320]))
    before = talk.media.figures().to_line.filled
    heard = np.frombuffer(await talk.line.receive((before + 5) * 640), "<i2")
    assert heard.max() >= 7_900
    assert np.abs(np.diff(heard.astype(int))).max() <= 150
    assert not heard[-320:].any()


async def test_half_a_frame_before_a_pause_is_sent_and_half_a_sample_is_kept(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK)
    await talk.line.send(LOUD)
    await talk.pbx.audio()
    await talk.line.send(LOUD[:321])
    async with asyncio.timeout(10):
        begun = np.zeros(320)
        while not (begun[:160] == 8_000).all():
            begun = np.frombuffer(await talk.pbx.audio(), "<i2")
    assert not begun[240:].any()
    await talk.line.send(LOUD[321:] + LOUD)
    while True:
        returned = np.frombuffer(await talk.pbx.audio(), "<i2")
        if returned[-1]:
            break
    assert (returned[80:] == 8_000).all()
    assert talk.media.figures().to_pbx.gaps >= 1


async def fill_up(talk: Talk) -> None:
    """Speak to a PBX that does not read until it has been refused frames."""
    while talk.media.figures().to_pbx.dropped < 5:
        await talk.line.send(LOUD)


async def test_a_pbx_that_does_not_read_loses_whole_frames_and_never_a_part(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    await fill_up(talk)
    figures = talk.media.figures().to_pbx
    talk.media.stop()
    messages = []
    while True:
        try:
            messages.append(await talk.pbx.message())
        except (EOFError, ConnectionResetError):
            break
    audio = [payload for kind, payload in messages if kind == 0x12]
    assert {kind for kind, _ in messages} <= {0x12, 0x00}
    assert all(len(payload) == 640 for payload in audio)
    assert len(audio) == figures.frames - figures.dropped + 1


async def test_a_rest_is_sent_when_there_is_room_again(start_talk: StartTalk) -> None:
    talk = start_talk()
    await fill_up(talk)
    sent = talk.media.figures().to_pbx
    for _ in range(sent.frames - sent.dropped + 1):
        kind, payload = await talk.pbx.message()
        assert (kind, len(payload)) == (0x12, 640)
    await talk.line.send(LOUD)
    assert await talk.pbx.message() == (0x12, LOUD)


@pytest.mark.parametrize("side", [Side.PBX, Side.LINE])
async def test_a_receiver_that_takes_nothing_for_long_has_ended(
    start_talk: StartTalk, side: Side
) -> None:
    talk = start_talk(settings=EngineSettings(gap_ms=40, stall_seconds=0.1))
    async with asyncio.timeout(20):
        while talk.ends.empty():
            if side is Side.PBX:
                await talk.line.send(LOUD)
                await _read_if_any(talk.line.sock)
            else:
                await talk.pbx.send(message(0x12, LOUD))
                await _read_if_any(talk.pbx.sock)
    end = await talk.ends.get()
    assert (end.side, end.reason) == (side, EndReason.STALLED)


async def _read_if_any(sock: socket.socket) -> None:
    await asyncio.sleep(0.001)
    with contextlib.suppress(BlockingIOError):
        sock.recv(65_536)


async def test_what_waits_for_a_client_that_does_not_read_is_bounded(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    while talk.media.figures().to_line.dropped < 20:
        await talk.pbx.send(message(0x12, LOUD))
    assert 200 <= talk.media.figures().to_line.queue_ms <= 240


async def test_g711_without_a_format_in_the_dialplan_is_decoded_and_told(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK)
    positive = bytes([0xAF]) * 160  # mu-law, a steady 4092
    while talk.media.figures().payload is Payload.LINEAR:
        await talk.pbx.send(message(0x10, positive))
        await asyncio.sleep(0.020)
    assert talk.media.figures().payload is Payload.ULAW
    await talk.pbx.send(message(0x10, positive), message(0x10, positive))
    while True:
        heard = np.frombuffer(await talk.line.receive(640), "<i2")
        if abs(int(heard[-1]) - 4092) <= 2:
            break


async def test_audio_that_is_none_is_skipped_and_told(start_talk: StartTalk) -> None:
    talk = start_talk()
    await talk.pbx.send(
        message(0x10, b"\x01\x02\x03"), message(0x12, b""), message(0x12, LOUD)
    )
    assert (await talk.line.receive(640))[160:] == LOUD[160:]
    assert talk.media.figures().payload is Payload.UNSUPPORTED
    assert talk.ends.empty()


async def test_a_pause_fades_at_the_rate_asterisk_spoke_and_not_at_ours(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(settings=QUICK, pbx_rate_hz=16_000)
    await talk.pbx.send(message(0x10, LOUD[:320]))
    before = talk.media.figures().to_line.filled
    heard = np.frombuffer(await talk.line.receive((before + 5) * 640), "<i2")
    assert heard.max() >= 7_900
    assert np.abs(np.diff(heard.astype(int))).max() <= 150
