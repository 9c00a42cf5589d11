"""The call record: what is written when a call has ended."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from skypechan.call.causes import DialStatus, HangupCause, meaning
from skypechan.errors import RemoteWireError

MOST_NAME = 256
"""Characters kept of what strangers call themselves."""


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

    `line_call` is the client's own id of the line leg; the call is `answered` when that
    leg is, which for a call from the line is when the two can talk. `caller` and
    `caller_name` are as the offering side gave them: text from outside, of any content.
    `taps` are the files that the call's audio was recorded to. The price is what the
    client said of the line leg, in a currency (ISO 4217) that may be unknown.
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
    price_per_minute: float | None = None
    price_currency: str = ""
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
        elif side is offering and cause is HangupCause.NORMAL_CLEARING:
            self.status, reason = DialStatus.CANCEL, reason or "the caller gave up"
        else:
            self.status = meaning(cause).status
        self.cause, self.reason = cause, reason or meaning(cause).text

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values: ISO times, numbers, words, null.

        The client's own call id is named after the messenger of the day.
        """
        return {
            _WRITTEN.get(name, name): _plain(getattr(self, name)) for name in _FIELDS
        }

    @classmethod
    def from_json(cls, values: Any) -> CallRecord:
        """Return the record of which these are the values, as `as_json` gave them.

        What another release wrote more is passed over. Raises RemoteWireError for
        what is no record.
        """
        try:
            written = {name: values.get(_WRITTEN.get(name, name)) for name in _FIELDS}
            return cls(
                **{
                    name: _READ.get(name, _as_it_is)(value)
                    for name, value in written.items()
                    if value is not None
                }
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise RemoteWireError(f"no call record: {error}") from error


_FIELDS = tuple(declared.name for declared in dataclasses.fields(CallRecord))
_WRITTEN = {"line_call": "skype_call"}
_READ: dict[str, Callable[[Any], Any]] = {
    "direction": Direction,
    "cause": HangupCause.of,
    "status": DialStatus,
    "released_by": Side,
    **dict.fromkeys(("placed", "ringing", "answered", "ended"), datetime.fromisoformat),
}


def _as_it_is(value: Any) -> Any:
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds")
    if isinstance(value, HangupCause):
        return int(value)
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return None  # the level of silence, for which JSON has no number
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return value
