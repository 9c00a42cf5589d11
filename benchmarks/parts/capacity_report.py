"""The figures of one run of the capacity benchmark: tables, JSON, the curve."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

from benchmarks.parts.contenders import FLOOR, OURS
from benchmarks.parts.load import Outcome
from benchmarks.parts.machine import circumstances
from benchmarks.parts.rows import EQUAL, Row, as_table, at_least, at_most

MOST_P99_MS = 20.0
"""A gateway that is worse is saturated: a frame waits for the next one."""

_MOST_SHARE = 0.95
_MOST_LOST = 0.001
_MOST_BEHIND_MS = 5.0
_TARGETS_MS = {1: (0.3, 0.5), 50: (0.5, 1.0), 200: (1.0, 1.7)}
_CPU_CALLS, _CPU_RATIO = 200, 1.3
_CALLS_ON_A_CORE = 400
_MEMORY_MB, _MEMORY_PER_CALL_KB = 42, 10
_CALLS_FOR_MEMORY = 40
_MEMORY_WINDOW_MS = 1.0  # a longer one gathers batches that need more room
_LEAST_TICKS = 50
_PLOT_DPI = 110


@dataclass(frozen=True, slots=True)
class Cell:
    """One gateway under the load of so many calls, once or more often.

    Figures are medians over the runs; frames and ticks are of all together.
    """

    name: str
    calls: int
    runs: list[Outcome]

    @property
    def cpu_ms(self) -> float:
        """Milliseconds of a core, for a call and a second."""
        return self._median(lambda run: run.gateway_cpu_ms)

    @property
    def kernel_share(self) -> float | None:
        """What of it goes into system calls, which no language saves."""
        ticks = sum(run.gateway_ticks for run in self.runs)
        if ticks < _LEAST_TICKS:
            return None  # of the few that a light load takes it would be chance
        return sum(run.gateway_kernel_ticks for run in self.runs) / ticks

    @property
    def window_ms(self) -> float | None:
        """How long our engine gathered frames at the end of a run."""
        if not all("window_ms" in run.engine for run in self.runs):
            return None
        return self._median(lambda run: run.engine["window_ms"])

    @property
    def load_cpu_ms(self) -> float:
        """What the load itself cost, likewise."""
        return self._median(lambda run: run.load_cpu_ms)

    @property
    def memory_kb(self) -> float:
        """What of the gateway is in memory."""
        return self._median(lambda run: run.gateway_memory_kb)

    @property
    def sent(self) -> int:
        """Frames sent in both directions."""
        return sum(way.sent for run in self.runs for way in run.ways)

    @property
    def lost(self) -> int:
        """Frames that never came, or not within half a second after the run."""
        return sum(way.lost for run in self.runs for way in run.ways)

    @property
    def late(self) -> int:
        """Frames that were under way for more than 20 ms."""
        return sum(way.late for run in self.runs for way in run.ways)

    @property
    def made_up(self) -> int:
        """Frames that nobody sent: silence, and what was repeated."""
        return sum(way.made_up for run in self.runs for way in run.ways)

    def delay_ms(self, percentile: str) -> float:
        """Return a percentile of the added delay, of the worse direction."""
        return self._median(lambda run: max(w.delays_ms[percentile] for w in run.ways))

    @property
    def saturated_rounds(self) -> int:
        """In how many of the runs, each looked at alone, the gateway was full."""
        return sum(is_full(run) for run in self.runs)

    @property
    def is_saturated(self) -> bool:
        """Whether more calls need not be tried: it was full in half of the runs."""
        is_lossy = self.lost > self.sent * _MOST_LOST
        return is_lossy or 2 * self.saturated_rounds >= len(self.runs)

    @property
    def is_disputed(self) -> bool:
        """Whether the runs disagree about saturation."""
        return 0 < self.saturated_rounds < len(self.runs)

    @property
    def is_load_behind(self) -> bool:
        """Whether the load was not what was ordered, so that nothing is proven."""
        behind_ms = self._median(lambda run: run.load_behind_ms)
        return behind_ms > _MOST_BEHIND_MS or any(
            run.load_share > _MOST_SHARE for run in self.runs
        )

    def _median(self, figure: Callable[[Outcome], float]) -> float:
        return float(median(figure(run) for run in self.runs))


def is_full(run: Outcome) -> bool:
    """Whether the gateway could not do what was asked of it."""
    lost = sum(way.lost for way in run.ways) / sum(way.sent for way in run.ways)
    is_late = any(way.delays_ms["p99"] > MOST_P99_MS for way in run.ways)
    return run.gateway_share > _MOST_SHARE or lost > _MOST_LOST or is_late


Cells = Mapping[int, Cell]
"""What was measured of one gateway, by calls."""


@dataclass(slots=True)
class Results:
    """Everything about one run; `missing` names what could not be measured."""

    date: str
    options: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    missing: list[str]
    load: Mapping[str, float] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)

    def of(self, name: str) -> Cells:
        """Return the cells of one gateway by calls."""
        return {cell.calls: cell for cell in self.cells if cell.name == name}

    def names(self) -> list[str]:
        """Return the gateways, each once, in the order of the run."""
        return list(dict.fromkeys(cell.name for cell in self.cells))


def capacity(cells: Cells) -> int:
    """Return the most calls that were shown to be below saturation, 0 without any."""
    good = [
        calls
        for calls, cell in cells.items()
        if not cell.is_saturated and not cell.is_load_behind
    ]
    return max(good, default=0)


def memory_for_a_call(cells: Cells) -> float | None:
    """Return how many kilobytes each call more takes; None where calls were too few.

    By a line through all loads below saturation, without those that our engine
    gathered for longer than a millisecond: their batches are larger.
    """
    seen = {
        calls: cell.memory_kb
        for calls, cell in cells.items()
        if not cell.is_saturated and (cell.window_ms or 0) <= _MEMORY_WINDOW_MS
    }
    if not seen or max(seen) - min(seen) < _CALLS_FOR_MEMORY:
        return None
    return linear_regression(list(seen), list(seen.values())).slope


def targets(results: Results) -> list[Row]:
    """Return our figures beside the promised ones and the others', where measured."""
    ours, rows = results.of(OURS), []
    others = {name: results.of(name) for name in results.names() if name != OURS}
    for calls, promised in _TARGETS_MS.items():
        for percentile, most_ms in zip(("p50", "p99"), promised, strict=True):
            if calls in ours:
                beside = {
                    name: cells[calls].delay_ms(percentile)
                    for name, cells in others.items()
                    if calls in cells
                }
                what = f"delay added, calls: {calls}, {percentile}"
                figure = ours[calls].delay_ms(percentile)
                rows.append(at_most(what, "ms", most_ms, figure, beside, equal=EQUAL))
    floor = others.get(FLOOR, {})
    both = [cells[_CPU_CALLS] for cells in (ours, floor) if _CPU_CALLS in cells]
    if len(both) == 2 and not any(cell.is_saturated for cell in both):
        ratio = both[0].cpu_ms / both[1].cpu_ms
        what = f"CPU, calls: {_CPU_CALLS}, C relay = 1"
        rows.append(at_most(what, "", _CPU_RATIO, ratio, {}, equal=EQUAL))
    return [*rows, _capacity_row(ours, others), *_memory_rows(ours, others)]


