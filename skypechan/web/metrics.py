"""Metrics in the Prometheus text format 0.0.4, from a snapshot; pure.

Figures of media are sums over all calls since the start, the live ones too, or the
worst of the live calls: a label per call would grow without end.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from skypechan.backends.base import LineState
from skypechan.call.record import Direction
from skypechan.gateway.snapshot import GatewaySnapshot
from skypechan.media.values import DirectionFigures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PIECE = 200  # lines: half a millisecond

Sample = tuple[Mapping[str, str], float]


class Kind(StrEnum):
    """How a metric behaves in time."""

    GAUGE = "gauge"
    COUNTER = "counter"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with its samples: the labels of each, and its value.

    There may be thousands: they are made while they are read.
    """

    name: str
    kind: Kind
    meaning: str
    samples: Iterable[Sample]


def text(now: GatewaySnapshot) -> str:
    """Return the metrics of a snapshot as Prometheus reads them."""
    return "".join(pieces(now))


def pieces(now: GatewaySnapshot) -> Iterator[str]:
    """Return the same in pieces, none of which takes long."""
    every = (line for family in families(now) for line in lines_of(family))
    while some := list(islice(every, _PIECE)):
        yield "".join(some)


def families(now: GatewaySnapshot) -> Iterator[Family]:
    """Return every metric of a snapshot."""
    yield Family(
        "skypechan_ready",
        Kind.GAUGE,
        "1 if a call could be made now.",
        (({}, now.is_ready),),
    )
    yield from _of_lines(now)
    yield from _of_calls(now)
    yield Family(
        "skypechan_media_busy_ratio",
        Kind.GAUGE,
        "How much of a core audio takes; at 1 further calls are refused.",
        (({}, now.media_busy),),
    )
    yield Family(
        "skypechan_link_up",
        Kind.GAUGE,
        "1 if the connection to another program is up.",
        tuple(({"link": link.name}, link.state == "up") for link in now.links),
    )
    yield Family(
        "skypechan_audiosocket_refused_total",
        Kind.COUNTER,
        "AudioSocket connections that were refused, by reason.",
        tuple(({"reason": why}, n) for why, n in sorted(now.refused_sockets.items())),
    )
    yield Family(
        "skypechan_records_waiting",
        Kind.GAUGE,
        "Call records that could not be written to their files yet.",
        (({}, now.records.waiting),),
    )
    yield Family(
        "skypechan_records_lost_total",
        Kind.COUNTER,
        "Call records that stand only in the log, as too many waited.",
        (({}, now.records.lost),),
    )
    yield from _of_media(now)


def _of_lines(now: GatewaySnapshot) -> Iterator[Family]:
    count = Counter(str(line.state) for line in now.lines)
    yield Family(
        "skypechan_lines",
        Kind.GAUGE,
        "Lines, by state.",
        tuple(({"state": state}, count[state]) for state in LineState),
    )
    yield Family(
        "skypechan_line_state",
        Kind.GAUGE,
        "1 for the state that the line is in.",
        (
            ({"line": line.name, "state": state}, line.state == state)
            for line in now.lines
            for state in LineState
        ),
    )
    yield Family(
        "skypechan_line_ready",
        Kind.GAUGE,
        "1 if the line can place and take calls.",
        (({"line": line.name}, line.state == "ready") for line in now.lines),
    )
    yield Family(
        "skypechan_line_calls_total",
        Kind.COUNTER,
        "Calls that had the line since the start.",
        (({"line": line.name}, line.calls_total) for line in now.lines),
    )
    yield Family(
        "skypechan_line_isolation",
        Kind.GAUGE,
        "1 for the level that the line's client is kept apart at, if it is ours.",
        tuple(
            ({"line": line.name, "level": line.isolation}, 1)
            for line in now.lines
            if line.isolation
        ),
    )


