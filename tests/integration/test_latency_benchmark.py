"""What the latency benchmark makes of sounds whose delays are known."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.parts.chirps import Series, chirps_in, measure, measure_chain, train
from skypechan.audio.probe import TimedSound

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "latency.py"
RATE_HZ, PIECE = 16_000, 160


def heard(sound: TimedSound, delay_ms: float, lost: slice | None = None) -> TimedSound:
    samples = sound.samples.copy()
    if lost is not None:
        samples[lost] = 0
    at_ns = sound.at_ns + round(delay_ms * 1e6)
    return TimedSound(samples, sound.starts, at_ns, RATE_HZ)


@pytest.fixture
def said() -> TimedSound:
    samples = train(6.0, RATE_HZ, random.Random(5))
    pieces = [samples[at : at + PIECE] for at in range(0, len(samples), PIECE)]
    return TimedSound.of(pieces, [n * 10_000_000 for n in range(len(pieces))], RATE_HZ)


def test_rising_and_falling_chirps_come_in_equal_numbers(said: TimedSound) -> None:
    series = Series()
    measure(series, said, heard(said, 12.5))
    assert len(series.rising_ms) == len(series.falling_ms) == chirps_in(6.0) / 2
    assert series.delays_ms() == pytest.approx(12.5, abs=1e-6)


def test_whole_way_is_the_sum_of_its_legs_and_one_leg_can_be_left_out(
    said: TimedSound,
) -> None:
    points = [said, heard(said, 1.5), heard(said, 21.5), heard(said, 32.0)]
    legs, whole = [Series(), Series(), Series()], [Series(), Series()]
    measure_chain(legs, points, whole)
    for series, wanted_ms in zip(legs + whole, (1.5, 20, 10.5, 32, 12), strict=True):
        assert series.sent == series.heard == chirps_in(6.0)
        assert series.delays_ms() == pytest.approx(wanted_ms, abs=1e-6)


def test_chirp_lost_on_one_leg_counts_on_none(said: TimedSound) -> None:
    half = slice(0, len(said.samples) // 2)
    points = [said, heard(said, 1.0), heard(said, 2.0, lost=half), heard(said, 3.0)]
    legs = [Series(), Series(), Series()]
    measure_chain(legs, points)
    counts = {series.heard for series in legs}
    assert len(counts) == 1
    assert 0 < counts.pop() < chirps_in(6.0)
    assert {series.sent for series in legs} == {chirps_in(6.0)}


@pytest.mark.parametrize(
    "options", [("--calls", "0"), ("--seconds", "0"), ("--json", "/nowhere/x.json")]
)
def test_misuse_ends_with_2(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == b""


def test_interrupt_ends_with_130_and_one_sentence() -> None:
    script = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--quick"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with script:
        assert script.stderr
        assert "probe" in script.stderr.readline()
        script.send_signal(signal.SIGINT)
        out, err = script.communicate(timeout=20)
    assert script.returncode == 130
    assert out == ""
    assert err == "latency: interrupted\n"
