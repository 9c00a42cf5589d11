"""The book of call records: the last ones to be read, and files for all of them.

The files are written beside the events, in a thread: a slow disk delays no call. While
the folder cannot be written the records wait, and that is a state with its reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from skypechan.call.record import CallRecord
from skypechan.clock import Backoff, Clock
from skypechan.gateway.recordfiles import CSV, JSON, RecordFolder, as_line
from skypechan.settings import setting

_log = logging.getLogger(__name__)

_MOST_RECORDS = 1_000
_LOOK_S = 0.5
_TRY_FIRST_S, _TRY_MOST_S = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """Where the records of ended calls are written, and in what form."""

    folder: str = setting(
        "",
        "folder of the call records, calls.jsonl and calls.csv; empty: no files. They"
        " may be moved away at any time, but after a kill only when skypechan runs"
        " again: a call that stands in open-calls.jsonl and in no file is filed then",
    )
    formats: tuple[str, ...] = setting(
        (JSON, CSV), "in which forms they are written", choices=(JSON, CSV)
    )

    def path_from(self, base: Path) -> Path | None:
        """Return the folder, below `base` if it is relative; None without one."""
        return base / self.folder if self.folder else None


class RecordState(StrEnum):
    """Whether records get into their files."""

    OFF = "off"
    READY = "ready"
    WAITING = "waiting"  # the folder cannot be written; the reason says why


class RecordBook:
    """Every call is begun in it once and filed in it once."""

    def __init__(self, settings: RecordSettings, base: Path, clock: Clock) -> None:
        """Relative folders are below `base`."""
        path = settings.path_from(base)
        self.state = RecordState.READY if path else RecordState.OFF
        self.reason = ""
        self._folder = RecordFolder(path or base, settings.formats)
        self._clock = clock
        self._last: deque[CallRecord] = deque(maxlen=_MOST_RECORDS)
        self._live: dict[str, CallRecord] = {}
        self._lines: dict[str, tuple[CallRecord, str]] = {}
        self._has_history = False
        self._work = asyncio.Event()
        self._writing = threading.Lock()

    def begin(self, record: CallRecord) -> None:
        """Take note of a call: should the gateway die, it has a record all the same."""
        self._live[record.call] = record
        self._work.set()

    def update(self) -> None:
        """Take note that a call has come further."""
        self._work.set()

    def file(self, record: CallRecord) -> None:
        """Take the record of a call that is over."""
        self._live.pop(record.call, None)
        self._last.append(record)
        if self.state is not RecordState.OFF:
            self._folder.add(record)
        self._work.set()

    @property
    def waiting(self) -> int:
        """How many records are not yet in their files."""
        return self._folder.waiting

    @property
    def lost(self) -> int:
        """How many records never get into their files: too many waited."""
        return self._folder.lost

    def find(
        self, since: datetime | None = None, call: str = ""
    ) -> Sequence[CallRecord]:
        """Return the last thousand records, newest last, also those of earlier runs.

        With `since` only of calls that ended then or later, with `call` only of one.
        """
        return [
            record
            for record in self._last
            if (not call or record.call == call)
            and (since is None or (record.ended is not None and record.ended >= since))
        ]

    # The files.

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep the files up to date; what is left at the end is written then."""
        if self.state is RecordState.OFF:
            yield
            return
        await self._save()
        tasks = [
            asyncio.create_task(work, name="call records")
            for work in (self._save_for_ever(), self._look_for_ever())
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._note(self._write(self._journal()))
            self._folder.close()
            if missing := self.waiting + self.lost:
                _log.error("! %d call records stand only in this log", missing)

    async def _save_for_ever(self) -> None:
        backoff = Backoff(_TRY_FIRST_S, _TRY_MOST_S)
        while True:
            await self._work.wait()
            self._work.clear()
            await self._save()
            if self.state is RecordState.READY:
                backoff.reset()
                continue
            await self._clock.sleep(backoff.next_s())
            self._work.set()

    async def _look_for_ever(self) -> None:
        """Have the journal show how far the calls have come, and that they live."""
        while True:
            await self._clock.sleep(_LOOK_S)
            if self._live:
                self._work.set()

    async def _save(self) -> None:
        self._note(await asyncio.to_thread(self._write, self._journal()))

    def _journal(self) -> Sequence[str]:
        """Return a line for each call that lives."""
        known, self._lines = self._lines, {}
        for call, record in self._live.items():
            line = known.get(call)
            if line is None or line[0] != record:
                line = replace(record), as_line(record)
            self._lines[call] = line
        return [line for _, line in self._lines.values()]

    def _write(self, live: Sequence[str]) -> str:
        """Return why not everything was written, or nothing. For any thread."""
        with self._writing:
            try:
                self._folder.save(live)
            except BlockingIOError:
                return "another gateway writes there"
            except OSError as error:
                return error.strerror or str(error)
            except Exception as error:  # noqa: BLE001 - it shall be tried again
                if not self.reason:
                    _log.exception("! a fault in writing call records")
                return f"a fault in the gateway: {error}"
            return ""

    def _note(self, trouble: str) -> None:
        if self._folder.history is not None and not self._has_history:
            self._has_history = True
            known = (*self._folder.history, *self._last)
            self._last = deque(known, maxlen=_MOST_RECORDS)
        if trouble == self.reason:
            return
        self.reason = trouble
        self.state = RecordState.WAITING if trouble else RecordState.READY
        where = self._folder.path
        if trouble:
            _log.error("! no call records can be written to %s: %s", where, trouble)
        else:
            _log.warning("= call records are written to %s again", where)
