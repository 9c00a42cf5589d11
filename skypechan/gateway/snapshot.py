"""What the gateway looks like now, as plain values: for the web and the console."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from skypechan.asterisk.pbx import Pbx, PbxState
from skypechan.gateway.line import Line
from skypechan.gateway.records import RecordBook, RecordState
from skypechan.gateway.runner import CallRunner
from skypechan.gateway.totals import Totals, add_audio
from skypechan.media.values import MediaFigures

_CALLS_AT_ONCE, _LINES_AT_ONCE = 2, 32  # seen in one go: some 0.3 ms

_Item = TypeVar("_Item")
_Seen = TypeVar("_Seen")


@dataclass(frozen=True, slots=True)
class LineSnapshot:
    """A line: its published state, since when and why, and the call that has it.

    `playback_db` is its gain towards the line, `capture_db` that from it.
    `screen` tells whether its client's screen can be seen and worked.
    `client_is_ours` tells that the gateway itself starts its client, and `isolation`
    how that is kept apart: namespace, user or none; empty while it is not known.
    `isolation_reason` says why that is less than it could be, if it is.
    """

    name: str
    backend: str
    state: str
    reason: str
    since: datetime
    account: str
    call: str | None
    calls_total: int
    playback_db: float = 0.0
    capture_db: float = 0.0
    screen: bool = False
    client_is_ours: bool = False
    isolation: str = ""
    isolation_reason: str = ""


@dataclass(frozen=True, slots=True)
class CallSnapshot:
    """A live call; `media` is None until the audio of both legs is joined."""

    call: str
    line: str
    direction: str
    state: str
    address: str
    caller: str
    caller_name: str
    placed: datetime | None
    ringing: datetime | None
    answered: datetime | None
    held_by: tuple[str, ...]
    media: MediaFigures | None


@dataclass(frozen=True, slots=True)
class LinkSnapshot:
    """A connection that the gateway keeps: to Asterisk."""

    name: str
    state: str
    reason: str
    since: datetime


@dataclass(frozen=True, slots=True)
class RecordsSnapshot:
    """Whether call records get into their files, why not, how many wait or are lost."""

    state: str = RecordState.OFF
    reason: str = ""
    waiting: int = 0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class GatewaySnapshot:
    """Everything at one moment. `refused_sockets` counts AudioSocket refusals.

    `media_ended` are the sums of what adds up of all audio that has ended, under the
    names that records have for it; `media_busy` is the share of a core that audio
    takes.
    """

    lines: tuple[LineSnapshot, ...]
    calls: tuple[CallSnapshot, ...]
    links: tuple[LinkSnapshot, ...]
    calls_total: dict[str, int]
    refused_sockets: dict[str, int]
    media_ended: dict[str, float]
    records: RecordsSnapshot = RecordsSnapshot()
    media_busy: float = 0.0

    @property
    def is_ready(self) -> bool:
        """Tell whether a call could be made now: every Asterisk and one line are up."""
        links_up = all(link.state == "up" for link in self.links)
        return links_up and any(line.state == "ready" for line in self.lines)


async def in_pieces(
    items: Iterable[_Item], see: Callable[[_Item], _Seen], at_once: int
) -> list[_Seen]:
    """Return what `see` makes of each; the audio of calls passes in between."""
    seen = []
    for number, item in enumerate(items, 1):
        seen.append(see(item))
        if number % at_once == 0:
            await asyncio.sleep(0)
    return seen


def as_json(value: Any) -> Any:
    """Return a snapshot, or a part of one, as JSON values."""
    match value:
        case Enum():
            return value.value
        case None | str() | int() | float():
            return value
        case datetime():
            return value.isoformat(timespec="milliseconds")
        case tuple() | list():
            return [as_json(one) for one in value]
        case dict():
            return {str(key): as_json(one) for key, one in value.items()}
    return {name: as_json(getattr(value, name)) for name in value.__slots__}


def of_line(line: Line) -> LineSnapshot:
    """Return a line as it is now."""
    return LineSnapshot(
        name=line.name,
        backend=line.settings.backend,
        state=line.state,
        reason=line.reason,
        since=line.since,
        account=line.account,
        call=line.call_id,
        calls_total=line.calls_total,
        playback_db=line.playback_db,
        capture_db=line.capture_db,
        screen=line.screen is not None,
        client_is_ours=line.client_is_ours,
        isolation=line.isolation,
        isolation_reason=line.isolation_reason,
    )


def of_call(call: CallRunner) -> CallSnapshot:
    """Return a live call as it is now."""
    record = call.record
    return CallSnapshot(
        call=record.call,
        line=record.line,
        direction=record.direction,
        state=call.state,
        address=record.address,
        caller=record.caller,
        caller_name=record.caller_name,
        placed=record.placed,
        ringing=record.ringing,
        answered=record.answered,
        held_by=tuple(sorted(call.held_by)),
        media=call.media.figures() if call.media else None,
    )


async def of_lines(lines: Iterable[Line]) -> tuple[LineSnapshot, ...]:
    """Return lines as they are now, audio passing in between."""
    return tuple(await in_pieces(lines, of_line, _LINES_AT_ONCE))


async def of_calls(
    calls: Iterable[CallRunner], totals: Totals
) -> tuple[tuple[CallSnapshot, ...], dict[str, float]]:
    """Return live calls as they are now, audio passing in between.

    Beside them the sums of all audio that has ended: that of a call is in either, also
    if it ends meanwhile.
    """
    ended = totals.media()

    def see(call: CallRunner) -> CallSnapshot:
        if call.media is None:
            add_audio(ended, call.record)
        return of_call(call)

    return tuple(await in_pieces(calls, see, _CALLS_AT_ONCE)), ended


def of_pbx(pbx: Pbx) -> LinkSnapshot:
    """Return the connection to Asterisk as it is now."""
    state = "up" if pbx.state is PbxState.READY else pbx.state.value
    name = f"asterisk {pbx.name}".strip()
    return LinkSnapshot(name, state, pbx.reason, pbx.since)


def of_records(book: RecordBook) -> RecordsSnapshot:
    """Return how the writing of call records goes now."""
    return RecordsSnapshot(book.state, book.reason, book.waiting, book.lost)
