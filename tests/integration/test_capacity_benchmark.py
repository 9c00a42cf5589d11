"""The capacity benchmark: its marks, its rules, and one small run of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks.parts.capacity_report import Cell, capacity
from benchmarks.parts.contenders import FLOOR, OURS, Placing, contenders, measure
from benchmarks.parts.load import Outcome, WayOutcome
from benchmarks.parts.marks import MARKS, Reception, level_of, mark_of

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "capacity.py"
HEADER = b"\x10\x01\x40"


def frame(number: int, samples: int = 320) -> bytes:
    return level_of(number % MARKS).to_bytes(2, "little", signed=True) * samples


def outcome(
    *, p99_ms: float = 1.0, lost: int = 0, share: float = 0.5, behind_ms: float = 0.1
) -> Outcome:
    way = WayOutcome(1000, lost, 0, 0, {"p50": 0.5, "p95": 0.8, "p99": p99_ms})
    return Outcome(way, way, 2.0, share, 0.6, 40_000, 3.0, 0.6, behind_ms)


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.12])
def test_every_mark_is_read_as_what_was_written(gain: float) -> None:
    read = [mark_of(round(level_of(mark) * gain) / gain) for mark in range(MARKS)]
    assert read == list(range(MARKS))


@pytest.mark.parametrize("sample", [0, 100, -100, 32767, -32768])
def test_silence_and_noise_have_no_mark(sample: int) -> None:
    assert mark_of(sample) is None


def test_frames_of_samples_may_come_several_at_once_and_differ_in_length() -> None:
    chance, reception, number = random.Random(3), Reception(640, False, 0.0), 0
    while number < 250:
        count = chance.randrange(1, 5)
        lengths = [chance.randrange(318, 323) for _ in range(count)]
        come = b"".join(frame(number + n, size) for n, size in enumerate(lengths))
        cut = chance.choice((len(come), 1, 201))
        for part in (come[:cut], come[cut:]):
            reception.take(memoryview(part), number)
        number += count
    assert sorted(reception.heard_ns) == list(range(number))


def test_messages_cut_anywhere_are_the_frames_that_were_sent() -> None:
    chance, reception = random.Random(4), Reception(323, True, 0.0)
    sent = b"".join(HEADER + frame(number, 160) for number in range(250))
    at = 0
    while at < len(sent):
        size = chance.randrange(1, 700)
        reception.take(memoryview(sent[at : at + size]), at)
        at += size
    assert sorted(reception.heard_ns) == list(range(250))


def test_frame_that_is_missing_and_silence_are_told_apart_from_what_came() -> None:
    reception = Reception(640, False, 0.0)
    for number in (0, 1, 4, 5):
        reception.take(memoryview(frame(number)), 10 * number)
    reception.take(memoryview(bytes(640)), 60)
    assert reception.heard_ns == {0: 0, 1: 10, 4: 40, 5: 50}
    assert reception.silent == 1


@pytest.mark.parametrize(
    ("run", "saturated"),
    [
        (outcome(), False),
        (outcome(p99_ms=20.1), True),
        (outcome(lost=2), True),
        (outcome(share=0.96), True),
    ],
)
def test_lateness_loss_and_a_full_core_are_saturation(
    run: Outcome, saturated: bool
) -> None:
    assert Cell(OURS, 10, [run]).is_saturated is saturated


def test_median_of_the_runs_counts_and_all_lost_frames() -> None:
    runs = [outcome(p99_ms=ms) for ms in (1.0, 90.0, 2.0)]
    cell = Cell(OURS, 10, runs)
    assert cell.delay_ms("p99") == 2.0
    assert not cell.is_saturated
    assert Cell(OURS, 10, [*runs[:2], outcome(lost=500)]).lost == 1000


def test_load_that_misses_its_schedule_is_said_to() -> None:
    assert not Cell(OURS, 10, [outcome()]).is_load_behind
    assert Cell(OURS, 10, [outcome(behind_ms=6)]).is_load_behind


def test_capacity_is_the_most_that_was_not_too_much() -> None:
    cells = {
        calls: Cell(OURS, calls, [outcome(p99_ms=ms)])
        for calls, ms in ((1, 1.0), (50, 2.0), (100, 30.0))
    }
    assert capacity(cells) == 50
    assert capacity(cells | {50: Cell(OURS, 50, [outcome(behind_ms=6)])}) == 1


def test_relay_is_left_out_with_a_note_where_there_is_no_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found, notes = contenders(tmp_path)
    assert FLOOR not in [contender.name for contender in found]
    assert any(note.startswith(FLOOR) and "cc" in note for note in notes)


def left_out(engine: Mapping[str, float]) -> float:
    """How many frames may be missing of what an engine says it has left out.

    A stall of the machine that ours rightly skips is none of its losses; others tell
    of nothing. Pieces of 10 ms may each have had the mark of a frame.
    """
    return engine.get("skipped_ms", 0) / 10 + engine.get("dropped", 0)


def test_audio_of_every_gateway_arrives_whole(tmp_path: Path) -> None:
    file = tmp_path / "capacity.json"
    small = ("--calls", "2", "--seconds", "0.6", "--rounds", "1")
    done = subprocess.run(
        [sys.executable, SCRIPT, *small, "--json", file],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stderr
    cells = {cell["gateway"]: cell for cell in json.loads(file.read_text())["cells"]}
    wanted = {OURS, "asyncio streams"} | ({FLOOR} if shutil.which("cc") else set())
    assert wanted <= set(cells)
    for cell in cells.values():
        (run,) = cell["runs"]
        assert run["gateway_cpu_ms"] > 0
        assert run["gateway_memory_kb"] > 0
        for way in ("to_pbx", "to_line"):
            assert run[way]["sent"] == 2 * 30
            assert run[way]["lost"] <= left_out(run["engine"])
            assert run[way]["delays_ms"]["p50"] > 0


def test_wide_band_and_whole_frames_of_the_line_are_loads_too(tmp_path: Path) -> None:
    ours = next(one for one in contenders(tmp_path)[0] if one.name == OURS)
    wanted = {"calls": 2, "frames": 30, "warm_up_frames": 5, "seed": 1}
    wanted |= {"pbx_rate_hz": 16000, "piece_ms": 20}
    run = measure(ours, wanted, Placing(real_time=False))
    assert [way.sent for way in run.ways] == [60, 60]
    assert sum(way.lost for way in run.ways) <= left_out(run.engine)


@pytest.mark.parametrize(
    "options",
    [("--calls", "0"), ("--rounds", "0"), ("--json", "/nowhere/x")],
)
def test_misuse_ends_with_2(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, *options], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == b""


def test_interrupt_ends_with_130_and_leaves_no_process() -> None:
    script = subprocess.Popen(
        [sys.executable, SCRIPT, "--calls", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with script:
        assert script.stderr
        while "1 calls" not in script.stderr.readline():
            pass
        children = children_of(script.pid)
        script.send_signal(signal.SIGINT)
        out, err = script.communicate(timeout=20)
    assert script.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "capacity: interrupted"
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)


def children_of(pid: int) -> list[int]:
    """The processes that were started by then; there may be none yet."""
    told = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in told.split() if int(child) != os.getpid()]