def _of_calls(now: GatewaySnapshot) -> Iterator[Family]:
    live = Counter(str(call.direction) for call in now.calls)
    yield Family(
        "skypechan_calls_live",
        Kind.GAUGE,
        "Live calls, by direction.",
        tuple(({"direction": way}, live[way]) for way in Direction),
    )
    ended = []
    for key, number in sorted(now.calls_total.items()):
        direction, _, status = key.partition("/")
        ended.append(({"direction": direction, "status": status}, number))
    yield Family(
        "skypechan_calls_total",
        Kind.COUNTER,
        "Ended calls, by direction and by status in the words of DIALSTATUS.",
        tuple(ended),
    )


def _of_media(now: GatewaySnapshot) -> Iterator[Family]:
    media = [call.media for call in now.calls if call.media is not None]
    yield Family(
        "skypechan_media_calls",
        Kind.GAUGE,
        "Live calls whose audio is joined.",
        (({}, len(media)),),
    )
    ways = {
        Direction.TO_PBX: [figures.to_pbx for figures in media],
        Direction.TO_LINE: [figures.to_line for figures in media],
    }
    every_call = [now.media_ended, *(figures.as_record() for figures in media)]
    for name, meaning, figure, scale in _SUMS:
        sums = {
            way: scale * sum(one[f"{way}_{figure}"] for one in every_call)
            for way in Direction
        }
        yield _by_direction(f"{name}_total", Kind.COUNTER, f"{meaning}.", sums)
    for name, meaning, figure_of in _WORST:
        worst = {
            way: max(map(figure_of, every), default=0) for way, every in ways.items()
        }
        meaning = f"{meaning} of the live calls."
        yield _by_direction(name, Kind.GAUGE, meaning, worst)


# Name, meaning, the figure in a call's record, what that is to be multiplied with.
_SUMS: tuple[tuple[str, str, str, float], ...] = (
    ("frames", "Frames of 20 ms that came in", "frames", 1),
    ("dropped_frames", "Frames without room at the receiver", "dropped", 1),
    ("gaps", "Pauses of the source that were bridged", "gaps", 1),
    ("filled_frames", "Frames of silence sent in gaps", "filled", 1),
    ("clipped_samples", "Samples that saturated", "clipped", 1),
    ("limited_samples", "Samples that the limiter held down", "limited", 1),
    ("late_frames", "Frames more than 10 ms late", "late", 1),
    ("concealed_seconds", "Missing audio that was made up", "concealed_ms", 1e-3),
    (
        "skipped_seconds",
        "Audio that came too late and was cut out",
        "skipped_ms",
        1e-3,
    ),
)
_WORST: tuple[tuple[str, str, Callable[[DirectionFigures], float]], ...] = (
    (
        "longest_queue_seconds",
        "Audio that waits unsent before its receiver, longest",
        lambda one: one.queue_ms / 1000,
    ),
    (
        "longest_delay_seconds",
        "Delay against late audio, longest",
        lambda one: one.delay_ms / 1000,
    ),
    (
        "largest_drift_ratio",
        "How far the source's clock is from ours, largest",
        lambda one: abs(one.drift_ppm) / 1e6,
    ),
)


def _by_direction(
    name: str, kind: Kind, meaning: str, values: Mapping[Direction, float]
) -> Family:
    samples = tuple(({"direction": way}, value) for way, value in values.items())
    return Family(f"skypechan_media_{name}", kind, meaning, samples)


def lines_of(family: Family) -> Iterator[str]:
    """Return one metric, with its head."""
    yield f"# HELP {family.name} {family.meaning}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for labels, value in family.samples:
        yield _line(family.name, labels, value)


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = [f'{label}="{_escape(word)}"' for label, word in labels.items()]
    braces = f"{{{','.join(pairs)}}}" if pairs else ""
    return f"{name}{braces} {_number(value)}\n"


def _escape(words: str) -> str:
    """Escape a label's value: backslash, line feed and quote."""
    return words.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    """Write a number as Go's ParseFloat reads it."""
    if math.isfinite(value):
        return f"{value:.15g}"
    return "NaN" if math.isnan(value) else f"{value:+}".title()
