"""Traces: a conversation written to a file, and played again by either of its sides.

A trace is a text file of JSON objects, one a line, in the order of events:

    {"at_s": 0.124018, "mark": "<", "application": "dbus :1.5", "text": "NAME x"}

`at_s` counts seconds from the emulator's start. `mark` is `<` for a line from an
application, `>` for one to it, `=` for what became of it, `!` for a fault that was
asked for. `application` is the transport and the bus name or window. Lines that a
fault has swallowed have the mark `!` alone: a trace tells what really arrived.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, unique
from pathlib import Path
from typing import Final, TextIO

from skypechan.errors import ConfigError

_WORD: Final = re.compile(r'(?<![\w.])(\d{2,}|PORT="\d+")(?![\w.])')


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a trace."""

    at_s: float
    mark: str
    application: str
    text: str


class TraceFile:
    """Writes a trace; what was written is in the file at once."""

    def __init__(self, path: Path, start_s: float) -> None:
        """OSError when it cannot be written."""
        self._file: TextIO = path.open("w", encoding="utf-8", buffering=1)
        self._start_s = start_s

    def write(self, now_s: float, line: str) -> None:
        """A line as the emulator keeps it: mark, transport, name, text."""
        mark, transport, name, *text = line.split(" ", 3)
        event = {
            "at_s": round(now_s - self._start_s, 6),
            "mark": mark,
            "application": f"{transport} {name}",
            "text": "".join(text),
        }
        self._file.write(json.dumps(event, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Nothing more will be written."""
        self._file.close()


def read_trace(path: Path) -> tuple[Event, ...]:
    """The events of a trace; ConfigError for what is none."""
    events = []
    try:
        for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
            if line:
                events.append(_event(path, number, json.loads(line)))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return tuple(events)


def _event(path: Path, number: int, content: object) -> Event:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}:{number}: an object is needed")
    try:
        event = Event(**content)
    except TypeError as error:
        raise ConfigError(f"{path}:{number}: {error}") from error
    fields = (event.mark, event.application, event.text)
    if not all(isinstance(field, str) for field in fields):
        raise ConfigError(f"{path}:{number}: mark, application and text are texts")
    return event


@unique
class Side(Enum):
    """Who speaks in a replay: the mark of its lines."""

    APPLICATION = "<"
    CLIENT = ">"


class Replay:
    """Plays one side of a trace to a live other side. Pure.

    `start` and `hear` return the lines to say next. What is heard may be in another
    order between two lines of our own, may repeat itself, and has numbers of its own:
    they are learnt, and used in what is said. `missing` are lines still awaited, and
    `strange` is what the trace does not have.
    """

    def __init__(
        self, events: Iterable[Event], side: Side, application: str = ""
    ) -> None:
        """`application` chooses one of several; the first that speaks by default."""
        lines = [event for event in events if event.mark in {"<", ">"}]
        chosen = application or (lines[0].application if lines else "")
        self._lines = [event for event in lines if event.application == chosen]
        self._side = side
        self._place = 0
        self._awaited: list[str] = []
        self._early: list[str] = []
        self._past: list[str] = []
        self._numbers: dict[str, str] = {}
        self.strange: list[str] = []

    @property
    def done(self) -> bool:
        """True when everything has been said and heard."""
        return self._place == len(self._lines) and not self._awaited

    @property
    def missing(self) -> tuple[str, ...]:
        """What has to be heard before it goes on, in the trace's words."""
        return tuple(self._awaited)

    def start(self) -> tuple[str, ...]:
        """What to say first."""
        return tuple(self._advance())

    def hear(self, text: str) -> tuple[str, ...]:
        """A line from the other side; what to say now."""
        if not self._take(text):
            ahead = [event.text for event in self._lines[self._place :]]
            if self._matches_any(text, ahead):
                self._early.append(text)  # it counts when its turn has come
            elif not self._matches_any(text, self._past):
                self.strange.append(text)
        return tuple(self._advance())

    def _advance(self) -> Iterator[str]:
        while self._place < len(self._lines):
            event = self._lines[self._place]
            if event.mark != self._side.value:
                self._place += 1
                self._awaited.append(event.text)
                self._take_early()
            elif self._awaited:
                return
            else:
                self._place += 1
                yield self._in_their_numbers(event.text)

    def _take_early(self) -> None:
        for text in self._early:
            if self._take(text):
                self._early.remove(text)
                return

    def _take(self, text: str) -> bool:
        for awaited in self._awaited:
            learnt = self._learnt(awaited, text)
            if learnt is not None:
                self._numbers.update(learnt)
                self._awaited.remove(awaited)
                self._past.append(text)
                return True
        return False

    def _matches_any(self, text: str, lines: list[str]) -> bool:
        return any(self._learnt(line, text) is not None for line in lines)

    def _learnt(self, ours: str, theirs: str) -> dict[str, str] | None:
        """The numbers that make both lines the same; None when nothing does."""
        if _WORD.sub("#", ours) != _WORD.sub("#", theirs):
            return None
        pairs = dict(zip(_WORD.findall(ours), _WORD.findall(theirs), strict=True))
        known = {n: self._numbers[n] for n in pairs if n in self._numbers}
        return pairs if known.items() <= pairs.items() else None

    def _in_their_numbers(self, text: str) -> str:
        return _WORD.sub(lambda found: self._numbers.get(found[0], found[0]), text)
