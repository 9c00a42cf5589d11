"""A tap on the RTP between Asterisk and the phone: what passed, and exactly when.

A real phone does not tell when it sent or heard a sound. So Asterisk is told to name
`TAP_HOST` in its SDP; there this relay listens on Asterisk's own RTP ports, passes
every packet on and keeps the audio with the time of its passing.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from skypechan.audio.pcm import ulaw_decode
from skypechan.audio.probe import TimedSound
from skypechan.errors import LinkDownError

TAP_HOST = "127.0.0.2"
ASTERISK_HOST = "127.0.0.1"

_HEADER = struct.Struct("!BBHII")
_ULAW = 0
_RATE_HZ = 8_000
_PAYLOAD_TYPE = 0x7F


@dataclass(slots=True)
class Stream:
    """The G.711 packets of one direction, in the order of their passing."""

    pieces: list[tuple[int, bytes]] = field(default_factory=list)

    def take(self, packet: bytes) -> None:
        """Keep a packet if it is mu-law audio."""
        if len(packet) > _HEADER.size and packet[1] & _PAYLOAD_TYPE == _ULAW:
            self.pieces.append((time.monotonic_ns(), packet[_HEADER.size :]))

    def sound(self) -> TimedSound:
        """Return the audio with the time of each piece's first sample.

        A packet leaves when its last sample is known, so its first is older.
        """
        pieces = [ulaw_decode(payload) for _, payload in self.pieces]
        starts = [at_ns for at_ns, _ in self.pieces]
        return TimedSound.of(pieces, starts, _RATE_HZ)


class RtpTap:
    """Relays every RTP port of Asterisk between `start` and `stop`.

    With `blocked` set nothing passes any more.
    """

    def __init__(self, ports: range) -> None:
        self.to_phone = Stream()
        self.from_phone = Stream()
        self.since_ns = 0
        self.blocked = False
        self._ports = ports
        self._sockets: list[asyncio.DatagramTransport] = []

    def forget(self) -> None:
        """Begin anew: what has passed is of no interest any more."""
        self.to_phone, self.from_phone = Stream(), Stream()
        self.since_ns = time.monotonic_ns()

    async def __aenter__(self) -> Self:
        try:
            for port in self._ports:
                await self._open(port)
        except OSError as error:
            self._close()
            raise LinkDownError(f"the tap on {TAP_HOST}: {error}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()
        await asyncio.sleep(0)

    def _close(self) -> None:
        for transport in self._sockets:
            transport.close()

    async def _open(self, port: int) -> None:
        """Join the tap's side of one port with Asterisk's."""
        phone: list[Any] = []

        def from_phone(packet: bytes, sender: Any) -> None:
            phone[:] = [sender]
            self.from_phone.take(packet)
            if not self.blocked:
                inner.sendto(packet)

        def from_asterisk(packet: bytes, _: Any) -> None:
            self.to_phone.take(packet)
            if phone and not self.blocked:
                outer.sendto(packet, phone[0])

        outer = await self._socket(from_phone, local_addr=(TAP_HOST, port))
        inner = await self._socket(from_asterisk, remote_addr=(ASTERISK_HOST, port))

    async def _socket(
        self, take: Callable[[bytes, Any], None], **address: Any
    ) -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(take), family=socket.AF_INET, **address
        )
        self._sockets.append(transport)
        return transport


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Any], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._take(data, addr)

    def error_received(self, exc: Exception) -> None:
        """Ignore that the other end of a port is closed between calls."""
