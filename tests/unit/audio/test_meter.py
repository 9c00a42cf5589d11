"""Meters read what passed, row by row."""

import numpy as np
import pytest

from skypechan.audio.meter import FLOOR_DBFS, Meter
from skypechan.audio.pcm import peaks_of

RATE_HZ = 16_000


def measured(meter: Meter, row: int, samples: np.ndarray) -> None:
    frame = samples[None].astype(np.float32)
    meter.measure(np.array([row]), frame, peaks_of(frame), None)


def test_a_sine_at_full_scale_reads_three_decibels_below_zero() -> None:
    meter = Meter(1, RATE_HZ)
    angle = 2 * np.pi * np.arange(320) / 16
    for _ in range(100):
        measured(meter, 0, np.sin(angle))
    level = meter.read(0)
    assert level.level_dbfs == pytest.approx(-3.0, abs=0.1)
    assert level.average_dbfs == pytest.approx(-3.0, abs=0.1)
    assert level.peak_dbfs == 0


def test_silence_reads_the_floor() -> None:
    meter = Meter(1, RATE_HZ)
    measured(meter, 0, np.zeros(320))
    level = meter.read(0)
    assert level.level_dbfs == level.average_dbfs == level.peak_dbfs == FLOOR_DBFS


def test_the_level_follows_and_the_peak_and_the_average_remember() -> None:
    meter = Meter(1, RATE_HZ)
    for _ in range(50):
        measured(meter, 0, np.full(320, 0.5))
    for _ in range(300):
        measured(meter, 0, np.full(320, 0.005))
    level = meter.read(0)
    assert level.level_dbfs == pytest.approx(-46, abs=0.5)
    assert level.peak_dbfs == pytest.approx(-6, abs=0.1)
    assert level.average_dbfs == pytest.approx(-14.5, abs=0.1)


def test_saturated_and_limited_samples_are_counted_for_their_row() -> None:
    meter = Meter(3, RATE_HZ)
    rows = np.array([0, 2])
    samples = np.zeros((2, 320), np.float32)
    samples[1, :5] = 1.2
    samples[1, 5:7] = -1.2
    meter.measure(rows, samples, peaks_of(samples), [0, 9])
    meter.count_clipped(rows, samples)
    assert (meter.read(0).clipped, meter.read(0).limited) == (0, 0)
    assert (meter.read(2).clipped, meter.read(2).limited) == (7, 9)


def test_full_scale_itself_is_not_counted_as_saturated() -> None:
    meter = Meter(1, RATE_HZ)
    edge = np.array([[-1.0, 32767 / 32768]], np.float32)
    meter.count_clipped(np.array([0]), edge)
    assert meter.read(0).clipped == 0


def test_a_new_call_starts_at_nothing() -> None:
    meter = Meter(1, RATE_HZ)
    measured(meter, 0, np.ones(320))
    meter.reset(0)
    assert meter.read(0).peak_dbfs == FLOOR_DBFS
