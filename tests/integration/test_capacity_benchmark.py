"""The capacity benchmark: its marks, its rules, and one small run of it."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.parts.capacity_report import (
    Cell,
    Results,
    capacity,
    memory_for_a_call,
    targets,
    text,
)
from benchmarks.parts.contenders import (
    FLOOR,
    OURS,
    Contender,
    Placing,
    contenders,
    make_room,
    measure,
    started,
)
from benchmarks.parts.load import Outcome, Source, WayOutcome, outcome_of
from benchmarks.parts.marks import MARKS, Reception, level_of, mark_of
from benchmarks.parts.rows import as_table
from skypechan.errors import SkypechanError

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "capacity.py"
ROOT = SCRIPT.parents[1]
HEADER = b"\x10\x01\x40"


def frame(number: int, samples: int = 320) -> bytes:
    return level_of(number % MARKS).to_bytes(2, "little", signed=True) * samples


def outcome(
    *,
    p99_ms: float = 1.0,
    lost: int = 0,
    share: float = 0.5,
    behind_ms: float = 0.1,
    ticks: int = 100,
    memory_kb: int = 40_000,
    window_ms: float = 0.5,
) -> Outcome:
    way = WayOutcome(1000, lost, 0, 0, {"p50": 0.5, "p95": 0.8, "p99": p99_ms})
    own = {"window_ms": window_ms}
    used = (2.0, share, ticks, ticks // 4, memory_kb)
    return Outcome(way, way, *used, 3.0, 0.6, behind_ms, own)


def results(*cells: Cell) -> Results:
    load = dict.fromkeys(("load_average_before", "load_average_after", "busy_share"), 0)
    machine = {"cpu": "a core", "cores": 2, "system": "Linux"}
    versions = {"python": "3.11", "numpy": "2"}
    return Results("today", {}, machine, versions, [], load, list(cells))


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


def test_frame_that_is_missing_and_what_is_made_up_are_told_from_what_came() -> None:
    reception = Reception(640, False, 0.0)
    reception.take(memoryview(bytes(640)), 0)
    for number in (0, 1, 4, 4, 5):
        reception.take(memoryview(frame(number)), 10 * number)
    reception.take(memoryview(frame(3) + frame(1) + bytes(640)), 60)
    assert reception.heard_ns == {0: 0, 1: 10, 4: 40, 5: 50}
    assert reception.made_up == [-1, 4, 5, 5, 5]


def test_only_what_is_made_up_within_the_run_counts() -> None:
    with socket.socket() as unused:
        source = Source(unused, [], sent_ns=[0] * 10)
        reception = Reception(640, False, 0.0, dict.fromkeys(range(10), 1))
        reception.made_up += [-1, 1, 2, 4, 5]
        assert outcome_of([source], [reception], 2, 5).made_up == 2


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


def test_rounds_that_disagree_about_saturation_are_told_with_their_spread() -> None:
    runs = [
        outcome(p99_ms=ms, share=share) for ms, share in ((11.6, 0.88), (221, 0.95))
    ]
    told = text(results(Cell(OURS, 350, runs))).splitlines()
    assert any("| 350 | skypechan (saturated in 1 of 2 rounds) |" in x for x in told)
    (spread,) = [line for line in told if "disagree" in line]
    assert "p99 11.6 to 221.0 ms, 88% to 95% of a core" in spread
    assert "disagree" not in text(results(Cell(OURS, 350, runs[1:])))


@pytest.mark.parametrize(("ticks", "share"), [(10, None), (25, 0.24)])
def test_share_of_the_kernel_is_told_of_enough_ticks_only(
    ticks: int, share: float | None
) -> None:
    assert Cell(OURS, 1, [outcome(ticks=ticks)] * 2).kernel_share == share


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


def test_gateway_that_was_never_full_carries_at_least_what_was_tried() -> None:
    ours = [Cell(OURS, n, [outcome(p99_ms=ms)]) for n, ms in ((300, 9), (350, 90))]
    (row,) = targets(results(*ours, Cell(FLOOR, 350, [outcome()])))
    assert row.beside == {"C relay at least": 350}
    full = Cell(FLOOR, 400, [outcome(share=0.99)])
    (row,) = targets(results(*ours, Cell(FLOOR, 350, [outcome()]), full))
    assert row.beside == {"C relay": 350}


@pytest.mark.parametrize(
    ("p99_ms", "word"), [(1.7, "yes"), (2.01, "within 1.2"), (2.1, "**missed**")]
)
def test_ratio_of_less_than_1_2_is_neither_met_nor_missed(
    p99_ms: float, word: str
) -> None:
    rows = targets(results(Cell(OURS, 200, [outcome(p99_ms=p99_ms)])))
    assert f"p99, ms | <= 1.7 | {p99_ms:.3f} | {word} |" in as_table(rows)


def test_memory_of_a_call_is_that_of_short_windows_below_saturation() -> None:
    loads = {1: 40_000, 51: 40_500, 101: 41_000}
    cells = {n: Cell(OURS, n, [outcome(memory_kb=kb)]) for n, kb in loads.items()}
    wide = Cell(OURS, 300, [outcome(memory_kb=60_000, window_ms=4)])
    full = Cell(OURS, 350, [outcome(memory_kb=60_000, share=0.99)])
    slope = memory_for_a_call(cells | {300: wide, 350: full})
    assert slope == pytest.approx(10)
    assert memory_for_a_call({1: cells[1], 300: wide}) is None


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
    written = json.loads(file.read_text())
    assert written["options"]["calls"] == "2"
    cells = {cell["gateway"]: cell for cell in written["cells"]}
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


def test_socket_of_a_call_sends_small_frames_at_once() -> None:
    program = (
        "from socket import IPPROTO_TCP, TCP_NODELAY\n"
        "from benchmarks.parts.accepting import accept_calls\n"
        "(call,) = accept_calls(1)\n"
        "print([sock.getsockopt(IPPROTO_TCP, TCP_NODELAY) for sock in call])\n"
    )
    with started([sys.executable, "-c", program]) as gateway, ExitStack() as ends:
        assert gateway.stdout
        for port in gateway.stdout.readline().split():
            at = ("127.0.0.1", int(port))
            ends.enter_context(socket.create_connection(at))
        assert gateway.stdout.readline() == "[1, 1, 1]\n"


@pytest.mark.parametrize("name", [FLOOR, OURS, "asyncio streams"])
def test_gateway_whose_starter_has_gone_waits_for_no_calls(
    name: str, tmp_path: Path
) -> None:
    found = {one.name: one for one in contenders(tmp_path)[0]}
    if name not in found:
        pytest.skip("there is no cc")
    command = [*found[name].command, "2", "8000", *found[name].options]
    with started(command) as gateway:
        assert gateway.stdout
        assert gateway.stdin
        assert len(gateway.stdout.readline().split()) == 3
        gateway.stdin.close()
        assert gateway.wait(20) == 1


def test_load_that_ends_before_it_is_connected_ends_the_measurement() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        ports = " ".join([str(deaf.getsockname()[1])] * 3)
        program = f"import sys; print('{ports}', flush=True); sys.stdin.read()"
        silent = Contender("silent", [sys.executable, "-c", program])
        wanted = {"calls": 1, "frames": 5, "warm_up_frames": 5, "seed": 1}
        wanted |= {"pbx_rate_hz": 8000, "piece_ms": 20}
        with pytest.raises(SkypechanError, match=r"load.*has ended too soon"):
            measure(silent, wanted, Placing(real_time=False))


def test_as_many_files_are_allowed_as_the_calls_need() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
        make_room(50)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert soft > 3 * 50
    assert hard == before[1]


def test_calls_beyond_the_files_that_are_allowed_are_refused_in_a_sentence() -> None:
    command = 'ulimit -n 100 && exec "$@"'
    done = subprocess.run(
        ["/bin/sh", "-c", command, "sh", sys.executable, SCRIPT, "--calls", "1,50"],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("capacity: 50 calls need ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ("--calls", "0"),
        ("--calls", "1,abc"),
        ("--rounds", "0"),
        ("--json", "/nowhere/x"),
    ],
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