def _capacity_row(ours: Cells, others: Mapping[str, Cells]) -> Row:
    """Return how far each came; nothing is said of ours if more was not tried."""
    beside = {
        name if _has_end(cells) else f"{name} at least": float(capacity(cells))
        for name, cells in others.items()
    }
    what = "calls below saturation, of those tried"
    most = capacity(ours)
    row = at_least(what, "", _CALLS_ON_A_CORE, most, beside, equal=EQUAL)
    return row if row.met is True or _has_end(ours) else replace(row, met=None)


def _has_end(cells: Cells) -> bool:
    """Whether a load was too much for the gateway, and not for the load itself."""
    return any(one.is_saturated and not one.is_load_behind for one in cells.values())


def _memory_rows(ours: Cells, others: Mapping[str, Cells]) -> list[Row]:
    """Return the memory rows; of a few calls only, more of it would be chance."""
    more_kb = memory_for_a_call(ours)
    if more_kb is None:
        return []
    firsts = {name: _first_mb(cells) for name, cells in others.items()}
    slopes = {name: memory_for_a_call(cells) for name, cells in others.items()}
    more = {name: slope for name, slope in slopes.items() if slope is not None}
    first, each = "memory, fewest calls", "memory for a call more, window <= 1 ms"
    return [
        at_most(first, "MB", _MEMORY_MB, _first_mb(ours), firsts, equal=EQUAL),
        at_most(each, "KB", _MEMORY_PER_CALL_KB, more_kb, more, equal=EQUAL),
    ]


def _first_mb(cells: Cells) -> float:
    return cells[min(cells)].memory_kb / 1024


def text(results: Results) -> str:
    """Return every table, and what a reader must know of the run."""
    head = (
        "| calls | gateway | CPU, ms/s a call | C relay = 1 | of it in the kernel "
        "| window, ms | p50, ms | p99, ms | lost | late | made up | memory, MB "
        "| load's CPU, ms/s a call |"
    )
    lines = [head, "|---:|---|" + "---:|" * 11]
    lines += [_line(cell, results.of(FLOOR).get(cell.calls)) for cell in results.cells]
    table = as_table(targets(results))
    return "\n".join([table, "", *lines, "", *_notes(results)])


