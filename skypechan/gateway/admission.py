"""Who is let in: every call that a line's client offers is decided here.

* Somebody who may not call, or not so often, is refused.
* An account that is signed in on several clients rings on all of them: that is one
  call. The first line to be offered it has it; the ends of the others are quiet.
* A call on a line that cannot take it is sent on to an idle line of another account,
  where it comes in as any other, and is refused as busy if there is none.
* Glare, an offer on a line that is just placing a call: the client decides. The offer
  waits until it has; if the client took our call the line is in use, else it is free.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from skypechan.backends.base import LineLeg, Offer, Transferring
from skypechan.call.causes import HangupCause
from skypechan.call.events import Event, EventSink, LineReleased
from skypechan.call.machine import CallState
from skypechan.call.record import Direction, Side
from skypechan.clock import Clock
from skypechan.errors import SkypechanError
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines, same_account
from skypechan.gateway.permissions import Callers
from skypechan.gateway.runner import CallRunner

_GLARE_S: Final = 2.0
# Several clients of one account tell of a call within so long of each other; that the
# same person calls twice takes longer.
_TOGETHER_S: Final = 1.0
_LOOK_S: Final = 0.02
_MOST_REMEMBERED: Final = 1_000
_UNANSWERED: Final = (CallState.IDLE, CallState.OFFERED, CallState.ANSWERING_LINE)


@dataclass(frozen=True, slots=True)
class Doors:
    """What admission needs of the gateway.

    `admit` takes a call in, `turn_away` files the record of one that is not, `call`
    finds a live call, `spawn` lets something go on for a call.
    """

    admit: Callable[[Line, Offer], CallRunner]
    turn_away: Callable[[Line, Offer, Side, HangupCause, str], None]
    call: Callable[[str], CallRunner | None]
    spawn: Callable[[Coroutine[Any, Any, None], str], None]


@dataclass(frozen=True, slots=True)
class _Decision:
    """What became of an offer; `call_id` is empty if it was not taken in.

    `resting` are the other lines that have told of it since.
    """

    line: Line
    when_s: float
    call_id: str = ""
    resting: list[Line] = field(default_factory=list)


@dataclass(slots=True)
class _Waiting:
    """Takes the events of a leg of which nothing is decided yet."""

    released: LineReleased | None = None
    sink: EventSink | None = None
    early: list[Event] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Keep an event, or pass it on."""
        if self.sink is not None:
            self.sink(event)
            return
        self.early.append(event)
        if isinstance(event, LineReleased):
            self.released = event

    def pass_on(self, sink: EventSink) -> None:
        """Let whoever has the leg now hear what there was and what will be."""
        self.sink = sink
        for event in self.early:
            sink(event)


def _ignore(_: Event) -> None:
    """Take the events of a leg that was turned away."""


