"""How long the event loop is kept from audio by all that is not audio.

    .venv/bin/python benchmarks/control.py [--quick] [--json FILE] [--plot FILE]

The method is told in benchmarks/README.md. The table goes to standard output, progress
to standard error. Exit status: 0 measured, 1 something went wrong (one sentence says
what), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.parts.control_report import Phase, text, verdict, write_plot
from benchmarks.parts.lines_house import LinesHouse, lines_house
from benchmarks.parts.machine import Load, machine
from benchmarks.parts.program import run
from benchmarks.parts.report import can_plot
from benchmarks.parts.works import NOTHING, WORKS, busy_with, events_read
from skypechan.demo.report import tell, versions
from skypechan.errors import SkypechanError
from tests.doubles.lost_audio import Call, Lost

_OPTIONS = ("dbus", "x11", "calls", "readers", "seconds")
_USUAL = (200, 64, 50, 4, 20.0)
_QUICK = (20, 8, 5, 1, 3.0)
_MOST_READERS = 32  # the gateway takes no more
_TALK_S = 60.0
_JOINED_S = 2.0  # what a call loses while it is joined is nobody else's doing


def arguments() -> argparse.Namespace:
    """Return what was asked for; exits with 2 for nonsense."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    meanings = ("lines", "lines", "that talk", "of the events", "a part")
    for name, usual, meaning in zip(_OPTIONS, _USUAL, meanings, strict=True):
        told = f"{meaning} (default {usual:g})"
        parser.add_argument(f"--{name}", type=type(usual), help=told)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw PNG and SVG")
    parser.add_argument("--quick", action="store_true", help="about half a minute")
    chosen = parser.parse_args()
    values = _QUICK if chosen.quick else _USUAL
    for name, value in zip(_OPTIONS, values, strict=True):
        if getattr(chosen, name) is None:
            setattr(chosen, name, value)
    if chosen.dbus + chosen.x11 <= chosen.calls or min(chosen.dbus, chosen.x11) < 0:
        parser.error("there must be more lines than calls that talk")
    if chosen.calls < 1 or not 1 <= chosen.seconds <= 600:
        parser.error("--calls must be 1 or more, --seconds from 1 to 600")
    if not 0 <= chosen.readers <= _MOST_READERS:
        parser.error(f"--readers must be from 0 to {_MOST_READERS}")
    for file in (chosen.json, chosen.plot):
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"there is no folder {file.parent}")
    return chosen


async def measured(chosen: argparse.Namespace) -> dict[str, Any]:
    """Measure each kind of work. Raises SkypechanError and its like."""
    before = Load.start()
    tell(f"control: starting {chosen.dbus} D-Bus and {chosen.x11} X11 lines ...")
    async with lines_house(chosen.dbus, chosen.x11) as at:
        start = await at.slices()
        async with events_read(at, chosen.readers):
            phases = [await _phase(at, NOTHING, chosen.seconds)]
            tell(f"control: {chosen.calls} calls begin to talk ...")
            for _ in range(chosen.calls):
                await at.caller.talk()
            talking = await at.talking(chosen.calls, _TALK_S)
            await asyncio.sleep(_JOINED_S)
            for name in WORKS:
                phases += [await _phase(at, name, chosen.seconds, talking)]
        found = versions(at.asterisk.installation.version)
    told = [phase.as_json() for phase in phases]
    return {
        "benchmark": "control",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "options": {k: getattr(chosen, k) for k in _OPTIONS},
        "machine": machine(),
        "load": before.since(),
        "versions": {name: said for name, said in found.items() if name != "system"},
        "start": start,
        "verdict": verdict(told).as_json(),
        "phases": told,
    }


async def _phase(
    at: LinesHouse, work: str, seconds: float, talking: frozenset[str] = frozenset()
) -> Phase:
    title = f"calls, {work}" if talking else "no call"
    tell(f"control: {title} ...")
    loop = asyncio.get_running_loop()
    first, begun_s = await at.gateway.calls(), loop.time()
    await at.slices()
    worked_s = loop.time()
    done = await busy_with(at, work, seconds)
    slices = await at.slices()
    worked_s = loop.time() - worked_s
    last, passed_s = await at.gateway.calls(), loop.time() - begun_s
    lost = Lost.between(_of(talking, first), _of(talking, last), passed_s)
    await at.all_set_up()
    return Phase(title, done, worked_s, slices, lost)


def _of(talking: frozenset[str], live: list[Call]) -> list[Call]:
    """Return those that talk. Raises SkypechanError if not all do any more."""
    found = [call for call in live if call["call"] in talking]
    if len(found) < len(talking):
        raise SkypechanError(f"of {len(talking)} calls only {len(found)} still talk")
    return found


def show(results: dict[str, Any], chosen: argparse.Namespace) -> None:
    """Write what was asked for."""
    print(text(results))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")
    if chosen.plot and can_plot():
        write_plot(results, chosen.plot)
    elif chosen.plot:
        tell("control: no plot: matplotlib is not installed (the extra `bench`)")


def main() -> int:
    """Measure and tell."""
    chosen = arguments()
    return run("control", lambda: show(asyncio.run(measured(chosen)), chosen))


if __name__ == "__main__":
    sys.exit(main())
