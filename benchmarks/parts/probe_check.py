"""Is the probe right? It measures a delay that is known, through real sockets."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import numpy as np

from benchmarks.parts.chirps import Series, train
from skypechan.audio.probe import TimedSound, crossings, found_chirps
from skypechan.demo.parts.ports import HOST
from tests.doubles.rtp import RATE_HZ, RtpSession, sound_of
from tests.doubles.stamped_udp import Address, StampedUdp

INSERTED_MS = (7.3, 20.0, 41.7)
TOLERANCE_MS = 0.1
_SECONDS = 4.0
_SETTLE_S = 0.3
# The event loop wakes up late by some tenths of a millisecond; the rest is waited for
# on the spot.
_SPIN_S = 0.001


@dataclass(frozen=True, slots=True)
class Checked:
    """An inserted delay, what was measured, and the worst error of a single chirp.

    A busy machine makes the delay line late as well, so the truth of a chirp is what
    happened to the very packet it begins in, by the stamps of that packet.
    """

    inserted_ms: float
    median_ms: float
    worst_error_ms: float
    chirps: int

    @property
    def passed(self) -> bool:
        """Whether figures of this probe can be trusted."""
        return self.chirps > 0 and self.worst_error_ms <= TOLERANCE_MS


class _DelayLine:
    """Sends every packet back, a fixed time after it came."""

    def __init__(self, delay_ms: float) -> None:
        self._delay_ns = round(delay_ms * 1e6)
        self._loop = asyncio.get_running_loop()
        self._udp = StampedUdp(HOST, self._take)

    @property
    def address(self) -> Address:
        return self._udp.address

    def close(self) -> None:
        self._udp.close()

    def _take(self, packet: bytes, sender: Address, at_ns: int) -> None:
        due_ns = at_ns + self._delay_ns
        early_s = (due_ns - time.monotonic_ns()) / 1e9 - _SPIN_S
        self._loop.call_later(max(early_s, 0), self._give_back, packet, sender, due_ns)

    def _give_back(self, packet: bytes, sender: Address, due_ns: int) -> None:
        while time.monotonic_ns() < due_ns:
            pass
        if not self._udp.closed:
            self._udp.send(packet, sender)


async def check_probe(chance: random.Random) -> list[Checked]:
    """Measure each of the delays, one after another."""
    return [await _check(inserted_ms, chance) for inserted_ms in INSERTED_MS]


async def _check(inserted_ms: float, chance: random.Random) -> Checked:
    line, session = _DelayLine(inserted_ms), RtpSession(HOST)
    try:
        session.start(line.address, None)
        session.play(train(_SECONDS, RATE_HZ, chance))
        await session.played(_SECONDS * 2)
        await asyncio.sleep(_SETTLE_S)
    finally:
        session.close()
        line.close()
    series, errors_ms = Series(), [0.0]
    sent, received = sound_of(session.sent), sound_of(session.received)
    for up in (True, False):
        true_ms = _true_delays_ms(session, sent, up)
        for crossing in crossings(sent, received, up):
            series.add(crossing.delay_ms, up=up)
            errors_ms.append(abs(crossing.delay_ms - true_ms[crossing.gone_ns]))
    median = float(np.median(series.delays_ms())) if series.heard else float("nan")
    return Checked(inserted_ms, median, max(errors_ms), series.heard)


def _true_delays_ms(
    session: RtpSession, sent: TimedSound, up: bool
) -> dict[float, float]:
    """Return for the time of each chirp what its first packet really took."""
    came_ns = {packet.sequence: packet.at_ns for packet in session.received}
    found = {}
    for one in found_chirps(sent.samples, sent.rate_hz, up):
        index = int(np.searchsorted(sent.starts, one.position, side="right")) - 1
        packet = session.sent[index]
        took_ns = came_ns.get(packet.sequence, packet.at_ns) - packet.at_ns
        found[sent.time_ns(one.position)] = took_ns / 1e6
    return found
