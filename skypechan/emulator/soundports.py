"""Sound ports: the emulator connects to the ports the application listens on.

Skype is always the TCP client (skypiax, skypopen and skype-call-recorder listen).
To OUTPUT it writes 320 bytes, S16LE at 16 kHz, each 10 ms; INPUT it reads as fast
as it comes. One task paces all calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from skypechan.clock import Clock
from skypechan.emulator.desk import Direction
from skypechan.emulator.sound import CallSound
from skypechan.emulator.voices import PIECE_SAMPLES

PIECE_S: Final = 0.010
CONNECT_TIMEOUT_S: Final = 2.0
_HOST: Final = "127.0.0.1"
_MOST_UNSENT_BYTES: Final = 32_000
_MOST_BEHIND_S: Final = 0.2

logger = logging.getLogger(__name__)


class _Port(asyncio.Protocol):
    """One connection; `hear` takes what comes in."""

    def __init__(self, hear: Callable[[bytes], None]) -> None:
        self._hear = hear
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the types
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._hear(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None

    @property
    def open(self) -> bool:
        return self._transport is not None

    def write(self, content: bytes) -> bool:
        """False when the application does not read: the piece is lost."""
        if self._transport is None:
            return False
        if self._transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            return False
        self._transport.write(content)
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class SoundPorts:
    """The sound connections of all calls of one emulator.

    Guess: when the application closes a port early, the call goes on without it.
    `ppm` makes the emulated sound clock fast (positive) or slow.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ports: dict[tuple[int, Direction], _Port] = {}
        self._sounds: dict[int, CallSound] = {}
        self._pacing: asyncio.Task[None] | None = None
        self.ppm = 0.0
        self.pieces_late = 0
        self.pieces_lost = 0

    async def connect(
        self,
        call_id: int,
        direction: Direction,
        port: int,
        sound: CallSound,
        is_muted: Callable[[], bool],
    ) -> bool:
        """Connect one stream, in the place of an earlier one; False on failure."""

        def hear(content: bytes) -> None:
            if direction is Direction.INPUT:
                sound.hear(self.now_ns(), content, silent=is_muted())

        self.close(call_id, direction)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connected = await loop.create_connection(
                    lambda: _Port(hear), _HOST, port
                )
        except OSError as error:
            logger.info("! call %d: %s port %d: %s", call_id, direction, port, error)
            return False
        # Another command may have connected the same stream in the meantime.
        self.close(call_id, direction)
        self._ports[call_id, direction] = connected
        self._sounds[call_id] = sound
        self._start_pacing()
        return True

    def close(self, call_id: int, direction: Direction | None = None) -> None:
        """Close one stream of a call, or all of them."""
        for key in list(self._ports):
            if key[0] == call_id and direction in {None, key[1]}:
                self._ports.pop(key).close()

    def is_open(self, call_id: int, direction: Direction) -> bool:
        """True while the application keeps this stream open."""
        port = self._ports.get((call_id, direction))
        return port is not None and port.open

    async def stop(self) -> None:
        """Close everything."""
        for port in self._ports.values():
            port.close()
        self._ports.clear()
        if self._pacing is not None:
            self._pacing.cancel()
            await asyncio.gather(self._pacing, return_exceptions=True)

    def now_ns(self) -> int:
        """The monotonic clock that stamps are made of."""
        return int(self._clock.monotonic_s() * 1e9)

    def _start_pacing(self) -> None:
        if self._pacing is None or self._pacing.done():
            self._pacing = asyncio.create_task(self._pace(), name="sound pacing")

    async def _pace(self) -> None:
        """Write a piece to every open stream each ten milliseconds.

        The deadlines are absolute; a process that was stopped for long goes on from
        now, as a sound card that has lost samples does.
        """
        due_s = self._clock.monotonic_s()
        while self._ports:
            self._write_pieces()
            due_s += PIECE_S * (1 - self.ppm * 1e-6)
            behind_s = self._clock.monotonic_s() - due_s
            if behind_s > _MOST_BEHIND_S:
                self.pieces_late += int(behind_s / PIECE_S)
                due_s += behind_s
            await self._clock.sleep(max(0.0, -behind_s))

    def _write_pieces(self) -> None:
        for (call_id, direction), port in list(self._ports.items()):
            if not port.open:
                del self._ports[call_id, direction]
            elif direction is Direction.OUTPUT:
                piece = self._sounds[call_id].speak(self.now_ns())
                self.pieces_lost += not port.write(piece)
            elif direction is Direction.CAPTURE_MIC:
                # Guess: a redirected microphone is silent.
                self.pieces_lost += not port.write(bytes(PIECE_SAMPLES * 2))
        for call_id in set(self._sounds) - {key[0] for key in self._ports}:
            del self._sounds[call_id]
