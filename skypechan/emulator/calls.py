"""The CALL object as an application sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

from skypechan.backends.skype.protocol.devices import Device, format_devices
from skypechan.backends.skype.protocol.values import (
    END_STATUSES,
    ESTABLISHED_STATUSES,
    VOICEMAIL_STATUSES,
    CallStatus,
    CallType,
)
from skypechan.emulator.party import Person, Step
from skypechan.emulator.voicemail import Pair

Request = tuple[str, int]
"""An application's key and the number of its line."""

AUDIO_STATUSES = frozenset(
    {
        CallStatus.IN_PROGRESS,
        CallStatus.EARLY_MEDIA,
        CallStatus.VM_PLAYING_GREETING,
        CallStatus.VM_RECORDING,
    }
)
"""Audio can be redirected, and flows, in these."""


@dataclass(slots=True)
class Call:
    """One call of the emulated client. `started` is in unix seconds."""

    call_id: int
    person: Person
    call_type: CallType
    status: CallStatus
    started: int
    plan: tuple[Step, ...] = ()
    remote: bool = False  # the partner is another emulator
    conference: int = 0  # CONF_ID
    before_transfer: CallStatus | None = None  # the status to go back to
    voicemail: Pair | None = None  # voicemail has the call, or will have it
    answered: bool = False
    held_here: bool = False
    held_there: bool = False
    sent_on: str = ""  # where we sent it while it rang: voicemail or forward
    duration_s: int = 0
    digits_to_partner: str = ""
    digits_from_partner: str = ""
    history: list[CallStatus] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    devices: dict[str, tuple[Device, ...]] = field(default_factory=dict)
    digits_held: list[tuple[Request, str]] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """True when nothing more can happen."""
        return self.status in END_STATUSES

    @property
    def established(self) -> bool:
        """True when answered and not ended; hold included."""
        return self.status in ESTABLISHED_STATUSES

    @property
    def ringing_here(self) -> bool:
        """True when it waits for our answer."""
        return self.call_type.incoming and self.status is CallStatus.RINGING

    @property
    def half_open(self) -> bool:
        """True between its start and its answer or end."""
        return not self.ended and not self.established

    @property
    def waiting(self) -> bool:
        """True while it waits for somebody to answer it."""
        elsewhere = self.status in VOICEMAIL_STATUSES or self.answered
        return self.half_open and not elsewhere

    @property
    def audible(self) -> bool:
        """True when both ends hear each other."""
        return self.status in AUDIO_STATUSES

    def property_value(self, name: str) -> str | None:
        """Value of GET CALL; None for a property that calls do not have.

        CAN_TRANSFER and CONF_PARTICIPANT need more than the call to be answered.
        """
        first, _, _ = name.partition(" ")
        if first in {"INPUT", "OUTPUT", "CAPTURE_MIC"}:
            return format_devices(self.devices.get(first, ()))
        return {**_DEFAULTS, **self._facts(), **self.properties}.get(name)

    def _facts(self) -> dict[str, str]:
        telephone = self.call_type.telephone
        return {
            "TIMESTAMP": str(self.started),
            "PARTNER_HANDLE": self.person.handle,
            "PARTNER_DISPNAME": self.person.display_name or self.person.full_name,
            "TYPE": self.call_type.value,
            "STATUS": self.status.value,
            "PSTN_NUMBER": self.person.handle if telephone else "",
            "DURATION": str(self.duration_s),
            "CONF_ID": str(self.conference),
        }


_DEFAULTS = {
    "TARGET_IDENTITY": "",
    "FAILUREREASON": "0",
    "SUBJECT": "",
    "PSTN_STATUS": "",
    "CONF_PARTICIPANTS_COUNT": "0",
    "VM_DURATION": "0",
    "VM_ALLOWED_DURATION": "0",
    "RATE": "0",
    "RATE_CURRENCY": "EUR",
    "RATE_PRECISION": "3",
    "VAA_INPUT_STATUS": "FALSE",
    "FORWARDED_BY": "?",
    "TRANSFER_ACTIVE": "FALSE",
    "TRANSFER_STATUS": "",
    "TRANSFERRED_BY": "",
    "TRANSFERRED_TO": "",
    "SEEN": "FALSE",
    "VIDEO_STATUS": "VIDEO_NONE",
    "VIDEO_SEND_STATUS": "NOT_AVAILABLE",
    "VIDEO_RECEIVE_STATUS": "NOT_AVAILABLE",
}
