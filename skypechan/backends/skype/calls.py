"""All calls of one client: which are ours, which are offered, which are nobody's."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from skypechan.backends.base import Offer
from skypechan.backends.skype.causes import refusal_of
from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.leg import SkypeLeg, hang_up
from skypechan.backends.skype.progress import Progress
from skypechan.backends.skype.protocol.commands import (
    PlaceCall,
    Search,
    get_call,
)
from skypechan.backends.skype.protocol.notifications import (
    CallDigit,
    CallProperty,
    CallStatusChanged,
    Notification,
    Ok,
    SearchResult,
    number_in,
)
from skypechan.backends.skype.protocol.values import (
    END_STATUSES,
    CallStatus,
    CallType,
)
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.soundports import Loopback
from skypechan.backends.skype.timing import Timing
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.clock import Clock
from skypechan.errors import (
    CallError,
    CommandError,
    DeadlineError,
    LinkDownError,
    LocalWireError,
    SkypechanError,
)

_log = logging.getLogger(__name__)

OfferSink = Callable[[Offer], EventSink]

_MOST_REMEMBERED: Final = 256
_LONGEST_HISTORY: Final = 64
_OURS_ALONE: Final = frozenset({CallStatus.UNPLACED, CallStatus.ROUTING})
"""Statuses that only a call placed from this client has."""


class _History:
    """What was said of a call that has no leg yet, or never gets one."""

    def __init__(self) -> None:
        self.lines: list[Notification] = []
        self.being_offered = False
        self.placed_here = False

    def add(self, notification: Notification) -> None:
        if len(self.lines) < _LONGEST_HISTORY:
            self.lines.append(notification)

    @property
    def statuses(self) -> list[CallStatus]:
        return [
            line.status for line in self.lines if isinstance(line, CallStatusChanged)
        ]

    @property
    def over(self) -> bool:
        return any(status in END_STATUSES for status in self.statuses)

    @property
    def outgoing(self) -> bool:
        """True when this client placed the call: we, or a person at it."""
        told = any(status in _OURS_ALONE for status in self.statuses)
        return self.placed_here or told

    @property
    def rings(self) -> bool:
        return CallStatus.RINGING in self.statuses


@dataclass(frozen=True, slots=True)
class _Caller:
    handle: str
    name: str
    kind: str

    @property
    def telephone(self) -> bool:
        """A handle with a plus is a number, should TYPE not be known."""
        return "PSTN" in self.kind or (not self.kind and self.handle.startswith("+"))

    @property
    def called_by_us(self) -> bool:
        return self.kind in {CallType.OUTGOING_P2P, CallType.OUTGOING_PSTN}


class Calls:
    """The calls of one client, by the client's own numbers."""

    def __init__(
        self,
        settings: SkypeSettings,
        clock: Clock,
        timing: Timing,
        on_offer: OfferSink,
        loopback: Loopback | None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._timing = timing
        self._on_offer = on_offer
        self._loopback = loopback
        self._legs: dict[int, SkypeLeg] = {}
        self._strangers: OrderedDict[int, _History] = OrderedDict()
        self._finished: OrderedDict[int, bool] = OrderedDict()  # True: still unwanted
        self._companions: dict[int, set[int]] = {}
        self._placing = asyncio.Lock()
        self._tasks: set[asyncio.Task[SkypeLeg]] = set()
        self._conversation: Conversation | None = None
        self._lost = ""

    def join(self, conversation: Conversation) -> None:
        """Use this conversation for everything from now on."""
        self._conversation = conversation

    def take(self, notification: Notification) -> None:
        """Take a notification about any call; others are ignored."""
        match notification:
            case CallStatusChanged(call_id) | CallProperty(call_id):
                self._take(call_id, notification)
            case CallDigit(call_id):
                self._take(call_id, notification)
            case _:
                pass

    async def place(self, address: str, sink: EventSink) -> SkypeLeg:
        """Start a call. Raises CallError and LinkError."""
        return await self._place_to((address,), sink)

    async def place_conference(
        self, addresses: tuple[str, ...], sink: EventSink
    ) -> SkypeLeg:
        """Call several at once; when the returned leg ends, so do the others."""
        leg = await self._place_to(addresses, sink)
        self._talk.spawn(self._gather_companions(leg))
        return leg

    async def sweep(self) -> None:
        """Deal with the calls that a former gateway left behind in the client."""
        for call_id in await self._active() - self._legs.keys() - self._offered():
            if self._settings.live_calls == "leave":
                _log.info("= call %s was found alive, it is left alone", call_id)
                self._strangers.pop(call_id, None)
                self._finish(call_id, unwanted=False)
            else:
                _log.warning("! call %s was found alive, it is ended", call_id)
                self._end(call_id)

    def lost(self, cause: HangupCause, reason: str) -> None:
        """The client went away, and every call with it, those to come too."""
        self._lost = reason
        for leg in tuple(self._legs.values()):
            leg.end(cause, reason)

    async def hang_up_all(self) -> None:
        """End every call, as when the gateway stops."""
        await asyncio.gather(*map(self._hang_up, tuple(self._legs)))

    @property
    def _talk(self) -> Conversation:
        if self._conversation is None:
            raise AssertionError("join comes first")
        return self._conversation

    def _take(self, call_id: int, notification: Notification) -> None:
        leg = self._legs.get(call_id)
        if leg is not None:
            leg.take(notification)
        elif call_id in self._finished:
            self._take_of_finished(call_id, notification)
        else:
            self._take_of_stranger(call_id, notification)

    def _take_of_finished(self, call_id: int, notification: Notification) -> None:
        """A call that we gave up, and that shows signs of life, is ended again."""
        match notification:
            case CallStatusChanged(_, status) if status in END_STATUSES:
                self._finished[call_id] = False
            case CallStatusChanged() | CallProperty(_, "DURATION"):
                if self._finished[call_id]:
                    self._talk.spawn(self._hang_up(call_id))

    def _take_of_stranger(self, call_id: int, notification: Notification) -> None:
        history = self._strangers.setdefault(call_id, _History())
        history.add(notification)
        while len(self._strangers) > _MOST_REMEMBERED:
            self._strangers.popitem(last=False)
        if history.over and not self._placing.locked() and not history.being_offered:
            self._strangers.pop(call_id, None)
            self._finish(call_id, unwanted=False)
        elif history.rings and not history.outgoing and not history.being_offered:
            history.being_offered = True
            self._talk.spawn(self._offer(call_id, history))

    # Incoming calls.

    async def _offer(self, call_id: int, history: _History) -> None:
        caller = await self._caller(call_id)
        if self._lost or call_id in self._legs or call_id in self._finished:
            return
        if history.over:
            self._strangers.pop(call_id, None)
            self._finish(call_id, unwanted=False)
            return
        if caller.called_by_us or history.outgoing:
            history.placed_here, history.being_offered = True, False
            return
        self._make_offer(call_id, caller)

    def _make_offer(self, call_id: int, caller: _Caller) -> None:
        leg = self._new_leg(call_id, incoming=True)
        kind = "pstn" if caller.telephone else "p2p"
        try:
            leg.sink = self._on_offer(Offer(leg, caller.handle, caller.name, kind))
        except SkypechanError as error:
            # Let it ring: a person at the client may want it.
            _log.warning("! call %s is not offered: %s", call_id, error)
            del self._legs[call_id]
            self._finish(call_id, unwanted=False)
            return
        self._replay(leg)

    async def _caller(self, call_id: int) -> _Caller:
        """Ask who calls; what the client does not say in time stays empty."""
        handle, name, kind = await asyncio.gather(
            self._property(call_id, "PARTNER_HANDLE"),
            self._property(call_id, "PARTNER_DISPNAME"),
            self._property(call_id, "TYPE"),
        )
        return _Caller(handle, name or handle, kind)

    async def _property(self, call_id: int, name: str) -> str:
        try:
            reply = await self._talk.order(
                get_call(call_id, name), self._timing.caller_s
            )
        except SkypechanError as error:
            _log.warning("! call %s has no %s: %s", call_id, name, error)
            return ""
        if isinstance(reply, CallProperty) and reply.call_id == call_id:
            return reply.value.strip()
        return ""

    # Outgoing calls.

    async def _place_to(self, addresses: tuple[str, ...], sink: EventSink) -> SkypeLeg:
        if not addresses or any("," in item or not item.strip() for item in addresses):
            # A comma in one would start a conference.
            reason = f"no address: {', '.join(addresses)!r}"
            raise CallError(HangupCause.INVALID_NUMBER, reason)
        # Whoever gives up waiting does not stop it: a call may be there by then, and
        # has to be found to be ended.
        given_up = asyncio.Event()
        task = asyncio.create_task(self._place_next(addresses, sink, given_up))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            given_up.set()
            task.add_done_callback(self._nobody_waited)
            raise

    async def _place_next(
        self, addresses: tuple[str, ...], sink: EventSink, given_up: asyncio.Event
    ) -> SkypeLeg:
        async with self._placing:
            known = self._known()
            call_id = await self._place(addresses, known)
            if self._lost:
                raise LinkDownError(self._lost)
            leg = self._adopt(call_id, sink)
            if given_up.is_set():
                # A client refuses the next call while this one is being set up.
                await self._undo(leg)
            return leg

    def _nobody_waited(self, placed: asyncio.Task[SkypeLeg]) -> None:
        """Undo what was placed between the last look at `given_up` and the cancel."""
        if not placed.cancelled() and placed.exception() is None:
            leg = placed.result()
            if not leg.over:
                self._talk.spawn(self._undo(leg))

    async def _undo(self, leg: SkypeLeg) -> None:
        _log.info("call %s is ended: its caller has given up", leg.leg_id)
        await leg.release()
        await leg.wait_until_over()

    async def _gather_companions(self, leg: SkypeLeg) -> None:
        """Find the other calls of a conference: they have its CONF_ID."""
        conference = await self._property(leg.call_id, "CONF_ID")
        if conference in {"", "0"}:
            return
        for call_id in await self._active() - self._legs.keys():
            if await self._property(call_id, "CONF_ID") == conference:
                self._companions.setdefault(leg.call_id, set()).add(call_id)
        if leg.over:
            self._part(leg.call_id)

    def _part(self, call_id: int) -> None:
        """End the calls that were only there because of this one."""
        for companion in self._companions.pop(call_id, ()):
            self._end(companion)

    async def _place(self, addresses: tuple[str, ...], known: set[int]) -> int:
        """Return the number of the new call."""
        address = ", ".join(addresses)
        try:
            reply = await self._talk.order(
                PlaceCall(addresses), too_late=self._placed_too_late
            )
        except CommandError as error:
            raise refusal_of(error) from error
        except LocalWireError as error:
            reason = f"no address for Skype: {address!r}"
            raise CallError(HangupCause.INVALID_NUMBER, reason) from error
        except DeadlineError:
            # The reply may be lost and the call be there all the same.
            return await self._find_new(known, address)
        match reply:
            case CallStatusChanged(call_id) | CallProperty(call_id) if (
                call_id not in self._legs
            ):
                return call_id
            case Ok():
                # Old Linux clients do not say the number.
                return await self._find_new(known, address)
        reason = f"CALL was answered with {reply}"
        raise CallError(HangupCause.INTERWORKING, reason)

    async def _find_new(self, known: set[int], address: str) -> int:
        told = {
            call_id for call_id, history in self._strangers.items() if history.outgoing
        }
        alive = told | await self._active()
        new = alive - known - self._legs.keys() - self._finished.keys()
        new -= self._offered()
        if not new:
            raise DeadlineError(f"the client did not start a call to {address}")
        return max(new)

    def _placed_too_late(self, reply: Notification) -> None:
        match reply:
            case CallStatusChanged(call_id) | CallProperty(call_id) if (
                call_id not in self._legs
            ):
                _log.warning("! call %s was placed too late, it is ended", call_id)
                self._end(call_id)

    def _adopt(self, call_id: int, sink: EventSink) -> SkypeLeg:
        leg = self._new_leg(call_id, incoming=False)
        leg.sink = sink
        self._replay(leg)
        return leg

    # The book.

    def _new_leg(self, call_id: int, *, incoming: bool) -> SkypeLeg:
        leg = SkypeLeg(
            call_id,
            Progress(
                incoming=incoming,
                voicemail_answers=self._settings.voicemail == "answer",
            ),
            self._talk,
            self._settings,
            self._clock,
            self._timing,
            self._leg_is_over,
            self._loopback,
        )
        self._finished.pop(call_id, None)
        self._legs[call_id] = leg
        return leg

    def _replay(self, leg: SkypeLeg) -> None:
        """Tell a new leg what was said before it was there."""
        history = self._strangers.pop(leg.call_id, None)
        for notification in history.lines if history else ():
            leg.take(notification)

    def _leg_is_over(self, leg: SkypeLeg) -> None:
        self._legs.pop(leg.call_id, None)
        self._finish(leg.call_id, unwanted=leg.given_up)
        self._part(leg.call_id)

    def _end(self, call_id: int) -> None:
        """End a call without a leg; it is ended again if it shows signs of life."""
        self._strangers.pop(call_id, None)
        self._finish(call_id, unwanted=True)
        self._talk.spawn(self._hang_up(call_id))

    def _finish(self, call_id: int, *, unwanted: bool) -> None:
        self._finished[call_id] = unwanted
        while len(self._finished) > _MOST_REMEMBERED:
            self._finished.popitem(last=False)

    def _known(self) -> set[int]:
        return {*self._legs, *self._strangers, *self._finished}

    def _offered(self) -> set[int]:
        return {
            call_id
            for call_id, history in self._strangers.items()
            if history.being_offered
        }

    async def _active(self) -> set[int]:
        """Return the calls that are alive in the client, as far as it tells."""
        (found,) = await self._talk.attempt(Search("ACTIVECALLS"))
        match found:
            case SearchResult("CALLS", names):
                numbers = map(number_in, names)
                return {number for number in numbers if number is not None}
        return set()

    async def _hang_up(self, call_id: int) -> None:
        await hang_up(self._talk, call_id, self._timing.release_try_s)
