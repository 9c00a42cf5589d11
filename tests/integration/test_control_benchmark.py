"""The control benchmark: what it takes for a slice, whose it is, and its usage."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.parts.control_report import Phase, text
from benchmarks.parts.sliced_gateway import Slices
from skypechan.gateway.snapshot import in_pieces
from skypechan.media.engine import Engine

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "control.py"


async def work() -> None:
    """What a task may do."""


def plain() -> None:
    """What a callback may be."""


def named(slices: Slices, kind: str = "other") -> list[str]:
    return [one["name"] for one in slices.told()[kind]["named"]]


def report(told: dict[str, Any]) -> str:
    load = {"load_average_before": 1, "load_average_after": 1, "busy_share": 0.5}
    return text(
        {
            "options": {"dbus": 1, "x11": 2, "calls": 3, "readers": 4, "seconds": 1},
            "machine": {"cpu": "any", "cores": 2, "system": "Linux"},
            "load": load,
            "date": "today",
            "start": told,
            "phases": [Phase("work", 7, 1.0, told).as_json()],
        }
    )


def test_slices_are_counted_by_length_audio_and_the_rest_apart() -> None:
    slices = Slices()
    for took_us in (50, 1_500, 2_500, 90, 12_000):
        slices.add(plain, took_us, took_us * 2)
    slices.add(Engine._pass, 3_000, 3_000)
    told = slices.told()
    assert (told["other"]["count"], told["other"]["busy_us"]) == (5, 16_140)
    (one,) = told["other"]["named"]
    assert one == {
        "name": "plain",
        "over_1_ms": 3,
        "over_2_ms": 2,
        "longest_us": 12_000,
        "wall_us": 24_000,
        "garbage_us": 0,
    }
    lines = report(told).splitlines()
    assert "| work | 7 | 2 | 5 | 3 | 2 | 12.00 | 1 | 3.00 |" in lines
    assert "| `plain` | 3 | 2 | 12.00 | `-` |" in lines


def test_after_they_were_told_slices_begin_anew() -> None:
    slices = Slices()
    slices.add(plain, 3_000, 3_000)
    slices.told()
    told = slices.told()["other"]
    assert (told["count"], sum(told["below"]), told["named"]) == (0, 0, [])


async def test_a_slice_is_named_by_its_task_and_what_was_seen_in_it() -> None:
    slices = Slices()
    task = asyncio.create_task(work())
    slices.add(getattr(task, "add_done_callback"), 1_000, 1_000)  # noqa: B009
    await task
    slices.look(0, sys._getframe())
    slices.add(plain, 1_000, 1_000)
    await in_pieces("x", lambda _: slices.look(0, sys._getframe()), 1)
    slices.add(plain, 1_000, 1_000)
    seen = named(slices)
    assert seen[0] == "task work"
    assert seen[1].startswith("plain: test_a_slice_is_named")
    assert seen[2].startswith("plain: in_pieces > test_a_slice_is_named")


def test_a_slice_that_collects_garbage_for_the_most_part_is_named_by_that() -> None:
    slices = Slices()
    slices.collected(800, 1)
    slices.add(plain, 1_500, 1_500)
    slices.add(plain, 1_500, 1_500)
    assert named(slices) == ["collection of garbage, generation 1", "plain"]


@pytest.mark.parametrize(
    "options", [("--dbus", "1", "--x11", "0", "--calls", "1"), ("--seconds", "0")]
)
def test_misuse_ends_with_2(options: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, *options], capture_output=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == b""
