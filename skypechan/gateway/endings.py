"""What endings and failures mean for a call: causes, reasons, events."""

from __future__ import annotations

from skypechan.call.actions import Action
from skypechan.call.causes import HangupCause, meaning
from skypechan.call.events import (
    Event,
    HangupRequested,
    LineReleased,
    MediaEnded,
    PbxReleased,
    TimedOut,
    Timer,
)
from skypechan.errors import CallError, SkypechanError
from skypechan.media.values import EndReason, MediaEnd

_CAUSE_OF_TIMER: dict[Timer, tuple[HangupCause, str]] = {
    Timer.RING: (HangupCause.NO_ANSWER, "nobody answered in time"),
    Timer.ANSWER: (HangupCause.TEMPORARY_FAILURE, "the other leg did not come up"),
    Timer.CALL: (HangupCause.NORMAL_CLEARING, "the longest call time was reached"),
    Timer.RELEASE: (HangupCause.NORMAL_UNSPECIFIED, "a leg did not confirm its end"),
}

# A call goes on without these.
_DISPENSABLE = (
    Action.START_EARLY_MEDIA,
    Action.SEND_DIGIT_TO_LINE,
    Action.SEND_DIGIT_TO_PBX,
    Action.HOLD_LINE,
    Action.RESUME_LINE,
)


def cause_of(event: Event) -> tuple[HangupCause, str]:
    """Return the cause and the reason that an ending event carries."""
    match event:
        case (
            LineReleased(cause, reason)
            | PbxReleased(cause, reason)
            | MediaEnded(_, cause, reason)
            | HangupRequested(cause, reason)
        ):
            return cause, reason or meaning(cause).text
        case TimedOut(timer):
            return _CAUSE_OF_TIMER[timer]
    return HangupCause.NORMAL_CLEARING, ""


def cause_of_error(error: SkypechanError) -> tuple[HangupCause, str]:
    """Return the cause and the reason of a failure."""
    if isinstance(error, CallError):
        return HangupCause.of(error.cause), error.reason
    return HangupCause.TEMPORARY_FAILURE, str(error)


def failure_of(action: Action, cause: HangupCause, reason: str) -> Event | None:
    """Return what a failed action means for the call, if anything."""
    if action in _DISPENSABLE:
        return None
    if action in (Action.PLACE_LINE, Action.RELEASE_LINE):
        return LineReleased(cause, reason)
    if action in (Action.ORIGINATE_PBX, Action.TAKE_PBX, Action.RELEASE_PBX):
        return PbxReleased(cause, reason)
    return HangupRequested(cause, reason)


def end_of_media(end: MediaEnd) -> MediaEnded:
    """Return what the end of a stream means for the call."""
    if end.reason in (EndReason.CLOSED, EndReason.TERMINATED):
        return MediaEnded(end.side, HangupCause.NORMAL_CLEARING, "hung up")
    reason = f"audio {end.reason}: {end.detail}"
    return MediaEnded(end.side, HangupCause.TEMPORARY_FAILURE, reason)
