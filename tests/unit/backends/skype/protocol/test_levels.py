from __future__ import annotations

import pytest

from skypechan.backends.skype.protocol.levels import at_level, status_at_level
from skypechan.backends.skype.protocol.notifications import (
    format_notification,
    parse_notification,
)
from skypechan.backends.skype.protocol.values import (
    END_STATUSES,
    HIGHEST_LEVEL,
    CallStatus,
)


@pytest.mark.parametrize(
    ("text", "level", "said"),
    [
        ("CALL 1 STATUS CANCELLED", 2, "CALL 1 STATUS CANCELLED"),
        ("CALL 1 STATUS CANCELLED", 1, "CALL 1 STATUS FINISHED"),
        ("CALL 1 STATUS LOCALHOLD", 5, "CALL 1 STATUS LOCALHOLD"),
        ("CALL 1 STATUS REMOTEHOLD", 4, "CALL 1 STATUS ONHOLD"),
        ("CALL 1 STATUS VM_RECORDING", 5, "CALL 1 STATUS VM_RECORDING"),
        ("CALL 1 STATUS VM_RECORDING", 4, None),
        ("CALL 1 STATUS VM_CANCELLED", 1, "CALL 1 STATUS FINISHED"),
        ("CALL 1 RATE 0", 6, "CALL 1 RATE 0"),
        ("CALL 1 RATE 0", 5, None),
        ("CALL 1 STATUS TRANSFERRING", 6, None),
        ("CALL 1 STATUS TRANSFERRED", 6, "CALL 1 STATUS FINISHED"),
        ("CALL 1 STATUS WAITING_REDIAL_COMMAND", 8, None),
        ("CALL 1 STATUS WAITING_REDIAL_COMMAND", 7, "CALL 1 STATUS REFUSED"),
        ("CHATMESSAGE 4 STATUS RECEIVED", 3, "CHATMESSAGE 4 STATUS RECEIVED"),
        ("CHATMESSAGE 4 STATUS RECEIVED", 2, "MESSAGE 4 STATUS RECEIVED"),
        ("CHATMESSAGE 4 FROM_HANDLE bob", 2, "MESSAGE 4 PARTNER_HANDLE bob"),
        ("CHATMESSAGE 4 CHATNAME #a/$b;1", 2, None),
        ("CHATMESSAGES 4, 5", 2, "MESSAGES 4, 5"),
        ("CHAT #a/$b;1 STATUS DIALOG", 2, None),
        ("VOICEMAIL 4 STATUS BLANK", 4, None),
        ("USER bob ONLINESTATUS AWAY", 1, "USER bob ONLINESTATUS AWAY"),
    ],
)
def test_each_level_has_its_words(text, level, said):
    found = at_level(parse_notification(text), level)
    if level == HIGHEST_LEVEL:
        said = text
    assert (found and format_notification(found)) == said


@pytest.mark.parametrize("level", range(1, HIGHEST_LEVEL + 1))
@pytest.mark.parametrize("status", sorted(END_STATUSES))
def test_an_end_is_told_at_every_level(status, level):
    assert status_at_level(status, level) in END_STATUSES


@pytest.mark.parametrize("status", CallStatus)
def test_the_highest_level_has_every_word(status):
    assert status_at_level(status, HIGHEST_LEVEL) is status
