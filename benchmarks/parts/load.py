"""The load of the capacity benchmark: both ends of all calls, in one process.

    python -m benchmarks.parts.load ORDER_AS_JSON

Paced in real time on an absolute schedule, each stream with a phase of its own. A frame
is marked by the level of its samples, which every filter passes; so the delay is that
of the audio itself. It runs from the clock read just before the send of the frame's
last piece to the kernel's stamp of the arrival: how late this program is, in sending or
in reading, is in neither. Begins with a line on standard input, when the gateway is
ready; prints one JSON object, `Outcome`.
"""

from __future__ import annotations

import gc
import json
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parts.marks import MARKS, Reception, level_of
from skypechan.audio.audiosocket import KIND_OF_RATE_HZ

FRAME_NS = 20_000_000
LATE_MS = 20.0
"""A frame that was under way for longer counts as late."""

_LINE_RATE_HZ = 16_000
_DRAIN_FRAMES = 25
_READ_EVERY_NS = 1_000_000
_SO_TIMESTAMPNS = 35  # socket(7): arrival as seconds and nanoseconds of CLOCK_REALTIME
_PERCENTILES = (50, 95, 99)
_TIMES = slice(11, 13)  # proc(5): utime and stime, counted behind the name


@dataclass(frozen=True, slots=True)
class Order:
    """What load to make. `ports` are those of the gateway whose process is `pid`."""

    calls: int
    frames: int
    warm_up_frames: int
    pbx_rate_hz: int
    piece_ms: int
    gain_db: float
    ports: tuple[int, int, int]
    pid: int
    seed: int


@dataclass(frozen=True, slots=True)
class WayOutcome:
    """One direction of all calls. Delays in milliseconds, by percentile."""

    sent: int
    lost: int
    late: int
    made_up: int  # silence and repeated frames that nobody sent
    delays_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was measured. CPU in milliseconds per second and call, shares of a core."""

    to_pbx: WayOutcome
    to_line: WayOutcome
    gateway_cpu_ms: float
    gateway_share: float
    gateway_ticks: int  # of 10 ms each
    gateway_kernel_ticks: int  # of them in system calls
    gateway_memory_kb: int
    load_cpu_ms: float
    load_share: float
    load_behind_ms: float  # p99 of how late a piece was sent
    engine: Mapping[str, float] = field(default_factory=dict)  # what ours tells itself

    @property
    def ways(self) -> tuple[WayOutcome, WayOutcome]:
        """Both directions."""
        return self.to_pbx, self.to_line

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Read what `main` has printed."""
        plain: dict[str, Any] = json.loads(text)
        ways: dict[str, Any] = {
            way: WayOutcome(**plain.pop(way)) for way in ("to_pbx", "to_line")
        }
        return cls(**plain, **ways)


@dataclass(slots=True, eq=False)
class Source:
    """One sender of audio. `sent_ns` has the time of each frame, by its number."""

    sock: socket.socket
    pieces: list[list[bytes]]
    sent_ns: list[int] = field(default_factory=list)
    rest: bytes = b""

    def send(self, number: int, piece: int) -> None:
        """Send a piece of frame `number`; what finds no room goes first next time."""
        pieces = self.pieces[number % MARKS]
        data = self.rest + pieces[piece]
        if piece == len(pieces) - 1:
            self.sent_ns.append(time.time_ns())
        try:
            self.rest = data[self.sock.send(data) :]
        except BlockingIOError:
            self.rest = data


def pieces_of(rate_hz: int, piece_ms: int, header: bytes = b"") -> list[list[bytes]]:
    """Return the pieces of a frame, for each mark."""
    samples, count = rate_hz * piece_ms // 1000, 20 // piece_ms
    levels = [
        np.full(samples, level_of(mark), "<i2").tobytes() for mark in range(MARKS)
    ]
    return [[header + level] * count for level in levels]


