"""How long sound takes through the gateway, and through Asterisk alone beside it.

    .venv/bin/python benchmarks/latency.py [--quick] [--json FILE] [--plot FILE]
    .venv/bin/python benchmarks/latency.py --compare A.json B.json

The method is told in benchmarks/README.md. The table goes to standard output,
progress to standard error. Exit status: 0 measured, 1 something went wrong (one
sentence says what), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.parts.chirps import Series, chirps_in
from benchmarks.parts.compare import comparison, read_run
from benchmarks.parts.house import House, house
from benchmarks.parts.latency_plots import write_plots
from benchmarks.parts.machine import Load, machine
from benchmarks.parts.paths import PATHS, WAYS, Bench, WayTold
from benchmarks.parts.probe_check import TOLERANCE_MS, Checked, check_probe
from benchmarks.parts.program import run
from benchmarks.parts.report import (
    Results,
    can_plot,
    table,
    write_json,
)
from benchmarks.parts.stages import Stages, measure_stages
from skypechan.demo.parts.desktop import TRANSPORTS
from skypechan.demo.report import tell, versions
from skypechan.errors import SkypechanError

CHIRPS = 200
"""What every way gets at least, unless told otherwise."""

_CALLS, _SECONDS = 10, 8.0
_QUICK_CALLS, _QUICK_SECONDS = 4, 4.0
_MOST_LOST = 0.02


def arguments() -> argparse.Namespace:
    """Return what was asked for; exits with 2 for nonsense."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, help=f"of each kind (default {_CALLS})")
    parser.add_argument(
        "--seconds", type=float, help=f"of chirps in each call (default {_SECONDS:g})"
    )
    parser.add_argument("--transport", choices=TRANSPORTS, default=TRANSPORTS[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw PNG and SVG")
    parser.add_argument(
        "--compare",
        type=Path,
        nargs=2,
        metavar=("A", "B"),
        help="measure nothing: compare two files that --json has written",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{_QUICK_CALLS} calls of {_QUICK_SECONDS:g} s: about a minute and a half",
    )
    parser.add_argument("--seed", type=int, help="of the random gaps and phases")
    chosen = parser.parse_args()
    calls, seconds = (
        (_QUICK_CALLS, _QUICK_SECONDS) if chosen.quick else (_CALLS, _SECONDS)
    )
    chosen.calls = calls if chosen.calls is None else chosen.calls
    chosen.seconds = seconds if chosen.seconds is None else chosen.seconds
    chosen.seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    if chosen.calls < 1 or not 1 <= chosen.seconds <= 60:
        parser.error("--calls must be 1 or more, --seconds from 1 to 60")
    for file in (chosen.json, chosen.plot):
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"there is no folder {file.parent}")
    return chosen


async def measured(chosen: argparse.Namespace, stages: Stages) -> Results:
    """Make every call and return the figures. Raises SkypechanError and its like."""
    chance, before = random.Random(chosen.seed), Load.start()
    tell("latency: checking the probe with known delays ...")
    probe = await check_probe(chance)
    _trust(probe)
    tell("latency: starting Asterisk, the gateway and the Skype client's emulator ...")
    series = {way: Series() for way in WAYS}
    told: list[WayTold] = []
    async with house(chosen.transport) as at:
        bench = Bench(at, chance, chosen.seconds, series, told)
        await _make_calls(bench, chosen.calls)
        found = _versions(at)
    _complete(series)
    return Results(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        options={
            "transport": chosen.transport,
            "calls": chosen.calls,
            "seconds": chosen.seconds,
            "seed": chosen.seed,
        },
        machine=machine(),
        load=before.since(),
        versions=found,
        probe=probe,
        series=series,
        stages=stages,
        told=told,
    )


async def _make_calls(bench: Bench, calls: int) -> None:
    """Make the kinds of calls by turns, so that all see the same machine."""
    if chirps_in(bench.seconds) * calls < CHIRPS:
        tell(f"latency: fewer than {CHIRPS} chirps: p99 will say little")
    for number in range(1, calls + 1):
        for path in PATHS:
            name = path.__name__.replace("_", " ")
            tell(f"latency: round {number} of {calls}: {name}")
            await path(bench)


def _trust(probe: list[Checked]) -> None:
    """Show how right the probe is. Raises SkypechanError if it is not."""
    for checked in probe:
        tell(
            f"latency: {checked.inserted_ms:g} ms inserted, {checked.median_ms:.3f} ms "
            f"measured, chirps off by {checked.worst_error_ms:.3f} ms at most"
        )
    if not all(checked.passed for checked in probe):
        raise SkypechanError(f"the probe is off by more than {TOLERANCE_MS} ms")


def _complete(series: dict[str, Series]) -> None:
    """Raise SkypechanError if a way swallowed chirps: its figures would flatter."""
    for way, one in series.items():
        if one.heard < one.sent * (1 - _MOST_LOST) or not one.heard:
            raise SkypechanError(
                f"{way.strip()}: of {one.sent} chirps only {one.heard} arrived"
            )


def _versions(at: House) -> dict[str, str]:
    found = versions(at.asterisk.installation.version)
    return {name: text for name, text in found.items() if name != "system"}


def show(results: Results, chosen: argparse.Namespace) -> None:
    """Write what was asked for."""
    print(table(results))
    if chosen.json:
        write_json(results, chosen.json)
    if chosen.plot and can_plot():
        write_plots(results, chosen.plot)
    elif chosen.plot:
        tell("latency: no plot: matplotlib is not installed (the extra `bench`)")


def work(chosen: argparse.Namespace) -> None:
    """Do what was asked for. Raises SkypechanError and its like."""
    if chosen.compare:
        first, second = (read_run(file, "latency") for file in chosen.compare)
        print(comparison(first, second))
        return
    tell("latency: following frames through the engine ...")
    stages = measure_stages(chosen.seconds, chosen.seed)
    show(asyncio.run(measured(chosen, stages)), chosen)


def main() -> int:
    """Measure and tell."""
    chosen = arguments()
    return run("latency", lambda: work(chosen))


if __name__ == "__main__":
    sys.exit(main())
