"""How good the sound is: resamplers, clocks, losses, gain, and the whole path.

    .venv/bin/python benchmarks/quality.py [--quick] [--json FILE] [--plot FILE]

The method is told in benchmarks/README.md. The tables go to standard output, progress
to standard error; beside `--plot FILE` a spectrogram is drawn, too. A missed target is
a result and not a failure. Exit status: 0 measured, 1 something went wrong (one
sentence says what), 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is imported

import argparse
import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.parts import buffers, judged, probe_rows, resampler_rows, whole_path
from benchmarks.parts.machine import Load, machine
from benchmarks.parts.pictures import can_plot, write_figures, write_spectrogram
from benchmarks.parts.quality_report import Results, text, write_json
from benchmarks.parts.resamplers import rivals
from benchmarks.parts.speech import Clip, clips
from skypechan.demo.parts.asterisk import installation
from skypechan.demo.parts.desktop import TRANSPORTS
from skypechan.demo.report import tell, versions
from skypechan.errors import SkypechanError

_PER_VOICE, _QUICK_PER_VOICE = 4, 1
_WHOLE_PATH_CLIPS, _QUICK_WHOLE_PATH_CLIPS = 5, 1
_MINUTES, _QUICK_MINUTES = 60.0, 1.0
_CHIRPS, _QUICK_CHIRPS = 400, 60
_INTERRUPTED = 130


def arguments() -> argparse.Namespace:
    """Return what was asked for; exits with 2 for nonsense."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="about two minutes")
    parser.add_argument(
        "--minutes",
        type=float,
        help=f"of simulated calls (default {_MINUTES:g}, quick {_QUICK_MINUTES:g})",
    )
    parser.add_argument(
        "--per-voice",
        type=int,
        help=f"clips of each voice (default {_PER_VOICE}, quick {_QUICK_PER_VOICE})",
    )
    parser.add_argument("--transport", choices=TRANSPORTS, default=TRANSPORTS[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw a PNG")
    chosen = parser.parse_args()
    if chosen.minutes is None:
        chosen.minutes = _QUICK_MINUTES if chosen.quick else _MINUTES
    if chosen.per_voice is None:
        chosen.per_voice = _QUICK_PER_VOICE if chosen.quick else _PER_VOICE
    if chosen.minutes < 1 or chosen.per_voice < 1:
        parser.error("--minutes and --per-voice must be 1 or more")
    for file in (chosen.json, chosen.plot):
        if file is not None and not file.absolute().parent.is_dir():
            parser.error(f"there is no folder {file.parent}")
    return chosen


async def measured(chosen: argparse.Namespace) -> Results:
    """Measure everything. Raises SkypechanError and its like."""
    before = Load.start()
    others, missing = rivals()
    speech = _speech(chosen.per_voice, missing)
    results = Results(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        options={
            "minutes": chosen.minutes,
            "clips": len(speech),
            "transport": chosen.transport,
        },
        machine=machine(),
        versions=_versions(),
        missing=missing,
    )
    # First what other work on the machine would disturb, and it alone.
    if speech:
        count = _QUICK_WHOLE_PATH_CLIPS if chosen.quick else _WHOLE_PATH_CLIPS
        results.whole_path = await whole_path.judge(speech[:count], chosen.transport)
        paths = [row for one in results.whole_path for row in one.rows()]
        results.sections["The whole path"] = paths
    tell("quality: resamplers ...")
    results.resamplers = resampler_rows.measured(others)
    results.sections["Resamplers and rate matcher"] = resampler_rows.rows(
        results.resamplers
    )
    if speech:
        tell(f"quality: PESQ of each stage, {len(speech)} clips ...")
        stages = judged.rows(speech, others, quick=chosen.quick)
        results.sections["Stages on recorded speech"] = stages
    tell(f"quality: simulated calls of {chosen.minutes:g} min ...")
    results.sections["Clocks, lateness, stalls"] = buffers.rows(
        chosen.minutes * 60, speech
    )
    probe = probe_rows.row(_QUICK_CHIRPS if chosen.quick else _CHIRPS)
    results.sections["The latency probe"] = [probe]
    results.load = before.since()
    return results


def _speech(per_voice: int, missing: list[str]) -> list[Clip]:
    """Return the clips to judge; none, and a word on why, where that cannot be."""
    try:
        judged.require_pesq()
        return clips(per_voice)
    except SkypechanError as error:
        tell(f"quality: nothing is judged on speech: {error}")
        missing.append(f"speech: {error}")
        return []


def _versions() -> dict[str, str]:
    checkout = Path(__file__).resolve().parents[1]
    found = versions(installation(checkout, os.environ).version)
    return {name: said for name, said in found.items() if name != "system"}


def show(results: Results, chosen: argparse.Namespace) -> None:
    """Write what was asked for."""
    print(text(results))
    if chosen.json:
        write_json(results, chosen.json)
    if chosen.plot and can_plot():
        write_figures(results, chosen.plot)
        write_spectrogram(chosen.plot.with_stem(f"{chosen.plot.stem}-spectrogram"))
    elif chosen.plot:
        tell("quality: no plot: matplotlib is not installed (the extra `bench`)")


def main() -> int:
    """Measure and tell."""
    chosen = arguments()
    try:
        show(asyncio.run(measured(chosen)), chosen)
    except KeyboardInterrupt:
        tell("quality: interrupted")
        return _INTERRUPTED
    except (SkypechanError, TimeoutError, OSError) as error:
        tell(f"quality: {error or type(error).__name__}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