class Load:
    """The far ends of `order.calls` calls, connected."""

    def __init__(self, order: Order, stack: ExitStack) -> None:
        self.order = order
        self._behind_ns: list[int] = []
        self._epoll = stack.enter_context(select.epoll())
        self._buffer = bytearray(1 << 16)
        self._receptions: dict[int, tuple[socket.socket, Reception]] = {}
        gain_db, frame = order.gain_db, order.pbx_rate_hz // 25
        kind = KIND_OF_RATE_HZ[order.pbx_rate_hz]
        message = bytes([kind, *frame.to_bytes(2, "big")])
        line = pieces_of(_LINE_RATE_HZ, order.piece_ms)
        pbx = pieces_of(order.pbx_rate_hz, 20, message)
        self.from_line: list[Source] = []
        self.from_pbx: list[Source] = []
        self.to_line: list[Reception] = []
        self.to_pbx: list[Reception] = []
        for _ in range(order.calls):
            from_line, to_line, at_pbx = [
                stack.enter_context(connected(port)) for port in order.ports
            ]
            self.from_line.append(Source(from_line, line))
            self.from_pbx.append(Source(at_pbx, pbx))
            self.to_line.append(self._receive(to_line, Reception(640, False, gain_db)))
            whole = Reception(len(message) + frame, True, gain_db)
            self.to_pbx.append(self._receive(at_pbx, whole))

    def _receive(self, sock: socket.socket, reception: Reception) -> Reception:
        self._receptions[sock.fileno()] = (sock, reception)
        self._epoll.register(sock, select.EPOLLIN)
        return reception

    def run(self) -> Outcome:
        """Send and receive for as long as ordered."""
        order = self.order
        plan = list(self._plan(random.Random(order.seed)))
        begin_ns = time.monotonic_ns() + FRAME_NS
        first, end = order.warm_up_frames, order.warm_up_frames + order.frames
        self._cycles(plan, begin_ns, range(first))
        self._behind_ns.clear()
        before = Usage.of(order.pid)
        self._cycles(plan, begin_ns, range(first, end))
        used = Usage.of(order.pid).since(before)
        behind_ms = float(np.percentile(self._behind_ns, 99)) / 1e6
        memory_kb = resident_kb(order.pid)
        self._cycles(plan, begin_ns, range(end, end + _DRAIN_FRAMES))
        return Outcome(
            to_pbx=outcome_of(self.from_line, self.to_pbx, first, end),
            to_line=outcome_of(self.from_pbx, self.to_line, first, end),
            gateway_cpu_ms=used.gateway_ns / used.passed_ns * 1000 / order.calls,
            gateway_share=used.gateway_ns / used.passed_ns,
            gateway_ticks=used.ticks,
            gateway_kernel_ticks=used.kernel_ticks,
            gateway_memory_kb=memory_kb,
            load_cpu_ms=used.own_ns / used.passed_ns * 1000 / order.calls,
            load_share=used.own_ns / used.passed_ns,
            load_behind_ms=behind_ms,
        )

    def _plan(self, chance: random.Random) -> Iterator[tuple[int, Source, int]]:
        """Yield what is sent in each 20 ms: when, by whom, which piece."""
        plan: list[tuple[int, Source, int]] = []
        for source in (*self.from_line, *self.from_pbx):
            pieces = len(source.pieces[0])
            phase_ns = chance.randrange(FRAME_NS // pieces)
            plan += [
                (phase_ns + piece * FRAME_NS // pieces, source, piece)
                for piece in range(pieces)
            ]
        yield from sorted(plan, key=lambda entry: entry[0])

    def _cycles(
        self, plan: list[tuple[int, Source, int]], begin_ns: int, numbers: range
    ) -> None:
        read_ns = 0
        for number in numbers:
            cycle_ns = begin_ns + number * FRAME_NS
            for offset_ns, source, piece in plan:
                due_ns = cycle_ns + offset_ns
                now_ns = time.monotonic_ns()
                if now_ns < due_ns:
                    time.sleep((due_ns - now_ns) / 1e9)
                    now_ns = time.monotonic_ns()
                self._behind_ns.append(now_ns - due_ns)
                source.send(number, piece)
                if now_ns - read_ns > _READ_EVERY_NS:
                    self._read()
                    read_ns = now_ns

    def _read(self) -> None:
        for descriptor, _ in self._epoll.poll(0):
            sock, reception = self._receptions[descriptor]
            count, notes, _, _ = sock.recvmsg_into([self._buffer], 64)
            if not count:
                raise EOFError("the gateway has closed a connection")
            seconds, nanoseconds = struct.unpack("qq", notes[0][2])
            at_ns = seconds * 1_000_000_000 + nanoseconds
            reception.take(memoryview(self._buffer)[:count], at_ns)


def connected(port: int) -> socket.socket:
    """Return a connection whose arrivals are stamped by the kernel."""
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    return sock


@dataclass(frozen=True, slots=True)
class Usage:
    """Time that has passed and time on a core, of the gateway and of this process."""

    passed_ns: int
    gateway_ns: int
    own_ns: int
    ticks: int  # the gateway's, coarser than its nanoseconds
    kernel_ticks: int

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Look now."""
        files = Path(f"/proc/{pid}/task").glob("*/schedstat")
        gateway_ns = sum(int(file.read_text().split()[0]) for file in files)
        passed_ns, own_ns = time.monotonic_ns(), time.process_time_ns()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user, kernel = (int(field) for field in fields[_TIMES])
        return cls(passed_ns, gateway_ns, own_ns, user + kernel, kernel)

    def since(self, before: Usage) -> Usage:
        """Return the difference."""
        return Usage(
            self.passed_ns - before.passed_ns,
            self.gateway_ns - before.gateway_ns,
            self.own_ns - before.own_ns,
            self.ticks - before.ticks,
            self.kernel_ticks - before.kernel_ticks,
        )


def resident_kb(pid: int) -> int:
    """Return the memory of a process that is in RAM, shared libraries included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise EOFError("the gateway is gone")


def outcome_of(
    sources: list[Source], receptions: list[Reception], first: int, end: int
) -> WayOutcome:
    """Compare what was sent as frames `first` to `end` with what was heard of it.

    Raises EOFError if that is nothing at all.
    """
    delays_ms = np.array(
        [
            (reception.heard_ns[number] - source.sent_ns[number]) / 1e6
            for source, reception in zip(sources, receptions, strict=True)
            for number in range(first, end)
            if number in reception.heard_ns
        ]
    )
    if not delays_ms.size:
        raise EOFError("the gateway passed nothing on")
    sent = len(sources) * (end - first)
    percentiles = np.percentile(delays_ms, _PERCENTILES)
    return WayOutcome(
        sent=sent,
        lost=sent - delays_ms.size,
        late=int(np.count_nonzero(delays_ms > LATE_MS)),
        made_up=sum(
            first <= number < end
            for reception in receptions
            for number in reception.made_up
        ),
        delays_ms={
            f"p{name}": round(float(value), 4)
            for name, value in zip(_PERCENTILES, percentiles, strict=True)
        },
    )


def main() -> None:
    """Make the load that the argument orders."""
    order = Order(**json.loads(sys.argv[1]))
    with ExitStack() as stack:
        try:
            load = Load(order, stack)
            gc.disable()
            if sys.stdin.readline():
                print(json.dumps(asdict(load.run())))
        except (OSError, EOFError) as error:
            sys.exit(f"load: {error}")


if __name__ == "__main__":
    main()
