"""What the quality benchmark makes of sounds and clocks that are known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.parts.buffers import CAP_S, Buffer, well
from benchmarks.parts.judged import ideal_8k, warped
from benchmarks.parts.resamplers import OURS, SKYPIAX, Resampler
from benchmarks.parts.response import measure
from benchmarks.parts.rows import as_table, at_least, at_most
from benchmarks.parts.speech import active_rms, levelled
from skypechan.audio.probe import measured_tone, tone

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "quality.py"
RATE_HZ = 16_000


class LateDecimator:
    """Keeps every other sample and gives it 20 samples of 16 kHz later."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._late = np.zeros(20, np.float32)

    def process(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        whole = np.concatenate([self._late, samples])
        self._late = whole[-20:]
        return whole[:-20][::2]


def test_delay_of_a_known_delay_line_is_found() -> None:
    late = Resampler("late", LateDecimator, SKYPIAX.make_int16)
    response = measure(late, RATE_HZ, RATE_HZ // 2)
    assert response.delay_ms == pytest.approx(20 / 16, abs=1e-3)
    assert response.spread_ms == pytest.approx(0, abs=1e-3)
    assert response.held_ms == pytest.approx(0, abs=1e-6)


def test_a_resampler_without_a_filter_rejects_nothing_and_ours_does() -> None:
    assert measure(SKYPIAX, RATE_HZ, 8_000).rejection_db == pytest.approx(0, abs=0.1)
    ours = measure(OURS, RATE_HZ, 8_000)
    assert ours.rejection_db >= 90
    assert ours.idle_peak == 0


@pytest.mark.parametrize("ppm", [-200.0, -1000.0])
def test_a_buffer_left_alone_grows_by_the_drift(ppm: float) -> None:
    left = Buffer(None).run(ppm, well, 600)
    assert left.grown_ms == pytest.approx(-ppm * 1e-3 * 480, rel=0.02)
    assert left.dropped == 0


@pytest.mark.parametrize("ppm", [1000.0, -1000.0])
def test_a_buffer_that_drops_and_inserts_does_it_once_a_frame_of_drift(
    ppm: float,
) -> None:
    capped = Buffer(CAP_S).run(ppm, well, 600)
    assert capped.events == pytest.approx(abs(ppm) * 1e-6 * 600 / 0.020, abs=4)
    assert bool(capped.dropped) == (ppm < 0)


def test_warped_reference_has_the_pitch_of_the_drift() -> None:
    slower = warped(tone(1000, 2.0, RATE_HZ), 1 + 1000e-6)
    heard = measured_tone(slower[1600:-1600], RATE_HZ)
    assert heard.frequency_hz == pytest.approx(1000 / (1 + 1000e-6), abs=1e-3)
    assert heard.rest_dbfs < -70


def test_ideal_filter_keeps_what_lies_below_4_khz_and_nothing_else() -> None:
    assert not ideal_8k(tone(5000, 1.0, RATE_HZ)).any()
    kept = measured_tone(ideal_8k(tone(3000, 1.0, RATE_HZ)), 8_000)
    assert kept.frequency_hz == pytest.approx(3000, abs=1e-3)
    assert kept.level_dbfs == pytest.approx(-12, abs=0.01)


def test_level_of_speech_leaves_pauses_out() -> None:
    half = np.concatenate([tone(300, 1.0, RATE_HZ), np.zeros(RATE_HZ, np.int16)])
    assert active_rms(levelled(half)) == pytest.approx(10 ** (-26 / 20), rel=0.01)


def test_missed_target_stands_in_the_table_as_missed() -> None:
    rows = [at_least("one", "dB", 90, 91, {}), at_most("two", "ms", 1, 1.5, {"x": 2})]
    lines = as_table(rows).splitlines()[2:]
    assert "| yes |" in lines[0]
    assert "| **missed** | x 2 |" in lines[1]


@pytest.mark.parametrize(
    "options", [("--minutes", "0"), ("--per-voice", "0"), ("--plot", "/nowhere/x.png")]
)
def test_misuse_ends_with_2(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == b""
