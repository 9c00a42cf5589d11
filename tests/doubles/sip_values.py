"""Words about the calls of the small SIP agent."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class CallState(enum.Enum):
    """Where a call is."""

    PLACED = "placed"
    ANSWERED = "answered"
    ENDED = "ended"


class EndedBy(enum.Enum):
    """Who ended a call, and how."""

    US = "our BYE"
    THEM = "their BYE"
    REFUSED = "a final response that is no 2xx"
    CANCELLED = "their CANCEL"
    REJECTED = "our final response that is no 2xx"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the agent does with an incoming call; times run from the INVITE.

    ``reject`` is the status sent after ``answer_after_s`` instead of 200; no
    ``answer_after_s`` leaves the call ringing.
    """

    ring_after_s: float | None = 0.0
    answer_after_s: float | None = 0.0
    reject: int = 0
    hang_up_after_s: float | None = None
