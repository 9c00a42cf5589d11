"""The call engine: what becomes of a call when an application or a person acts.

Pure. Methods take what happened; `outputs` hands out, in order, what follows from
it: replies, notifications, timers to start, sound to connect, signals to a partner
who sits at another emulator. The end states are those of the Skype API's table of
who ends a call with what.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    VOICEMAIL_STATUSES,
    CallStatus,
    CallType,
    ErrorNumber,
    FailureReason,
    VoicemailType,
)
from skypechan.emulator.calls import Call, Request
from skypechan.emulator.outputs import (
    Ended,
    Ending,
    Output,
    Purpose,
    Reply,
    Signal,
    StartTimer,
    Told,
    ToPartner,
)
from skypechan.emulator.party import (
    GIVE_UP_S,
    Manner,
    Person,
    Step,
    plan,
    routing_only,
    voicemail_only,
)
from skypechan.emulator.voicemail import ALLOWED_S, UPLOADING_S, Pair, Voicemail

_ID_STEP: Final = 3
"""Ids come from one counter for all objects, so calls are not consecutive."""

_FIRST_ID: Final = 178

CALLS_KEPT: Final = 500
"""Older calls that have ended are forgotten."""


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
        self.voicemails: dict[int, Voicemail] = {}

    def outputs(self) -> list[Output]:
        """What followed since the last call of this, in order."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def live(self) -> Iterator[Call]:
        """Calls that have not ended."""
        return (call for call in self.calls.values() if not call.ended)

    def place(
        self,
        request: Request,
        person: Person,
        started: int,
        *,
        remote: bool = False,
        conference: int = 0,
    ) -> Call | None:
        """An application, or the user, calls a person; None when refused.

        Guess: a call that still rings refuses a second one with ERROR 96, an active
        call with ERROR 99; a held one, and one of the same conference, does not.
        """
        if fault := None if conference else self._obstacle():
            self.reply(request, fault)
            return None
        telephone = person.telephone
        call_type = CallType.OUTGOING_PSTN if telephone else CallType.OUTGOING_P2P
        call = self._new_call(person, started, call_type, CallStatus.UNPLACED)
        call.remote = remote
        call.plan = routing_only() if remote else plan(person, repeats=self._repeats)
        if person.manner is Manner.VOICEMAIL and not remote:
            self.expect_voicemail(call)
        self.reply(request, CallStatusChanged(call.call_id, call.status))
        if remote:
            self.signal(call, Signal.INVITE, person.handle)
        self.start_timer(call, Purpose.NO_ANSWER, person.no_answer_s)
        self._start_step(call)
        return call

    def leave_voicemail(self, person: Person, started: int) -> Call:
        """A call straight to somebody's voicemail, without ringing."""
        status = CallStatus.UNPLACED
        call = self._new_call(person, started, CallType.OUTGOING_P2P, status)
        self.expect_voicemail(call)
        call.plan = voicemail_only()
        self.enter(call, CallStatus.ROUTING)
        self._start_step(call)
        return call

    def expect_voicemail(self, call: Call) -> Pair:
        """Voicemail will have this call: a greeting and a message belong to it."""
        person = call.person
        name = person.display_name or person.full_name
        greeting, message = (
            Voicemail(self.new_id(), kind, person.handle, name, call.started)
            for kind in (VoicemailType.DEFAULT_GREETING, VoicemailType.OUTGOING)
        )
        message.call_id = call.call_id
        for item in (greeting, message):
            self.voicemails[item.ident] = item
        while len(self.voicemails) > CALLS_KEPT:
            del self.voicemails[next(iter(self.voicemails))]
        call.voicemail = Pair(greeting, message)
        return call.voicemail

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
        self.tell(CallProperty(call.call_id, "CONF_ID", "0"))
        self.tell(CallStatusChanged(call.call_id, CallStatus.RINGING))
        self.signal(call, Signal.RINGING)
        self.start_timer(call, Purpose.NO_ANSWER, give_up_s)
        return call

    def answer(self, call: Call) -> bool:
        """Answer a ringing call; another active one goes on hold (guess)."""
        if not call.ringing_here:
            return False
        self._rest_others(call)
        self.enter(call, CallStatus.IN_PROGRESS)
        self.signal(call, Signal.ANSWER)
        return True

    def hang_up(self, call: Call) -> bool:
        """End an outgoing or established call."""
        if call.ended or call.ringing_here:
            return False
        if call.status in VOICEMAIL_STATUSES:
            return self._leave_voicemail(call)
        if call.answered:
            self._finish(call, CallStatus.FINISHED, Ending.FINISHED)
        elif call.call_type.incoming:  # on its way to somebody else
            self._finish(call, CallStatus.REFUSED, Ending.REFUSED)
        else:
            self._finish(call, CallStatus.CANCELLED, Ending.CANCELLED)
        return True

    def end(self, call: Call) -> bool:
        """End a call in any state: rejects it when it rings here."""
        if not call.ringing_here:
            return self.hang_up(call)
        self._finish(call, CallStatus.REFUSED, Ending.REFUSED)
        return True

    def send_on(self, call: Call, where: str) -> bool:
        """A ringing call goes to our voicemail, or where the account forwards to.

        Guess: to us it ends as REFUSED; what the caller then gets is not emulated.
        """
        if not call.ringing_here:
            return False
        call.sent_on = where
        self._finish(call, CallStatus.REFUSED, Ending.REFUSED)
        return True

    def fail(self, call: Call, reason: str, pstn_status: str) -> bool:
        """The network gives a call up, with this FAILUREREASON and PSTN_STATUS.

        Either may be empty: then it is not told. Guess: PSTN_STATUS comes first.
        """
        if call.ended:
            return False
        for name, value in (("PSTN_STATUS", pstn_status), ("FAILUREREASON", reason)):
            if value:
                self.set_property(call, name, value)
        self._finish(call, CallStatus.FAILED, Ending.LOST)
        return True

    def hold(self, call: Call) -> bool:
        """Put a call on local hold."""
        if not call.established or call.held_here:
            return False
        call.held_here = True
        self._refresh(call)
        self.signal(call, Signal.HOLD)
        return True

    def resume(self, call: Call) -> bool:
        """Take a call back; another active one goes on hold (guess).

        The calls of a conference do not put each other on hold.
        """
        if not call.established or not call.held_here:
            return False
        self._rest_others(call)
        call.held_here = False
        self._refresh(call)
        self.signal(call, Signal.RESUME)
        return True

    def digit(self, request: Request, call: Call, digit: str) -> None:
        """SET CALL DTMF. Before ringing it is taken, and answered then.

        Guess: digits sent before the answer do not reach the partner's ear.
        """
        if digit not in DIGITS or len(digit) != 1:
            self.reply(request, Error(ErrorNumber.INVALID_DIGIT, "Invalid DTMF code"))
        elif call.status in {CallStatus.UNPLACED, CallStatus.ROUTING}:
            call.digits_held.append((request, digit))
        elif call.ended or call.ringing_here:
            self.reply(request, Error(ErrorNumber.CALL_NOT_ACTIVE, "Call not active"))
        else:
            self.reply(request, DigitSent(call.call_id, digit))
            self.key(call, digit)

    def key(self, call: Call, digit: str) -> bool:
        """A digit to the partner, unanswered: ALTER CALL DTMF or a key pressed."""
        if not call.established:
            return False
        call.digits_to_partner += digit
        self.signal(call, Signal.DIGIT, digit)
        return True

    def partner(self, call: Call, signal: Signal, value: str = "") -> bool:
        """The partner did this; False when it makes no sense in this state."""
        match signal:
            case Signal.RINGING if call.half_open and not call.call_type.incoming:
                self.enter(call, CallStatus.RINGING)
            case Signal.ANSWER if call.half_open and not call.call_type.incoming:
                self.enter(call, CallStatus.IN_PROGRESS)
            case Signal.END if not call.ended:
                self._partner_ends(call, value)
            case Signal.DIGIT if call.established and value in DIGITS:
                call.digits_from_partner += value
                self.tell(CallDigit(call.call_id, value))
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
        if call.answered:
            if self._reason_14:
                reason = FailureReason.CONFERENCE_DROPPED.value
                self.set_property(call, "FAILUREREASON", str(reason))
            self.enter(call, CallStatus.FINISHED)
        elif call.call_type.incoming:
            self.enter(call, CallStatus.MISSED)
        elif why == Ending.BUSY:
            self.enter(call, CallStatus.BUSY)
        elif why == Ending.LOST:
            reason = FailureReason.USER_OFFLINE.value
            self.set_property(call, "FAILUREREASON", str(reason))
            self.enter(call, CallStatus.FAILED)
        elif call.call_type.telephone:
            self.enter(call, CallStatus.WAITING_REDIAL_COMMAND)
        else:
            self.enter(call, CallStatus.REFUSED)

    def expired(self, call_id: int, purpose: Purpose) -> None:
        """A timer that `StartTimer` asked for is over."""
        call = self.calls.get(call_id)
        if call is None or call.ended:
            return
        match purpose:
            case Purpose.STEP:
                self._take_step(call)
            case Purpose.SECOND if call.status is CallStatus.VM_RECORDING:
                self._record_second(call)
            case Purpose.SECOND if call.answered:
                call.duration_s += 1
                duration = str(call.duration_s)
                self.tell(CallProperty(call_id, "DURATION", duration))
                self.start_timer(call, Purpose.SECOND, 1.0)
            case Purpose.NO_ANSWER if call.waiting:
                # Guess: MISSED on both sides.
                self._finish(call, CallStatus.MISSED, Ending.CANCELLED)
            case Purpose.HANG_UP:
                self.partner(call, Signal.END, Ending.FINISHED)
            case _:
                pass

    def _record_second(self, call: Call) -> None:
        if call.voicemail is None:
            return
        self.tell(call.voicemail.second())
        recorded_s = call.voicemail.message.duration_s
        self.set_property(call, "VM_DURATION", str(recorded_s))
        if recorded_s >= ALLOWED_S:
            self._leave_voicemail(call)
        else:
            self.start_timer(call, Purpose.SECOND, 1.0)

    def _leave_voicemail(self, call: Call) -> bool:
        """We hang up on a voicemail: what has been recorded is sent."""
        if call.status is CallStatus.VM_UPLOADING:
            return False
        if call.status is CallStatus.VM_RECORDING:
            call.plan = (Step(UPLOADING_S, CallStatus.VM_SENT),)
            self.enter(call, CallStatus.VM_UPLOADING)
            self._start_step(call)
        else:
            self.enter(call, CallStatus.VM_CANCELLED)
        return True

    def set_property(self, call: Call, name: str, value: str) -> None:
        """Change a property and tell everyone."""
        call.properties[name] = value
        self.tell(CallProperty(call.call_id, name, value))

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
        call = Call(self.new_id(), person, call_type, status, started)
        call.history.append(status)
        self.calls[call.call_id] = call
        self._forget_old_calls()
        return call

    def new_id(self) -> int:
        """The number of a new object of any kind."""
        self._next_id += _ID_STEP
        return self._next_id

    def _forget_old_calls(self) -> None:
        too_many = len(self.calls) - CALLS_KEPT
        ended = [call.call_id for call in self.calls.values() if call.ended]
        for call_id in ended[: max(0, too_many)]:
            del self.calls[call_id]

    def _start_step(self, call: Call) -> None:
        if call.plan:
            self.start_timer(call, Purpose.STEP, call.plan[0].delay_s)

    def _take_step(self, call: Call) -> None:
        moved = call.status not in {CallStatus.UNPLACED, CallStatus.ROUTING}
        if not call.plan or call.established or (call.remote and moved):
            return
        step, call.plan = call.plan[0], call.plan[1:]
        if step.status is None:
            for notification in (
                call.voicemail.before(step.name) if call.voicemail else ()
            ):
                self.tell(notification)
            self.set_property(call, step.name, step.value)
        else:
            self.enter(call, step.status)
        if not call.ended:
            self._start_step(call)

    def enter(self, call: Call, status: CallStatus) -> None:
        """The call gets this status, and everything that goes with it."""
        if call.voicemail is not None:
            for notification in call.voicemail.follow(status):
                self.tell(notification)
        if status is CallStatus.FINISHED and call.answered and not call.duration_s:
            self.tell(CallProperty(call.call_id, "DURATION", "0"))
        call.status = status
        call.history.append(status)
        self.tell(CallStatusChanged(call.call_id, status))
        if status is CallStatus.IN_PROGRESS and not call.answered:
            self._begin_talk(call)
        if status is CallStatus.VM_RECORDING:
            self.start_timer(call, Purpose.SECOND, 1.0)
        self._release_digits(call)
        if call.ended:
            self._end_transfer(call)
            self._outputs.append(Ended(call.call_id))

    def _end_transfer(self, call: Call) -> None:
        """The targets need not ring any more."""
        if call.before_transfer is not None:
            call.before_transfer = None
            self.signal(call, Signal.TRANSFER_FAILED)

    def _begin_talk(self, call: Call) -> None:
        call.answered = True
        self.start_timer(call, Purpose.SECOND, 1.0)
        if call.person.hang_up_s is not None and not call.remote:
            self.start_timer(call, Purpose.HANG_UP, call.person.hang_up_s)
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
        self.enter(call, status)
        self.signal(call, Signal.END, ending.value)

    def _refresh(self, call: Call) -> None:
        status = CallStatus.IN_PROGRESS
        if call.held_here:
            status = CallStatus.LOCAL_HOLD
        elif call.held_there:
            status = CallStatus.REMOTE_HOLD
        if status is not call.status:
            self.enter(call, status)

    def _rest_others(self, call: Call) -> None:
        for other in list(self.live()):
            together = call.conference and call.conference == other.conference
            if other is not call and not together:
                self.hold(other)

    def reply(self, request: Request, notification: Notification) -> None:
        """Answer one line of one application."""
        self._outputs.append(Reply(request, notification))

    def tell(self, notification: Notification) -> None:
        """Tell every application."""
        self._outputs.append(Told(notification))

    def emit(self, output: Output) -> None:
        """Ask for something that is about no call."""
        self._outputs.append(output)

    def start_timer(self, call: Call, purpose: Purpose, delay_s: float) -> None:
        """Have `expired` called in time."""
        self._outputs.append(StartTimer(call.call_id, purpose, delay_s))

    def signal(self, call: Call, signal: Signal, value: str = "") -> None:
        """Tell the far end."""
        self._outputs.append(ToPartner(call.call_id, signal, value))
