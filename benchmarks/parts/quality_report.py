"""The figures of one run of the quality benchmark: tables for people, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.parts.machine import circumstances
from benchmarks.parts.resampler_rows import DIRECTIONS, Measured, side_by_side
from benchmarks.parts.rows import Row, as_table
from benchmarks.parts.whole_path import Judged


@dataclass(slots=True)
class Results:
    """Everything about one run; `missing` names what could not be measured."""

    date: str
    options: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    missing: list[str]
    load: Mapping[str, float] = field(default_factory=dict)
    resamplers: Measured = field(default_factory=dict)
    whole_path: list[Judged] = field(default_factory=list)
    sections: dict[str, list[Row]] = field(default_factory=dict)


def text(results: Results) -> str:
    """Return every table, and what a reader must know of the run."""
    parts = []
    for title, rows in results.sections.items():
        parts += [f"### {title}", "", as_table(rows), ""]
    parts += ["### Resamplers side by side", "", side_by_side(results.resamplers), ""]
    return "\n".join([*parts, *_notes(results)])


def _notes(results: Results) -> list[str]:
    options = ", ".join(f"{name} {value}" for name, value in results.options.items())
    rows = [row for section in results.sections.values() for row in section]
    promised = [row for row in rows if row.met is not None]
    met = sum(1 for row in promised if row.met)
    notes = [f"{met} of {len(promised)} targets met."]
    notes += [f"Not measured: {what}." for what in results.missing]
    notes.append(
        f"{circumstances(results.date, results.machine, results.load)}; "
        f"{results.versions['asterisk']}, Python {results.versions['python']}; "
        f"{options}."
    )
    return [f"* {note}" for note in notes]


def write_json(results: Results, file: Path) -> None:
    """Write every figure."""
    document = {
        "benchmark": "quality",
        "date": results.date,
        "options": dict(results.options),
        "machine": dict(results.machine),
        "load": dict(results.load),
        "versions": dict(results.versions),
        "missing": results.missing,
        "sections": {
            title: [row.as_json() for row in rows]
            for title, rows in results.sections.items()
        },
        "resamplers": {
            name: {
                direction: asdict(response)
                for direction, response in zip(DIRECTIONS, pair, strict=True)
            }
            for name, pair in results.resamplers.items()
        },
        "whole_path": [asdict(one) for one in results.whole_path],
    }
    file.write_text(json.dumps(document, indent=1) + "\n")
