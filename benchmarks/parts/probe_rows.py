"""How exactly the latency probe finds a chirp that went through mu-law."""

from __future__ import annotations

import numpy as np

from benchmarks.parts.judged import ulaw
from benchmarks.parts.rows import Row, at_most
from skypechan.audio.probe import chirp, found_chirps

MOST_US = 10.0

_RATE_HZ = 8_000
_LENGTH_S, _EARLIEST_S, _LATEST_S = 0.5, 0.1, 0.3


def row(count: int) -> Row:
    """Place chirps at random between samples, and compare where they are found."""
    chance = np.random.default_rng(1)
    errors_us = []
    for number in range(count):
        up, at_s = number % 2 == 0, chance.uniform(_EARLIEST_S, _LATEST_S)
        samples = np.zeros(round(_LENGTH_S * _RATE_HZ), np.int16)
        samples[: round(0.1 * _RATE_HZ)] = chirp(_RATE_HZ, up=up)
        turns = np.fft.rfftfreq(len(samples), 1 / _RATE_HZ)
        moved = np.fft.rfft(samples) * np.exp(-2j * np.pi * turns * at_s)
        late = np.rint(np.fft.irfft(moved, len(samples))).astype(np.int16)
        (found,) = found_chirps(ulaw(late), _RATE_HZ, up)
        errors_us.append(abs(found.position / _RATE_HZ - at_s) * 1e6)
    what = f"latency probe through mu-law, worst of {count}"
    median = {"median": float(np.median(errors_us))}
    return at_most(what, "us", MOST_US, max(errors_us), median)
