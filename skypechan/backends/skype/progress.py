"""What the client says of one call, turned into the leg's events. Pure.

Clients repeat themselves, skip steps and report in odd orders (Skype API quirks:
ROUTING and RINGING doubled, each SET echoed twice, INPROGRESS missed); what comes
out is told once and in order.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final

from skypechan.backends.skype.causes import Ending, Phase, ending_of
from skypechan.backends.skype.protocol.notifications import (
    CallDigit,
    CallProperty,
    CallStatusChanged,
    Notification,
)
from skypechan.backends.skype.protocol.values import (
    END_STATUSES,
    HOLD_STATUSES,
    VOICEMAIL_STATUSES,
    CallStatus,
)
from skypechan.call.causes import HangupCause
from skypechan.call.events import (
    LineAnswered,
    LineDigit,
    LineEarlyMedia,
    LineEvent,
    LineHeld,
    LineReleased,
    LineResumed,
    LineRinging,
)

Events = tuple[LineEvent, ...]

_NOTHING: Final[Events] = ()
_KEPT: Final = frozenset(
    {"FAILUREREASON", "PSTN_STATUS", "RATE", "RATE_PRECISION", "RATE_CURRENCY"}
)
"""Properties that are of use later."""

_VOICEMAIL: Final = Ending(HangupCause.NO_ANSWER, "no answer, voicemail took the call")
_TAKEN: Final = Ending(HangupCause.NORMAL_CLEARING, "answered at the client")


@unique
class Transfer(Enum):
    """What became of our wish to send the call on."""

    NONE = "not begun"
    RUNNING = "somebody is being tried"
    FAILED = "nobody took it"


class Progress:
    """How far one call has come. Every method returns the events to report.

    `voicemail_answers` takes the callee's voicemail for an answer; else `verdict`
    says, when voicemail has taken a call, how it shall end, and the client has to be
    made to end it. `answer_wanted` is set before we answer an incoming call: one that
    is answered all the same has been taken by a person at the client and is over for
    us. `hold_wanted` is set while the call rests because we want it to: that is no
    news.
    """

    def __init__(self, *, incoming: bool, voicemail_answers: bool = False) -> None:
        self.incoming = incoming
        self.status: CallStatus | None = None
        self.answer_wanted = not incoming
        self.hold_wanted = False
        self.verdict: Ending | None = None
        self.transfer = Transfer.NONE
        self.facts: dict[str, str] = {}
        self._voicemail_answers = voicemail_answers
        self._ringing = incoming
        self._early_media = False
        self._held = False
        self.answered = False
        self.releasing = False
        self.over = False

    def take(self, notification: Notification) -> Events:
        """Take one line about this call."""
        if self.over:
            return _NOTHING
        match notification:
            case CallStatusChanged(_, status):
                return self._take_status(status)
            case CallProperty(_, name, value):
                return self._take_property(name, value)
            case CallDigit(_, digit):
                return (LineDigit(digit),)
            case _:
                return _NOTHING

    def end(self, ending: Ending) -> Events:
        """The call is over for a reason that no status told."""
        if self.over:
            return _NOTHING
        self.over = True
        return (LineReleased(ending.cause, ending.text),)

    def _take_status(self, status: CallStatus) -> Events:
        self.status = status
        self._follow_transfer(status)
        if status in END_STATUSES:
            return self.end(self.verdict or self._ending(status))
        if status in HOLD_STATUSES:
            return self._answer() + self._rest(status)
        if status in VOICEMAIL_STATUSES:
            return self._take_voicemail(status)
        match status:
            case CallStatus.IN_PROGRESS:
                return self._answer() + self._resume()
            case CallStatus.RINGING:
                return self._ring()
            case CallStatus.EARLY_MEDIA:
                return self._start_early_media()
            case _:
                return _NOTHING

    def _take_property(self, name: str, value: str) -> Events:
        if name in _KEPT:
            self.facts[name] = value.strip()
        match name:
            case "TRANSFER_STATUS" if value.strip().upper() == "FAILED":
                self.transfer = Transfer.FAILED
            case "DURATION" if value.strip().strip("0"):
                # The seconds of a call run only once it has been answered, so they
                # prove an answer whose INPROGRESS was lost.
                return self._answer()
        return _NOTHING

    def _ending(self, status: CallStatus) -> Ending:
        failure = self.facts.get("FAILUREREASON", "")
        pstn_status = self.facts.get("PSTN_STATUS", "")
        return ending_of(status, self._phase(), failure, pstn_status)

    def _follow_transfer(self, status: CallStatus) -> None:
        if status is CallStatus.TRANSFERRING:
            self.transfer = Transfer.RUNNING
        elif self.transfer is Transfer.RUNNING and status not in END_STATUSES:
            self.transfer = Transfer.FAILED

    def _take_voicemail(self, status: CallStatus) -> Events:
        """A machine has answered in the callee's place."""
        if self.incoming or self.answered:
            return _NOTHING
        if not self._voicemail_answers:
            self.verdict = _VOICEMAIL
        elif status is not CallStatus.VM_BUFFERING_GREETING:
            return self._answer()
        return _NOTHING

    def _rest(self, status: CallStatus) -> Events:
        ours = self.hold_wanted and status is not CallStatus.REMOTE_HOLD
        return _NOTHING if ours else self._hold()

    def _phase(self) -> Phase:
        if self.releasing:
            return Phase.RELEASING
        if self.answered:
            return Phase.ANSWERED
        return Phase.OFFERED if self.incoming else Phase.PLACED

    def _ring(self) -> Events:
        if self._ringing or self.answered:
            return _NOTHING
        self._ringing = True
        return (LineRinging(),)

    def _start_early_media(self) -> Events:
        if self._early_media or self.answered:
            return _NOTHING
        self._early_media = True
        return (LineEarlyMedia(),)

    def _answer(self) -> Events:
        if self.answered:
            return _NOTHING
        if not self.answer_wanted:
            return self.end(_TAKEN)
        self.answered = True
        return (LineAnswered(),)

    def _hold(self) -> Events:
        if self._held or self.over:
            return _NOTHING
        self._held = True
        return (LineHeld(),)

    def _resume(self) -> Events:
        if not self._held:
            return _NOTHING
        self._held = False
        return (LineResumed(),)
