"""What our calls add to Asterisk's own call detail records (CDR), where it keeps any.

`CDR(skypechan_line)`, `_address` (the messenger user), `_call` (the id of our record),
`_cause` and `_reason` are at the disposal of whatever writes those records: mappings of
cdr_custom.conf and cdr_manager.conf, columns of cdr_adaptive_odbc.conf.

Asterisk closes the record of a channel when the channel's audio ends, before anybody
can say why that was: a call that was answered keeps cause 16, "answered". The channels
of a call to the PBX that fails have ended before we hear of it: it keeps no cause.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import Setvar
from skypechan.call.causes import HangupCause
from skypechan.call.record import CallRecord, Direction
from skypechan.errors import CommandError

_log = logging.getLogger(__name__)

# What Asterisk answers where func_cdr is not loaded; it also logs an error then.
_UNKNOWN = "Variable not set"


def details_of(record: CallRecord) -> dict[str, str]:
    """Return what a detail record should say of a call, as far as it has come."""
    to_line = record.direction is Direction.TO_LINE
    details = {
        "line": record.line,
        "address": dialplan.encode(record.address if to_line else record.caller),
        "call": record.call,
    }
    cause, reason = record.cause, record.reason
    if record.answered is not None:
        cause, reason = HangupCause.NORMAL_CLEARING, "answered"
    if cause is not None:
        details |= {"cause": str(int(cause)), "reason": dialplan.plain_reason(reason)}
    return details


class CallDetails:
    """Writes our details of calls into the records of their channels."""

    def __init__(
        self, link: AmiLink, spawn: Callable[[Coroutine[None, None, None]], None]
    ) -> None:
        self._link = link
        self._spawn = spawn
        self._are_kept = True

    def clear(self) -> None:
        """Try anew: another Asterisk, or other modules, may have come."""
        self._are_kept = True

    def write(self, channels: Iterable[str], record: CallRecord) -> None:
        """Tell Asterisk of a call; channels are named by their unique ids.

        It is told before whatever is asked of it next. A channel that has ended is
        passed over.
        """
        for channel in channels if self._are_kept else ():
            for name, value in details_of(record).items():
                self._spawn(self._set(channel, name, value))

    async def _set(self, channel: str, name: str, value: str) -> None:
        try:
            await self._link.send(Setvar(channel, f"CDR(skypechan_{name})", value))
        except CommandError as error:
            if str(error) == _UNKNOWN and self._are_kept:
                self._are_kept = False
                _log.info("= Asterisk takes no call details: load func_cdr for them")
