"""The gateway as far as admission needs it, and legs that can be sent on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from skypechan.backends.base import LineState, Offer
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink, LineReleased
from skypechan.call.machine import CallState
from skypechan.call.record import CallRecord, Direction, Side
from skypechan.errors import CallError
from skypechan.gateway.admission import Admission, Doors
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.runner import CallLimits, CallRunner
from skypechan.gateway.settings import LineSettings
from skypechan.media.engine import Engine
from tests.doubles.clock import FakeClock

GONE = LineReleased(HangupCause.NORMAL_CLEARING, "the caller gave up")


class Leg:
    """The leg of an offer; sent on, it is taken when `taken` says so."""

    leg_id = "7"

    def __init__(self, line: str, caller: str) -> None:
        self.line = line
        self.caller = caller
        self.sink: EventSink | None = None
        self.sent_to = ""
        self.releases = 0
        self.taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def answer(self) -> None:
        raise AssertionError

    async def send_digit(self, digit: str) -> None:
        raise AssertionError(digit)

    async def open_audio(self) -> Any:
        raise AssertionError

    async def release(self, _: object = None, /) -> None:
        self.releases += 1

    async def transfer(self, *addresses: str) -> None:
        (self.sent_to,) = addresses
        await self.taken

    def give_up(self) -> None:
        """Be ended by the caller."""
        assert self.sink is not None
        self.sink(GONE)
        if self.sent_to and not self.taken.done():
            self.taken.set_exception(CallError(16, "the call has ended"))


class Reception:
    """What is admitted becomes a call that rings until it is told to `end`."""

    def __init__(self, clock: FakeClock, engine: Engine, *lines: Line) -> None:
        self.clock = clock
        self.lines = Lines(lines)
        self.calls: dict[str, CallRunner] = {}
        self.admitted: list[tuple[str, str]] = []
        self.records: list[CallRecord] = []
        doors = Doors(self._admit, self._turn_away, self.calls.get, self._spawn)
        self.admission = Admission(self.lines, clock, doors)
        self._ends: list[object] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._engine = engine
        self._begun = 0

    def offer(self, line: str, caller: str) -> Leg:
        """Let somebody call a line."""
        leg = Leg(line, caller)
        offer = Offer(leg, caller, caller, "p2p")
        leg.sink = self.admission.offered(self.lines[line], offer)
        return leg

    def ends_of(self, leg: Leg) -> int:
        """How often a leg became a call or a record."""
        return self._ends.count(leg)

    def call_out(self, line: str) -> CallRunner:
        """A call that the line is placing; its client has not taken it yet."""
        call = self._begin(self.lines[line], Direction.TO_LINE, "nobody")
        call.state = CallState.PLACING
        return call

    def end(self, call: CallRunner) -> None:
        """End a call."""
        del self.calls[call.record.call]
        call.line.free(call.record.call)
        self.admission.ended(call.record.call)

    async def close(self) -> None:
        """Leave no task behind."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, line: Line, direction: Direction, caller: str) -> CallRunner:
        record = CallRecord(str(self._begun), direction, line.name, caller=caller)
        self._begun += 1
        call = CallRunner(record, line, self._engine, self.clock, CallLimits(60, 0))
        line.seize(record.call)
        self.calls[record.call] = call
        return call

    def _admit(self, line: Line, offer: Offer) -> CallRunner:
        self.admitted.append((line.name, offer.caller))
        self._ends.append(offer.leg)
        return self._begin(line, Direction.TO_PBX, offer.caller)

    def _turn_away(
        self, line: Line, offer: Offer, side: Side, cause: HangupCause, reason: str
    ) -> None:
        record = CallRecord("-", Direction.TO_PBX, line.name, caller=offer.caller)
        record.end(side, cause, reason, self.clock.wall())
        self.records.append(record)
        self._ends.append(offer.leg)

    def _spawn(self, work: Coroutine[Any, Any, None], _: str) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def reception_with(
    clock: FakeClock, engine: Engine, accounts: Mapping[str, str]
) -> Reception:
    """A reception whose ready lines have these accounts."""
    lines = []
    for name, account in accounts.items():
        line = Line(name, LineSettings(), EchoBackend(), clock)
        line.line_changed(LineState.READY, "", account)
        lines.append(line)
    return Reception(clock, engine, *lines)
