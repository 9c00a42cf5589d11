"""The resamplers' figures as rows with targets, and side by side as a table."""

from __future__ import annotations

from dataclasses import fields

from benchmarks.parts.resamplers import OURS, Resampler
from benchmarks.parts.response import Response, down_and_up, matcher_purity_db
from benchmarks.parts.rows import Row, at_least, at_most

DIRECTIONS = ("16k -> 8k", "8k -> 16k")
Measured = dict[str, tuple[Response, Response]]

_RIPPLE_DB, _REJECTION_DB, _DELAY_MS, _THD_N_DB = 0.01, 90.0, 0.3, -93.5
_PURITY_DB = -90.0
_PURITY_HZ, _PPM = (1000.0, 3400.0, 6000.0), 200.0
_HEADINGS = {
    "ripple_db": "ripple 100-3400 Hz, +- dB",
    "edge_hz": "-0.5 dB at, Hz",
    "rejection_db": "rejection from 4000 Hz, dB",
    "delay_ms": "delay at 1 kHz, ms",
    "spread_ms": "its spread 300-3400 Hz, ms",
    "held_ms": "held back, ms",
    "thd_n_db": "THD+N 997 Hz, dB",
    "idle_peak": "silence gives, LSB",
    "frame_us": "CPU for 20 ms, us",
}


def measured(rivals: list[Resampler]) -> Measured:
    """Measure ours and the rivals, both directions."""
    return {one.name: down_and_up(one) for one in (OURS, *rivals)}


def rows(found: Measured) -> list[Row]:
    """Return what is promised, for each direction."""
    result = []
    for index, direction in enumerate(DIRECTIONS):
        ours = found[OURS.name][index]
        others = {name: pair[index] for name, pair in found.items() if name != "ours"}

        def beside(
            field: str, others: dict[str, Response] = others
        ) -> dict[str, float]:
            return {name: getattr(one, field) for name, one in others.items()}

        delays = {name: one.delay_ms + one.held_ms for name, one in others.items()}
        name = f"{direction}: "
        ripple, rejection = beside("ripple_db"), beside("rejection_db")
        result += [
            at_most(f"{name}ripple", "dB", _RIPPLE_DB, ours.ripple_db, ripple),
            at_least(
                f"{name}rejection", "dB", _REJECTION_DB, ours.rejection_db, rejection
            ),
            at_most(
                f"{name}delay with what is held back",
                "ms",
                _DELAY_MS,
                ours.delay_ms + ours.held_ms,
                delays,
            ),
            at_most(f"{name}THD+N", "dB", _THD_N_DB, ours.thd_n_db, beside("thd_n_db")),
            at_most(
                f"{name}silence gives", "LSB", 0, ours.idle_peak, beside("idle_peak")
            ),
        ]
    for frequency_hz in _PURITY_HZ:
        worst = max(matcher_purity_db(frequency_hz, ppm) for ppm in (_PPM, -_PPM))
        what = f"rate matcher at +-{_PPM:g} ppm: residue of {frequency_hz:g} Hz"
        result.append(at_most(what, "dB", _PURITY_DB, worst, {}))
    return result


def side_by_side(found: Measured) -> str:
    """Return a Markdown table: a line for each resampler and direction."""
    names = [field.name for field in fields(Response)]
    headings = " | ".join(_HEADINGS[name] for name in names)
    lines = [f"| resampler | {headings} |", f"|---|{'---:|' * len(names)}"]
    for index, direction in enumerate(DIRECTIONS):
        for who, pair in found.items():
            cells = [_cell(name, getattr(pair[index], name)) for name in names]
            lines.append(f"| {who}, {direction} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, value: float) -> str:
    digits = {"ripple_db": 4, "delay_ms": 2, "spread_ms": 2}.get(name, 1)
    digits = 0 if name in {"edge_hz", "idle_peak"} else digits
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text
