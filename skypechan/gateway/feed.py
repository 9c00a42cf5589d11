"""The event feed: what happened lately, for whoever watches; bounded on every side.

Lines, calls, records, messages and contact requests are noted here, and what the log
warns of. Parts of a text may be written by strangers.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

from skypechan.call.record import CallRecord
from skypechan.clock import Clock
from skypechan.errors import CommandError
from skypechan.gateway.line import Line
from skypechan.gateway.runner import CallRunner
from skypechan.gateway.snapshot import LinkSnapshot
from skypechan.log import WIRE

_MOST_KEPT = 1_000
_MOST_WAITING = 1_000  # of one reader
_MOST_READERS = 32
_MOST_TEXT = 1_000  # characters


class Kind(StrEnum):
    """What an entry is about."""

    LINE = "line"  # its state has changed
    LINK = "link"  # the state of the connection to Asterisk has changed
    CALL = "call"  # its state has changed
    RECORD = "record"  # a call has ended
    MESSAGE = "message"  # somebody has written to a line's account
    CONTACT_REQUEST = "contact_request"  # somebody wants to be a contact of it
    OPERATOR = "operator"  # somebody has operated the gateway
    LOG = "log"  # the log warns
    WIRE = "wire"  # a line that is traced, and its client


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened; `text` says it in words.

    Numbers grow, also over a restart. `line` and `call` are empty where it is about
    none; `details` are the kind's own.
    """

    number: int
    time: datetime
    kind: Kind
    text: str
    line: str
    call: str
    details: Mapping[str, str]


class Reader:
    """One who follows the feed. It is `lost` once too much waits for it."""

    def __init__(self, backlog: Iterable[Entry]) -> None:
        self.lost = False
        self._stopped = False
        self._waiting = deque(backlog)
        self._most = len(self._waiting) + _MOST_WAITING
        self._news = asyncio.Event()

    def take(self, entry: Entry) -> None:
        """Put an entry into the queue; a queue that is full is given up."""
        if len(self._waiting) >= self._most:
            self.lost = True
            self._waiting.clear()
        if not self.lost:
            self._waiting.append(entry)
        self._news.set()

    def stop(self) -> None:
        """Have nothing more to read."""
        self._stopped = True
        self._news.set()

    async def next(self) -> Entry | None:
        """Return the next entry when there is one; None for a reader at its end."""
        while not (self._waiting or self.lost or self._stopped):
            self._news.clear()
            await self._news.wait()
        return None if self.lost or self._stopped else self._waiting.popleft()


class Feed:
    """Keeps the last entries, and tells each to every reader."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._number = int(clock.wall().timestamp() * 1000)
        self._entries: deque[Entry] = deque(maxlen=_MOST_KEPT)
        self._readers: set[Reader] = set()
        self._states: dict[str, tuple[str, str]] = {}

    def note(
        self,
        kind: Kind,
        text: str,
        /,
        *,
        line: str = "",
        call: str = "",
        **details: str,
    ) -> None:
        """Write an entry; what is too long is cut."""
        self._number += 1
        cut = {name: value[:_MOST_TEXT] for name, value in details.items()}
        entry = Entry(
            number=self._number,
            time=self._clock.wall(),
            kind=kind,
            text=text[:_MOST_TEXT],
            line=line,
            call=call,
            details=cut,
        )
        self._entries.append(entry)
        for reader in self._readers:
            reader.take(entry)

    def line_changed(self, line: Line) -> None:
        """Note the state of a line, if it is another."""
        if self._states.get(line.name) == (line.state, line.reason):
            return
        self._states[line.name] = line.state, line.reason
        self.note(
            Kind.LINE,
            f"{_words(line.state)}{line.reason and f': {line.reason}'}",
            line=line.name,
            state=line.state,
            reason=line.reason,
            account=line.account,
        )

    def link_changed(self, link: LinkSnapshot) -> None:
        """Note the state of the connection to Asterisk."""
        self.note(
            Kind.LINK,
            f"{link.name} is {_words(link.state)}{link.reason and f': {link.reason}'}",
            state=link.state,
            reason=link.reason,
        )

    def call_changed(self, call: CallRunner) -> None:
        """Note how far a call has come, and who holds it."""
        record, held_by = call.record, ", ".join(sorted(call.held_by))
        self.note(
            Kind.CALL,
            f"{_words(call.state)}{held_by and f', held by {held_by}'}",
            line=record.line,
            call=record.call,
            state=call.state,
            held_by=held_by,
            direction=record.direction,
            caller=record.caller,
            address=record.address,
        )

    def filed(self, record: CallRecord) -> None:
        """Note that a call has ended, and how."""
        self.note(
            Kind.RECORD,
            f"{record.caller} called {record.address}: {record.status},"
            f" {record.reason}",
            line=record.line,
            call=record.call,
            status=record.status or "",
            cause=str(int(record.cause or 0)),
            reason=record.reason,
        )

    def entries(self, after: int = 0, most: int = _MOST_KEPT) -> tuple[Entry, ...]:
        """Return the last entries behind a number, oldest first."""
        newest = islice(reversed(self._entries), most)
        return tuple(one for one in newest if one.number > after)[::-1]

    @contextmanager
    def reader(self, backlog: Iterable[Entry] = ()) -> Iterator[Reader]:
        """Give a reader, who gets the backlog first and then what happens.

        Raises CommandError when there are too many.
        """
        if len(self._readers) >= _MOST_READERS:
            raise CommandError(f"{_MOST_READERS} read the events already")
        reader = Reader(backlog)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    @contextmanager
    def following_the_log(self) -> Iterator[None]:
        """Note what the log warns of, and the wire of traced lines, meanwhile."""
        log = logging.getLogger("skypechan")
        handler = _LogHandler(self, asyncio.get_running_loop())
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)


class _LogHandler(logging.Handler):
    """Takes log lines from any thread to the feed."""

    def __init__(self, feed: Feed, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._feed = feed
        self._loop = loop

    def emit(self, record: logging.LogRecord) -> None:
        is_wire = record.name.startswith(WIRE)
        if is_wire or record.levelno >= logging.WARNING:
            self._loop.call_soon_threadsafe(self._note, record, is_wire)

    def _note(self, record: logging.LogRecord, is_wire: bool) -> None:
        self._feed.note(
            Kind.WIRE if is_wire else Kind.LOG,
            record.getMessage(),
            line=record.name.removeprefix(WIRE)
            if is_wire
            else getattr(record, "line", ""),
            call=getattr(record, "call_id", ""),
            level=record.levelname.lower(),
        )


def _words(state: str) -> str:
    return state.replace("_", " ")
