"""What stands in the files of call records, and what it survives."""

from __future__ import annotations

import csv
import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from skypechan.call.causes import DialStatus, HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.gateway.recordfiles import (
    CSV,
    JOURNAL,
    JSON,
    RecordFolder,
    as_line,
    as_row,
)

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def call(name: str, **fields: object) -> CallRecord:
    made = CallRecord(name, Direction.TO_LINE, "skypeclient", "echo123", placed=BEGAN)
    return replace(made, **fields)


def ended(name: str, **fields: object) -> CallRecord:
    record = call(name, **fields)
    record.end(Side.LINE, HangupCause.USER_BUSY, "", BEGAN + timedelta(seconds=9))
    return record


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RecordFolder]:
    made = RecordFolder(tmp_path, (JSON, CSV))
    yield made
    made.close()


def rows(path: Path) -> list[dict[str, str]]:
    with (path / "calls.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def objects(path: Path) -> list[dict[str, object]]:
    lines = (path / "calls.jsonl").read_text().split("\n")
    return [json.loads(line) for line in lines if line]


def calls(path: Path) -> list[object]:
    """The call ids in the files, which must hold the same ones."""
    found = [one["call"] for one in objects(path)]
    assert [row["call"] for row in rows(path)] == found
    return found


def crash_and_start(dead: RecordFolder) -> RecordFolder:
    """What a gateway finds whose predecessor was killed."""
    dead.close()  # the kernel does this for a process that is killed
    return RecordFolder(dead.path, (JSON, CSV))


def test_each_record_is_a_line_of_each_file(
    folder: RecordFolder, tmp_path: Path
) -> None:
    folder.add(ended("c1", caller="Böb, \"the\" 'boss'"))
    folder.save([])
    folder.add(ended("c2"))
    folder.save([])
    assert calls(tmp_path) == ["c1", "c2"]
    [first, _] = rows(tmp_path)
    assert first["caller"] == objects(tmp_path)[0]["caller"] == "Böb, \"the\" 'boss'"
    assert (first["cause"], first["status"]) == ("17", "BUSY")
    assert first["answered"] == ""
    assert first["placed"] == "2026-01-02T03:04:05.000+00:00"


def test_a_record_that_was_read_is_the_one_that_was_written() -> None:
    record = ended(
        "c1", answered=BEGAN, line_call="42", audio={"to_pbx_frames": 3}, taps=["a.wav"]
    )
    assert CallRecord.from_json(json.loads(as_line(record))) == record


def test_no_other_user_may_read_the_files(folder: RecordFolder, tmp_path: Path) -> None:
    folder.add(ended("c1"))
    folder.save([as_line(call("c2"))])
    for name in ("calls.jsonl", "calls.csv", JOURNAL):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"),
        ("+4930123456", "+4930123456"),
        ("+SUM(A1)", "'+SUM(A1)"),
        ("-1+1", "'-1+1"),
        ("@x", "'@x"),
        (" =1+1", "' =1+1"),
        ("\u00a0=1+1", "' =1+1"),
        ("Bob;=HYPERLINK(1)", "Bob,=HYPERLINK(1)"),
        ("two\nlines\r", "two lines "),
    ],
)
def test_a_spreadsheet_computes_nothing_that_a_stranger_wrote(
    name: str, cell: str
) -> None:
    [row] = csv.reader([as_row(ended("c1", caller_name=name))])
    assert row[list(ended("c1").as_json()).index("caller_name")] == cell


def test_half_a_character_is_written_as_an_escape(
    folder: RecordFolder, tmp_path: Path
) -> None:
    folder.add(ended("c1", caller_name="\ud83d"))
    folder.save([])
    assert objects(tmp_path)[0]["caller_name"] == "\ud83d"
    assert len(rows(tmp_path)) == 1


def test_the_level_of_silence_is_null(folder: RecordFolder, tmp_path: Path) -> None:
    folder.add(ended("c1", audio={"to_pbx_level_dbfs": float("-inf")}))
    folder.save([])
    assert objects(tmp_path)[0]["audio"] == {"to_pbx_level_dbfs": None}


def test_a_file_may_be_moved_away_at_any_time(
    folder: RecordFolder, tmp_path: Path
) -> None:
    folder.add(ended("c1"))
    folder.save([])
    for name in ("calls.jsonl", "calls.csv"):
        (tmp_path / name).rename(tmp_path / f"{name}.1")
    folder.add(ended("c2"))
    folder.save([])
    assert calls(tmp_path) == ["c2"]


