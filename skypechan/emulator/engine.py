"""The call engine: what becomes of a call when an application or a person acts.

Pure. Methods take what happened; `outputs` hands out, in order, what follows from
it: replies, notifications, timers to start, sound to connect, signals to a partner
who sits at another emulator. The end states are those of the Skype API's table of
who ends a call with what.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum, unique
from typing import Final

from skypechan.backends.skype.protocol.notifications import (
    CallDigit,
    CallProperty,
    CallStatusChanged,
    DigitSent,
    Error,
    Notification,
)
from skypechan.backends.skype.protocol.values import (
    DIGITS,
    CallStatus,
    CallType,
    ErrorNumber,
    FailureReason,
)
from skypechan.emulator.calls import Call, Request
from skypechan.emulator.party import GIVE_UP_S, Person, plan, routing_only

_ID_STEP: Final = 3
"""Ids come from one counter for all objects, so calls are not consecutive."""

_FIRST_ID: Final = 178

CALLS_KEPT: Final = 500
"""Older calls that have ended are forgotten."""


@unique
class Purpose(Enum):
    """What a timer is for."""

    STEP = "next step of the plan"
    SECOND = "one more second of the call"
    NO_ANSWER = "nobody has answered"
    HANG_UP = "the partner has had enough"


@unique
class Signal(StrEnum):
    """What passes between the two ends of a call on the network."""

    INVITE = "invite"
    RINGING = "ringing"
    ANSWER = "answer"
    END = "end"
    DIGIT = "digit"
    HOLD = "hold"
    RESUME = "resume"


@unique
class Ending(StrEnum):
    """Value of Signal.END: why the sender ends the call."""

    CANCELLED = "cancelled"
    REFUSED = "refused"
    BUSY = "busy"
    FINISHED = "finished"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Told:
    """A notification for every attached application."""

    notification: Notification


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to one line of one application."""

    request: Request
    notification: Notification


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Call `expired` after `delay_s`; an ended call ignores it."""

    call_id: int
    purpose: Purpose
    delay_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """The call's sound and everything else of it can go."""

    call_id: int


@dataclass(frozen=True, slots=True)
class ToPartner:
    """A signal to the far end; a partner who is only data ignores it."""

    call_id: int
    signal: Signal
    value: str = ""


Output = Told | Reply | StartTimer | Ended | ToPartner


