"""What the gateway says, as text for a terminal. Pure.

Names and reasons are written by strangers: nothing of them may steer the terminal.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from skypechan.log import legible

_WIDEST = 40
_SPACE = "  "
_WIDE = frozenset("WF")

Row = dict[str, Any]
Columns = Sequence[tuple[str, Callable[[Row], str]]]


def table(columns: Columns, rows: Iterable[Row], nothing: str) -> str:
    """Return rows in aligned columns under their titles, or `nothing`.

    The last column, at the end of the line, may be of any width.
    """
    lines = [
        [*map(_shown, cells[:-1]), legible(cells[-1]) or "-"]
        for cells in ([cell(row) for _, cell in columns] for row in rows)
    ]
    if not lines:
        return nothing
    lines.insert(0, [title for title, _ in columns])
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        _SPACE.join(
            cell + " " * (width - _width(cell))
            for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def lines_table(lines: Iterable[Row], now: datetime) -> str:
    """Return the lines of the gateway."""
    columns: Columns = (
        ("LINE", _field("name")),
        ("BACKEND", _field("backend")),
        ("ACCOUNT", _field("account")),
        ("STATE", lambda line: str(line["state"]).replace("_", " ")),
        ("FOR", lambda line: _age(line["since"], now)),
        ("ISOLATION", _field("isolation")),
        ("CALLS", _field("calls_total")),
        ("CALL", _field("call")),
        ("REASON", _reasons),
    )
    return table(columns, lines, "no line is configured")


def calls_table(calls: Iterable[Row], now: datetime) -> str:
    """Return the live calls; levels are those of the speech of each direction."""
    columns: Columns = (
        ("CALL", _field("call")),
        ("LINE", _field("line")),
        ("STATE", _field("state")),
        ("FROM", _field("caller")),
        ("TO", _field("address")),
        ("FOR", lambda call: _age(call["answered"] or call["placed"], now)),
        ("TO_PBX", lambda call: _level(call, "to_pbx")),
        ("TO_LINE", lambda call: _level(call, "to_line")),
        ("HELD_BY", lambda call: ", ".join(call["held_by"])),
    )
    return table(columns, calls, "no call")


def records_table(records: Iterable[Row]) -> str:
    """Return call records, the last one last."""
    columns: Columns = (
        ("ENDED", lambda record: _local(record["ended"])),
        ("CALL", _field("call")),
        ("LINE", _field("line")),
        ("FROM", _field("caller")),
        ("TO", _field("address")),
        ("STATUS", _field("status")),
        ("CAUSE", _field("cause")),
        ("TALKED", _talked),
        ("ENDED_BY", _field("released_by")),
        ("REASON", _field("reason")),
    )
    return table(columns, records, "no record")


def messages_table(messages: Iterable[Row]) -> str:
    """Return the messages that came, the last one last."""
    columns: Columns = (
        ("RECEIVED", lambda one: _local(one["received"])),
        ("LINE", _field("line")),
        ("FROM", _field("sender")),
        ("NAME", _field("sender_name")),
        ("TEXT", _field("text")),
    )
    return table(columns, messages, "no message")


def requests_table(requests: Iterable[Row], now: datetime) -> str:
    """Return who waits for an answer to a contact request."""
    columns: Columns = (
        ("LINE", _field("line")),
        ("WHO", _field("who")),
        ("FOR", lambda one: _age(one["asked"], now)),
        ("TEXT", _field("text")),
    )
    return table(columns, requests, "nobody waits")


def event_line(event: Row) -> str:
    """Return something that happened in one line."""
    about = " ".join(word for word in (event["line"], event["call"]) if word)
    return legible(
        f"{_local(event['time'])}  {event['kind']:15}  {about and f'{about}  '}"
        f"{event['text']}"
    )


def links_table(links: Iterable[Row], now: datetime) -> str:
    """Return the connections that the gateway keeps."""
    columns: Columns = (
        ("LINK", _field("name")),
        ("STATE", lambda link: str(link["state"]).replace("_", " ")),
        ("FOR", lambda link: _age(link["since"], now)),
        ("REASON", _field("reason")),
    )
    return table(columns, links, "no link")


def status_screen(status: Row, now: datetime) -> str:
    """Return links, lines and calls, and in the first line how all is."""
    return "\n\n".join(
        (
            headline(status),
            links_table(status["links"], now),
            lines_table(status["lines"], now),
            calls_table(status["calls"], now),
        )
    )


def headline(status: Row) -> str:
    """Return in one line how the gateway is."""
    word = "ready" if status["ready"] else "NOT READY"
    calls = len(status["calls"])
    troubles = "; ".join(status["reasons"])
    counted = f"{calls} call{'' if calls == 1 else 's'}"
    return legible(f"{word}, {counted}{troubles and f'; {troubles}'}")


def verdict_text(verdict: Row) -> str:
    """Return the verdict of a self-test with its figures and what it covers."""
    word = "PASSED" if verdict["passed"] else "FAILED"
    reason = verdict["reason"]
    lines = [legible(f"{word}{reason and f': {reason}'}")]
    names = [name.replace("_", " ") for name in verdict["figures"]]
    width = max(map(len, names), default=0)
    for name, value in zip(names, verdict["figures"].values(), strict=True):
        lines.append(f"  {name:{width}}  {value:g}")
    return "\n".join([*lines, f"covers {verdict['covers']}"])


def _field(name: str) -> Callable[[Row], str]:
    def cell(row: Row) -> str:
        value = row[name]
        return "" if value is None else str(value)

    return cell


def _reasons(line: Row) -> str:
    """Return why a line is as it is, and why its client is kept apart no better."""
    why = line["isolation_reason"]
    less = why and f"isolation {line['isolation']}: {why}"
    return "; ".join(filter(None, (line["reason"], less)))


def _shown(text: str) -> str:
    shown = legible(text)
    while _width(shown) > _WIDEST:
        shown = shown[: min(len(shown) - 2, _WIDEST - 1)] + "…"
    return shown or "-"


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        0
        if unicodedata.combining(letter)
        else 1 + (unicodedata.east_asian_width(letter) in _WIDE)
        for letter in text
    )


def _age(since: str | None, now: datetime) -> str:
    if not since:
        return ""
    return _duration((now - datetime.fromisoformat(since)).total_seconds())


def _talked(record: Row) -> str:
    if not record["answered"] or not record["ended"]:
        return ""
    ended = datetime.fromisoformat(record["ended"])
    return _age(record["answered"], ended)


def _duration(seconds: float) -> str:
    """Return 7s, 3m07s, 2h03m or 4d02h."""
    whole = max(round(seconds), 0)
    for unit, size, part, part_size in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // part_size:02}{part}"
    return f"{whole}s"


def _local(moment: str | None) -> str:
    """Return a time of the record in the operator's own zone."""
    if not moment:
        return ""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M:%S}"


def _level(call: Row, direction: str) -> str:
    if call["media"] is None:
        return ""
    return f"{call['media'][direction]['level']['average_dbfs']:.0f} dBFS"
