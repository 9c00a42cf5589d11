"""Audio passes in both directions, whole and unchanged, however it is cut."""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
import termios

import numpy as np
import pytest

from skypechan.audio.audiosocket import RATE_HZ_OF_KIND
from skypechan.audio.chain import ToLine, ToPbx
from skypechan.audio.gain import fade_in
from skypechan.media.values import Payload
from tests.doubles.media_talk import StartTalk, Talk
from tests.doubles.pcm_peers import message
from tests.unit.audio.signals import residue_db, sine

FRAMES = 12


def speech(samples: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(-8000, 8000, samples).astype("<i2")


def faded(pcm: np.ndarray, rate_hz: int) -> np.ndarray:
    """What follows silence fades in over 5 ms."""
    begun = pcm[None].copy()
    fade_in(begun, rate_hz)
    return begun[0]


def through(chain: ToPbx | ToLine, pcm: np.ndarray, rate_hz: int) -> np.ndarray:
    """The same chain, fed with the same frames, without an engine."""
    row = np.zeros(1, np.intp)
    if isinstance(chain, ToPbx):
        taken, given = 320, rate_hz // 50
    else:
        taken, given = rate_hz // 50, 320
    frames = []
    for begin in range(0, len(pcm), taken):
        out = np.zeros((1, given), "<i2")
        chain.process(row, pcm[None, begin : begin + taken], rate_hz, out)
        frames.append(out[0])
    return np.concatenate(frames)


def cut(data: bytes, *sizes: int) -> list[bytes]:
    pieces, begin, turn = [], 0, 0
    while begin < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[begin : begin + size])
        begin, turn = begin + size, turn + 1
    return pieces


async def heard_by_pbx(talk: Talk, frames: int) -> np.ndarray:
    payloads = [await talk.pbx.audio() for _ in range(frames)]
    return np.frombuffer(b"".join(payloads), "<i2")


async def heard_by_line(talk: Talk, samples: int) -> np.ndarray:
    return np.frombuffer(await talk.line_ear.receive(2 * samples), "<i2")


@pytest.mark.parametrize("two_sockets", [False, True])
@pytest.mark.parametrize(
    "sizes", [(320,), (640,), (1,), (7, 633), (639, 641), (1280,), (321, 319, 1)]
)
async def test_line_audio_cut_anywhere_reaches_the_pbx_bit_by_bit(
    start_talk: StartTalk, sizes: tuple[int, ...], two_sockets: bool
) -> None:
    talk = start_talk(two_sockets=two_sockets)
    pcm = speech(FRAMES * 320)
    listening = asyncio.create_task(heard_by_pbx(talk, FRAMES))
    await talk.line.send(*cut(pcm.tobytes(), *sizes))
    np.testing.assert_array_equal(await listening, faded(pcm, 16_000))


async def test_line_audio_is_brought_down_to_8_khz(start_talk: StartTalk) -> None:
    talk = start_talk(pbx_rate_hz=8_000)
    pcm = speech(FRAMES * 320)
    listening = asyncio.create_task(heard_by_pbx(talk, FRAMES))
    await talk.line.send(*cut(pcm.tobytes(), 320))
    chain = ToPbx(1)
    expected = through(chain, faded(pcm, 16_000), 8_000)
    np.testing.assert_array_equal(await listening, expected)


