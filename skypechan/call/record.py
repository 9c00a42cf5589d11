"""The call record: what is written when a call has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from skypechan.call.causes import DialStatus, HangupCause, meaning


class Direction(StrEnum):
    """Which way a call goes."""

    TO_PBX = "to_pbx"
    TO_LINE = "to_line"


class Side(StrEnum):
    """Who ended a call."""

    LINE = "line"
    PBX = "pbx"
    GATEWAY = "gateway"


# With these a leg has failed: nobody at its end has given up.
_FAULTS = (
    HangupCause.DESTINATION_OUT_OF_ORDER,
    HangupCause.NETWORK_OUT_OF_ORDER,
    HangupCause.TEMPORARY_FAILURE,
)


@dataclass(slots=True)
class CallRecord:
    """One call from its offer to its end; times are UTC.

    `line_call` is the client's own id of the line leg. `caller` and `caller_name`
    are as the offering side gave them: text from outside, of any content. `taps` are
    the files that the call's audio was recorded to.
    """

    call: str
    direction: Direction
    line: str = ""
    address: str = ""
    caller: str = ""
    caller_name: str = ""
    line_call: str = ""
    uuid: str = ""
    uniqueid: str = ""
    linkedid: str = ""
    sip_call_id: str = ""
    placed: datetime | None = None
    ringing: datetime | None = None
    answered: datetime | None = None
    ended: datetime | None = None
    cause: HangupCause | None = None
    status: DialStatus | None = None
    reason: str = ""
    released_by: Side | None = None
    digits_to_pbx: int = 0
    digits_to_line: int = 0
    digits_dropped: int = 0
    taps: list[str] = field(default_factory=list)
    audio: Mapping[str, float | int] = field(default_factory=dict)

    def end(self, side: Side, cause: HangupCause, reason: str, when: datetime) -> None:
        """Write down who ended the call and why. Only the first ending counts.

        But where a program dies, closed audio may be the first sign of it, and only
        the fault that its leg ends with says what has happened.
        """
        if self.ended is not None:
            if side is self.released_by and cause in _FAULTS:
                self.cause, self.reason = cause, reason
            return
        self.ended, self.released_by = when, side
        offering = Side.PBX if self.direction is Direction.TO_LINE else Side.LINE
        if self.answered is not None:
            self.status = DialStatus.ANSWER
        elif side is offering and cause not in _FAULTS:
            self.status = DialStatus.CANCEL
            cause, reason = HangupCause.NORMAL_CLEARING, "the caller gave up"
        else:
            self.status = meaning(cause).status
        self.cause, self.reason = cause, reason or meaning(cause).text

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values: ISO times, numbers, words, null.

        The client's own call id is named after the messenger of the day.
        """
        fields = {name: _plain(getattr(self, name)) for name in self.__slots__}
        fields["skype_call"] = fields.pop("line_call")
        return fields


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, HangupCause):
        return int(value)
    if isinstance(value, StrEnum):
        return value.value
    return dict(value) if isinstance(value, Mapping) else value
