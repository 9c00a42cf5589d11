"""The figures of the control benchmark: a table for people, JSON, a plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

LONG_MS = 2.0
"""A slice that is longer disturbs audio: it is as long as a frame may wait at all."""

_SHOWN = 5
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
            "seconds": self.seconds,
            **self.slices,
        }


def text(results: dict[str, Any]) -> str:
    """Return the figures as Markdown, with whose the longest slices were."""
    options, load, machine = results["options"], results["load"], results["machine"]
    head = ("beside what", "busy, %", "slices", "over 1 ms", "over 2 ms", "longest, ms")
    what = (
        f"{options['dbus']} lines by D-Bus, {options['x11']} by X11, "
        f"{options['calls']} calls that talk; processor time of one slice."
    )
    lines = [
        what,
        "",
        "| " + " | ".join(head) + " |",
        "|---|" + "---:|" * (len(head) - 1),
    ]
    for phase in results["phases"]:
        long = [_over(phase, edge_us) for edge_us in (1_000, 2_000)]
        busy = phase["busy_us"] / (phase["seconds"] * 1e4)
        longest_ms = max((x["cpu_us"] for x in phase["longest"]), default=0) / 1000
        cells = (f"{busy:.1f}", phase["count"], *long, f"{longest_ms:.2f}")
        lines.append(f"| {phase['title']} | " + " | ".join(map(str, cells)) + " |")
    lines += ["", "The longest, in milliseconds of the processor (and by the clock):"]
    for phase in results["phases"]:
        lines += ["", f"* {phase['title']}"]
        for one in phase["longest"][:_SHOWN]:
            cpu_ms, wall_ms = one["cpu_us"] / 1000, one["wall_us"] / 1000
            lines.append(f"  * {cpu_ms:.2f} ({wall_ms:.2f}) {one['who']}")
        took_us, generation, thread = phase["longest_collection"]
        collection = f"longest collection of garbage: {generation}, {thread}"
        lines.append(f"  * {took_us / 1000:.2f} {collection}")
    circumstances = (
        f"* {results['date']}: {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['system']}; load average {load['load_average_before']} before, "
        f"{load['load_average_after']} after, cores busy {load['busy_share']:.0%}."
    )
    return "\n".join([*lines, "", circumstances])


def _over(phase: dict[str, Any], edge_us: int) -> int:
    edges = phase["edges_us"]
    return int(sum(phase["below"][edges.index(edge_us) + 1 :]))


def write_plot(results: dict[str, Any], file: Path) -> None:
    """Draw how long the slices were, as PNG and SVG; needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panel = plt.subplots(figsize=(9, 4.5))
    for phase in results["phases"]:
        total = max(phase["count"], 1)
        edges = [edge / 1000 for edge in phase["edges_us"]]
        over = [_over(phase, edge) / total for edge in phase["edges_us"]]
        panel.plot(edges, over, marker="o", label=phase["title"])
    panel.axvline(LONG_MS, color="black", linestyle=":")
    panel.set(
        xscale="log",
        yscale="symlog",
        xlabel="milliseconds of the processor",
        ylabel="share of slices that are longer",
    )
    panel.set_yscale("symlog", linthresh=1e-5)
    panel.grid(alpha=0.3)
    panel.legend(fontsize=8)
    figure.suptitle(f"Event loop, {results['date']}, {results['machine']['cpu']}")
    figure.tight_layout()
    for suffix in (".png", ".svg"):
        figure.savefig(file.with_suffix(suffix), dpi=_PLOT_DPI)
    plt.close(figure)
