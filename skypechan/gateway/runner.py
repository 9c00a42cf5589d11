"""One live call: it takes events, asks the table, and does what the table says.

Events of both legs come through `post`. They are taken one at a time, so that two
decisions never race; each action has a deadline of its own inside the leg.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from skypechan.asterisk.channel import PbxLeg
from skypechan.backends.base import Conferencing, Holding, LineLeg, Priced
from skypechan.call.actions import Action
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    Event,
    HangupRequested,
    HoldRequested,
    LineAnswered,
    LineDigit,
    LineEarlyMedia,
    LineHeld,
    LineReleased,
    LineResumed,
    LineRinging,
    MediaEnded,
    PbxDigit,
    PbxReleased,
    PbxRinging,
    ResumeRequested,
    TimedOut,
    Timer,
)
from skypechan.call.machine import TIMERS, WITH_MEDIA, CallState, step
from skypechan.call.record import CallRecord, Side
from skypechan.clock import Clock
from skypechan.errors import CallError, SkypechanError
from skypechan.gateway.digits import OneDigitEach
from skypechan.gateway.endings import (
    cause_of,
    cause_of_error,
    end_of_media,
    failure_of,
)
from skypechan.gateway.joining import CallAudio
from skypechan.gateway.line import Line
from skypechan.log import CallLog
from skypechan.media.engine import CallMedia, Engine
from skypechan.media.values import MediaEnd

_log = logging.getLogger(__name__)

_Leg = TypeVar("_Leg")

_ANSWER_S = 10.0
_RELEASE_S = 5.0
_MEDIA_GRACE_S = 0.1
_MOST_WAITING_DIGITS = 256
_ENDINGS = (LineReleased, PbxReleased, HangupRequested, MediaEnded)
# What follows these in a row is left undone when they fail: nobody is called for a
# caller who is gone.
_LEADING = (Action.TAKE_PBX, Action.HOLD_LINE, Action.RESUME_LINE)


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long a call may ring and how long it may last, seconds; 0 is for ever."""

    ring_s: float
    longest_s: float


