"""The book of call records: what is kept, when it is written, and what waits."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.gateway.recordfiles import JOURNAL, MOST_WAITING
from skypechan.gateway.records import RecordBook, RecordSettings, RecordState
from tests.doubles.clock import FakeClock

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def call(name: str) -> CallRecord:
    return CallRecord(name, Direction.TO_LINE, placed=NOON)


def ended(name: str, minute: int = 0) -> CallRecord:
    record = call(name)
    when = NOON + timedelta(minutes=minute)
    record.end(Side.LINE, HangupCause.USER_BUSY, "", when)
    return record


def book_in(folder: Path | str, clock: FakeClock) -> RecordBook:
    return RecordBook(RecordSettings(str(folder)), Path(), clock)


def names(file: Path) -> list[str]:
    """The calls in a file of JSON lines."""
    if not file.exists():
        return []
    return [json.loads(one)["call"] for one in file.read_text().split("\n") if one]


async def until(condition: Callable[[], object], clock: FakeClock) -> None:
    """Let the writing thread and the clock go on until something is true."""
    async with asyncio.timeout(5):
        while not condition():
            await clock.advance(0.01)
            await asyncio.sleep(0.001)


async def test_an_ended_call_is_written_at_once(tmp_path: Path) -> None:
    clock = FakeClock()
    book = book_in(tmp_path, clock)
    async with book.kept():
        record = call("c1")
        book.begin(record)
        await until(lambda: names(tmp_path / JOURNAL) == ["c1"], clock)
        book.file(ended("c1"))
        await until(lambda: names(tmp_path / "calls.jsonl") == ["c1"], clock)
        await until(lambda: names(tmp_path / JOURNAL) == [], clock)
        assert book.state is RecordState.READY
        assert book.waiting == 0


async def test_the_journal_shows_how_far_a_call_has_come(tmp_path: Path) -> None:
    clock = FakeClock()
    book = book_in(tmp_path, clock)

    def written(field: str) -> object:
        journal = tmp_path / JOURNAL
        text = journal.read_text() if journal.exists() else ""
        return json.loads(text)[field] if text else None

    async with book.kept():
        record = call("c1")
        book.begin(record)
        await until(lambda: names(tmp_path / JOURNAL) == ["c1"], clock)
        assert not written("answered")
        record.answered = NOON
        book.update()
        await until(lambda: written("answered"), clock)
        record.line, record.uniqueid = "second", "1700000000.1"
        book.update()
        await until(lambda: written("line") == "second", clock)
        assert written("uniqueid") == "1700000000.1"


async def test_while_calls_live_the_journal_tells_that_the_gateway_does(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    book = book_in(tmp_path, clock)
    journal = tmp_path / JOURNAL
    async with book.kept():
        book.begin(call("c1"))
        await until(lambda: names(journal) == ["c1"], clock)
        os.utime(journal, (1, 1))
        await until(lambda: journal.stat().st_mtime > 1, clock)


async def test_what_is_filed_last_is_written_before_the_gateway_leaves(
    tmp_path: Path,
) -> None:
    book = book_in(tmp_path, FakeClock())
    async with book.kept():
        book.begin(call("c1"))
        book.file(ended("c1"))
    assert names(tmp_path / "calls.jsonl") == ["c1"]
    assert (tmp_path / JOURNAL).read_text() == ""


async def test_a_missing_folder_is_a_state_that_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    folder = tmp_path / "absent"
    book = book_in(folder, clock)
    async with book.kept():
        assert book.state is RecordState.WAITING
        assert book.reason == "No such file or directory"
        book.file(ended("c1"))
        await clock.advance(60)
        assert book.waiting == 1
        folder.mkdir()
        await until(lambda: book.state is RecordState.READY, clock)
        assert names(folder / "calls.jsonl") == ["c1"]
    said = [(one.levelno, one.getMessage()) for one in caplog.records]
    assert said == [
        (
            logging.ERROR,
            f"! no call records can be written to {folder}: No such file or directory",
        ),
        (logging.WARNING, f"= call records are written to {folder} again"),
    ]


async def test_a_fault_of_ours_is_a_state_that_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    book = book_in(tmp_path, clock)
    record = ended("c1")
    record.audio = {"to_pbx_gaps": {1}}  # type: ignore[dict-item] # no JSON has it
    async with book.kept():
        book.file(record)
        await until(lambda: book.state is RecordState.WAITING, clock)
        assert book.reason.startswith("a fault in the gateway: ")
        await clock.advance(60)
        record.audio = {}
        await until(lambda: book.state is RecordState.READY, clock)
        assert names(tmp_path / "calls.jsonl") == ["c1"]
    assert caplog.messages.count("! a fault in writing call records") == 1


async def test_records_that_never_found_their_file_are_counted_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = book_in(tmp_path / "absent", FakeClock())
    async with book.kept():
        book.file(ended("c1"))
    assert caplog.messages[-1] == "! 1 call records stand only in this log"


async def test_records_beyond_what_may_wait_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = book_in(tmp_path / "absent", FakeClock())
    async with book.kept():
        for _ in range(MOST_WAITING + 2):
            book.file(ended("c1"))
        assert (book.waiting, book.lost) == (MOST_WAITING, 2)
    assert caplog.messages[-1] == "! 10002 call records stand only in this log"


async def test_a_folder_has_one_gateway(tmp_path: Path) -> None:
    clock = FakeClock()
    first, second = book_in(tmp_path, clock), book_in(tmp_path, clock)
    async with first.kept():
        first.begin(call("c1"))
        async with second.kept():
            assert second.reason == "another gateway writes there"
        first.file(ended("c1"))
    assert names(tmp_path / "calls.jsonl") == ["c1"]


async def test_the_records_of_earlier_runs_can_be_found(tmp_path: Path) -> None:
    first = book_in(tmp_path, FakeClock())
    async with first.kept():
        first.file(ended("c1", 1))
        first.file(ended("c2", 2))
        first.begin(call("died"))
    second = book_in(tmp_path, FakeClock())
    second.file(ended("c4", 4))
    async with second.kept():
        found = [one.call for one in second.find()]
        assert found == ["c1", "c2", "died", "c4"]


async def test_records_are_found_by_call_and_by_time() -> None:
    book = book_in("", FakeClock())
    for minute in range(4):
        book.file(ended(f"c{minute}", minute))
    since = NOON + timedelta(minutes=2)
    assert [one.call for one in book.find(since)] == ["c2", "c3"]
    assert [one.call for one in book.find(call="c1")] == ["c1"]
    assert book.find(since, "c1") == []


async def test_without_a_folder_nothing_is_written(tmp_path: Path) -> None:
    book = RecordBook(RecordSettings(), tmp_path, FakeClock())
    async with book.kept():
        book.file(ended("c1"))
    assert book.state is RecordState.OFF
    assert book.waiting == 0
    assert os.listdir(tmp_path) == []