async def test_a_frame_leaves_when_its_second_half_has_come(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    assert await talk.pbx.message() == (0x12, bytes(640))  # the silence of the start
    half = speech(160).tobytes()
    await talk.line.send(half)
    waiting = asyncio.create_task(talk.pbx.message())
    assert not (await asyncio.wait([waiting], timeout=0.05))[0]
    await talk.line.send(half)
    assert (await waiting)[1][160:] == (half + half)[160:]


@pytest.mark.parametrize(
    "sizes", [(643,), (1,), (3, 640), (644, 642), (1286,), (2, 5, 636), (2000,)]
)
async def test_pbx_audio_cut_anywhere_reaches_the_line_bit_by_bit(
    start_talk: StartTalk, sizes: tuple[int, ...]
) -> None:
    talk = start_talk()
    pcm = speech(FRAMES * 320)
    wire = b"".join(message(0x12, part) for part in cut(pcm.tobytes(), 640))
    listening = asyncio.create_task(heard_by_line(talk, len(pcm)))
    await talk.pbx.send(*cut(wire, *sizes))
    np.testing.assert_array_equal(await listening, faded(pcm, 16_000))


async def test_pbx_audio_is_brought_up_from_8_khz_by_the_kind_of_its_messages(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(pbx_rate_hz=16_000)
    pcm = speech(FRAMES * 160)
    listening = asyncio.create_task(heard_by_line(talk, 2 * len(pcm)))
    await talk.pbx.send(*(message(0x10, part) for part in cut(pcm.tobytes(), 320)))
    expected = through(ToLine(1), faded(pcm, 8_000), 8_000)
    np.testing.assert_array_equal(await listening, expected)


@pytest.mark.parametrize("ptime_ms", [5, 10, 25, 30, 40, 60, 120])
async def test_messages_of_any_ptime_reach_the_line(
    start_talk: StartTalk, ptime_ms: int
) -> None:
    talk = start_talk()
    pcm = speech(16 * ptime_ms * 3)
    listening = asyncio.create_task(heard_by_line(talk, len(pcm)))
    for part in cut(pcm.tobytes(), 32 * ptime_ms):
        await talk.pbx.send(message(0x12, part))
    np.testing.assert_array_equal(await listening, faded(pcm, 16_000))


@pytest.mark.parametrize("kind", sorted(set(RATE_HZ_OF_KIND) - {0x10, 0x12}))
async def test_every_rate_of_asterisk_is_played(
    start_talk: StartTalk, kind: int
) -> None:
    talk, rate_hz = start_talk(), RATE_HZ_OF_KIND[kind]
    tone = np.rint(8_000 * sine(400, 0.2, rate_hz)).astype("<i2")
    listening = asyncio.create_task(heard_by_line(talk, 3_200))
    for part in cut(tone.tobytes(), 2 * rate_hz // 50):
        await talk.pbx.send(message(kind, part))
    settled = (await listening)[1_600:]
    assert residue_db(settled, 400, 16_000) <= -70
    assert np.std(settled) * np.sqrt(2) == pytest.approx(8_000, rel=0.01)
    assert talk.media.figures().payload is Payload.LINEAR
    assert talk.media.figures().to_line.frames == 10


async def test_slin16_in_messages_of_slin_is_played_at_its_true_rate(
    start_talk: StartTalk,
) -> None:
    """As an Asterisk sends it that is too old for another kind, dialled with slin16."""
    talk = start_talk()
    tone = np.rint(8_000 * sine(400, 10.0, 16_000)).astype("<i2")
    frames = (message(0x10, part) for part in cut(tone.tobytes(), 640))
    while talk.media.figures().payload is not Payload.UNTOLD_SLIN16:
        await talk.pbx.send(next(frames))
        await asyncio.sleep(0.02)
    for _ in range(20):  # told by their kind alone they would last twice as long
        await talk.pbx.send(next(frames))
        await asyncio.sleep(0.02)
    to_line = talk.media.figures().to_line.frames
    heard = await heard_by_line(talk, 320 * (to_line - 2))
    spectrum = np.abs(np.fft.rfft(heard[-3_200:]))
    assert int(spectrum.argmax()) * 5 == 400  # Hz; taken for slin it would be 200


async def test_digits_between_audio_arrive_once_and_in_order(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    pcm = speech(4 * 320)
    frames = [message(0x12, part) for part in cut(pcm.tobytes(), 640)]
    wire = b"".join(
        frame + message(0x03, digit.encode())
        for frame, digit in zip(frames, "1*#D", strict=True)
    )
    listening = asyncio.create_task(heard_by_line(talk, len(pcm)))
    await talk.pbx.send(*cut(wire, 645))
    np.testing.assert_array_equal(await listening, faded(pcm, 16_000))
    assert talk.digits == list("1*#D")
    assert talk.media.figures().digits == 4


async def test_what_was_read_behind_the_uuid_is_not_lost(
    start_talk: StartTalk,
) -> None:
    pcm = speech(2 * 320)
    first, second = (message(0x12, part) for part in cut(pcm.tobytes(), 640))
    pending = message(0x03, b"7") + first + second[:2]
    talk = start_talk(pbx_pending=pending)
    await talk.pbx.send(second[2:])
    np.testing.assert_array_equal(await heard_by_line(talk, 640), faded(pcm, 16_000))
    assert talk.digits == ["7"]


async def test_fifty_calls_at_once_stay_apart(start_talk: StartTalk) -> None:
    talks = [start_talk(pbx_rate_hz=(8_000, 16_000)[i % 2]) for i in range(50)]

    async def check(talk: Talk, mark: int) -> None:
        from_line = np.full(320, 100 * mark, "<i2").tobytes()
        from_pbx = np.full(320, -100 * mark, "<i2").tobytes()
        for turn in range(FRAMES):
            await talk.line.send(from_line[:320], from_line[320:])
            await talk.pbx.send(message(0x12, from_pbx))
            to_pbx = np.frombuffer(await talk.pbx.audio(), "<i2")
            to_line = np.frombuffer(await talk.line.receive(640), "<i2")
            if turn:
                settled = to_pbx[len(to_pbx) // 2 :]
                assert np.abs(settled - 100 * mark).max() <= 1
                assert (to_line == -100 * mark).all()

    async with asyncio.TaskGroup() as group:
        for number, talk in enumerate(talks, start=1):
            group.create_task(check(talk, number))
    for talk in talks:
        figures = talk.media.figures()
        assert figures.to_pbx.frames == figures.to_line.frames == FRAMES
        assert figures.to_pbx.dropped == figures.to_line.dropped == 0


async def test_a_flooding_line_does_not_starve_another_call(
    start_talk: StartTalk,
) -> None:
    flooded, calm = start_talk(), start_talk()

    async def flood() -> None:
        while True:
            await flooded.line.send(bytes(64_000))

    async def drain() -> None:
        while True:
            await flooded.pbx.receive(643)

    tasks = [asyncio.create_task(flood()), asyncio.create_task(drain())]
    frame = np.full(320, 1000, "<i2").tobytes()
    for _ in range(20):
        before = flooded.media.figures().to_pbx.frames
        await calm.line.send(frame)
        await calm.pbx.audio()
        # Each of the handful of turns of the loop in between is one pass.
        assert flooded.media.figures().to_pbx.frames - before < 50
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_gain_changes_while_the_call_goes_on(start_talk: StartTalk) -> None:
    talk = start_talk(capture_db=-20, playback_db=6)
    frame = np.full(320, 10_000, "<i2").tobytes()

    async def pass_frames() -> tuple[int, int]:
        for _ in range(3):
            await talk.line.send(frame)
            await talk.pbx.send(message(0x12, frame))
            to_pbx = np.frombuffer(await talk.pbx.audio(), "<i2")
            to_line = np.frombuffer(await talk.line.receive(640), "<i2")
        return int(to_pbx[-1]), int(to_line[-1])

    assert await pass_frames() == (1_000, 19_953)
    talk.media.set_gain(playback_db=0, capture_db=-6)
    assert await pass_frames() == (5_012, 10_000)
    talk.media.set_gain(playback_db=0, capture_db=0)
    assert await pass_frames() == (10_000, 10_000)


async def test_mute_silences_one_direction_and_keeps_its_gain(
    start_talk: StartTalk,
) -> None:
    talk = start_talk(playback_db=-20)
    frame = message(0x12, np.full(320, 10_000, "<i2").tobytes())

    async def last_sample() -> int:
        for _ in range(3):
            await talk.pbx.send(frame)
            heard = np.frombuffer(await talk.line.receive(640), "<i2")
        return int(heard[-1])

    assert await last_sample() == 1_000
    talk.media.mute(playback=True)
    assert await last_sample() == 0
    talk.media.mute()
    assert await last_sample() == 1_000


async def test_figures_tell_frames_and_levels_of_each_direction(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    for _ in range(5):
        await talk.line.send(np.full(320, 16_384, "<i2").tobytes())
        await talk.pbx.audio()
    for _ in range(3):
        await talk.pbx.send(message(0x12, np.full(320, 3277, "<i2").tobytes()))
        await talk.line.receive(640)
    figures = talk.media.figures()
    assert (figures.to_pbx.frames, figures.to_line.frames) == (5, 3)
    assert figures.to_pbx.level.peak_dbfs == pytest.approx(-6.0, abs=0.1)
    assert figures.to_line.level.peak_dbfs == pytest.approx(-20.0, abs=0.1)
    record = figures.as_record()
    assert record["to_pbx_frames"] == 5
    assert record["to_line_peak_dbfs"] == pytest.approx(-20.0, abs=0.1)


async def test_a_sender_with_nagle_s_algorithm_is_not_held_up(
    start_talk: StartTalk,
) -> None:
    talk = start_talk()
    sender = talk.line.sock
    sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    loop = asyncio.get_running_loop()
    frame = np.full(320, 1_000, "<i2").tobytes()
    unacknowledged = array.array("i", [0])
    waits_s = []
    for _ in range(20):
        await talk.pbx.send(message(0x12, frame))  # audio both ways on this socket
        await talk.line.receive(640)
        for half in (frame[:320], frame[320:]):
            sent_s = loop.time()
            await talk.line.send(half)
            while True:
                fcntl.ioctl(sender, termios.TIOCOUTQ, unacknowledged)
                if not unacknowledged[0]:
                    break
                await asyncio.sleep(0.001)
            waits_s.append(loop.time() - sent_s)
        await talk.pbx.audio()
    # Left alone, the kernel delays every other acknowledgement by 40 ms.
    assert np.count_nonzero(np.array(waits_s) > 0.038) < len(waits_s) / 4
