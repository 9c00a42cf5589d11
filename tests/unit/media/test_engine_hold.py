"""A running call is held, hears its digits as tones, or moves to another connection."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from skypechan.audio.dtmf import digit_tones
from skypechan.audio.pcm import to_int16
from skypechan.audio.probe import measured_tone, tone
from skypechan.media.holdaudio import HoldAudio
from tests.doubles.media_talk import StartTalk, Talk
from tests.doubles.pcm_peers import PbxPeer, message, tcp_pair

FRAME = 320
MUSIC = HoldAudio(tone(600, 1, 16_000), tone(600, 1, 8_000))
VOICE = tone(440, 1, 16_000)


def frames(samples: np.ndarray) -> list[bytes]:
    return [
        samples[begin : begin + FRAME].astype("<i2").tobytes()
        for begin in range(0, len(samples), FRAME)
    ]


def hertz(content: bytes) -> float:
    return float(measured_tone(np.frombuffer(content, "<i2"), 16_000).frequency_hz)


async def heard_by_line(talk: Talk, said: list[bytes]) -> bytes:
    """What the line hears while the phone says that."""
    listening = asyncio.create_task(talk.line_ear.receive(len(b"".join(said))))
    await talk.pbx.send(*(message(0x12, frame) for frame in said))
    return await listening


async def heard_by_pbx(talk: Talk, said: list[bytes]) -> bytes:
    """What the phone hears while the line says that."""
    listening = asyncio.create_task(gathered(talk.pbx, len(said)))
    await talk.line.send(*said)
    return await listening


async def gathered(pbx: PbxPeer, count: int) -> bytes:
    return b"".join([(await pbx.message())[1] for _ in range(count)])


async def test_each_side_alone_can_be_on_hold(start_talk: StartTalk) -> None:
    talk = start_talk(hold_audio=MUSIC)
    await talk.pbx.message()  # the silence that every call begins with
    said = frames(VOICE)[:12]
    assert hertz(await heard_by_line(talk, said)) == pytest.approx(440, abs=3)
    talk.media.rest(to_line=True, to_pbx=False)
    await heard_by_line(talk, said[:1])  # cross-faded
    assert hertz(await heard_by_line(talk, said)) == pytest.approx(600, abs=3)
    assert hertz(await heard_by_pbx(talk, said)) == pytest.approx(440, abs=3)
    talk.media.rest(to_line=False, to_pbx=True)
    await heard_by_line(talk, said[:1])
    await heard_by_pbx(talk, said[:1])
    assert hertz(await heard_by_line(talk, said)) == pytest.approx(440, abs=3)
    assert hertz(await heard_by_pbx(talk, said)) == pytest.approx(600, abs=3)


async def test_a_hold_without_music_is_silent(start_talk: StartTalk) -> None:
    talk = start_talk()
    await talk.pbx.message()
    talk.media.rest(to_line=False, to_pbx=True)
    await heard_by_pbx(talk, frames(VOICE)[:1])
    assert not any(await heard_by_pbx(talk, frames(VOICE)[1:10]))


async def test_digits_that_sound_are_told_and_sound_no_more(
    start_talk: StartTalk,
) -> None:
    found: list[str] = []
    talk = start_talk(on_line_digit=found.append)
    await talk.pbx.message()
    samples = digit_tones("19*D", 16_000)
    pcm = np.zeros(len(samples), np.int16)
    to_int16(samples, pcm)
    heard = np.frombuffer(await heard_by_pbx(talk, frames(pcm)), "<i2")
    assert found == ["1", "9", "*", "D"]
    said = np.count_nonzero(np.abs(pcm.astype(int)) > 300)
    assert np.count_nonzero(np.abs(heard.astype(int)) > 300) < said / 2


async def test_a_call_goes_on_over_another_connection_of_the_pbx(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    await talk.pbx.message()
    said = frames(VOICE)[:12]
    before = await heard_by_pbx(talk, said[:6])
    near, far = tcp_pair()
    other = PbxPeer(far)
    talk.media.move_pbx(near, message(0x12, said[0]))
    assert await talk.pbx.message() == (0x00, b"")
    assert await talk.pbx.is_at_end()
    await talk.line.send(*said[6:])
    assert hertz(before + await gathered(other, 6)) == pytest.approx(440, abs=3)
    listening = asyncio.create_task(talk.line_ear.receive(len(b"".join(said[1:]))))
    await other.send(message(0x03, b"7"), *(message(0x12, one) for one in said[1:]))
    assert hertz(await listening) == pytest.approx(440, abs=3)
    assert talk.digits == ["7"]
    assert talk.ends.empty()
    other.close()
    assert (await talk.ends.get()).side == "pbx"


async def test_what_was_read_of_another_connection_waits_for_nothing(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    near, far = tcp_pair()
    talk.media.move_pbx(near, message(0x03, b"7") + message(0x00, b""))
    async with asyncio.timeout(10):
        end = await talk.ends.get()
    assert (end.side, end.reason) == ("pbx", "terminated")
    assert talk.digits == ["7"]
    far.close()


async def test_a_call_that_has_ended_moves_nowhere(start_talk: StartTalk) -> None:
    talk = start_talk()
    talk.media.stop()
    near, far = tcp_pair()
    talk.media.move_pbx(near, b"")
    talk.media.rest(to_line=True, to_pbx=True)
    other = PbxPeer(far)
    assert await other.is_at_end()
    other.close()
