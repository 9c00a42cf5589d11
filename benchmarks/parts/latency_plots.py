"""Pictures of the latency benchmark; they need matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.parts.paths import (
    ASTERISK,
    BARE,
    ECHO_TO_LINE,
    ECHO_TO_PBX,
    IN_ECHO,
    LINE_ROUND,
    PHONE_ROUND,
    PHONE_ROUND_BARE,
    TO_LINE,
    TO_PBX,
)
from benchmarks.parts.report import Results

_ROUND = (ASTERISK, BARE, LINE_ROUND, PHONE_ROUND, PHONE_ROUND_BARE)
_ONE_WAY = (TO_LINE, TO_PBX, ECHO_TO_LINE, ECHO_TO_PBX, IN_ECHO)
_BIN_MS = 0.5
_PLOT_DPI = 110


def write_plots(results: Results, file: Path) -> None:
    """Draw shares, histogram and waterfall, as PNG and SVG."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(13, 10.5))
    _shares(panels[0][0], results, "round trips", _ROUND)
    _shares(panels[0][1], results, "one way, and inside the echo", _ONE_WAY)
    _histogram(panels[1][0], results)
    _waterfall(panels[1][1], results)
    figure.suptitle(f"Latency, {results.date}, {results.machine['cpu']}", fontsize=10)
    figure.tight_layout()
    for suffix in (".png", ".svg"):
        figure.savefig(file.with_suffix(suffix), dpi=_PLOT_DPI)
    plt.close(figure)


def _shares(panel: Any, results: Results, title: str, names: tuple[str, ...]) -> None:
    """Which share of the chirps came within which time."""
    for name in names:
        delays = np.sort(results.series[name].delays_ms())
        share = np.arange(1, len(delays) + 1) / len(delays)
        style = "--" if name.startswith(" ") else "-"
        panel.step(delays, share, style, where="post", label=name.strip())
    panel.set(title=title, xlabel="milliseconds", ylabel="share of chirps")
    panel.set(xlim=(0, None), ylim=(0, 1))
    panel.grid(alpha=0.3)
    panel.legend(fontsize=7, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.12))


def _histogram(panel: Any, results: Results) -> None:
    """How many chirps took how long, both directions at once."""
    delays = {way: results.series[way].delays_ms() for way in (TO_LINE, TO_PBX)}
    most_ms = max(float(np.percentile(one, 99.5)) for one in delays.values())
    bins = np.arange(0, most_ms + 2 * _BIN_MS, _BIN_MS)
    for way, one in delays.items():
        panel.hist(one, bins, alpha=0.6, label=way)
    panel.set(title="both directions at once", xlabel="milliseconds", ylabel="chirps")
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)


def _waterfall(panel: Any, results: Results) -> None:
    """Where the median frame's time goes in the engine."""
    labels: list[str] = []
    for way, stages in results.stages.items():
        at_ms = 0.0
        for stage, times in stages.items():
            median_ms = max(float(np.median(times)), 0.0)
            panel.barh(len(labels), median_ms, left=at_ms, color=f"C{len(labels) % 6}")
            panel.text(at_ms + median_ms, len(labels), f" {median_ms:.2f}", va="center")
            labels.append(f"{way}: {stage}")
            at_ms += median_ms
    panel.set_yticks(range(len(labels)), labels, fontsize=7)
    panel.invert_yaxis()
    panel.set(title="where each millisecond goes (median)", xlabel="milliseconds")
    panel.grid(alpha=0.3, axis="x")
