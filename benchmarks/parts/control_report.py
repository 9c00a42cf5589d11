"""The figures of the control benchmark: a table for people, JSON, a plot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.parts.machine import circumstances
from benchmarks.parts.rows import Row, as_table
from tests.doubles.lost_audio import Lost

LONG_MS = 2.0
"""A slice that is longer disturbs audio: it is as long as a frame may wait at all."""

_LONG_US = round(LONG_MS * 1_000)

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
_HEARD = (
    "beside what",
    "frames",
    "late",
    "late, %",
    "no room",
    "silence, ms",
    "made up, ms",
    "cut out, ms",
    "lost, %",
)
_NAMES = ("whose slice", "over 1 ms", "over 2 ms", "longest, ms", "seen in the longest")
_PLOT_DPI = 110


@dataclass(frozen=True, slots=True)
class Phase:
    """What the gateway's loop did while it had one kind of work, `done` times.

    `lost` is what became of the audio of the calls that talk meanwhile.
    """

    title: str
    done: int
    seconds: float
    slices: dict[str, Any]
    lost: Lost

    def as_json(self) -> dict[str, Any]:
        """Return everything."""
        return {
            "title": self.title,
            "done": self.done,
            "seconds": round(self.seconds, 1),
            **self.slices,
            "lost": asdict(self.lost)
            | {"filled_ms": self.lost.filled_ms, "share": round(self.lost.share, 6)},
        }


def text(results: dict[str, Any]) -> str:
    """Return the figures as Markdown, with whose the longest slices were."""
    phases = results["phases"]
    lines = [as_table([verdict(phases)]), ""]
    lines += [*_table(_HEAD, map(_row, phases)), ""]
    lines += [*_table(_HEARD, map(_heard, _with_calls(phases))), ""]
    lines += [*_table(_NAMES, _names(phases)), ""]
    return "\n".join([*lines, *_circumstances(results)])


def verdict(phases: list[dict[str, Any]]) -> Row:
    """Return the row of what was promised: no call waits for what is no audio."""
    talking = _with_calls(phases)
    over = sum(_over(phase, phase["other"], _LONG_US) for phase in talking)
    longest_us = max((phase["other"]["longest_us"] for phase in talking), default=0)
    beside = {
        "the longest, ms": longest_us / 1_000,
        "of slices": float(sum(phase["other"]["count"] for phase in talking)),
    }
    what = f"slices over {LONG_MS:g} ms that are not audio, while calls talk"
    return Row(what, "", "0", over, over == 0, beside)


def _with_calls(phases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [phase for phase in phases if phase["lost"]["frames"]]


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
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
        _over(phase, other, _LONG_US),
        _ms(other["longest_us"]),
        _over(phase, audio, _LONG_US),
        _ms(audio["longest_us"]),
    )


def _heard(phase: dict[str, Any]) -> tuple[Any, ...]:
    lost = phase["lost"]
    return (
        phase["title"],
        lost["frames"],
        lost["late"],
        f"{100 * lost['late'] / lost['frames']:.3f}",
        lost["dropped"],
        f"{lost['filled_ms']:.0f}",
        f"{lost['concealed_ms']:.0f}",
        f"{lost['skipped_ms']:.0f}",
        f"{100 * lost['share']:.3f}",
    )


def _names(phases: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """Yield whose slices were ever longer than a millisecond, the longest first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for phase in phases:
        for one in phase["other"]["named"]:
            found.setdefault(one["name"].partition(": ")[0], []).append(one)
    for whose, slices in sorted(found.items(), key=lambda it: -_longest(it[1])):
        longest_us = _longest(slices)
        place = next(one["name"] for one in slices if one["longest_us"] == longest_us)
        yield (
            f"`{whose}`",
            sum(one["over_1_ms"] for one in slices),
            sum(one["over_2_ms"] for one in slices),
            _ms(longest_us),
            f"`{place.partition(': ')[2] or '-'}`",
        )


def _longest(slices: list[dict[str, Any]]) -> int:
    return max(int(one["longest_us"]) for one in slices)


def _circumstances(results: dict[str, Any]) -> Iterator[str]:
    options, start = results["options"], results["start"]
    yield (
        f"* {options['dbus']} lines by D-Bus, {options['x11']} by X11, "
        f"{options['calls']} calls that talk, {options['readers']} readers of the "
        f"events; {options['seconds']:g} s a row."
    )
    yield (
        f"* Start-up, when no call is there: {_over(start, start['other'], 2_000)} "
        f"slices over 2 ms, the longest {_ms(start['other']['longest_us'])} ms."
    )
    where = (results["date"], results["machine"], results["load"])
    yield f"* {circumstances(*where)}."


def _ms(us: int) -> str:
    return f"{us / 1000:.2f}"


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
