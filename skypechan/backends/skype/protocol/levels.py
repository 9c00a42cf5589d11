"""Protocol levels: what a client says to an application that asked for less.

Level 1 knows CALL, USER and MESSAGE, 2 brought CANCELLED, 3 CHAT and CHATMESSAGE,
5 voicemail, 6 rates, 7 transfers, 8 redialling (Skype API: protocol levels). What
stands for a word that a level lacks is a guess, marked below.
"""

from __future__ import annotations

from typing import Final

from skypechan.backends.skype.protocol.notifications import (
    CallProperty,
    CallStatusChanged,
    Notification,
    ObjectProperty,
    SearchResult,
)
from skypechan.backends.skype.protocol.properties import level_of
from skypechan.backends.skype.protocol.values import CallStatus

_S = CallStatus

_OLDER_STATUS: Final[tuple[tuple[int, dict[CallStatus, CallStatus | None]], ...]] = (
    # Guess: the older word; None is not told at all.
    (8, {_S.WAITING_REDIAL_COMMAND: _S.REFUSED, _S.REDIAL_PENDING: _S.ROUTING}),
    (7, {_S.TRANSFERRING: None, _S.TRANSFERRED: _S.FINISHED}),
    (
        5,
        {
            _S.LOCAL_HOLD: _S.ON_HOLD,
            _S.REMOTE_HOLD: _S.ON_HOLD,
            _S.VM_BUFFERING_GREETING: None,
            _S.VM_PLAYING_GREETING: None,
            _S.VM_RECORDING: None,
            _S.VM_UPLOADING: None,
            _S.VM_SENT: _S.FINISHED,
            _S.VM_CANCELLED: _S.CANCELLED,
            _S.VM_FAILED: _S.FINISHED,
        },
    ),
    (2, {_S.CANCELLED: _S.FINISHED}),
)

_OBJECT_LEVELS: Final = {"CHAT": 3, "CHATMESSAGE": 3, "VOICEMAIL": 5}
_MESSAGE_NAMES: Final = {
    "FROM_HANDLE": "PARTNER_HANDLE",
    "FROM_DISPNAME": "PARTNER_DISPNAME",
}


def at_level(notification: Notification, level: int) -> Notification | None:
    """The notification in the words of a level; None when it has none for it."""
    match notification:
        case CallStatusChanged(call_id, status):
            older = status_at_level(status, level)
            return None if older is None else CallStatusChanged(call_id, older)
        case CallProperty(_, name):
            return notification if level_of("CALL", name) <= level else None
        case ObjectProperty("CHATMESSAGE", ident, name, value) if level < 3:
            return _old_message(ident, name, value)
        case ObjectProperty(kind):
            return notification if _OBJECT_LEVELS.get(kind, 1) <= level else None
        case SearchResult("CHATMESSAGES", names) if level < 3:
            return SearchResult("MESSAGES", names)
        case _:
            return notification


def status_at_level(status: CallStatus, level: int) -> CallStatus | None:
    """The status that an application of this level is told, None for no word."""
    older: CallStatus | None = status
    for since, words in _OLDER_STATUS:
        if level < since and older is not None:
            older = words.get(older, older)
    return older


def _old_message(ident: str, name: str, value: str) -> ObjectProperty | None:
    """A message as levels 1 and 2 know it: from or to a partner, without a chat."""
    if name == "CHATNAME":
        return None
    return ObjectProperty("MESSAGE", ident, _MESSAGE_NAMES.get(name, name), value)
