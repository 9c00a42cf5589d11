"""The control benchmark: what it takes for a slice, whose it is, and its usage."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.parts.control_report import Phase, text
from benchmarks.parts.sliced_gateway import Slices, who_is

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "control.py"


async def work() -> None:
    """What a task may do."""


def test_slices_are_counted_by_length_and_the_longest_are_named() -> None:
    slices = Slices()
    for took_us in (50, 1_500, 2_500, 90, 12_000):
        slices.add(took_us, took_us * 2, lambda took_us=took_us: f"took {took_us}")
    told = slices.told()
    assert (told["count"], told["busy_us"]) == (5, 16_140)
    assert told["longest"][0] == {
        "cpu_us": 12_000,
        "wall_us": 24_000,
        "who": "took 12000",
    }
    results = {
        "options": {"dbus": 1, "x11": 2, "calls": 3},
        "machine": {"cpu": "any", "cores": 2, "system": "Linux"},
        "load": {
            "load_average_before": 1,
            "load_average_after": 1,
            "busy_share": 0.5,
        },
        "date": "today",
        "phases": [Phase("work", 1, 1.0, told).as_json()],
    }
    assert "| work | 1.6 | 5 | 3 | 2 | 12.00 |" in text(results)


def test_after_they_were_told_slices_begin_anew() -> None:
    slices = Slices()
    slices.add(3_000, 3_000, lambda: "x")
    slices.told()
    told = slices.told()
    assert (told["count"], sum(told["below"]), told["longest"]) == (0, 0, [])


def test_only_the_longest_are_kept() -> None:
    slices = Slices()
    for took_us in range(100):
        slices.add(took_us, took_us, lambda: "")
    kept = [one["cpu_us"] for one in slices.told()["longest"]]
    assert kept == list(range(99, 99 - len(kept), -1))
    assert 0 < len(kept) < 50


async def test_a_callback_is_named_by_what_its_task_or_function_is() -> None:
    task = asyncio.create_task(work())
    assert who_is(getattr(task, "add_done_callback")) == "task work"  # noqa: B009
    await task
    bound = functools.partial(test_only_the_longest_are_kept)
    assert who_is(bound) == "test_only_the_longest_are_kept"


@pytest.mark.parametrize(
    "options", [("--dbus", "1", "--x11", "0", "--calls", "1"), ("--seconds", "0")]
)
def test_misuse_ends_with_2(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, *options], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == b""
