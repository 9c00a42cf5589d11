"""Sound ports: the emulator connects to the ports the application listens on.

Skype is always the TCP client (skypiax, skypopen and skype-call-recorder listen).
To OUTPUT it writes 320 bytes, S16LE at 16 kHz, each 10 ms; INPUT it reads as fast
as it comes. One task paces all calls.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Final

from skypechan.clock import Clock
from skypechan.emulator.desk import Direction
from skypechan.emulator.sound import CallSound
from skypechan.emulator.soundclock import PIECE_S, Lateness, SoundClock
from skypechan.emulator.voices import PIECE_SAMPLES

CONNECT_TIMEOUT_S: Final = 2.0
_HOST: Final = "127.0.0.1"
_MOST_UNSENT_BYTES: Final = 32_000
_MOST_BEHIND_S: Final = 0.2

logger = logging.getLogger(__name__)


class Stream(asyncio.Protocol):
    """One connection; `hear` takes what comes in, `clock` paces what goes out."""

    def __init__(self, hear: Callable[[bytes], None], clock: SoundClock) -> None:
        self._hear = hear
        self.clock = clock
        self.resting = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - for the types
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        self._hear(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Called by asyncio."""
        self._transport = None

    @property
    def open(self) -> bool:
        """True until either end closes it."""
        return self._transport is not None

    def rest(self, resting: bool) -> None:
        """Stay connected and carry nothing, or no longer."""
        if self._transport is not None and resting is not self.resting:
            act = "pause_reading" if resting else "resume_reading"
            getattr(self._transport, act)()
        self.resting = resting

    def write(self, content: bytes) -> bool:
        """False when the application does not read: the piece is lost."""
        if self._transport is None:
            return False
        if self._transport.get_write_buffer_size() > _MOST_UNSENT_BYTES:
            return False
        self._transport.write(content)
        return True

    def close(self) -> None:
        """Close it; harmless when it is."""
        if self._transport is not None:
            self._transport.close()


class SoundPorts:
    """The sound connections of all calls of one emulator.

    Guess: when the application closes a port early, the call goes on without it.
    `ppm` and `lateness` are those of streams to come; while it is `refusing` no port
    is connected.
    """

    def __init__(self, clock: Clock, chance: random.Random) -> None:
        self._clock = clock
        self._chance = chance
        self._ports: dict[tuple[int, Direction], Stream] = {}
        self.lateness = Lateness.NONE
        self.refusing = False
        self._frozen = False
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
        if self.refusing:
            return False
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connected = await loop.create_connection(
                    lambda: Stream(hear, self._new_clock()), _HOST, port
                )
        except OSError as error:
            logger.info("! call %d: %s port %d: %s", call_id, direction, port, error)
            return False
        # Another command may have connected the same stream in the meantime.
        self.close(call_id, direction)
        self._ports[call_id, direction] = connected
        connected.rest(self._frozen)
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

    def streams(self, call_id: int, direction: Direction | None) -> list[Stream]:
        """One open stream of a call, or all of them."""
        wanted = {direction} if direction else set(Direction)
        return [
            port
            for (call, way), port in self._ports.items()
            if call == call_id and way in wanted and port.open
        ]

    def run_clocks(self, ppm: float, lateness: Lateness) -> None:
        """Have all streams, and those to come, go so."""
        self.ppm, self.lateness = ppm, lateness
        for port in self._ports.values():
            port.clock.ppm, port.clock.lateness = ppm, lateness

    def freeze(self, frozen: bool) -> None:
        """Carry no sound at all, or again; those who rest are then awake."""
        if frozen is not self._frozen:
            self._frozen = frozen
            for port in self._ports.values():
                port.rest(frozen)

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

    def _new_clock(self) -> SoundClock:
        chance = random.Random(self._chance.random())  # noqa: S311 - repeatable
        now_s = self._clock.monotonic_s()
        return SoundClock(now_s, chance, self.ppm, self.lateness)

    async def _pace(self) -> None:
        """Write each piece to each open stream when it is due.

        The deadlines are absolute; a process that was stopped for long goes on from
        now, as a sound card that has lost samples does.
        """
        while self._ports:
            for key, port in list(self._ports.items()):
                if port.open:
                    self._write_pieces(*key, port)
                else:
                    del self._ports[key]
            for call_id in set(self._sounds) - {key[0] for key in self._ports}:
                del self._sounds[call_id]
            due_s = min((p.clock.due_s for p in self._ports.values()), default=0.0)
            await self._clock.sleep(max(0.0, due_s - self._clock.monotonic_s()))

    def _write_pieces(self, call_id: int, direction: Direction, port: Stream) -> None:
        behind_s = self._clock.monotonic_s() - port.clock.due_s
        if behind_s > _MOST_BEHIND_S:
            self.pieces_late += int(behind_s / PIECE_S)
            port.clock.lose(behind_s)
        while port.clock.due_s <= self._clock.monotonic_s():
            port.clock.advance()
            if port.resting:
                continue
            if direction is Direction.OUTPUT:
                piece = self._sounds[call_id].speak(self.now_ns())
                self.pieces_lost += not port.write(piece)
            elif direction is Direction.CAPTURE_MIC:
                # Guess: a redirected microphone is silent.
                self.pieces_lost += not port.write(bytes(PIECE_SAMPLES * 2))
