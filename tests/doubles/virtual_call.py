"""A call in the live engine whose time is ours: an hour passes in a minute.

The engine runs as it is, on local sockets, inside a loop whose clock we move from
event to event. The client's capture and playback share one sound clock, the PBX has
another; what each sends comes late by a rule, in order. The client plays by its clock
what has been written to it, starts when something is there, and waits when it has
nothing; so its queue shows every millisecond that the gateway lets grow.
"""

from __future__ import annotations

import heapq
import itertools
import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from skypechan.media.engine import (
    CallMedia,
    Engine,
    EngineSettings,
    MediaEnd,
    MediaStart,
)
from tests.doubles.pcm_peers import message, tcp_pair

Lateness = Callable[[np.random.Generator, float], float]
_FRAME_S = 0.020
_PIECE_S = 0.010
_DELIVERED_S = 1.0  # by the machine's clock; the loopback takes microseconds
_RECEIVED = struct.Struct("=128xQ")  # tcpi_bytes_received of <linux/tcp.h>
_SENT = struct.Struct("=200xQQ")  # tcpi_bytes_sent and tcpi_bytes_retrans


def _info(sock: socket.socket, of: struct.Struct) -> tuple[int, ...]:
    return of.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, of.size))


def wait_until_delivered(one: socket.socket, other: socket.socket) -> None:
    """Return when both ends of a TCP connection have what the other has sent.

    A send may return before: our time stands still meanwhile.
    """
    deadline_s = time.monotonic() + _DELIVERED_S
    for sender, receiver in ((one, other), (other, one)):
        sent, again = _info(sender, _SENT)
        while _info(receiver, _RECEIVED)[0] < sent - again:
            assert time.monotonic() < deadline_s
            time.sleep(0.0002)


