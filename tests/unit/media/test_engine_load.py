"""An engine with much to do: it gathers frames, and loses none of them."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from skypechan.errors import CallError
from skypechan.media.engine import CallMedia, Engine, MediaStart
from tests.doubles.pcm_peers import PbxPeer, Peer, message, tcp_pair
from tests.unit.media.conftest import PATIENT


def joined(engine: Engine) -> tuple[CallMedia, Peer, PbxPeer]:
    """A call, its line and its Asterisk."""
    (near_line, line), (near_pbx, pbx) = tcp_pair(), tcp_pair()
    peers = Peer(line), PbxPeer(pbx)
    try:
        media = engine.start(
            MediaStart(
                line_receive=near_line,
                line_send=near_line,
                pbx=near_pbx,
                on_digit=str,
                on_closed=repr,
                on_line_digit=repr,  # work enough for a busy engine
            )
        )
    except CallError:
        for peer in peers:
            peer.close()
        raise
    return media, *peers


def frames() -> Iterator[bytes]:
    """Each tells its number."""
    for number in range(1, 1 << 15):
        yield np.full(320, number, "<i2").tobytes()


async def test_under_load_frames_are_gathered_and_stay_whole_and_in_order() -> None:
    engine = Engine(asyncio.get_running_loop(), PATIENT)
    media, speaker, ear = joined(engine)
    with closing(engine), closing(speaker), closing(ear):
        source, heard = frames(), []
        async with asyncio.timeout(20):
            for _ in range(50):
                engine._hot.window._step = 4  # as if there were hundreds
                await speaker.send(b"".join(itertools.islice(source, 12)))
                heard += [await ear.audio() for _ in range(12)]
            assert engine.window_s
            while engine.window_s:  # and with little to do no longer
                await speaker.send(next(source))
                heard.append(await ear.audio())
                await asyncio.sleep(0.03)
        said = frames()
        next(said)  # the first one fades in
        assert heard[1:] == [next(said) for _ in heard[1:]]
        assert media.figures().to_pbx.dropped == 0


async def test_no_call_is_added_to_those_that_take_all_of_a_core() -> None:
    engine = Engine(asyncio.get_running_loop(), PATIENT)
    media, line, pbx = joined(engine)
    with closing(engine), closing(line), closing(pbx):
        now_s = asyncio.get_running_loop().time()
        for _ in range(30):
            engine._hot.window.next_s(now_s, now_s + 0.2, again=False)
            now_s += 0.2
        assert engine.busy_share == 1
        with pytest.raises(CallError, match="of 1 calls takes all of a core"):
            joined(engine)
        media.stop()
        assert engine.busy_share == 0
        _, other_line, other_pbx = joined(engine)
        other_line.close()
        other_pbx.close()


async def test_half_a_message_is_acknowledged_at_once_under_load_too() -> None:
    """Its other half may be waiting for that, by Nagle's algorithm."""
    engine = Engine(asyncio.get_running_loop(), PATIENT)
    media, line, pbx = joined(engine)
    with closing(engine), closing(line), closing(pbx):
        pbx.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        source, waits_s = frames(), []
        for _ in range(30):
            engine._hot.window._step = 4  # as if there were hundreds
            frame = next(source)
            await line.send(frame)  # audio both ways: the kernel is in no hurry
            await pbx.audio()
            whole = message(0x12, frame)
            sent_s = time.monotonic()
            await pbx.send(whole[:3], whole[3:])
            await line.receive(600)
            waits_s.append(time.monotonic() - sent_s)
        # The kernel alone lets it wait for 40 ms.
        assert np.count_nonzero(np.array(waits_s) > 0.038) < len(waits_s) / 4
        media.stop()
