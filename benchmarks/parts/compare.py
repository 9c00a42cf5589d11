"""Two runs of a benchmark beside each other, and a verdict where there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from skypechan.errors import SkypechanError

EQUAL = 1.2
"""Ratios up to this, either way, are the machine's and not the programs'."""

_FIGURES = ("median", "p95", "p99")  # nothing above: that is the host's stalls


def read_run(file: Path, benchmark: str) -> dict[str, Any]:
    """Return a run's document. Raises SkypechanError for what is none."""
    try:
        run = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SkypechanError(f"{file}: {error}") from error
    if not isinstance(run, dict) or run.get("benchmark") != benchmark:
        raise SkypechanError(f"{file} is no result of {benchmark}.py")
    return run


def verdict(before: float, after: float) -> str:
    """Return what a ratio of two times says."""
    if before <= 0 or after <= 0:
        return "-"
    ratio = after / before
    if 1 / EQUAL <= ratio <= EQUAL:
        return f"{ratio:.2f} equal"
    return f"{ratio:.2f} {'slower' if ratio > 1 else 'faster'}"


def _rows(run: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    for way in run["ways"]:
        yield way["way"], way["figures_ms"]
    for way, stages in run.get("stages_ms", {}).items():
        for stage, figures in stages.items():
            yield f"{way}: {stage}", figures


def comparison(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return a Markdown table of what both runs have, second by first."""
    old, new = dict(_rows(before)), dict(_rows(after))
    head = "".join(f" {name}, ms | ratio |" for name in _FIGURES)
    lines = [f"| way |{head}", "|---|" + "---:|---|" * len(_FIGURES)]
    for name in (name for name in old if name in new):
        cells = "".join(
            f" {old[name][figure]:.2f} -> {new[name][figure]:.2f} |"
            f" {verdict(old[name][figure], new[name][figure])} |"
            for figure in _FIGURES
        )
        lines.append(f"| {name} |{cells}")
    alone = sorted(old.keys() ^ new.keys())
    notes = [f"* Only in one of the two: {', '.join(alone)}."] if alone else []
    notes += [
        f"* {which}: {_circumstances(run)}" for which, run in _both(before, after)
    ]
    notes.append(f"* Ratios from {1 / EQUAL:.2f} to {EQUAL:.2f} count as equal.")
    return "\n".join([*lines, "", *notes])


def _both(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return (("First", before), ("second", after))


def _circumstances(run: Mapping[str, Any]) -> str:
    machine, load = run["machine"], run["load"]
    options = ", ".join(f"{name} {value}" for name, value in run["options"].items())
    return (
        f"{run['date']}, {machine['cpu']}, {machine['cores']} cores, cores busy "
        f"{load['busy_share']:.0%}; {options}."
    )
