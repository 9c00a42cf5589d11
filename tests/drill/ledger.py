"""Whether the records of the call drill add up: in the API, as JSON lines, as CSV.

One record for each attempt, each attempt with a record; causes, and times in order.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Rung = tuple[str, str]
"""A call that somebody made to a client: the line, and the client's id of the call."""

_ROUNDED = timedelta(milliseconds=2)
_JUST_ASKED = timedelta(seconds=0.3)
_TIMES = ("placed", "ringing", "answered", "ended")


@dataclass(frozen=True, slots=True)
class Attempts:
    """The calls of a round, as Asterisk and the clients know them.

    `asked` are the UUIDs that dialplans have drawn, and when; `contacts` is how many
    calls a phone has made to a contact, whose UUID is `contact`; `answered` are the
    Call-IDs of those that a phone got its 200 for, where that comes from the line. A
    call of those `rung` that was `brief` may have ended before its client said whose it
    was. What a program that was dead did not see has no record: `lost_asked` and
    `lost_rung` say since when that may be so, and at whom.
    """

    since: datetime
    until: datetime
    asked: tuple[tuple[str, datetime], ...]
    contact: str
    contacts: int
    rung: frozenset[Rung]
    brief: frozenset[Rung]
    answered: frozenset[str]
    lost_asked: datetime | None
    lost_rung: frozenset[str]


@dataclass(slots=True)
class Ledger:
    """Reads the folder of the records, round by round."""

    folder: Path
    records: list[Record] = field(default_factory=list)

    def on_disk(self) -> tuple[list[Record], list[Record]]:
        """The records of both files; none where no call has ended yet."""
        lines, rows = self.folder / "calls.jsonl", self.folder / "calls.csv"
        if not lines.exists() or not rows.exists():
            return [], []
        read = [json.loads(line) for line in lines.read_text().splitlines()]
        with rows.open(newline="") as file:
            return read, list(csv.DictReader(file))

    def new(self) -> list[Record]:
        """Take the records since the last time; raises AssertionError."""
        read, rows = self.on_disk()
        calls = [record["call"] for record in read]
        twice = [call for call, times in Counter(calls).items() if times > 1]
        assert not twice, f"calls with more than one record: {twice}"
        assert [row["call"] for row in rows] == calls, "the two files differ"
        for record, row in zip(read, rows, strict=True):
            assert str(record["cause"]) == row["cause"], (record, row)
            assert record["status"] == row["status"], (record, row)
        assert read[: len(self.records)] == self.records, "old records have changed"
        new = read[len(self.records) :]
        self.records = read
        return new

    def ends(self) -> Counter[str]:
        """How often calls have ended in which way."""
        return Counter(
            f"{x['direction']} {x['status']} {x['cause']} by {x['released_by']}"
            for x in self.records
        )


def add_up(records: list[Record], attempts: Attempts) -> list[str]:
    """What is wrong with the records of a round; a fault names its call."""
    faults = [fault for record in records for fault in _of_one(record, attempts)]
    faults += _of_answers(records, attempts)
    faults += _of_calls_to_lines(records, attempts)
    faults += _of_calls_from_lines(records, attempts)
    return faults


def _of_one(record: Record, attempts: Attempts) -> Iterable[str]:
    call = record["call"]
    for name in ("cause", "status", "released_by", "placed", "ended", "reason"):
        if not record[name]:
            yield f"{call} has no {name}: {record}"
    stamps = [record[name] for name in _TIMES if record[name]]
    times = [datetime.fromisoformat(stamp) for stamp in stamps]
    if times != sorted(times):
        yield f"{call} has times out of order: {record}"
    if times and not _within(times, attempts):
        yield f"{call} has times beyond its round: {record}"
    if (record["status"] == "ANSWER") != bool(record["answered"]):
        yield f"{call} was answered or not: {record}"


def _of_answers(records: list[Record], attempts: Attempts) -> Iterable[str]:
    for record in records:
        if record["sip_call_id"] in attempts.answered and not record["answered"]:
            yield f"{record['call']} was answered at the phone: {record}"


def _within(times: list[datetime], attempts: Attempts) -> bool:
    first, last = attempts.since - _ROUNDED, attempts.until + _ROUNDED
    return first <= min(times) and max(times) <= last


def _of_calls_to_lines(records: list[Record], attempts: Attempts) -> Iterable[str]:
    found = Counter(x["uuid"] for x in records if x["direction"] == "to_line")
    contacts = found.pop(attempts.contact, 0)
    if contacts > attempts.contacts:
        yield f"{contacts} records of {attempts.contacts} calls to the contact"
    asked = Counter(uuid for uuid, _ in attempts.asked)
    for uuid, times in (found - asked).items():
        yield f"{uuid} has {times} records too many"
    lost = attempts.lost_asked
    for uuid, when in attempts.asked:
        if uuid not in found and (lost is None or when < lost - _JUST_ASKED):
            yield f"{uuid} was asked for at {when} and has no record"


def _of_calls_from_lines(records: list[Record], attempts: Attempts) -> Iterable[str]:
    found = Counter(
        (x["line"], x["skype_call"]) for x in records if x["direction"] == "to_pbx"
    )
    for (line, call), times in found.items():
        expected = (line, call) in attempts.rung
        most = 2 if line in attempts.lost_rung else int(expected)
        if times > most:
            yield f"call {call} at line {line} has {times} records, not {most}"
    for line, call in attempts.rung - attempts.brief - set(found):
        if line not in attempts.lost_rung:
            yield f"call {call} at line {line} came in and has no record"
