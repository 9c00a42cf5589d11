"""Why an originated call failed, from what Asterisk tells in passing. Pure.

With an ordinary dialplan line such as `Dial(PJSIP/x)` the originated Local channel
ends with cause 0 for busy and for declined. The truth is in the end of the last
dialled leg; failing that in how the dialling ended, or in what the dialplan knew at
its end (nothing is dialled to a phone that is not registered); the Local channel's own
cause comes last (measured on Asterisk 22).
"""

from __future__ import annotations

from skypechan.call.causes import HangupCause

_SAYS_NOTHING = (HangupCause.UNKNOWN, HangupCause.NORMAL_CLEARING)

OF_DIAL_STATUS: dict[str, HangupCause] = {
    "BUSY": HangupCause.USER_BUSY,
    "NOANSWER": HangupCause.NO_ANSWER,
    "CONGESTION": HangupCause.CONGESTION,
    "CHANUNAVAIL": HangupCause.SUBSCRIBER_ABSENT,
    "CANCEL": HangupCause.NO_ANSWER,
}

# For these chan_pjsip has no answer of its own and says 603 Decline, which tells every
# forking proxy to stop (measured on Asterisk 22). A cause that it knows, and for which
# Dial has the same word, stands for each.
_SPOKEN: dict[HangupCause, HangupCause] = {
    HangupCause.UNKNOWN: HangupCause.NORMAL_UNSPECIFIED,
    HangupCause.NORMAL_CLEARING: HangupCause.NO_ANSWER,
    HangupCause.TEMPORARY_FAILURE: HangupCause.SWITCH_CONGESTION,
    HangupCause.REQUESTED_CHANNEL_UNAVAILABLE: HangupCause.SWITCH_CONGESTION,
}


_ANSWERED_ELSEWHERE = 26


def why_cancelled(cause: int) -> str:
    """Return why a waiting caller ended with Asterisk's cause.

    In a ring group another member may have answered. Else the caller hung up, for
    which Asterisk says 127, interworking.
    """
    if cause == _ANSWERED_ELSEWHERE:
        return "answered elsewhere"
    return "the caller gave up"


def spoken(cause: HangupCause) -> HangupCause:
    """Return the cause to refuse a waiting call with, so that a phone understands."""
    return _SPOKEN.get(cause, cause)


class DialledCauses:
    """Collects what the legs of one originated call say of its end."""

    def __init__(self) -> None:
        self._living: set[str] = set()
        self._leg = HangupCause.UNKNOWN
        self._dial = HangupCause.UNKNOWN
        self._missed = HangupCause.UNKNOWN

    @property
    def complete(self) -> bool:
        """Tell whether every dialled leg has ended."""
        return not self._living

    def leg_began(self, uniqueid: str) -> None:
        """Take note of a dialled leg."""
        self._living.add(uniqueid)

    def leg_ended(self, uniqueid: str, cause: int) -> None:
        """Take the cause with which a dialled leg ended."""
        self._living.discard(uniqueid)
        self._leg = HangupCause.of(cause)

    def dial_ended(self, status: str) -> None:
        """Take the DIALSTATUS with which the dialling of a leg ended."""
        self._dial = OF_DIAL_STATUS.get(status, HangupCause.UNKNOWN)

    def missed(self, status: str, cause: str) -> None:
        """Take DIALSTATUS and HANGUPCAUSE as the dialplan had them at its end.

        The status says more: where the dialplan just ends, Asterisk sets a cause of
        its own (34 for all but busy; pbx.c, autofallthrough).
        """
        own = HangupCause.of(int(cause)) if cause.isdecimal() else HangupCause.UNKNOWN
        self._missed = OF_DIAL_STATUS.get(status, own)

    def of_call(self, own: int) -> HangupCause:
        """Return the cause of the call whose originated channel ended with `own`."""
        for cause in (self._leg, self._dial, self._missed, HangupCause.of(own)):
            if cause not in _SAYS_NOTHING:
                return cause
        return HangupCause.NORMAL_UNSPECIFIED