class CallEngine:
    """All calls of one emulated client.

    `reason_14` reports FAILUREREASON 14 when the partner hangs up, as one capture
    shows it for a plain call; `repeats` doubles ROUTING and RINGING.
    """

    def __init__(self, *, repeats: bool = True, reason_14: bool = False) -> None:
        self._repeats = repeats
        self._reason_14 = reason_14
        self._next_id = _FIRST_ID
        self._outputs: list[Output] = []
        self.calls: dict[int, Call] = {}

    def outputs(self) -> list[Output]:
        """What followed since the last call of this, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def live(self) -> Iterator[Call]:
        """Calls that have not ended."""
        return (call for call in self.calls.values() if not call.ended)

    def place(
        self, request: Request, person: Person, started: int, *, remote: bool = False
    ) -> Call | None:
        """An application, or the user, calls a person; None when refused.

        Guess: a call that still rings refuses a second one with ERROR 96, an active
        call with ERROR 99; a held one does not.
        """
        if fault := self._obstacle():
            self._reply(request, fault)
            return None
        telephone = person.telephone
        call_type = CallType.OUTGOING_PSTN if telephone else CallType.OUTGOING_P2P
        call = self._new_call(person, started, call_type, CallStatus.UNPLACED)
        call.remote = remote
        call.plan = routing_only() if remote else plan(person, repeats=self._repeats)
        self._reply(request, CallStatusChanged(call.call_id, call.status))
        if remote:
            self._signal(call, Signal.INVITE, person.handle)
        self._timer(call, Purpose.NO_ANSWER, person.no_answer_s)
        self._start_step(call)
        return call

    def ring(
        self,
        person: Person,
        started: int,
        *,
        telephone: bool = False,
        remote: bool = False,
        give_up_s: float = GIVE_UP_S,
    ) -> Call:
        """A person calls the account."""
        telephone = telephone or person.telephone
        call_type = CallType.INCOMING_PSTN if telephone else CallType.INCOMING_P2P
        call = self._new_call(person, started, call_type, CallStatus.RINGING)
        call.remote = remote
        self._tell(CallProperty(call.call_id, "CONF_ID", "0"))
        self._tell(CallStatusChanged(call.call_id, CallStatus.RINGING))
        self._signal(call, Signal.RINGING)
        self._timer(call, Purpose.NO_ANSWER, give_up_s)
        return call

    def answer(self, call: Call) -> bool:
        """Answer a ringing call; another active one goes on hold (guess)."""
        if not call.ringing_here:
            return False
        self._rest_others(call)
        self._enter(call, CallStatus.IN_PROGRESS)
        self._signal(call, Signal.ANSWER)
        return True

    def hang_up(self, call: Call) -> bool:
        """End an outgoing or established call."""
        if call.ended or call.ringing_here:
            return False
        if call.established:
            self._finish(call, CallStatus.FINISHED, Ending.FINISHED)
        else:
            self._finish(call, CallStatus.CANCELLED, Ending.CANCELLED)
        return True

    def end(self, call: Call) -> bool:
        """End a call in any state: rejects it when it rings here."""
        if not call.ringing_here:
            return self.hang_up(call)
        self._finish(call, CallStatus.REFUSED, Ending.REFUSED)
        return True

    def hold(self, call: Call) -> bool:
        """Put a call on local hold."""
        if not call.established or call.held_here:
            return False
        call.held_here = True
        self._refresh(call)
        self._signal(call, Signal.HOLD)
        return True

    def resume(self, call: Call) -> bool:
        """Take a call back; another active one goes on hold (guess)."""
        if not call.established or not call.held_here:
            return False
        self._rest_others(call)
        call.held_here = False
        self._refresh(call)
        self._signal(call, Signal.RESUME)
        return True

    def digit(self, request: Request, call: Call, digit: str) -> None:
        """SET CALL DTMF. Before ringing it is taken, and answered then.

        Guess: digits sent before the answer do not reach the partner's ear.
        """
        if digit not in DIGITS or len(digit) != 1:
            self._reply(request, Error(ErrorNumber.INVALID_DIGIT, "Invalid DTMF code"))
        elif call.status in {CallStatus.UNPLACED, CallStatus.ROUTING}:
            call.digits_held.append((request, digit))
        elif call.ended or call.ringing_here:
            self._reply(request, Error(ErrorNumber.CALL_NOT_ACTIVE, "Call not active"))
        else:
            self._reply(request, DigitSent(call.call_id, digit))
            self.key(call, digit)

    def key(self, call: Call, digit: str) -> bool:
        """A digit to the partner, unanswered: ALTER CALL DTMF or a key pressed."""
        if not call.established:
            return False
        call.digits_to_partner += digit
        self._signal(call, Signal.DIGIT, digit)
        return True

    def partner(self, call: Call, signal: Signal, value: str = "") -> bool:
        """The partner did this; False when it makes no sense in this state."""
        match signal:
            case Signal.RINGING if call.half_open and not call.call_type.incoming:
                self._enter(call, CallStatus.RINGING)
            case Signal.ANSWER if call.half_open and not call.call_type.incoming:
                self._enter(call, CallStatus.IN_PROGRESS)
            case Signal.END if not call.ended:
                self._partner_ends(call, value)
            case Signal.DIGIT if call.established and value in DIGITS:
                call.digits_from_partner += value
                self._tell(CallDigit(call.call_id, value))
            case Signal.HOLD if call.established and not call.held_there:
                call.held_there = True
                self._refresh(call)
            case Signal.RESUME if call.established and call.held_there:
                call.held_there = False
                self._refresh(call)
            case _:
                return False
        return True

    def _partner_ends(self, call: Call, why: str) -> None:
        if call.established:
            if self._reason_14:
                reason = FailureReason.CONFERENCE_DROPPED.value
                self.set_property(call, "FAILUREREASON", str(reason))
            self._enter(call, CallStatus.FINISHED)
        elif call.call_type.incoming:
            self._enter(call, CallStatus.MISSED)
        elif why == Ending.BUSY:
            self._enter(call, CallStatus.BUSY)
        elif why == Ending.LOST:
            reason = FailureReason.USER_OFFLINE.value
            self.set_property(call, "FAILUREREASON", str(reason))
            self._enter(call, CallStatus.FAILED)
        elif call.call_type.telephone:
            self._enter(call, CallStatus.WAITING_REDIAL_COMMAND)
        else:
            self._enter(call, CallStatus.REFUSED)

    def expired(self, call_id: int, purpose: Purpose) -> None:
        """A timer that `StartTimer` asked for is over."""
        call = self.calls.get(call_id)
        if call is None or call.ended:
            return
        match purpose:
            case Purpose.STEP:
                self._take_step(call)
            case Purpose.SECOND:
                call.duration_s += 1
                duration = str(call.duration_s)
                self._tell(CallProperty(call_id, "DURATION", duration))
                self._timer(call, Purpose.SECOND, 1.0)
            case Purpose.NO_ANSWER if call.half_open:
                # Guess: MISSED on both sides.
                self._finish(call, CallStatus.MISSED, Ending.CANCELLED)
            case Purpose.HANG_UP:
                self.partner(call, Signal.END, Ending.FINISHED)
            case _:
                pass

    def set_property(self, call: Call, name: str, value: str) -> None:
        """Change a property and tell everyone."""
        call.properties[name] = value
        self._tell(CallProperty(call.call_id, name, value))

    def end_all(self) -> None:
        """The account signs out: what lives ends as if the user had ended it."""
        for call in list(self.live()):
            self.end(call)

    def _obstacle(self) -> Error | None:
        for call in self.live():
            if call.half_open:
                text = "CALL: another call is being set up"
                return Error(ErrorNumber.OTHER_CALL_HALF_OPEN, text)
            if not call.held_here:
                text = "CALL: another call is active"
                return Error(ErrorNumber.OTHER_CALL_ACTIVE, text)
        return None

    def _new_call(
        self, person: Person, started: int, call_type: CallType, status: CallStatus
    ) -> Call:
        self._next_id += _ID_STEP
        call = Call(self._next_id, person, call_type, status, started)
        call.history.append(status)
        self.calls[call.call_id] = call
        self._forget_old_calls()
        return call

    def _forget_old_calls(self) -> None:
        too_many = len(self.calls) - CALLS_KEPT
        ended = [call.call_id for call in self.calls.values() if call.ended]
        for call_id in ended[: max(0, too_many)]:
            del self.calls[call_id]

    def _start_step(self, call: Call) -> None:
        if call.plan:
            self._timer(call, Purpose.STEP, call.plan[0].delay_s)

    def _take_step(self, call: Call) -> None:
        moved = call.status not in {CallStatus.UNPLACED, CallStatus.ROUTING}
        if not call.plan or call.established or (call.remote and moved):
            return
        step, call.plan = call.plan[0], call.plan[1:]
        if step.status is None:
            self.set_property(call, step.name, step.value)
        else:
            self._enter(call, step.status)
        if not call.ended:
            self._start_step(call)

    def _enter(self, call: Call, status: CallStatus) -> None:
        if status is CallStatus.FINISHED and call.answered and not call.duration_s:
            self._tell(CallProperty(call.call_id, "DURATION", "0"))
        call.status = status
        call.history.append(status)
        self._tell(CallStatusChanged(call.call_id, status))
        if status is CallStatus.IN_PROGRESS and not call.answered:
            self._begin_talk(call)
        self._release_digits(call)
        if call.ended:
            self._outputs.append(Ended(call.call_id))

    def _begin_talk(self, call: Call) -> None:
        call.answered = True
        self._timer(call, Purpose.SECOND, 1.0)
        if call.person.hang_up_s is not None and not call.remote:
            self._timer(call, Purpose.HANG_UP, call.person.hang_up_s)
        if not call.call_type.telephone:
            self.set_property(call, "VIDEO_SEND_STATUS", "AVAILABLE")
            self.set_property(call, "VIDEO_STATUS", "VIDEO_BOTH_ENABLED")

    def _release_digits(self, call: Call) -> None:
        if call.status in {CallStatus.UNPLACED, CallStatus.ROUTING}:
            return
        held, call.digits_held = call.digits_held, []
        for request, digit in held:
            self.digit(request, call, digit)

    def _finish(self, call: Call, status: CallStatus, ending: Ending) -> None:
        self._enter(call, status)
        self._signal(call, Signal.END, ending.value)

    def _refresh(self, call: Call) -> None:
        status = CallStatus.IN_PROGRESS
        if call.held_here:
            status = CallStatus.LOCAL_HOLD
        elif call.held_there:
            status = CallStatus.REMOTE_HOLD
        if status is not call.status:
            self._enter(call, status)

    def _rest_others(self, call: Call) -> None:
        for other in list(self.live()):
            if other is not call:
                self.hold(other)

    def _reply(self, request: Request, notification: Notification) -> None:
        self._outputs.append(Reply(request, notification))

    def _tell(self, notification: Notification) -> None:
        self._outputs.append(Told(notification))

    def _timer(self, call: Call, purpose: Purpose, delay_s: float) -> None:
        self._outputs.append(StartTimer(call.call_id, purpose, delay_s))

    def _signal(self, call: Call, signal: Signal, value: str = "") -> None:
        self._outputs.append(ToPartner(call.call_id, signal, value))
