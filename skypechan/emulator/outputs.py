"""What the emulated client asks for: text, timers, signals to partners. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, unique

from skypechan.backends.skype.protocol.notifications import Notification
from skypechan.emulator.calls import Request


@unique
class Purpose(Enum):
    """What a timer is for."""

    STEP = "next step of the plan"
    SECOND = "one more second of the call"
    NO_ANSWER = "nobody has answered"
    HANG_UP = "the partner has had enough"
    TRANSFER = "the outcome of a transfer"
    SENT = "a message has reached the network"
    CHAT_REPLY = "somebody answers a message"
    SMS = "an SMS gets on"


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
    TRANSFER = "transfer"  # value: the targets, parted by commas
    TRANSFERRED = "transferred"  # value: who has the call now
    TRANSFER_FAILED = "transfer_failed"  # also: it is not wanted any more


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
    """Call `expired` after `delay_s`; what has ended ignores it.

    `call_id` is the number of the call, or of the message.
    """

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


@dataclass(frozen=True, slots=True)
class MessageToPartner:
    """A written message to an account at another emulator."""

    account: str
    text: str


Output = Told | Reply | StartTimer | Ended | ToPartner | MessageToPartner