class CallRunner:
    """The hands of one call: `post` events to it and await `run`.

    A call to the PBX is given its line leg and a way to originate the PBX leg; a
    call to the line its PBX leg and, for a conference, all its `addresses`.
    """

    def __init__(
        self,
        record: CallRecord,
        line: Line,
        engine: Engine,
        clock: Clock,
        limits: CallLimits,
    ) -> None:
        self.record = record
        self.line = line
        self.state = CallState.IDLE
        self.addresses: tuple[str, ...] = (record.address,)
        self.line_leg: LineLeg | None = None
        self.pbx_leg: PbxLeg | None = None
        self.originate: Callable[[], Awaitable[PbxLeg]] | None = None
        self.on_change: Callable[[CallRunner], None] | None = None
        self.next_line: Callable[[CallError], Line | None] | None = None
        self._audio = CallAudio(record, line, engine, self.post, self._media_ended)
        self._line_digits = OneDigitEach(clock)
        self._pbx_digits = OneDigitEach(clock)
        self._clock = clock
        self._limits = limits
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ends = False
        self._timer: Timer | None = None
        self._timer_task: asyncio.Task[None] | None = None
        self._placing: asyncio.Task[None] | None = None
        self._joining_early: asyncio.Task[None] | None = None
        self._work: set[asyncio.Task[None]] = set()
        self._log = CallLog(_log, record.call)

    def post(self, event: Event) -> None:
        """Take an event of a leg or of the gateway; never blocks.

        Digits are dropped when hundreds wait already, or an end of the call; nothing
        else ever is.
        """
        self._ends = self._ends or isinstance(event, _ENDINGS)
        is_digit = isinstance(event, LineDigit | PbxDigit)
        if is_digit and self._events.qsize() >= _MOST_WAITING_DIGITS:
            if not self.record.digits_dropped:
                self._log.warning("! too many digits at once: some are dropped")
            self.record.digits_dropped += 1
            return
        self._events.put_nowait(event)

    @property
    def can_hold(self) -> bool:
        """Tell whether the line leg could be held or resumed now."""
        return self.state is CallState.ESTABLISHED and isinstance(
            self.line_leg, Holding
        )

    @property
    def media(self) -> CallMedia | None:
        """The audio of both legs, once it is joined."""
        return self._audio.media

    @property
    def held_by(self) -> AbstractSet[Side]:
        """Who has the call on hold; the gateway is the operator."""
        return self._audio.held_by

    def audio_text(self) -> str:
        """Describe the audio chain, with counters once the audio is joined."""
        return self._audio.text()

    def tap(self, path: Path | None, seconds: float) -> None:
        """Record the call's audio; see `CallAudio.tap`."""
        self._audio.tap(path, seconds)
        self._log.info("= its audio is recorded to %s", path or "nothing any more")

    async def run(self) -> CallRecord:
        """Live until both legs are released; return the finished record."""
        try:
            while self.state is not CallState.RELEASED:
                event = await self._events.get()
                if not (self._ends and isinstance(event, LineDigit | PbxDigit)):
                    await self._obey(event)
        finally:
            self._set_timer(None)
            await self._stop_media(None)
            for task in self._work:
                task.cancel()
            if self._work:
                await asyncio.wait(self._work)
        return self.record

    async def abandon(self, reason: str) -> None:
        """Release whatever is left, after a fault that the table does not know."""
        self.record.end(
            Side.GATEWAY, HangupCause.TEMPORARY_FAILURE, reason, self._clock.wall()
        )
        for leg_end in (self._release_line, self._release_pbx):
            try:
                await leg_end(HangupRequested(HangupCause.TEMPORARY_FAILURE, reason))
            except Exception:  # noqa: BLE001 - the other leg is still to be released
                self._log.exception("! a leg could not be released")

    async def _obey(self, event: Event) -> None:
        if isinstance(event, TimedOut) and event.timer is not self._timer:
            return  # it ran out while the event that stopped it was waiting
        row = step(self.state, event)
        self._note(event)
        if row.state is not self.state:
            self._log.info("= %s, was %s: %s", row.state, self.state, event)
            self.state = row.state
            self._changed()
        self._set_timer(TIMERS.get(row.state))
        for action in row.actions:
            if not await self._perform(action, event) and action in _LEADING:
                break

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change(self)

    async def _perform(self, action: Action, event: Event) -> bool:
        """Do one thing; a failure becomes the event that it means for the call."""
        try:
            await self._HANDS[action](self, event)
        except SkypechanError as error:
            self._fail(action, error)
            return False
        return True

    def _fail(self, action: Action, error: SkypechanError) -> None:
        self._log.warning("! could not %s: %s", action, error)
        self._post_failure(action, *cause_of_error(error))

    def _post_failure(self, action: Action, cause: HangupCause, reason: str) -> None:
        event = failure_of(action, cause, reason)
        if event is not None:
            self.post(event)

    def _begin(
        self, action: Action, work: Callable[[], Awaitable[None]]
    ) -> asyncio.Task[None]:
        """Do what may take its time beside the events; a failure becomes an event."""

        async def done() -> None:
            try:
                await work()
            except SkypechanError as error:
                self._fail(action, error)
            except Exception:  # noqa: BLE001 - nobody else would hear of it
                self._log.exception("! could not %s", action)
                cause = HangupCause.TEMPORARY_FAILURE
                self._post_failure(action, cause, "a fault in the gateway")

        return self._start(done())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Let something go on beside the events; it ends with the call."""
        task = asyncio.create_task(work, name=f"call {self.record.call}")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    # The record.

    def _note(self, event: Event) -> None:
        """Write into the record what an event says of the call."""
        now = self._clock.wall()
        record = self.record
        if record.ended is None:
            self._note_progress(event, now)
        match event:
            case LineReleased():
                self._note_price()
                record.end(Side.LINE, *cause_of(event), now)
                # Its client is free for the next call, whatever the PBX leg still does.
                self.line.free(record.call)
            case PbxReleased():
                record.end(Side.PBX, *cause_of(event), now)
            case MediaEnded(side):
                record.end(side, *cause_of(event), now)
            case HangupRequested() | TimedOut():
                record.end(Side.GATEWAY, *cause_of(event), now)

    def _note_progress(self, event: Event, now: datetime) -> None:
        record = self.record
        match event:
            case LineRinging() | PbxRinging() | LineEarlyMedia():
                record.ringing = record.ringing or now
            case LineAnswered() if self.state is not CallState.OFFERED:
                record.answered = record.answered or now

    def _note_price(self) -> None:
        price = self.line_leg.price if isinstance(self.line_leg, Priced) else None
        if price is not None:
            self.record.price_per_minute = float(price.amount)
            self.record.price_currency = price.currency

    # Timers.

    def _set_timer(self, timer: Timer | None) -> None:
        """Run the state's timer; one that runs already goes on."""
        if timer is self._timer:
            return
        self._timer = timer
        if self._timer_task is not None:
            self._timer_task.cancel()
            self._timer_task = None
        seconds = self._seconds_of(timer)
        if timer is not None and seconds:
            self._timer_task = self._start(self._post_later(TimedOut(timer), seconds))

    def _seconds_of(self, timer: Timer | None) -> float:
        match timer:
            case Timer.RING:
                return self._limits.ring_s
            case Timer.CALL:
                return self._limits.longest_s
            case Timer.ANSWER:
                return _ANSWER_S
            case Timer.RELEASE:
                return _RELEASE_S
            case None:
                return 0.0

    # The PBX leg.

    async def _originate_pbx(self, _: Event) -> None:
        if self.originate is None:
            raise CallError(HangupCause.TEMPORARY_FAILURE, "nothing to originate")
        self.pbx_leg = await self.originate()
        self.record.uuid = self.pbx_leg.uuid

    async def _take_pbx(self, _: Event) -> None:
        await _present(self.pbx_leg).take()

    async def _ring_pbx(self, _: Event) -> None:
        await _present(self.pbx_leg).ring()

    async def _play_early_to_pbx(self, _: Event) -> None:
        await _present(self.pbx_leg).play_early()

    async def _answer_pbx(self, _: Event) -> None:
        await _present(self.pbx_leg).answer()

    async def _release_pbx(self, event: Event) -> None:
        if self.pbx_leg is None:
            self.post(PbxReleased(HangupCause.NORMAL_CLEARING))
            return
        cause, reason = cause_of(event)
        await self.pbx_leg.release(cause, reason)

    async def _send_digit_to_pbx(self, event: Event) -> None:
        if isinstance(event, LineDigit) and not self._line_digits.is_copy(
            event.digit, second_best=event.in_band
        ):
            self.record.digits_to_pbx += 1
            await _present(self.pbx_leg).send_digit(event.digit)

    # The line leg.

    async def _place_line(self, _: Event) -> None:
        """Begin to place the call.

        A client may be slow to say that it dials: what the caller does meanwhile must
        not wait for that.
        """
        self._placing = self._begin(Action.PLACE_LINE, self._place)

    async def _place(self) -> None:
        while self.line_leg is None:
            try:
                self.line_leg = await self._dial()
            except CallError as error:
                self._move(error)
        self.record.line_call = self.line_leg.leg_id

    def _move(self, error: CallError) -> None:
        """Go on with another line that will do as well; raise the error if none is."""
        line = self.next_line(error) if self.next_line is not None else None
        if line is None:
            raise error
        self._log.info("! line %s: %s; on to %s", self.line.name, error, line.name)
        self.line = self._audio.line = line
        self.record.line = line.name

    async def _dial(self) -> LineLeg:
        backend = self.line.backend
        if len(self.addresses) == 1:
            return await backend.place(*self.addresses, self.post)
        if not isinstance(backend, Conferencing):
            cause = HangupCause.INTERWORKING
            raise CallError(cause, "the line cannot call several at once")
        return await backend.place_conference(self.addresses, self.post)

    async def _answer_line(self, _: Event) -> None:
        await _present(self.line_leg).answer()

    async def _release_line(self, event: Event) -> None:
        if self._placing is not None and not self._placing.done():
            # A call that comes into being all the same is ended by the backend.
            self._placing.cancel()
            await asyncio.wait([self._placing])
        if self.line_leg is None:
            self.post(LineReleased(HangupCause.NORMAL_CLEARING))
            return
        await self.line_leg.release(cause_of(event)[0])

    async def _send_digit_to_line(self, event: Event) -> None:
        if not isinstance(event, PbxDigit) or self._pbx_digits.is_copy(
            event.digit, second_best=event.by_ami
        ):
            return
        if event.digit not in self.line.backend.capabilities.digits_out:
            self._log.info("the line has no digit %s", event.digit)
            return
        self.record.digits_to_line += 1
        await _present(self.line_leg).send_digit(event.digit)

    async def _hold_line(self, _: Event) -> None:
        if isinstance(self.line_leg, Holding):
            await self.line_leg.hold()

    async def _resume_line(self, _: Event) -> None:
        if isinstance(self.line_leg, Holding):
            await self.line_leg.resume()

    # Media.

    async def _start_media(self, _: Event) -> None:
        """Begin to join the audio; a client may be slow to open its sound.

        One that has not opened it by the answer is asked again.
        """
        if self._joining_early is not None:
            self._joining_early.cancel()
        self._begin(Action.START_MEDIA, self._join)

    async def _start_early_media(self, event: Event) -> None:
        """Begin to join the audio; without it the caller hears ringing."""

        async def join() -> None:
            try:
                await self._join()
            except SkypechanError:
                await self._ring_pbx(event)
                raise

        self._joining_early = self._begin(Action.START_EARLY_MEDIA, join)

    async def _join(self) -> None:
        if self._placing is not None:
            await asyncio.wait([self._placing])
        await self._audio.join(
            _present(self.line_leg),
            _present(self.pbx_leg),
            lambda: self.state in WITH_MEDIA,
        )

    def _media_ended(self, end: MediaEnd) -> None:
        """Let the end of a stream become an event of the call.

        The leg's own release, which is mostly on its way, says more: it gets a moment.
        """
        self._start(self._post_later(end_of_media(end), _MEDIA_GRACE_S))

    async def _post_later(self, event: Event, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.post(event)

    async def _stop_media(self, _: Event | None) -> None:
        self._audio.stop()

    async def _note_hold(self, event: Event) -> None:
        self._audio.note_hold(_side_of(event))
        self._changed()

    async def _note_resume(self, event: Event) -> None:
        self._audio.note_resume(_side_of(event))
        self._changed()

    _HANDS: ClassVar[dict[Action, Callable[..., Awaitable[None]]]] = {
        Action.ORIGINATE_PBX: _originate_pbx,
        Action.TAKE_PBX: _take_pbx,
        Action.RING_PBX: _ring_pbx,
        Action.PLAY_EARLY_TO_PBX: _play_early_to_pbx,
        Action.ANSWER_PBX: _answer_pbx,
        Action.RELEASE_PBX: _release_pbx,
        Action.PLACE_LINE: _place_line,
        Action.ANSWER_LINE: _answer_line,
        Action.RELEASE_LINE: _release_line,
        Action.START_EARLY_MEDIA: _start_early_media,
        Action.START_MEDIA: _start_media,
        Action.STOP_MEDIA: _stop_media,
        Action.SEND_DIGIT_TO_PBX: _send_digit_to_pbx,
        Action.SEND_DIGIT_TO_LINE: _send_digit_to_line,
        Action.HOLD_LINE: _hold_line,
        Action.RESUME_LINE: _resume_line,
        Action.NOTE_HOLD: _note_hold,
        Action.NOTE_RESUME: _note_resume,
    }


def _side_of(event: Event) -> Side:
    match event:
        case LineHeld() | LineResumed():
            return Side.LINE
        case HoldRequested() | ResumeRequested():
            return Side.GATEWAY
    return Side.PBX


def _present(leg: _Leg | None) -> _Leg:
    """Return the leg that the table promises to be there."""
    if leg is None:
        raise CallError(HangupCause.TEMPORARY_FAILURE, "the leg is gone")
    return leg
