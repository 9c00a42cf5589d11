"""RTP with G.711 mu-law in 20 ms packets and RFC 4733 digits, every packet stamped."""

from __future__ import annotations

import asyncio
import random
import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from skypechan.audio.probe import TimedSound
from tests.doubles.stamped_udp import Address, StampedUdp
from tests.doubles.waiting import Changes

RATE_HZ = 8000
PTIME_S = 0.020
FRAME = 160
PCMU = 0
DIGITS = "0123456789*#ABCD"  # RFC 4733 table 3: the position is the event code
_HEADER = struct.Struct("!BBHII")
_EVENT = struct.Struct("!BBH")
_MARKER = 0x80
_END = 0x80
_END_PACKETS = 3  # RFC 4733 2.5.1.4: the last packet is sent three times
_VOLUME = 10

Samples = NDArray[np.int16]


def _decoding_table() -> Samples:
    """G.711 mu-law to linear, 16 bit."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _encoding_table() -> NDArray[np.uint8]:
    """Linear (index: sample & 0xffff) to G.711 mu-law."""
    sample = np.arange(65536, dtype=np.int32)
    sample = np.where(sample > 32767, sample - 65536, sample)
    magnitude = np.minimum(np.abs(sample), 32635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    sign = np.where(sample < 0, 0x80, 0)
    code: NDArray[np.int32] = ~(sign | (exponent << 4) | mantissa) & 0xFF
    return code.astype(np.uint8)


_DECODE = _decoding_table()
_ENCODE = _encoding_table()


def ulaw_encoded(samples: Samples) -> bytes:
    """Linear samples as mu-law, one byte each."""
    return _ENCODE[samples.astype(np.int16).view(np.uint16)].tobytes()


def ulaw_decoded(payload: bytes) -> Samples:
    """Mu-law bytes as linear samples."""
    return _DECODE[np.frombuffer(payload, dtype=np.uint8)]


@dataclass(frozen=True, slots=True)
class Packet:
    """One audio packet and its time on the monotonic clock."""

    at_ns: int
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Digit:
    """One digit received: first packet, first end packet, duration as signalled."""

    symbol: str
    began_ns: int
    ended_ns: int
    duration_ms: float


def sound_of(packets: list[Packet]) -> TimedSound:
    """Packets in the order of arrival, laid end to end."""
    pieces = [ulaw_decoded(packet.payload) for packet in packets]
    return TimedSound.of(pieces, [packet.at_ns for packet in packets], RATE_HZ)


@dataclass(slots=True)
class _OutgoingDigit:
    symbol: str
    packets: int
    timestamp: int = 0
    sent: int = 0
    done: asyncio.Event = field(default_factory=asyncio.Event)


class RtpSession:
    """One audio stream, paced on absolute deadlines from `start` to `close`.

    Sends silence when nothing is to be played; keeps everything that came and went in
    ``received``, ``sent`` and ``digits``.
    """

    def __init__(self, host: str) -> None:
        self.received: list[Packet] = []
        self.sent: list[Packet] = []
        self.digits: list[Digit] = []
        self.changes = Changes()
        self.event_payload_type = 101
        self.paused = False
        self._udp = StampedUdp(host, self._on_datagram)
        self._loop = asyncio.get_running_loop()
        self._remote: Address | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0
        self._queue = np.zeros(0, dtype=np.int16)
        self._played = asyncio.Event()
        self._outgoing_digits: list[_OutgoingDigit] = []
        self._began: dict[int, int] = {}
        self._finished: set[int] = set()
        self._ssrc = random.getrandbits(32)
        self._sequence = random.getrandbits(15)
        self._timestamp = random.getrandbits(31)
        self._marker = True

    @property
    def address(self) -> Address:
        """Where we receive."""
        return self._udp.address

    def start(self, remote: Address, event_payload_type: int | None) -> None:
        """Send to ``remote`` from now on, each 20 ms."""
        self._remote = remote
        if event_payload_type is not None:
            self.event_payload_type = event_payload_type
        if self._timer is None and not self._udp.closed:
            self._next_at = self._loop.time()
            self._tick()

    def shift(self, seconds: float) -> None:
        """Send every packet so much later from now on: another frame clock's phase."""
        self._next_at += seconds

    def close(self) -> None:
        """Stop both ways."""
        if self._timer is not None:
            self._timer.cancel()
        self._udp.close()

    def play(self, samples: Samples) -> None:
        """Append samples (8 kHz) to what is to be sent."""
        self._queue = np.concatenate([self._queue, samples.astype(np.int16)])
        self._played.clear()

    async def played(self, seconds: float) -> None:
        """Return when everything given to `play` has left; TimeoutError after that."""
        async with asyncio.timeout(seconds):
            await self._played.wait()

    async def send_digits(
        self, digits: str, duration_ms: float = 100, pause_ms: float = 60
    ) -> None:
        """Send digits one after another; return when the last has ended."""
        for symbol in digits:
            packets = max(1, round(duration_ms / 1000 / PTIME_S))
            outgoing = _OutgoingDigit(symbol, packets)
            self._outgoing_digits.append(outgoing)
            await outgoing.done.wait()
            await asyncio.sleep(pause_ms / 1000)

    async def wait_for_digits(self, count: int, seconds: float) -> str:
        """The symbols received, once there are ``count``; raises TimeoutError."""
        await self.changes.until(
            lambda: len(self.digits) >= count, seconds, f"{count} digits"
        )
        return "".join(digit.symbol for digit in self.digits)

    async def wait_for_audio(self, packets: int, seconds: float) -> None:
        """Return when that many more audio packets have come; raises TimeoutError."""
        wanted = len(self.received) + packets
        await self.changes.until(
            lambda: len(self.received) >= wanted, seconds, f"{packets} audio packets"
        )

    def sound_since(self, at_ns: int) -> TimedSound:
        """Everything received from ``at_ns`` (monotonic) on."""
        return sound_of([p for p in self.received if p.at_ns >= at_ns])

    def _tick(self) -> None:
        self._next_at += PTIME_S
        self._timer = self._loop.call_at(self._next_at, self._tick)
        if self._outgoing_digits:
            self._send_event(self._outgoing_digits[0])
        elif not self.paused:
            self._send_audio()
        self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF

    def _send_audio(self) -> None:
        frame, self._queue = self._queue[:FRAME], self._queue[FRAME:]
        if len(frame) < FRAME:
            frame = np.pad(frame, (0, FRAME - len(frame)))
        payload = ulaw_encoded(frame)
        at_ns = self._send(PCMU, self._timestamp, self._marker, payload)
        self._marker = False
        self.sent.append(Packet(at_ns, self._sequence, self._timestamp, payload))
        if not len(self._queue):
            self._played.set()

    def _send_event(self, digit: _OutgoingDigit) -> None:
        first = digit.sent == 0
        if first:
            digit.timestamp = self._timestamp
        digit.sent += 1
        ends = digit.sent >= digit.packets
        flags = _VOLUME | (_END if ends else 0)
        duration = min(digit.sent * FRAME, 0xFFFF)
        payload = _EVENT.pack(DIGITS.index(digit.symbol), flags, duration)
        for _ in range(_END_PACKETS if ends else 1):
            self._send(self.event_payload_type, digit.timestamp, first, payload)
        if ends:
            self._outgoing_digits.pop(0)
            self._marker = True
            digit.done.set()

    def _send(self, kind: int, timestamp: int, marker: bool, payload: bytes) -> int:
        assert self._remote is not None
        self._sequence = (self._sequence + 1) & 0xFFFF
        second = kind | (_MARKER if marker else 0)
        header = _HEADER.pack(0x80, second, self._sequence, timestamp, self._ssrc)
        return self._udp.send(header + payload, self._remote)

    def _on_datagram(self, data: bytes, sender: Address, at_ns: int) -> None:
        if len(data) < _HEADER.size:
            return
        _, second, sequence, timestamp, _ = _HEADER.unpack_from(data)
        kind, payload = second & 0x7F, data[_HEADER.size :]
        if kind == PCMU:
            self.received.append(Packet(at_ns, sequence, timestamp, payload))
        elif kind == self.event_payload_type and len(payload) >= _EVENT.size:
            self._on_event(timestamp, payload, at_ns)
        self.changes.notify()

    def _on_event(self, timestamp: int, payload: bytes, at_ns: int) -> None:
        event, flags, duration = _EVENT.unpack_from(payload)
        began_ns = self._began.setdefault(timestamp, at_ns)
        if flags & _END and timestamp not in self._finished and event < len(DIGITS):
            self._finished.add(timestamp)
            duration_ms = duration * 1000 / RATE_HZ
            self.digits.append(Digit(DIGITS[event], began_ns, at_ns, duration_ms))