class Admission:
    """Decides about offers; `closing` says why no more calls are let in."""

    def __init__(self, lines: Lines, clock: Clock, doors: Doors) -> None:
        self.closing = ""
        self._lines = lines
        self._clock = clock
        self._doors = doors
        self._callers = Callers(clock)
        self._decided: OrderedDict[tuple[str, str], _Decision] = OrderedDict()
        self._resting: dict[str, list[tuple[Line, LineLeg]]] = {}
        self._promised: set[str] = set()

    def offered(self, line: Line, offer: Offer) -> EventSink:
        """Take a line's offer; returns who gets the events of its leg."""
        if self.closing:
            return self._refuse(line, offer, HangupCause.USER_BUSY, self.closing)
        if twin := self._twin(line, offer):
            return self._rest(line, offer, twin)
        if why := self._callers.objection(line.name, line.settings, offer.caller):
            return self._refuse(line, offer, HangupCause.CALL_REJECTED, why)
        if self._lines.can_take_offered(line):
            return self._admit(line, offer)
        waiting = _Waiting()
        self._doors.spawn(self._settle(line, offer, waiting), offer.leg.leg_id)
        return waiting.take

    def ended(self, call_id: str) -> None:
        """Let the lines go that rested for a call that has ended."""
        for line, leg in self._resting.pop(call_id, ()):
            line.free(call_id)
            # It has mostly ended long since, and that is harmless.
            self._doors.spawn(self._release(leg), call_id)

    def _admit(self, line: Line, offer: Offer) -> EventSink:
        call = self._doors.admit(line, offer)
        self._decide(line, offer, call.record.call)
        return call.post

    def _refuse(
        self, line: Line, offer: Offer, cause: HangupCause, reason: str
    ) -> EventSink:
        self._decide(line, offer)
        self._doors.turn_away(line, offer, Side.GATEWAY, cause, reason)
        self._doors.spawn(self._release(offer.leg, cause), offer.leg.leg_id)
        return _ignore

    async def _release(
        self, leg: LineLeg, cause: HangupCause = HangupCause.NORMAL_CLEARING
    ) -> None:
        with suppress(SkypechanError):
            await leg.release(cause)

    # One account on several clients.

    def _decide(self, line: Line, offer: Offer, call_id: str = "") -> None:
        if not offer.caller:
            return  # two of whom nothing is known need not be the same
        key = (line.account.lower(), offer.caller.lower())
        self._decided[key] = _Decision(line, self._clock.monotonic_s(), call_id)
        self._decided.move_to_end(key)
        if len(self._decided) > _MOST_REMEMBERED:
            self._decided.popitem(last=False)

    def _twin(self, line: Line, offer: Offer) -> _Decision | None:
        """Return what became of this very call at another client of the account."""
        key = (line.account.lower(), offer.caller.lower())
        twin = self._decided.get(key)
        if twin is None or not same_account(twin.line, line):
            return None
        if line in (twin.line, *twin.resting):
            return None  # it has told of that one: here is another
        fresh = self._clock.monotonic_s() - twin.when_s < _TOGETHER_S
        if not twin.call_id:
            return twin if fresh else None
        call = self._doors.call(twin.call_id)
        if call is None:
            return None  # it has ended, at every client: somebody calls again
        return twin if fresh or call.state in _UNANSWERED else None

    def _rest(self, line: Line, offer: Offer, twin: _Decision) -> EventSink:
        call_id = twin.call_id
        twin.resting.append(line)
        if not call_id:
            # It is being refused or sent on there; to release it here could undo that.
            return _ignore
        self._resting.setdefault(call_id, []).append((line, offer.leg))
        if line.call_id is not None:
            return _ignore
        line.rest(call_id)

        def let_go(event: Event) -> None:
            if isinstance(event, LineReleased):
                line.free(call_id)

        return let_go

    # A line that cannot take the call.

    async def _settle(self, line: Line, offer: Offer, waiting: _Waiting) -> None:
        """Find out what becomes of an offer that its line cannot take now."""
        await self._until(lambda: not self._places(line), _GLARE_S, waiting)
        full = not self._lines.can_take_offered(line)
        if full and any(map(self._lines.can_take, self._lines.siblings(line))):
            # It rings there as well, and there it can be taken.
            twin_there = lambda: self._twin(line, offer) is not None  # noqa: E731
            await self._until(twin_there, _TOGETHER_S, waiting)
        if twin := self._twin(line, offer):
            # Its end here, if that came first, is that it was answered there.
            waiting.pass_on(self._rest(line, offer, twin))
        elif waiting.released is not None:
            self._gave_up(line, offer, waiting.released)
        elif self._lines.can_take_offered(line):
            waiting.pass_on(self._admit(line, offer))
        else:
            await self._send_on(line, offer, waiting)

    async def _until(
        self, seen: Callable[[], bool], seconds: float, waiting: _Waiting
    ) -> None:
        """Wait until something is so, at most so long and while the caller waits."""
        until_s = self._clock.monotonic_s() + seconds
        while not seen() and waiting.released is None:
            if self._clock.monotonic_s() >= until_s:
                return
            await self._clock.sleep(_LOOK_S)

    def _places(self, line: Line) -> bool:
        """Tell whether the line is placing a call that its client has not taken."""
        call = self._doors.call(line.call_id or "")
        return (
            call is not None
            and call.record.direction is Direction.TO_LINE
            and call.state is CallState.PLACING
            and call.line_leg is None
        )

    def _gave_up(self, line: Line, offer: Offer, end: LineReleased) -> None:
        self._doors.turn_away(line, offer, Side.LINE, end.cause, end.reason)

    async def _send_on(self, line: Line, offer: Offer, waiting: _Waiting) -> None:
        """Have the client send the call to another account; else it is busy."""
        _, why = self._lines.why_not(line)
        target = self._idle_elsewhere(line)
        if target is None or not isinstance(offer.leg, Transferring):
            self._refuse(line, offer, HangupCause.USER_BUSY, why)
            return
        self._decide(line, offer)
        there = f"{target.account} on line {target.name}"
        self._promised.add(target.name)
        try:
            await offer.leg.transfer(target.account)
        except SkypechanError as error:
            if waiting.released is not None:
                self._gave_up(line, offer, waiting.released)
                return
            why = f"{why}; {there} did not take it: {error}"
            self._refuse(line, offer, HangupCause.USER_BUSY, why)
            return
        finally:
            self._promised.discard(target.name)
        why = f"{why}; sent on to {there}"
        self._doors.turn_away(line, offer, Side.GATEWAY, HangupCause.USER_BUSY, why)

    def _idle_elsewhere(self, line: Line) -> Line | None:
        for other in self._lines:
            if (
                self._lines.can_take(other)
                and other.account
                and other.settings.backend == line.settings.backend
                and other.settings.asterisk == line.settings.asterisk
                and not same_account(other, line)
                and other.name not in self._promised
            ):
                return other
        return None
