"""A voicemail object, and how a call that voicemail has taken shows in it. Pure.

Order of the lines as in a capture of a message being left (Skype API: voicemail).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from skypechan.backends.skype.protocol.notifications import (
    Notification,
    ObjectProperty,
)
from skypechan.backends.skype.protocol.values import (
    CallStatus,
    VoicemailStatus,
    VoicemailType,
)

ALLOWED_S: Final = 600
GREETING_S: Final = 3.0
UPLOADING_S: Final = 0.2

_C, _V = CallStatus, VoicemailStatus


@dataclass(slots=True)
class Voicemail:
    """One message or greeting. `started` is in unix seconds."""

    ident: int
    kind: VoicemailType
    partner: str
    partner_name: str
    started: int
    status: VoicemailStatus = VoicemailStatus.BLANK
    duration_s: int = 0
    call_id: int = 0

    def facts(self) -> dict[str, str]:
        """Its properties, in the order in which they are told."""
        return {
            "TYPE": self.kind.value,
            "PARTNER_HANDLE": self.partner,
            "PARTNER_DISPNAME": self.partner_name,
            "ALLOWED_DURATION": str(ALLOWED_S),
            "SUBJECT": "",
            "TIMESTAMP": str(self.started),
            "DURATION": str(self.duration_s),
            "STATUS": self.status.value,
            "FAILUREREASON": "0",
        }

    def told(self, name: str) -> ObjectProperty:
        """The line that tells one property."""
        return ObjectProperty("VOICEMAIL", str(self.ident), name, self.facts()[name])

    def enter(self, status: VoicemailStatus) -> ObjectProperty:
        """Change the status; returns the line that tells it."""
        self.status = status
        return self.told("STATUS")


@dataclass(slots=True)
class Pair:
    """What one call to voicemail is about: the greeting and the message."""

    greeting: Voicemail
    message: Voicemail

    def follow(self, status: CallStatus) -> Iterator[Notification]:
        """What is told of both just before the call gets this status."""
        match status:
            case _C.VM_BUFFERING_GREETING:
                yield self.greeting.enter(_V.BUFFERING)
            case _C.VM_PLAYING_GREETING if self.greeting.status is not _V.PLAYING:
                yield self.greeting.enter(_V.PLAYING)
            case _C.VM_RECORDING:
                yield self.greeting.enter(_V.PLAYED)
                yield self.message.enter(_V.RECORDING)
            case _C.VM_UPLOADING:
                yield self.message.enter(_V.UPLOADING)
            case _C.VM_SENT:
                yield self.message.enter(_V.UPLOADED)
            case _C.VM_CANCELLED | _C.VM_FAILED:
                if self.greeting.status is _V.PLAYING:
                    yield self.greeting.enter(_V.PLAYED)
                yield self.message.enter(_V.FAILED)

    def before(self, name: str) -> Iterator[Notification]:
        """What is told just before this property of the call."""
        if name == "VM_ALLOWED_DURATION":
            yield self.greeting.enter(_V.PLAYING)

    def second(self) -> Notification:
        """One more second has been recorded."""
        self.message.duration_s += 1
        return self.message.told("DURATION")
