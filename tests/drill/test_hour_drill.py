"""An hour of a call through the live engine, in time of our own making.

In full this takes some minutes a call; the figures are printed beside what they are
measured against (`-s` shows them).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import pytest

from tests.doubles.virtual_call import Lateness, VirtualCall

_FULL = "SKYPECHAN_DRILL_MINUTES" in os.environ
_SECONDS = 3_600 if _FULL else 40
_WINDOW_S = 60 if _FULL else 10


def well(rng: np.random.Generator, _: float) -> float:
    return 0.0005 + min(rng.exponential(0.0003), 0.001)


def burst40(rng: np.random.Generator, at_s: float) -> float:
    late_s = rng.uniform(0, 0.040) if rng.random() < 0.05 else 0.0
    return well(rng, at_s) + late_s


def full40(rng: np.random.Generator, _: float) -> float:
    return rng.uniform(0, 0.040)


def stall(rng: np.random.Generator, at_s: float) -> float:
    """Once a minute what was sent in 100 to 500 ms comes all at once."""
    held_s = 0.1 + 0.4 * (at_s // 60 * 0.618 % 1)
    return well(rng, at_s) + max(0.0, held_s - (at_s - 20) % 60)


@dataclass(frozen=True)
class Outcome:
    """What an hour has done to a call."""

    first_ms: float
    last_ms: float
    concealed: float
    skipped_ms: float
    dropped: int
    drift_error_ppm: float
    delay_ms: float


def an_hour(ppm: float, late: Lateness, what: str) -> Outcome:
    call = VirtualCall(ppm, late, late)
    try:
        call.run(_SECONDS)
        figures = call.media.figures()
        windows = _SECONDS // _WINDOW_S
        queues_ms = [
            1000 * call.least_queue_s(i * _WINDOW_S, (i + 1) * _WINDOW_S)
            for i in range(windows)
        ]
    finally:
        call.close()
    ways = (figures.to_pbx, figures.to_line)
    outcome = Outcome(
        first_ms=queues_ms[1],
        last_ms=queues_ms[-1],
        concealed=max(way.concealed_ms for way in ways) / (1000 * _SECONDS),
        skipped_ms=max(way.skipped_ms for way in ways),
        dropped=sum(way.dropped for way in ways),
        drift_error_ppm=abs(figures.to_pbx.drift_ppm - ppm),
        delay_ms=max(way.delay_ms for way in ways),
    )
    print(f"{what} {ppm:+g} ppm, {_SECONDS} s: {outcome}")  # noqa: T201
    return outcome


@pytest.mark.parametrize("ppm", [50, -50, 200, -200, 1000, -1000])
def test_an_hour_of_drift_leaves_delay_as_it_was(ppm: float) -> None:
    outcome = an_hour(ppm, well, "well")
    assert outcome.last_ms == pytest.approx(outcome.first_ms, abs=1.0)
    assert (outcome.concealed, outcome.skipped_ms, outcome.dropped) == (0, 0, 0)
    assert outcome.drift_error_ppm <= 5


@pytest.mark.parametrize("late", [burst40, full40])
@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_of_lateness_is_hidden_behind_a_constant_delay(
    late: Lateness, ppm: float
) -> None:
    outcome = an_hour(ppm, late, late.__name__)
    assert outcome.concealed <= (1e-4 if _FULL else 3e-3)
    assert outcome.delay_ms + 20 <= 85
    assert outcome.last_ms <= outcome.first_ms + 1.0 or not _FULL
    assert outcome.dropped == 0


@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_of_stalls_leaves_delay_as_it_was(ppm: float) -> None:
    outcome = an_hour(ppm, stall, "stall")
    # The client starves in each stall, so its least tells nothing here.
    assert outcome.delay_ms <= 5
    assert outcome.dropped == 0