class VirtualTimer:
    """A timer of `VirtualLoop`."""

    def __init__(self, when_s: float, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call
        self._when_s = when_s

    def when(self) -> float:
        return self._when_s

    def cancel(self) -> None:
        self.call = None


class VirtualLoop:
    """As much of an event loop as the engine uses, with a clock that we move."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.read: Callable[[], None] = lambda: None
        self.moved: Callable[[], None] = lambda: None
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._order = itertools.count()
        self._poll = select.poll()
        self.is_stalled = False

    def time(self) -> float:
        return self.now_s

    def call_at(
        self, when_s: float, callback: Callable[..., None], *args: Any
    ) -> VirtualTimer:
        timer = VirtualTimer(when_s, lambda: callback(*args))
        heapq.heappush(self._timers, (when_s, next(self._order), timer))
        return timer

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        self.call_at(self.now_s, callback, *args)

    def add_reader(self, descriptor: int, callback: Callable[[], None]) -> None:
        self.read = callback
        self._poll.register(descriptor, select.POLLIN)

    def remove_reader(self, descriptor: int) -> None:
        self.read = lambda: None
        self._poll.unregister(descriptor)

    def is_readable(self) -> bool:
        return not self.is_stalled and bool(self._poll.poll(0))

    def run_until(self, end_s: float) -> None:
        while not self.is_stalled and self._timers and self._timers[0][0] <= end_s:
            when_s, _, timer = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, when_s)
            if timer.call is not None:
                timer.call()
                self.moved()
        self.now_s = end_s


@dataclass
class Side:
    """One end: its clock, its lateness, and what is under way from it."""

    ppm: float
    late: Lateness
    step_s: float
    sent: int = 0
    last_s: float = 0.0
    sends: Callable[[int], bytes] = field(default=lambda _: b"")

    def next_s(self, rng: np.random.Generator) -> float:
        """When the next piece arrives, by the gateway's clock."""
        due_s = 1_000.0 + (self.sent + 1) * self.step_s / (1 + self.ppm * 1e-6)
        self.last_s = max(due_s + self.late(rng, due_s - 1_000.0), self.last_s)
        return self.last_s


class VirtualCall:
    """One call; `delays_s` of frames to the line, `gaps_s` between those to the PBX."""

    def __init__(
        self,
        line_ppm: float,
        line_late: Lateness,
        pbx_late: Lateness,
        pbx_ppm: float = 0.0,
        seed: int = 1,
        settings: EngineSettings | None = None,
        audio: Callable[[int], np.ndarray] | None = None,
        client_stands: bool = False,
        line_returns: bool = False,
    ) -> None:
        self.loop = VirtualLoop()
        self.engine = Engine(
            self.loop,  # type: ignore[arg-type]
            replace(settings or EngineSettings(), most_calls=2),
        )
        # Of TCP alone the gateway can tell what the client has not read.
        near_line, self._line = tcp_pair() if client_stands else socket.socketpair()
        self._tcp = (near_line, self._line) if client_stands else None
        if client_stands:  # a piece that waits for an acknowledgement would be late
            self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        near_pbx, self._pbx = socket.socketpair()
        for sock in (self._line, self._pbx):
            sock.setblocking(False)
        self.ends: list[MediaEnd] = []
        self.media: CallMedia = self.engine.start(
            MediaStart(
                line_receive=near_line,
                line_send=near_line,
                line_has_clock=not line_returns,
                pbx=near_pbx,
                on_digit=lambda _: None,
                on_closed=lambda end: self.ends.append(end),
            )
        )
        frame = audio or (lambda _: np.zeros(320, "<i2"))
        self._from_line = Side(line_ppm, line_late, _PIECE_S)
        self._from_line.sends = lambda n: frame(n // 2)[n % 2 * 160 :][:160].tobytes()
        self._from_pbx = Side(pbx_ppm, pbx_late, _FRAME_S)
        self._from_pbx.sends = lambda n: message(0x12, frame(n).tobytes())
        self._line_ppm = line_ppm
        self._rng = np.random.default_rng(seed)
        self._queue_s, self._played_s = 0.0, 1_000.0
        self.queues_s: list[tuple[float, float]] = []
        self.starved_s = 0.0
        self.to_pbx: list[tuple[float, int]] = []
        self.delays_to_pbx_s: list[tuple[float, float]] = []
        self.heard_by_line: list[bytes] = []
        self.heard_by_pbx: list[bytes] = []
        self.keeps_audio = audio is not None
        self.line_pauses, self.pbx_pauses = line_returns, False
        self._returns = line_returns
        self._stands = False
        self.loop.moved = self._listen

    @property
    def now_s(self) -> float:
        """How long the call has lasted."""
        return self.loop.now_s - 1_000.0

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        end_s = self.loop.now_s + seconds
        sides = [(self._from_line, self._line), (self._from_pbx, self._pbx)]
        nexts = [side.next_s(self._rng) for side, _ in sides]
        while min(nexts) <= end_s:
            turn = int(nexts[1] < nexts[0])
            side, sock = sides[turn]
            self._until(nexts[turn])
            if not (self.pbx_pauses if turn else self.line_pauses):
                sock.send(side.sends(side.sent))
                self._deliver()
            side.sent += 1
            nexts[turn] = side.next_s(self._rng)
            if min(nexts) > self.loop.now_s:
                self._work()
        self._until(end_s)

    def stall(self, seconds: float) -> None:
        """Let so much time pass in which the gateway does nothing."""
        self.loop.is_stalled = True
        self.run(seconds)
        self.loop.is_stalled = False
        self._work()

    def stop(self, seconds: float) -> None:
        """As `stall`, but the gateway is stopped and goes on with its timers."""
        self.loop.is_stalled = True
        self.run(seconds)
        self.loop.is_stalled = False
        self.loop.run_until(self.loop.now_s)
        self._work()

    def stall_pbx(self, seconds: float) -> None:
        """Let so much time pass in which the PBX does nothing; then it makes up."""
        self._from_pbx.last_s = self.loop.now_s + seconds
        self.run(seconds)

    def stall_client(self, seconds: float) -> None:
        """Let so much time pass in which the client's program does nothing.

        Its sound device goes on, plays what it has and then nothing.
        """
        self._from_line.last_s = self.loop.now_s + seconds
        self._stands = True
        self.run(seconds)
        self._stands = False
        self._listen()

    def stall_all(self, seconds: float) -> None:
        """Let so much time pass in which no program does anything."""
        self._from_pbx.last_s = self.loop.now_s + seconds
        self.loop.is_stalled = True
        self.stall_client(seconds)
        self.loop.is_stalled = False
        self._work()

    def _until(self, at_s: float) -> None:
        if at_s > self.loop.now_s:
            self.loop.run_until(at_s)
        self._listen()

    def _work(self) -> None:
        while self.loop.is_readable():
            self.loop.read()
            self._listen()

    def _deliver(self) -> None:
        if self._tcp:
            wait_until_delivered(*self._tcp)

    def _listen(self) -> None:
        self._deliver()
        now_s = self.loop.now_s
        played_s = (now_s - self._played_s) * (1 + self._line_ppm * 1e-6)
        self._played_s = now_s
        self.starved_s += max(played_s - self._queue_s, 0) if self._queue_s else 0
        self._queue_s = max(self._queue_s - played_s, 0)
        for sock, take in ((self._line, self._hear_line), (self._pbx, self._hear_pbx)):
            if self._stands and sock is self._line:
                continue
            try:
                data = sock.recv(65_536)
            except BlockingIOError:
                continue
            take(now_s, data)

    def _hear_line(self, now_s: float, data: bytes) -> None:
        self.queues_s.append((now_s, self._queue_s))
        self._queue_s += len(data) / 32_000
        if self._returns:
            self._line.send(data)
        if self.keeps_audio:
            self.heard_by_line.append(data)

    def _hear_pbx(self, now_s: float, data: bytes) -> None:
        self.to_pbx.append((now_s, len(data) // 643))
        if self.keeps_audio:
            self.heard_by_pbx += [
                data[i + 3 : i + 643] for i in range(0, len(data), 643)
            ]

    def close(self) -> None:
        """End the call and close every socket."""
        self.engine.close()
        self._line.close()
        self._pbx.close()

    def least_queue_s(self, begin_s: float, end_s: float) -> float:
        """The least that waited at the client before a write, in a stretch of time."""
        return min(
            queue_s
            for at_s, queue_s in self.queues_s
            if begin_s <= at_s - 1_000.0 < end_s
        )
