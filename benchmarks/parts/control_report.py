"""The figures of the control benchmark: a table for people, JSON, a plot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONG_MS = 2.0
"""A slice that is longer disturbs audio: it is as long as a frame may wait at all."""

_HEAD = (
    "beside what",
    "done",
    "busy, %",
    "slices",
    "over 1 ms",
    "over 2 ms",
    "longest, ms",
    "audio: over 2 ms",
    "longest, ms",
)
_PLOT_DPI = 110


@dataclass(frozen=True, slots=True)
class Phase:
    """What the gateway's loop did while it had one kind of work, `done` times."""

    title: str
    done: int
    seconds: float
    slices: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {
            "title": self.title,
            "done": self.done,
            "seconds": round(self.seconds, 1),
            **self.slices,
        }


def text(results: dict[str, Any]) -> str:
    """Return the figures as Markdown, with whose the longest slices were."""
    options, load, machine = results["options"], results["load"], results["machine"]
    circumstances = (
        f"{options['dbus']} lines by D-Bus, {options['x11']} by X11, "
        f"{options['calls']} calls that talk, {options['readers']} readers of the "
        f"events, {options['seconds']:g} s a row. {results['date']}: {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['system']}; load average "
        f"{load['load_average_before']} before, {load['load_average_after']} after, "
        f"cores busy {load['busy_share']:.0%}."
    )
    lines = [circumstances, "", *_table(_HEAD, map(_row, results["phases"]))]
    lines += ["", *_names(results["phases"])]
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"


def _row(phase: dict[str, Any]) -> tuple[Any, ...]:
    audio, other = phase["audio"], phase["other"]
    busy = (audio["busy_us"] + other["busy_us"]) / (phase["seconds"] * 1e4)
    return (
        phase["title"],
        phase["done"],
        f"{busy:.0f}",
        other["count"],
        _over(phase, other, 1_000),
        _over(phase, other, 2_000),
        f"{other['longest_us'] / 1000:.2f}",
        _over(phase, audio, 2_000),
        f"{audio['longest_us'] / 1000:.2f}",
    )


def _names(phases: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a table of all that was ever longer than a millisecond and is not audio."""
    names: dict[str, list[int]] = {}
    for phase in phases:
        for one in phase["other"]["named"]:
            sums = names.setdefault(one["name"], [0, 0, 0])
            sums[0] += one["over_1_ms"]
            sums[1] += one["over_2_ms"]
            sums[2] = max(sums[2], one["longest_us"])
    head = ("whose slice", "over 1 ms", "over 2 ms", "longest, ms")
    ordered = sorted(names.items(), key=lambda item: item[1][2], reverse=True)
    yield from _table(
        head,
        (
            (f"`{name}`", over_1, over_2, f"{longest_us / 1000:.2f}")
            for name, (over_1, over_2, longest_us) in ordered
        ),
    )


def _over(phase: dict[str, Any], kind: dict[str, Any], edge_us: int) -> int:
    return int(sum(kind["below"][phase["edges_us"].index(edge_us) + 1 :]))


def write_plot(results: dict[str, Any], file: Path) -> None:
    """Draw how long the slices were, as PNG and SVG; needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(9, 4.5))
    for phase in results["phases"]:
        other = phase["other"]
        edges = [edge / 1000 for edge in phase["edges_us"]]
        a_second = [
            _over(phase, other, edge) / phase["seconds"] for edge in phase["edges_us"]
        ]
        panel.plot(edges, a_second, marker="o", label=phase["title"])
    panel.axvline(LONG_MS, color="black", linestyle=":")
    panel.set(
        xscale="log",
        xlabel="milliseconds of the processor",
        ylabel="slices a second that are longer and not audio",
    )
    panel.set_yscale("symlog", linthresh=0.1)
    panel.set_ylim(bottom=0)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    figure.suptitle(f"Event loop, {results['date']}, {results['machine']['cpu']}")
    figure.tight_layout()
    for suffix in (".png", ".svg"):
        figure.savefig(file.with_suffix(suffix), dpi=_PLOT_DPI)
    plt.close(figure)
