"""Calls in a real engine in a real event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from skypechan.media.engine import Engine, EngineSettings, MediaStart
from skypechan.media.values import MediaEnd
from tests.doubles.media_talk import StartTalk, Talk
from tests.doubles.pcm_peers import PbxPeer, Peer, tcp_pair

# A pause of the machine must not be taken for one of the source.
PATIENT = EngineSettings(
    most_calls=64,
    gap_ms=60_000,
    stall_seconds=60,
    follow_line_clock=False,
    backlog_ms=60_000,
)


@pytest.fixture
async def start_talk() -> AsyncIterator[StartTalk]:
    """Start calls; other `settings` make an engine of their own."""
    loop = asyncio.get_running_loop()
    descriptors = len(os.listdir("/proc/self/fd"))
    engines: dict[EngineSettings, Engine] = {}
    talks: list[Talk] = []

    def start(
        *,
        settings: EngineSettings = PATIENT,
        two_sockets: bool = False,
        **more: Any,
    ) -> Talk:
        if settings not in engines:
            engines[settings] = Engine(loop, settings)
        line_receive, line = tcp_pair()
        line_send, ear = tcp_pair() if two_sockets else (line_receive, line)
        pbx_near, pbx_far = tcp_pair()
        digits: list[str] = []
        ends: asyncio.Queue[MediaEnd] = asyncio.Queue()
        peer = Peer(line)
        try:
            media = engines[settings].start(
                MediaStart(
                    line_receive=line_receive,
                    line_send=line_send,
                    pbx=pbx_near,
                    on_digit=digits.append,
                    on_closed=ends.put_nowait,
                    **more,
                )
            )
        except Exception:
            for sock in {line_receive, line, line_send, ear, pbx_near, pbx_far}:
                sock.close()
            raise
        talk = Talk(
            media,
            peer,
            Peer(ear) if two_sockets else peer,
            PbxPeer(pbx_far),
            digits,
            ends,
        )
        talks.append(talk)
        return talk

    yield start
    for engine in engines.values():
        engine.close()
    for talk in talks:
        for peer in talk.peers():
            peer.close()
    assert len(os.listdir("/proc/self/fd")) == descriptors