def _line(cell: Cell, floor: Cell | None) -> str:
    """Return a line of the table. What a full core has left undone is no CPU figure."""
    cpu = "-" if cell.is_saturated else f"{cell.cpu_ms:.2f}"
    is_comparable = floor and not cell.is_saturated and not floor.is_saturated
    ratio = f"{cell.cpu_ms / floor.cpu_ms:.2f}" if floor and is_comparable else "-"
    window = "-" if cell.window_ms is None else f"{cell.window_ms:g}"
    share = cell.kernel_share
    kernel = "-" if share is None else f"{share:.0%}"
    return (
        f"| {cell.calls} | {cell.name}{_doubt(cell)} | {cpu} | {ratio} "
        f"| {kernel} | {window} "
        f"| {cell.delay_ms('p50'):.2f} | {cell.delay_ms('p99'):.2f} "
        f"| {cell.lost} | {cell.late} | {cell.made_up} | {cell.memory_kb / 1024:.1f} "
        f"| {cell.load_cpu_ms:.2f} |"
    )


def _doubt(cell: Cell) -> str:
    doubts = []
    if cell.is_disputed:
        rounds = f"{cell.saturated_rounds} of {len(cell.runs)} rounds"
        doubts.append(f" (saturated in {rounds})")
    elif cell.is_saturated:
        doubts.append(" (saturated)")
    if cell.is_load_behind:
        doubts.append(" (load behind)")
    return "".join(doubts)


def _spread(cell: Cell) -> str:
    """Say how far apart rounds were that disagree."""
    p99s_ms = [max(way.delays_ms["p99"] for way in run.ways) for run in cell.runs]
    shares = [run.gateway_share for run in cell.runs]
    late = [sum(way.late for way in run.ways) for run in cell.runs]
    lost = [sum(way.lost for way in run.ways) for run in cell.runs]
    return (
        f"{cell.calls} calls, {cell.name}: its rounds disagree about saturation: "
        f"p99 {min(p99s_ms):.1f} to {max(p99s_ms):.1f} ms, "
        f"{min(shares):.0%} to {max(shares):.0%} of a core, "
        f"late {min(late)} to {max(late)}, lost {min(lost)} to {max(lost)}."
    )


def _notes(results: Results) -> list[str]:
    options = ", ".join(f"{name} {value}" for name, value in results.options.items())
    notes = [f"Not measured: {what}." for what in results.missing]
    notes += [_spread(cell) for cell in results.cells if cell.is_disputed]
    if any(cell.is_load_behind for cell in results.cells):
        notes.append(
            '"Load behind": it missed its own schedule. Such a row proves nothing.'
        )
    notes.append(
        f"{circumstances(results.date, results.machine, results.load)}; "
        f"Python {results.versions['python']}, numpy {results.versions['numpy']}; "
        f"{options}."
    )
    return [f"* {note}" for note in notes]


def write_json(results: Results, file: Path) -> None:
    """Write every figure of every run."""
    document = {
        "benchmark": "capacity",
        "date": results.date,
        "options": dict(results.options),
        "machine": dict(results.machine),
        "load": dict(results.load),
        "versions": dict(results.versions),
        "missing": results.missing,
        "targets": [row.as_json() for row in targets(results)],
        "cells": [
            {
                "gateway": cell.name,
                "calls": cell.calls,
                "saturated": cell.is_saturated,
                "saturated_rounds": cell.saturated_rounds,
                "load_behind": cell.is_load_behind,
                "runs": [asdict(run) for run in cell.runs],
            }
            for cell in results.cells
        ],
    }
    file.write_text(json.dumps(document, indent=1) + "\n")


def write_plot(results: Results, file: Path) -> None:
    """Draw CPU, delay and memory over calls, as PNG and SVG; needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (cpu, delay, kept) = plt.subplots(1, 3, figsize=(15, 4.8))
    for name in results.names():
        cells = results.of(name)
        spared = {n: one.cpu_ms for n, one in cells.items() if not one.is_saturated}
        p50_ms = [one.delay_ms("p50") for one in cells.values()]
        p99_ms = [one.delay_ms("p99") for one in cells.values()]
        (line,) = delay.plot(list(cells), p50_ms, "o-", label=name)
        style = {"color": line.get_color()}
        delay.plot(list(cells), p99_ms, "o--", **style)
        cpu.plot(list(spared), list(spared.values()), "o-", **style)
        memory_mb = [one.memory_kb / 1024 for one in cells.values()]
        kept.plot(list(cells), memory_mb, "o-", **style)
    delay.axhline(MOST_P99_MS, color="grey", linewidth=0.8)
    delay.set(title="delay added, ms: p50, dashed p99", yscale="log")
    cpu.set(title="CPU below saturation, ms a second and call", yscale="log")
    kept.set(title="memory, MB", ylim=(0, None))
    for panel in (cpu, delay, kept):
        panel.set_xlabel("calls")
        panel.grid(alpha=0.3)
    delay.legend(fontsize=8)
    figure.suptitle(f"Capacity, {results.date}, {results.machine['cpu']}", fontsize=10)
    figure.tight_layout()
    for suffix in (file.suffix, ".svg"):
        figure.savefig(file.with_suffix(suffix), dpi=_PLOT_DPI)
    plt.close(figure)