def test_other_columns_begin_another_file(folder: RecordFolder, tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("call,fewer\nc0,1\n")
    folder.add(ended("c1"))
    folder.save([])
    assert [row["call"] for row in rows(tmp_path)] == ["c1"]
    [old] = tmp_path.glob("calls-until-*.csv")
    assert old.read_text() == "call,fewer\nc0,1\n"


def test_a_call_that_lived_when_its_gateway_died_is_filed_by_the_next(
    folder: RecordFolder, tmp_path: Path
) -> None:
    folder.save([as_line(call("rang")), as_line(call("talked", answered=BEGAN))])
    died = (tmp_path / JOURNAL).stat().st_mtime
    second = crash_and_start(folder)
    second.save([])
    assert calls(tmp_path) == ["rang", "talked"]
    rang, talked = (CallRecord.from_json(one) for one in objects(tmp_path))
    assert (rang.status, talked.status) == (DialStatus.CHANUNAVAIL, DialStatus.ANSWER)
    for record in (rang, talked):
        assert record.reason == "the gateway died"
        assert (record.cause, record.released_by) == (38, Side.GATEWAY)
        assert record.ended is not None
        assert abs(record.ended.timestamp() - died) < 0.002
    second.close()


def test_what_a_dead_gateway_left_is_filed_by_one_successor_only(
    folder: RecordFolder, tmp_path: Path
) -> None:
    folder.save([as_line(call("c1"))])
    for _ in range(2):
        folder = crash_and_start(folder)
        folder.save([])
    folder.close()
    assert calls(tmp_path) == ["c1"]


@pytest.mark.parametrize("lost", ["calls.csv", "calls.jsonl", ""])
def test_a_death_between_file_and_journal_files_nothing_twice(
    folder: RecordFolder, tmp_path: Path, lost: str
) -> None:
    live = [as_line(call("c1"))]
    folder.save(live)
    journal = (tmp_path / JOURNAL).read_bytes()
    folder.add(ended("c1"))
    folder.save([])
    (tmp_path / JOURNAL).write_bytes(journal)
    if lost:
        (tmp_path / lost).unlink()
    second = crash_and_start(folder)
    second.save([])
    second.close()
    assert calls(tmp_path) == ["c1"]


def test_a_call_that_had_ended_keeps_its_true_cause(
    folder: RecordFolder, tmp_path: Path
) -> None:
    folder.save([as_line(ended("c1"))])  # one leg was still to confirm
    second = crash_and_start(folder)
    second.save([])
    second.close()
    assert objects(tmp_path)[0]["reason"] == "busy"


def test_history_is_what_the_file_ends_with(
    folder: RecordFolder, tmp_path: Path
) -> None:
    folder.add(ended("c1"))
    folder.add(ended("c2"))
    folder.save([])
    with (tmp_path / "calls.jsonl").open("a") as file:
        file.write('not a record\n{"call": "half')
    second = crash_and_start(folder)
    second.add(ended("c3"))
    second.save([])
    second.close()
    assert second.history == [ended("c1"), ended("c2")]
    third = crash_and_start(second)
    third.save([])
    third.close()
    assert third.history is not None
    assert [one.call for one in third.history] == ["c1", "c2", "c3"]


def test_a_second_gateway_is_kept_out(folder: RecordFolder, tmp_path: Path) -> None:
    folder.save([as_line(call("c1"))])
    second = RecordFolder(tmp_path, (JSON, CSV))
    with pytest.raises(BlockingIOError):
        second.save([])
    assert not (tmp_path / "calls.jsonl").exists()


def test_a_full_disk_keeps_a_record_waiting_for_that_file_alone(
    folder: RecordFolder, tmp_path: Path
) -> None:
    (tmp_path / "calls.jsonl").symlink_to("/dev/full")
    folder.add(ended("c1"))
    with pytest.raises(OSError, match="No space left"):
        folder.save([])
    assert folder.waiting == 1
    assert [row["call"] for row in rows(tmp_path)] == ["c1"]
    folder.add(ended("c2"))
    with pytest.raises(OSError, match="No space left"):
        folder.save([])
    (tmp_path / "calls.jsonl").unlink()
    folder.save([])
    assert folder.waiting == 0
    assert calls(tmp_path) == ["c1", "c2"]


def test_what_waits_for_a_full_disk_survives_the_gateway(
    folder: RecordFolder, tmp_path: Path
) -> None:
    (tmp_path / "calls.jsonl").symlink_to("/dev/full")
    folder.add(ended("c1"))
    with pytest.raises(OSError, match="No space left"):
        folder.save([])
    (tmp_path / "calls.jsonl").unlink()
    second = crash_and_start(folder)
    second.save([])
    second.close()
    assert calls(tmp_path) == ["c1"]
    assert objects(tmp_path)[0]["reason"] == "busy"


def test_without_its_folder_everything_waits(tmp_path: Path) -> None:
    folder = RecordFolder(tmp_path / "absent", (JSON, CSV))
    folder.add(ended("c1"))
    with pytest.raises(FileNotFoundError):
        folder.save([])
    (tmp_path / "absent").mkdir()
    folder.save([])
    folder.close()
    assert calls(tmp_path / "absent") == ["c1"]
