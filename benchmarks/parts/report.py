"""The figures of one run: tables for people, JSON for programs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parts.chirps import Delays, Series
from benchmarks.parts.machine import circumstances
from benchmarks.parts.paths import (
    ASTERISK,
    BARE,
    IN_ECHO,
    LINE_ROUND,
    PHONE_ROUND,
    PHONE_ROUND_BARE,
    WayTold,
)
from benchmarks.parts.probe_check import Checked
from benchmarks.parts.stages import Stages, stage_table, stages_as_json

FRAME_COMPLETION_MS = 10.0
"""Two 10 ms pieces of Skype make one 20 ms message: the first waits for the second."""

PERCENTILES = {"min": 0, "median": 50, "p95": 95, "p99": 99, "max": 100}


@dataclass(frozen=True, slots=True)
class Results:
    """Everything about one run."""

    date: str
    options: Mapping[str, Any]
    machine: Mapping[str, Any]
    load: Mapping[str, float]
    versions: Mapping[str, str]
    probe: list[Checked]
    series: Mapping[str, Series]
    stages: Stages
    told: list[WayTold]

    def above_baseline(self) -> dict[str, Delays]:
        """Return the round trips above Asterisk's own echo, and beside known parts."""
        baseline_ms = float(np.median(self.series[ASTERISK].delays_ms()))
        bare_ms = float(np.median(self.series[BARE].delays_ms()))
        known_ms = baseline_ms + FRAME_COMPLETION_MS
        beside_ms = bare_ms + FRAME_COMPLETION_MS
        phone_ms = self.series[PHONE_ROUND_BARE].delays_ms()
        return {
            "Skype caller's round trip": self.series[LINE_ROUND].delays_ms() - known_ms,
            "phone's round trip": phone_ms - known_ms,
            "the same beside the bare AudioSocket channel": phone_ms - beside_ms,
        }


def table(results: Results) -> str:
    """Return the figures as a Markdown table with what is known about their parts."""
    measured = {name: one.delays_ms() for name, one in results.series.items()}
    counts = {name: f"{one.heard}/{one.sent}" for name, one in results.series.items()}
    above = {
        f"{name}, added by the gateway": delays
        for name, delays in results.above_baseline().items()
    }
    counts |= {name: str(len(delays)) for name, delays in above.items()}
    width = max(len(name) for name in counts)
    lines = [
        f"| {'milliseconds':{width}} |  chirps | {_row(PERCENTILES)} |",
        f"|{'-' * (width + 2)}|--------:|{'-------:|' * len(PERCENTILES)}",
    ]
    for name, delays in (measured | above).items():
        figures = [f"{value:.2f}" for value in percentiles(delays).values()]
        lines.append(f"| {name:{width}} | {counts[name]:>7} | {_row(figures)} |")
    stages = stage_table(results.stages)
    return "\n".join([*lines, "", stages, "", *_notes(results)])


def percentiles(delays: Delays) -> dict[str, float]:
    """Return the figures of the table by name."""
    return {
        name: float(np.percentile(delays, percent))
        for name, percent in PERCENTILES.items()
    }


def _row(cells: Any) -> str:
    return " | ".join(f"{cell:>6}" for cell in cells)


def _notes(results: Results) -> list[str]:
    worst_ms = max(checked.worst_error_ms for checked in results.probe)
    apart_ms = max(abs(series.apart_ms) for series in results.series.values())
    echo = percentiles(results.series[IN_ECHO].delays_ms())
    options = ", ".join(f"{name} {value}" for name, value in results.options.items())
    completion = (
        f"Known: {FRAME_COMPLETION_MS:.0f} ms from Skype towards Asterisk, always: a "
        "piece of 10 ms waits for the second half of its 20 ms message."
    )
    held = (
        f"Known: the Skype echo is the emulator's; it holds {echo['min']:.1f} to "
        f"{echo['max']:.1f} ms, since it starts when 20 ms are there and speaks by its "
        "own 10 ms clock."
    )
    added = (
        "Added by the gateway: without both of these and without the median of "
        "Asterisk's own echo."
    )
    probe = (
        f"Probe: known delays found to {worst_ms:.3f} ms; medians of rising and "
        f"falling chirps at most {apart_ms:.3f} ms apart."
    )
    where = (
        f"{circumstances(results.date, results.machine, results.load)}; "
        f"{results.versions['asterisk']}, "
        f"Python {results.versions['python']}; {options}."
    )
    notes = (completion, held, added, _corrected(results.told), probe, where)
    return [f"* {note}" for note in notes]


def _corrected(told: list[WayTold]) -> str:
    """Say what the gateway did to the audio where both speak."""

    def total(what: str) -> str:
        return f"{sum(one.gateway[what] for one in told):g}"

    smoothed = sum(bool(one.gateway["smoothed"]) for one in told)
    return (
        f"Where both speak, the gateway put in {total('filled')} frames of silence, "
        f"made up {total('concealed_ms')} ms and cut out {total('skipped_ms')} "
        f"ms; smoothed were {smoothed} of {len(told)} ways."
    )


def document(results: Results) -> dict[str, Any]:
    """Return everything as JSON can hold it; delays in milliseconds."""
    return {
        "benchmark": "latency",
        "date": results.date,
        "options": dict(results.options),
        "machine": dict(results.machine),
        "load": dict(results.load),
        "versions": dict(results.versions),
        "probe": [asdict(checked) for checked in results.probe],
        "known_parts_ms": {"frame_completion_towards_asterisk": FRAME_COMPLETION_MS},
        "added_by_the_gateway_ms": {
            name: _rounded(percentiles(delays))
            for name, delays in results.above_baseline().items()
        },
        "stages_ms": stages_as_json(results.stages),
        "both_speak": [asdict(one) for one in results.told],
        "ways": [_way(name, series) for name, series in results.series.items()],
    }


def _way(name: str, series: Series) -> dict[str, Any]:
    delays = series.delays_ms()
    return {
        "way": name.strip(),
        "part_of": PHONE_ROUND if name.startswith(" ") else None,
        "chirps_sent": series.sent,
        "chirps_heard": series.heard,
        "rising_against_falling_ms": round(series.apart_ms, 3),
        "figures_ms": _rounded(percentiles(delays)),
        "delays_ms": [round(float(delay), 3) for delay in delays],
    }


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def write_json(results: Results, file: Path) -> None:
    """Write the document."""
    text = json.dumps(document(results))
    file.write_text(text.replace('{"way"', '\n{"way"') + "\n")


def can_plot() -> bool:
    """Tell whether matplotlib is there."""
    return importlib.util.find_spec("matplotlib") is not None
