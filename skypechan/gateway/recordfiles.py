"""The files of call records: blocking work on one folder.

It is done in one thread at a time; records may be added at any time from another.

A file is opened for each batch of records, so it may be moved away at any time, as
rotation does. A record that could not be written waits, and stands meanwhile in the
journal, as every call does that is not over: what a gateway that died has left there
is filed by the next one. A record stands in a file once, also when the gateway died
between the two.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.errors import RemoteWireError

JOURNAL = "open-calls.jsonl"
JSON, CSV = "json", "csv"

_MODE = 0o640
MOST_WAITING = 10_000
_TAIL_BYTES = 2 << 20  # more than a thousand records
_FORMULA = ("=", "+", "-", "@")


def as_line(record: CallRecord) -> str:
    """Return a record as a line of JSON."""
    return json.dumps(record.as_json(), ensure_ascii=False, allow_nan=False) + "\n"


def as_row(record: CallRecord) -> str:
    """Return a record as a line of CSV; what has parts is one cell of JSON."""
    return _row(_cell(value) for value in record.as_json().values())


def _row(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula.

    Where a comma is the decimal sign, spreadsheets begin a cell behind each semicolon,
    quoted or not: a text has none.
    """
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, list | dict):
        return json.dumps(value)
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))
    text = text.replace(";", ",")
    is_number = text[:1] == "+" and text[1:].isdigit()
    return f"'{text}" if text.lstrip().startswith(_FORMULA) and not is_number else text


class RecordFile:
    """One file of records, and those that wait to be written into it.

    `head` is its first line, or empty; the call id is the first value of each line.
    """

    def __init__(
        self, path: Path, line_of: Callable[[CallRecord], str], head: str = ""
    ) -> None:
        self.path = path
        self.waiting: deque[CallRecord] = deque()
        self._line_of = line_of
        self._head = head.encode()

    def write(self) -> None:
        """Write what waits. Raises OSError, and then nothing of it was written."""
        batch = list(self.waiting)
        if not batch:
            return
        lines = b"".join(_encoded(self._line_of(one)) for one in batch)
        self._set_aside_another_kind()
        is_new = not self.path.exists()
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, _MODE)
        try:
            if is_new:
                os.fchmod(file, _MODE)  # whatever the umask
            _append(file, self._head, lines)
        finally:
            os.close(file)
        for _ in batch:
            self.waiting.popleft()

    def tail(self) -> list[bytes]:
        """Return the last whole lines, none if there is no file. Raises OSError."""
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                whole, _, _ = file.read(_TAIL_BYTES).rpartition(b"\n")
        except FileNotFoundError:
            return []
        return whole.split(b"\n")

    def lacks(self, call: str) -> bool:
        """Whether none of the last lines is that of a call. Raises OSError."""
        first = len('{"call": ""') + len(call)
        return not any(call.encode() in line[:first] for line in self.tail())

    def _set_aside_another_kind(self) -> None:
        """Rename a file that has other columns than ours: another release wrote it."""
        try:
            with self.path.open("rb") as file:
                first = file.read(len(self._head))
        except FileNotFoundError:
            return
        if first and first != self._head:
            until = int(self.path.stat().st_mtime)
            old = f"{self.path.stem}-until-{until}{self.path.suffix}"
            self.path.rename(self.path.with_name(old))


def _encoded(text: str) -> bytes:
    """Encode a text; half a character becomes the escape that JSON has for it."""
    return text.encode("utf-8", "backslashreplace")


def _append(file: int, head: bytes, lines: bytes) -> None:
    """Append all of it or nothing. Raises OSError."""
    size = os.fstat(file).st_size
    if not size:
        lines = head + lines
    elif os.pread(file, 1, size - 1) != b"\n":
        lines = b"\n" + lines  # the power failed in the middle of a line
    try:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(file, rest) :]
    except OSError:
        with suppress(OSError):
            os.truncate(file, size)
        raise


class RecordFolder:
    """The folder of the records, with the journal of the calls that are not over."""

    def __init__(self, folder: Path, formats: Sequence[str]) -> None:
        self.path = folder
        self.history: Sequence[CallRecord] | None = None
        self.lost = 0
        self._journal = folder / JOURNAL
        self._journaled: bytes | None = None
        self._lock: int | None = None
        columns = _row(CallRecord("", Direction.TO_PBX).as_json())
        kinds = {
            JSON: RecordFile(folder / "calls.jsonl", as_line),
            CSV: RecordFile(folder / "calls.csv", as_row, columns),
        }
        self._files = [kinds[one] for one in dict.fromkeys(formats)]
        self._read_back = kinds[JSON] if JSON in formats else None

    @property
    def waiting(self) -> int:
        """How many records are not yet in every file."""
        return max((len(file.waiting) for file in self._files), default=0)

    def add(self, record: CallRecord) -> None:
        """Let a record wait for the next `save`; where too many wait it is `lost`."""
        self.lost += any(len(file.waiting) >= MOST_WAITING for file in self._files)
        for file in self._files:
            if len(file.waiting) < MOST_WAITING:
                file.waiting.append(record)

    def save(self, live: Iterable[str]) -> None:
        """Write what waits, and the journal with the lines of the calls that live.

        The first time that the folder can be written, `history` becomes the last
        records, oldest first, and what a dead gateway left is filed. Raises OSError
        while it cannot be written; what waits then goes on waiting.
        """
        self._claim()
        if self.history is None:
            self.history = self._recover()
        failure: OSError | None = None
        for file in self._files:
            try:
                file.write()
            except OSError as error:
                failure = error
        self._write_journal((*live, *map(as_line, self._waiting().values())))
        if failure:
            raise failure

    def close(self) -> None:
        """Let other gateways in."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _waiting(self) -> dict[str, CallRecord]:
        return {one.call: one for file in self._files for one in list(file.waiting)}

    def _claim(self) -> None:
        """Keep other gateways out: they would take our live calls for dead ones."""
        if self._lock is not None:
            return
        lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        self._lock = lock

    def _recover(self) -> Sequence[CallRecord]:
        lines = self._read_back.tail() if self._read_back else []
        history = {one.call: one for one in _records(lines)}
        for record in list(self._left()):
            known = history.setdefault(record.call, record)
            for file in self._files:
                if file.lacks(record.call):
                    file.waiting.append(known)
        return list(history.values())

    def _left(self) -> Iterator[CallRecord]:
        """Yield the calls in the journal; what lived ended when that was written."""
        try:
            lines = self._journal.read_bytes().split(b"\n")
            moment = datetime.fromtimestamp(self._journal.stat().st_mtime, UTC)
        except FileNotFoundError:
            return
        for record in _records(lines):
            if record.ended is None:
                cause = HangupCause.NETWORK_OUT_OF_ORDER
                record.end(Side.GATEWAY, cause, "the gateway died", moment)
            yield record

    def _write_journal(self, live: Iterable[str]) -> None:
        """Replace the journal if it has changed; else say that its calls still live."""
        lines = b"".join(_encoded(line) for line in live)
        if lines != self._journaled or not self._journal.exists():
            new = self._journal.with_suffix(".new")
            file = os.open(new, os.O_WRONLY | os.O_TRUNC | os.O_CREAT, _MODE)
            try:
                _append(file, b"", lines)
            finally:
                os.close(file)
            new.replace(self._journal)
            self._journaled = lines
        elif lines:
            os.utime(self._journal)


def _records(lines: Iterable[bytes]) -> Iterator[CallRecord]:
    """Yield the records in lines of JSON; what is none is passed over."""
    for line in lines:
        with suppress(ValueError, RemoteWireError):
            yield CallRecord.from_json(json.loads(line))
