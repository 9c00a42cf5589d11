"""Raw PCM on TCP as the Skype API has it: 16 kHz, mono, 16 bit, little end first."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import struct
import time
from dataclasses import dataclass, field
from typing import Self

import numpy as np

HOST = "127.0.0.1"
RATE_HZ = 16000
PIECE = 320
"""Octets of 10 ms."""


def sine(hertz: float, seconds: float, peak: int = 8000) -> bytes:
    """A tone as it travels on a sound port."""
    count = round(seconds * RATE_HZ)
    turn = 2 * math.pi * hertz / RATE_HZ
    values = (round(peak * math.sin(turn * n)) for n in range(count))
    return struct.pack(f"<{count}h", *values)


def share_of(pcm: bytes, hertz: float, rate_hz: int = RATE_HZ) -> float:
    """How much of a sound's power is within 30 Hz of a tone, 0 to 1; silence has 0."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], "<i2").astype(float)
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    total = float(power.sum())
    if not total:
        return 0.0
    places = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    return float(power[np.abs(places - hertz) < 30].sum()) / total


@dataclass
class Stream:
    """One TCP connection that carries sound, whichever way."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    reads: list[tuple[float, bytes]] = field(default_factory=list)
    """Each read with its time on the monotonic clock, seconds."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _fresh: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def heard(self) -> bytes:
        """Everything read so far."""
        return b"".join(piece for _, piece in self.reads)

    async def read_all(self) -> None:
        """Read until the other side closes."""
        with contextlib.suppress(ConnectionError):
            while piece := await self.reader.read(4 * PIECE):
                self.reads.append((time.monotonic(), piece))
                self._fresh.set()
        self.ended.set()
        self._fresh.set()

    async def more(self) -> None:
        """Return when more was read, or the end."""
        self._fresh.clear()
        await self._fresh.wait()

    async def play(self, pcm: bytes, *, step_ms: int = 10) -> None:
        """Write paced pieces; ends early when the other side is gone."""
        step = PIECE * step_ms // 10
        started = time.monotonic()
        for index, at in enumerate(range(0, len(pcm), step)):
            if self.writer.is_closing():
                return
            self.writer.write(pcm[at : at + step])
            with contextlib.suppress(ConnectionError):
                await self.writer.drain()
            next_at = started + (index + 1) * step_ms / 1000
            await asyncio.sleep(max(0.0, next_at - time.monotonic()))

    async def close(self) -> None:
        """Close our side."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


class SoundPort:
    """A port that an application listens on; Skype connects to it.

    ``small`` gives the sockets buffers of eight pieces, as skypopen's setsockopt does.
    """

    def __init__(self, *, small: bool = False) -> None:
        self.streams: list[Stream] = []
        self._small = small
        self._arrived = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._readers: list[asyncio.Task[None]] = []

    @property
    def port(self) -> int:
        """Its number."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        listening = socket.socket()
        if self._small:  # inherited by what is accepted
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 * PIECE)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 * PIECE)
        listening.bind((HOST, 0))
        self._server = await asyncio.start_server(self._take, sock=listening)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for stream in self.streams:
            await stream.close()
        for reader in self._readers:
            reader.cancel()
        if self._readers:
            await asyncio.wait(self._readers)
        await self._server.wait_closed()

    async def connected(self, seconds: float = 5) -> Stream:
        """The first connection; raises TimeoutError."""
        async with asyncio.timeout(seconds):
            await self._arrived.wait()
        return self.streams[0]

    async def heard(self, pcm_bytes: int, seconds: float = 5) -> bytes:
        """What was read once there is so much of it; raises TimeoutError."""
        stream = await self.connected(seconds)
        async with asyncio.timeout(seconds):
            while len(stream.heard) < pcm_bytes and not stream.ended.is_set():
                await stream.more()
        return stream.heard

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Stream(reader, writer)
        self.streams.append(stream)
        self._readers.append(asyncio.create_task(stream.read_all()))
        self._arrived.set()
