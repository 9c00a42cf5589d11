"""Two runs of a benchmark beside each other, and a verdict where there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.parts.rows import EQUAL
from benchmarks.parts.stages import WHOLE
from skypechan.errors import SkypechanError

TELLING_MS = 0.05
"""Of two times that are both shorter the ratio says nothing."""

_FIGURES = ("median", "p95", "p99")  # nothing above: that is the host's stalls

Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """What of a run can be compared, in milliseconds, and how it came about."""

    rows: Mapping[str, Figures]
    circumstances: str


def read_run(file: Path, benchmark: str) -> Run:
    """Return what `--json` has written. Raises SkypechanError for what is no run."""
    try:
        run = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SkypechanError(f"{file}: {error}") from error
    if not isinstance(run, dict) or run.get("benchmark") != benchmark:
        raise SkypechanError(f"{file} is no result of {benchmark}.py")
    try:
        rows = {name: {x: float(one[x]) for x in _FIGURES} for name, one in _rows(run)}
        return Run(rows, _circumstances(run))
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        message = f"{file} is not whole, or of another release: {error!r}"
        raise SkypechanError(message) from error


def verdict(before_ms: float, after_ms: float) -> str:
    """Return what a ratio of two times says."""
    if min(before_ms, after_ms) <= 0 or max(before_ms, after_ms) < TELLING_MS:
        return "-"
    ratio = after_ms / before_ms
    if 1 / EQUAL <= ratio <= EQUAL:
        return f"{ratio:.2f} equal"
    return f"{ratio:.2f} {'slower' if ratio > 1 else 'faster'}"


def _rows(run: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for way in run["ways"]:
        yield way["way"], way["figures_ms"]
    for name, figures in run.get("added_by_the_gateway_ms", {}).items():
        yield f"{name}, added by the gateway", figures
    for way, stages in run.get("stages_ms", {}).items():
        for stage, figures in stages.items():
            if stage != WHOLE:
                yield f"{way}: {stage}", figures


def comparison(before: Run, after: Run) -> str:
    """Return a Markdown table of what both runs have, second by first."""
    old, new = before.rows, after.rows
    head = "".join(f" {name}, ms | ratio |" for name in _FIGURES)
    lines = [f"| way |{head}", "|---|" + "---:|---|" * len(_FIGURES)]
    for name in (name for name in old if name in new):
        cells = "".join(
            f" {old[name][figure]:.3f} -> {new[name][figure]:.3f} |"
            f" {verdict(old[name][figure], new[name][figure])} |"
            for figure in _FIGURES
        )
        lines.append(f"| {name} |{cells}")
    alone = sorted(old.keys() ^ new.keys())
    notes = [f"* Only in one of the two: {', '.join(alone)}."] if alone else []
    notes += [
        f"* First: {before.circumstances}",
        f"* second: {after.circumstances}",
        f"* Ratios from {1 / EQUAL:.2f} to {EQUAL:.2f} count as equal.",
        f"* Where both times are below {TELLING_MS:g} ms, none is told.",
    ]
    return "\n".join([*lines, "", *notes])


def _circumstances(run: Mapping[str, Any]) -> str:
    machine, load = run["machine"], run["load"]
    options = ", ".join(f"{name} {value}" for name, value in run["options"].items())
    return (
        f"{run['date']}, {machine['cpu']}, {machine['cores']} cores, cores busy "
        f"{load['busy_share']:.0%}; {options}."
    )
