"""The control benchmark: what it takes for a slice, whose it is, and its usage."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ServerDisconnectedError

from benchmarks.parts.control_report import Phase, text
from benchmarks.parts.program import run
from benchmarks.parts.sliced_gateway import Slices
from skypechan.errors import StepError
from skypechan.gateway.snapshot import in_pieces
from skypechan.media.engine import Engine
from tests.doubles.lost_audio import Lost

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "control.py"
LOST = Lost(2_000, 2_000.0, 10, 1, 2, 20.0, 5.0)


async def work() -> None:
    """What a task may do."""


def plain() -> None:
    """What a callback may be."""


def named(slices: Slices, kind: str = "other") -> list[str]:
    return [one["name"] for one in slices.told()[kind]["named"]]


def report(told: dict[str, Any], lost: Lost) -> str:
    load = {"load_average_before": 1, "load_average_after": 1, "busy_share": 0.5}
    return text(
        {
            "options": {"dbus": 1, "x11": 2, "calls": 3, "readers": 4, "seconds": 1},
            "machine": {"cpu": "any", "cores": 2, "system": "Linux"},
            "load": load,
            "date": "today",
            "start": told,
            "phases": [Phase("work", 7, 1.0, told, lost).as_json()],
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
    lines = report(told, LOST).splitlines()
    assert "| work | 7 | 2 | 5 | 3 | 2 | 12.00 | 1 | 3.00 |" in lines
    assert "| `plain` | 3 | 2 | 12.00 | `-` |" in lines
    assert "| work | 2000 | 10 | 0.500 | 1 | 40 | 20 | 5 | 0.163 |" in lines


@pytest.mark.parametrize(("took_us", "met"), [(1_900, "yes"), (2_100, "**missed**")])
def test_a_slice_of_two_milliseconds_while_calls_talk_is_one_too_many(
    took_us: int, met: str
) -> None:
    slices = Slices()
    slices.add(plain, took_us, took_us)
    told = slices.told()
    (row,) = (x for x in report(told, LOST).splitlines() if "while calls talk" in x)
    assert met in row
    nobody = Lost.between([], [], 1.0)
    (row,) = (x for x in report(told, nobody).splitlines() if "while calls talk" in x)
    assert "yes" in row


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


def call(name: str, frames: int, late: int, filled: int) -> dict[str, Any]:
    way = {
        "frames": frames,
        "late": late,
        "dropped": 0,
        "filled": filled,
        "concealed_ms": 0.0,
        "skipped_ms": 0.0,
    }
    return {"call": name, "media": {"to_pbx": way, "to_line": way}}


def test_only_calls_that_were_joined_at_both_looks_tell_what_was_lost() -> None:
    rings = {"call": "rings", "media": None}
    first = [call("talks", 100, 1, 0), call("ends", 100, 0, 0), rings]
    last = [call("talks", 150, 3, 1), call("rings", 50, 9, 9)]
    lost = Lost.between(first, last, 1.0)
    assert lost == Lost(100, 100.0, 4, 0, 2, 0.0, 0.0)
    assert lost.share == pytest.approx(0.02)
    assert Lost.between(first, [], 1.0).share == 0


def failing(error: Exception) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StepError("no phone"), "no phone"),
        (TimeoutError(), "TimeoutError"),
        (ServerDisconnectedError("gone"), "gone"),
        (ExceptionGroup("", [FileNotFoundError(2, "no bus")]), "[Errno 2] no bus"),
        (ExceptionGroup("", [ExceptionGroup("", [StepError("deep")])]), "deep"),
    ],
)
def test_what_may_go_wrong_ends_with_1_and_one_sentence(
    error: Exception, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bench", failing(error)) == 1
    assert capsys.readouterr().err == f"bench: {told}\n"


@pytest.mark.parametrize(
    "error", [KeyError("x"), ExceptionGroup("", [StepError("s"), KeyError("x")])]
)
def test_a_fault_of_the_benchmark_itself_is_no_sentence(error: Exception) -> None:
    with pytest.raises(type(error)):
        run("bench", failing(error))
