"""What the client says of one call, turned into the leg's events. Pure.

Clients repeat themselves, skip steps and report in odd orders (Skype API quirks:
ROUTING and RINGING doubled, each SET echoed twice, INPROGRESS missed); what comes
out is told once and in order.
"""

from __future__ import annotations

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
    CallStatus,
)
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


class Progress:
    """How far one call has come. Every method returns the events to report."""

    def __init__(self, *, incoming: bool) -> None:
        self._incoming = incoming
        self._ringing = incoming
        self._early_media = False
        self._held = False
        self._failure = ""
        self._pstn_status = ""
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
        if status in END_STATUSES:
            phase = self._phase()
            return self.end(ending_of(status, phase, self._failure, self._pstn_status))
        if status in HOLD_STATUSES:
            return self._answer() + self._hold()
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
        match name:
            case "FAILUREREASON":
                self._failure = value
            case "PSTN_STATUS":
                self._pstn_status = value
            case "DURATION" if value.strip().strip("0"):
                # The seconds of a call run only once it has been answered, so they
                # prove an answer whose INPROGRESS was lost.
                return self._answer()
        return _NOTHING

    def _phase(self) -> Phase:
        if self.releasing:
            return Phase.RELEASING
        if self.answered:
            return Phase.ANSWERED
        return Phase.OFFERED if self._incoming else Phase.PLACED

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
        self.answered = True
        return (LineAnswered(),)

    def _hold(self) -> Events:
        if self._held:
            return _NOTHING
        self._held = True
        return (LineHeld(),)

    def _resume(self) -> Events:
        if not self._held:
            return _NOTHING
        self._held = False
        return (LineResumed(),)
