"""What the latency benchmark makes of sounds whose delays are known."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.parts.chirps import Series, chirps_in, measure, measure_chain, train
from benchmarks.parts.compare import read_run, verdict
from benchmarks.parts.paths import WayTold
from benchmarks.parts.stages import STAGES, WHOLE, measure_stages, stage_table
from skypechan.audio.probe import TimedSound
from skypechan.errors import SkypechanError

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
    ("before", "after", "said"),
    [
        (1.0, 1.2, "1.20 equal"),
        (1.2, 1.0, "0.83 equal"),
        (1.0, 1.3, "1.30 slower"),
        (1.0, 0.5, "0.50 faster"),
        (0.0, 0.5, "-"),
        (-1.0, 0.5, "-"),
        (0.02, 0.04, "-"),
        (0.04, 0.06, "1.50 slower"),
    ],
)
def test_ratio_up_to_a_fifth_is_the_machines(
    before: float, after: float, said: str
) -> None:
    assert verdict(before, after) == said


def run_file(path: Path, median_ms: float, benchmark: str = "latency") -> str:
    figures = {"median": median_ms, "p95": 2.0, "p99": 3.0, "max": 90.0}
    run = {
        "benchmark": benchmark,
        "date": "today",
        "options": {"calls": 1},
        "machine": {"cpu": "any", "cores": 2},
        "load": {"busy_share": 0.5},
        "ways": [{"way": "there and back", "part_of": None, "figures_ms": figures}],
        "added_by_the_gateway_ms": {"the phone's": figures},
        "stages_ms": {"one way": {WHOLE: figures, "DSP": figures}},
    }
    path.write_text(json.dumps(run))
    return str(path)


def test_two_results_are_compared_without_a_measurement(tmp_path: Path) -> None:
    files = [run_file(tmp_path / name, ms) for name, ms in (("a", 1.0), ("b", 2.0))]
    done = subprocess.run(
        [sys.executable, SCRIPT, "--compare", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    for row in ("there and back", "the phone's, added by the gateway", "one way: DSP"):
        assert f"| {row} | 1.000 -> 2.000 | 2.00 slower |" in done.stdout
    assert WHOLE not in done.stdout
    assert "90" not in done.stdout


def test_what_is_no_result_is_not_compared(tmp_path: Path) -> None:
    ours, other = tmp_path / "a", tmp_path / "b"
    files = [run_file(ours, 1.0), run_file(other, 1.0, "capacity")]
    done = subprocess.run(
        [sys.executable, SCRIPT, "--compare", *files],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"latency: {other} is no result of latency.py\n"


@pytest.mark.parametrize(
    "cut",
    [
        {"load": None},
        {"ways": [{"way": "there"}]},
        {"stages_ms": []},
        {"added_by_the_gateway_ms": {"the phone's": {"median": 1.0}}},
    ],
    ids=str,
)
def test_a_result_that_is_not_whole_is_said_to_be_none(
    tmp_path: Path, cut: dict[str, object]
) -> None:
    path = tmp_path / "run.json"
    run = json.loads(Path(run_file(path, 1.0)).read_text())
    path.write_text(json.dumps(run | cut))
    with pytest.raises(SkypechanError, match="is not whole"):
        read_run(path, "latency")


def test_a_call_is_told_with_what_the_gateway_did_to_it() -> None:
    way = WayTold("there", [1.2, 21.3], {"filled": 1, "smoothed": False})
    assert str(way) == "there: chirps 1.20 to 21.30 ms; filled 1, smoothed False"


def test_every_stage_of_the_engine_is_seen() -> None:
    stages = measure_stages(2.0, seed=1)
    assert len(stages) == 2
    for of_way in stages.values():
        assert list(of_way) == [WHOLE, *STAGES]
        assert min(of_way["socket in"]) > 0
        assert min(of_way["DSP"]) > 0
    table = stage_table(stages)
    assert "by definition 10" in table
    assert "all of it" in table


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
        assert "following" in script.stderr.readline()
        script.send_signal(signal.SIGINT)
        out, err = script.communicate(timeout=20)
    assert script.returncode == 130
    assert out == ""
    assert err.endswith("latency: interrupted\n")
