"""One row of the report: a target, our figure, and others' figures of the same run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """`target` in words; `met` is None where nothing was promised.

    `beside` are figures of the same thing by other means, in the same unit.
    """

    what: str
    unit: str
    target: str
    ours: float
    met: bool | None
    beside: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it with figures rounded to what they are worth."""
        plain = asdict(self)
        plain["ours"] = round(self.ours, 4)
        plain["beside"] = {name: round(v, 4) for name, v in self.beside.items()}
        return plain


def at_least(
    what: str, unit: str, least: float, ours: float, beside: Mapping[str, float]
) -> Row:
    """Return the row of a figure that should not be smaller."""
    return Row(what, unit, f">= {least:g}", float(ours), bool(ours >= least), beside)


def at_most(
    what: str, unit: str, most: float, ours: float, beside: Mapping[str, float]
) -> Row:
    """Return the row of a figure that should not be larger."""
    return Row(what, unit, f"<= {most:g}", float(ours), bool(ours <= most), beside)


def as_table(rows: list[Row]) -> str:
    """Return rows as a Markdown table; a missed target stands in bold."""
    lines = ["| what | target | ours | met | beside |", "|---|---|---:|---|---|"]
    for row in rows:
        met = {True: "yes", False: "**missed**", None: "-"}[row.met]
        beside = "; ".join(f"{name} {_number(v)}" for name, v in row.beside.items())
        what = f"{row.what}, {row.unit}" if row.unit else row.what
        lines.append(
            f"| {what} | {row.target} | {_number(row.ours)} | {met} | {beside} |"
        )
    return "\n".join(lines)


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:.0f}"
    text = f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return text.removeprefix("-") if float(text) == 0 else text
