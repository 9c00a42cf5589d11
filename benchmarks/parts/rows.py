"""One row of the report: a target, our figure, and others' figures of the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

EQUAL = 1.2
"""Figures that are compared by their ratio count as equal within this."""

Met = bool | str | None
"""Whether a target was met; a word where figures count as equal; None without one."""


@dataclass(frozen=True, slots=True)
class Row:
    """`target` in words; `beside` are figures of the same thing by other means."""

    what: str
    unit: str
    target: str
    ours: float
    met: Met
    beside: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it with figures rounded to what they are worth."""
        plain = asdict(self)
        plain["ours"] = round(self.ours, 4)
        plain["beside"] = {name: round(v, 4) for name, v in self.beside.items()}
        return plain


def at_least(
    what: str,
    unit: str,
    least: float,
    ours: float,
    beside: Mapping[str, float],
    *,
    equal: float = 1.0,
) -> Row:
    """Return the row of a figure that should not be smaller; see `at_most`."""
    met = _met(ours >= least, ours >= least / equal, equal)
    return Row(what, unit, f">= {least:g}", float(ours), met, beside)


def at_most(
    what: str,
    unit: str,
    most: float,
    ours: float,
    beside: Mapping[str, float],
    *,
    equal: float = 1.0,
) -> Row:
    """Return the row of a figure that should not be larger.

    One that misses the target by less than the ratio `equal` is said to be within it.
    """
    met = _met(ours <= most, ours <= most * equal, equal)
    return Row(what, unit, f"<= {most:g}", float(ours), met, beside)


def _met(is_met: bool, is_equal: bool, equal: float) -> Met:
    if is_equal and not is_met:
        return f"within {equal:g}"
    return bool(is_met)


def as_table(rows: list[Row]) -> str:
    """Return rows as a Markdown table; a missed target stands in bold."""
    lines = ["| what | target | ours | met | beside |", "|---|---|---:|---|---|"]
    for row in rows:
        beside = "; ".join(f"{name} {_number(v)}" for name, v in row.beside.items())
        what = f"{row.what}, {row.unit}" if row.unit else row.what
        lines.append(
            f"| {what} | {row.target} | {_number(row.ours)} | {_word(row.met)} "
            f"| {beside} |"
        )
    return "\n".join(lines)


def _word(met: Met) -> str:
    if isinstance(met, str):
        return met
    return {True: "yes", False: "**missed**", None: "-"}[met]


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:.0f}"
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return text.removeprefix("-") if float(text) == 0 else text
