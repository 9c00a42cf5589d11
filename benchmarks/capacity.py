"""How many calls one core carries, and what each costs, beside other gateways.

    .venv/bin/python benchmarks/capacity.py [--quick] [--json FILE] [--plot FILE]

The method is told in benchmarks/README.md. The tables go to standard output,
progress to standard error. Exit status: 0 measured, 1 something went wrong (one
sentence says what), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.parts.capacity_report import Cell, Results, text, write_json, write_plot
from benchmarks.parts.contenders import (
    Contender,
    Placing,
    contenders,
    make_room,
    measure,
)
from benchmarks.parts.machine import Load, machine
from benchmarks.parts.report import can_plot
from skypechan.demo.report import tell
from skypechan.errors import SkypechanError

_CALLS, _SECONDS, _ROUNDS = (1, 10, 50, 100, 150, 200, 250, 300, 350, 400, 500), 3.0, 3
_QUICK_CALLS, _QUICK_SECONDS, _QUICK_ROUNDS = (1, 50, 200), 1.5, 1
_WARM_UP_S = 1.0
_FRAMES_A_SECOND = 50
_INTERRUPTED = 130


def _numbers(text: str) -> tuple[int, ...]:
    numbers = text.split(",")
    if not all(number.isdecimal() and int(number) for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not as 1,50,200")
    return tuple(sorted({int(number) for number in numbers}))


def arguments() -> argparse.Namespace:
    """Return what was asked for; exits with 2 for nonsense."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=_numbers, metavar="N,N", help="loads to try")
    parser.add_argument("--seconds", type=float, help=f"a run (default {_SECONDS:g})")
    parser.add_argument("--rounds", type=int, help=f"of all (default {_ROUNDS})")
    parser.add_argument(
        "--rate", type=int, choices=(8000, 16000), default=8000, help="of the PBX side"
    )
    parser.add_argument(
        "--piece-ms", type=int, choices=(10, 20), default=10, help="of the line's audio"
    )
    parser.add_argument(
        "--realtime", action="store_true", help="SCHED_FIFO for gateways and load"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw PNG and SVG")
    parser.add_argument("--quick", action="store_true", help="less than a minute")
    parser.add_argument("--seed", type=int, help="of the streams' phases")
    chosen = parser.parse_args()
    usual = (_CALLS, _SECONDS, _ROUNDS)
    quick = (_QUICK_CALLS, _QUICK_SECONDS, _QUICK_ROUNDS)
    calls, seconds, rounds = quick if chosen.quick else usual
    chosen.calls = calls if chosen.calls is None else chosen.calls
    chosen.seconds = seconds if chosen.seconds is None else chosen.seconds
    chosen.rounds = rounds if chosen.rounds is None else chosen.rounds
    chosen.seed = random.randrange(1 << 32) if chosen.seed is None else chosen.seed
    if chosen.rounds < 1 or not 0.2 <= chosen.seconds <= 600:
        parser.error("--rounds must be 1 or more, --seconds from 0.2 to 600")
    for file in (chosen.json, chosen.plot):
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"there is no folder {file.parent}")
    return chosen


def measured(chosen: argparse.Namespace) -> Results:
    """Measure every gateway under every load up to its saturation."""
    make_room(max(chosen.calls))
    before = Load.start()
    with tempfile.TemporaryDirectory(prefix="skypechan-capacity-") as folder:
        able, missing = contenders(Path(folder))
        for note in missing:
            tell(f"capacity: {note}")
        results = Results(
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            options=_options(chosen),
            machine=machine(),
            versions={"python": platform.python_version(), "numpy": version("numpy")},
            missing=missing,
        )
        for calls in chosen.calls:
            results.cells += _step(calls, able, chosen)
            full = {cell.name for cell in results.cells if cell.is_saturated}
            able = [contender for contender in able if contender.name not in full]
    results.load = before.since()
    return results


def _options(chosen: argparse.Namespace) -> dict[str, Any]:
    names = ("seconds", "rounds", "rate", "piece_ms", "realtime", "seed")
    calls = ",".join(map(str, chosen.calls))
    return {"calls": calls} | {name: getattr(chosen, name) for name in names}


def _step(calls: int, able: list[Contender], chosen: argparse.Namespace) -> list[Cell]:
    """Put one load on all gateways, by turns, so that all see the same machine."""
    wanted = {
        "calls": calls,
        "frames": round(chosen.seconds * _FRAMES_A_SECOND),
        "warm_up_frames": round(min(_WARM_UP_S, chosen.seconds) * _FRAMES_A_SECOND),
        "pbx_rate_hz": chosen.rate,
        "piece_ms": chosen.piece_ms,
        "seed": chosen.seed,
    }
    cells = [Cell(contender.name, calls, []) for contender in able]
    for number in range(1, chosen.rounds + 1):
        for contender, cell in zip(able, cells, strict=True):
            tell(f"capacity: {calls} calls, {contender.name}, round {number}")
            cell.runs.append(measure(contender, wanted, Placing(chosen.realtime)))
    return cells


def show(results: Results, chosen: argparse.Namespace) -> None:
    """Write what was asked for."""
    print(text(results))
    if chosen.json:
        write_json(results, chosen.json)
    if chosen.plot and can_plot():
        write_plot(results, chosen.plot)
    elif chosen.plot:
        tell("capacity: no plot: matplotlib is not installed (the extra `bench`)")


def main() -> int:
    """Measure and tell."""
    chosen = arguments()
    try:
        show(measured(chosen), chosen)
    except KeyboardInterrupt:
        tell("capacity: interrupted")
        return _INTERRUPTED
    except (SkypechanError, OSError) as error:
        tell(f"capacity: {error or type(error).__name__}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
