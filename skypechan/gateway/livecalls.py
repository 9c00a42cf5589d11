"""The live calls: each begins, runs and ends here, and leaves its record.

Whatever goes wrong in one of them goes no further.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from skypechan.call.causes import HangupCause
from skypechan.call.events import Event
from skypechan.call.machine import CallState
from skypechan.call.record import CallRecord, Side
from skypechan.clock import Clock
from skypechan.errors import CallError
from skypechan.gateway.exchanges import Exchanges
from skypechan.gateway.feed import Feed
from skypechan.gateway.line import Line
from skypechan.gateway.records import RecordBook
from skypechan.gateway.runner import CallLimits, CallRunner
from skypechan.gateway.totals import Totals
from skypechan.media.engine import Engine

_log = logging.getLogger(__name__)

# When there is something new to say in Asterisk's call details.
_DETAILED = (
    CallState.PLACING,
    CallState.ANSWERING_LINE,
    CallState.ANSWERING_PBX,
    CallState.ESTABLISHED,
    CallState.RELEASING_PBX,
    CallState.RELEASING_BOTH,
)


class LiveCalls:
    """Every call that lives, by its id.

    `on_change` is told of each change of one, `on_end` the id of one that has ended;
    both must return at once.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        records: RecordBook,
        exchanges: Exchanges,
        feed: Feed,
    ) -> None:
        self.totals = Totals()
        self.on_change: Callable[[CallRunner], None] | None = None
        self.on_end: Callable[[str], None] | None = None
        self._engine = engine
        self._clock = clock
        self._records = records
        self._exchanges = exchanges
        self._feed = feed
        self._calls: dict[str, CallRunner] = {}
        self._tasks: asyncio.TaskGroup | None = None

    def run_in(self, tasks: asyncio.TaskGroup) -> None:
        """Let the calls live in this group from now on."""
        self._tasks = tasks

    def __iter__(self) -> Iterator[CallRunner]:
        return iter(tuple(self._calls.values()))

    def __len__(self) -> int:
        return len(self._calls)

    def get(self, call_id: str) -> CallRunner | None:
        """Return a live call, if there is one of this id."""
        return self._calls.get(call_id)

    def of_line(self, line: Line) -> CallRunner | None:
        """Return the call of a line; one that it only rests for is of another."""
        call = self._calls.get(line.call_id or "")
        return call if call is not None and call.line is line else None

    def new(self, record: CallRecord, line: Line, ring_s: float) -> CallRunner:
        """Make a call that has yet to be given its legs and to be started."""
        limits = CallLimits(ring_s, line.settings.max_call_seconds)
        call = CallRunner(record, line, self._engine, self._clock, limits)
        call.on_change = self._changed
        return call

    def start(self, call: CallRunner, first: Event) -> None:
        """Give the line to a call and let it live."""
        call_id = call.record.call
        self._calls[call_id] = call
        call.line.seize(call_id)
        self._records.begin(call.record)
        call.post(first)
        self.spawn(self._live(call), call_id)

    def turn_away(
        self, record: CallRecord, side: Side, cause: HangupCause, reason: str
    ) -> None:
        """File the record of a call that never lived."""
        record.end(side, cause, reason, self._clock.wall())
        self._file(record)

    def _ended(self, call: CallRunner) -> None:
        """File the record of a call that has lived, and free its line."""
        record = call.record
        self._calls.pop(record.call, None)
        call.line.free(record.call)
        if self.on_end is not None:
            self.on_end(record.call)
        # Of a call that our own end has cut short; only the first ending counts.
        cause, reason = HangupCause.NORMAL_CLEARING, "the gateway stopped"
        record.end(Side.GATEWAY, cause, reason, self._clock.wall())
        self._file(record)

    def spawn(self, work: Coroutine[Any, Any, None], call_id: str) -> None:
        """Let something go on for a call. Raises CallError before `run_in`."""
        if self._tasks is None:
            work.close()
            raise CallError(HangupCause.TEMPORARY_FAILURE, "the gateway is not running")
        guarded = self._guarded(work)
        try:
            self._tasks.create_task(guarded, name=f"call {call_id}")
        except RuntimeError:  # the gateway goes down, and every leg with it
            guarded.close()
            work.close()

    def _changed(self, call: CallRunner) -> None:
        self._feed.call_changed(call)
        self._records.update()
        if call.pbx_leg is not None and call.state in _DETAILED:
            details = self._exchanges.of(call.line).pbx.details
            details.write(call.pbx_leg.channels, call.record)
        if self.on_change is not None:
            self.on_change(call)

    async def _live(self, call: CallRunner) -> None:
        """Run one call to its end. Nothing that goes wrong in it goes further."""
        try:
            await call.run()
        except Exception:  # noqa: BLE001 - its legs are still to be released
            _log.exception("! call %s was lost", call.record.call)
            await call.abandon("a fault in the gateway")
        finally:
            self._ended(call)

    def _file(self, record: CallRecord) -> None:
        self._records.file(record)
        self.totals.add(record)
        self._feed.filed(record)
        _log.info("record %s", json.dumps(record.as_json()))

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a fault in the work on one call go no further."""
        try:
            await work
        except Exception:  # noqa: BLE001 - a lost call never stops the gateway
            _log.exception("! the work on a call was lost")
