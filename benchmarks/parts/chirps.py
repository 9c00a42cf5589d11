"""Trains of chirps, and what became of each chirp on its way."""

from __future__ import annotations

import itertools
import math
import random
import wave
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from skypechan.audio.probe import CHIRP_S, TimedSound, chirp, crossings, found_chirps

Samples = NDArray[np.int16]
Delays = NDArray[np.float64]

# Silence before each chirp. To the sample, so that chirps begin anywhere in a frame;
# two periods, the time within which an echo is looked for, stay over half a second.
_SHORTEST_GAP_S, _LONGEST_GAP_S = 0.16, 0.36
PERIOD_S = CHIRP_S + (_SHORTEST_GAP_S + _LONGEST_GAP_S) / 2


def chirps_in(seconds: float) -> int:
    """Return how many chirps a train has: as many rising as falling ones."""
    return max(2, 2 * math.ceil(seconds / PERIOD_S / 2))


def train(seconds: float, rate_hz: int, chance: random.Random) -> Samples:
    """Return rising and falling chirps by turns, with gaps of random length."""
    count = chirps_in(seconds)
    parts = []
    for index in range(count):
        gap_s = chance.uniform(_SHORTEST_GAP_S, _LONGEST_GAP_S)
        parts += [np.zeros(round(gap_s * rate_hz), np.int16)]
        parts += [chirp(rate_hz, up=index % 2 == 0)]
    return np.concatenate(parts)


def write_wav(path: Path, samples: Samples, rate_hz: int) -> None:
    """Write mono, 16 bit."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


@dataclass(slots=True)
class Series:
    """The delays of one way, over all its calls.

    Where the sound clocks of the two ends drift apart, rising chirps seem early and
    falling ones late, or the other way round (17 us at 200 ppm). They come in equal
    numbers, so that no median or mean is moved by it.
    """

    sent: int = 0
    rising_ms: list[float] = field(default_factory=list)
    falling_ms: list[float] = field(default_factory=list)

    @property
    def heard(self) -> int:
        """How many chirps arrived."""
        return len(self.rising_ms) + len(self.falling_ms)

    @property
    def apart_ms(self) -> float:
        """How far apart the medians of rising and falling chirps are."""
        if not self.rising_ms or not self.falling_ms:
            return 0.0
        return float(np.median(self.rising_ms) - np.median(self.falling_ms))

    def delays_ms(self) -> Delays:
        """Return the delay of every chirp."""
        return np.array(self.rising_ms + self.falling_ms)

    def extend(self, more: Series) -> None:
        """Take the chirps of another call."""
        self.sent += more.sent
        self.rising_ms += more.rising_ms
        self.falling_ms += more.falling_ms

    def add(self, delay_ms: float, *, up: bool) -> None:
        """Take the delay of one chirp."""
        (self.rising_ms if up else self.falling_ms).append(delay_ms)


def measure(series: Series, sent: TimedSound, received: TimedSound) -> None:
    """Add the delay of every chirp between two points."""
    measure_chain([series], [sent, received])


def measure_chain(
    legs: list[Series], sounds: list[TimedSound], whole: list[Series] | None = None
) -> None:
    """Add the delays of the chirps that passed every point, leg by leg.

    Of `whole`, the first gets the delay from the first point to the last, the second
    that without the second leg.
    """
    for up in (True, False):
        gone = len(found_chirps(sounds[0].samples, sounds[0].rate_hz, up))
        for series in (*legs, *(whole or ())):
            series.sent += gone
        for way in _ways_ms(sounds, up):
            for series, delay_ms in zip(legs, way, strict=True):
                series.add(delay_ms, up=up)
            for series, skipped_ms in zip(whole or (), (0.0, *way[1:2]), strict=False):
                series.add(sum(way) - skipped_ms, up=up)


def _ways_ms(sounds: list[TimedSound], up: bool) -> list[list[float]]:
    """Return the delay of each leg for each chirp that came through all of them."""
    first, *others = [
        crossings(before, after, up) for before, after in itertools.pairwise(sounds)
    ]
    onward = [{crossing.gone_ns: crossing for crossing in leg} for leg in others]
    ways = []
    for crossing in first:
        way, here = [crossing.delay_ms], crossing
        for leg in onward:
            following = leg.get(here.came_ns)
            if following is None:
                break
            way.append(following.delay_ms)
            here = following
        else:
            ways.append(way)
    return ways
