"""What can happen to a call.

The line leg's events come from a backend, the PBX leg's from Asterisk, the rest
from the gateway itself. `EventSink` is how a leg reports to its call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from skypechan.call.causes import HangupCause
from skypechan.call.record import Side


class Timer(StrEnum):
    """The clocks that run against a call."""

    RING = "ring"
    ANSWER = "answer"
    CALL = "call"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class LineOffered:
    """Somebody calls the line."""


@dataclass(frozen=True, slots=True)
class LineRinging:
    """The called end rings."""


@dataclass(frozen=True, slots=True)
class LineEarlyMedia:
    """The called end plays ringback or an announcement before it answers."""


@dataclass(frozen=True, slots=True)
class LineAnswered:
    """The line leg is up: the called end answered, or our answer took effect."""


@dataclass(frozen=True, slots=True)
class LineDigit:
    """The line's far end pressed a key: one of 0-9 * # A-D.

    `in_band` where the tone was found in its audio, else its client has told.
    """

    digit: str
    in_band: bool = False


@dataclass(frozen=True, slots=True)
class LineHeld:
    """The line's far end put the call on hold."""


@dataclass(frozen=True, slots=True)
class LineResumed:
    """The line's far end took the call off hold."""


@dataclass(frozen=True, slots=True)
class LineReleased:
    """The line leg ended."""

    cause: HangupCause
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PbxOffered:
    """A dialplan asks for a line."""


@dataclass(frozen=True, slots=True)
class PbxRinging:
    """The called extension rings."""


@dataclass(frozen=True, slots=True)
class PbxEarlyMedia:
    """The PBX caller hears what the line plays, though nothing is answered."""


@dataclass(frozen=True, slots=True)
class PbxAnswered:
    """The PBX leg is up: its AudioSocket has connected."""


@dataclass(frozen=True, slots=True)
class PbxDigit:
    """The PBX's far end pressed a key: one of 0-9 * # A-D.

    `by_ami` where AMI has told, else the audio connection.
    """

    digit: str
    by_ami: bool = False


@dataclass(frozen=True, slots=True)
class PbxHeld:
    """The PBX's far end put the call on hold."""


@dataclass(frozen=True, slots=True)
class PbxResumed:
    """The PBX's far end took the call off hold."""


@dataclass(frozen=True, slots=True)
class PbxReleased:
    """The PBX leg ended."""

    cause: HangupCause
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MediaEnded:
    """The audio of an established call stopped on one side: it closed or broke."""

    side: Side
    cause: HangupCause
    reason: str


@dataclass(frozen=True, slots=True)
class HangupRequested:
    """The operator, or the gateway itself, wants the call to end."""

    cause: HangupCause = HangupCause.NORMAL_CLEARING
    reason: str = "requested"


@dataclass(frozen=True, slots=True)
class HoldRequested:
    """The operator wants the line leg to rest."""


@dataclass(frozen=True, slots=True)
class ResumeRequested:
    """The operator wants the line leg to go on."""


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A timer of the call's state ran out."""

    timer: Timer


LineEvent = (
    LineOffered
    | LineRinging
    | LineEarlyMedia
    | LineAnswered
    | LineDigit
    | LineHeld
    | LineResumed
    | LineReleased
)
PbxEvent = (
    PbxOffered
    | PbxRinging
    | PbxEarlyMedia
    | PbxAnswered
    | PbxDigit
    | PbxHeld
    | PbxResumed
    | PbxReleased
)
Event = (
    LineEvent
    | PbxEvent
    | MediaEnded
    | HangupRequested
    | HoldRequested
    | ResumeRequested
    | TimedOut
)
EventSink = Callable[[Event], None]
