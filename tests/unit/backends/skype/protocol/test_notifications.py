from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.backends.skype.protocol.notifications import (
    OBJECT_KINDS,
    AlterEcho,
    CallDigit,
    CallProperty,
    CallStatusChanged,
    ConnectionStatusChanged,
    CurrentUserHandle,
    DigitSent,
    Error,
    ObjectProperty,
    Ok,
    Pong,
    ProfileProperty,
    ProtocolLevel,
    SearchResult,
    Setting,
    Unknown,
    UserProperty,
    UserStatusChanged,
    format_notification,
    parse_notification,
)
from skypechan.backends.skype.protocol.values import (
    CallStatus,
    ConnectionStatus,
    UserStatus,
)
from skypechan.errors import LocalWireError

TABLE = [
    ("CALL 186 CONF_ID 0", CallProperty(186, "CONF_ID", "0")),
    ("CALL 186 STATUS RINGING", CallStatusChanged(186, CallStatus.RINGING)),
    ("CALL 186 STATUS EARLYMEDIA", CallStatusChanged(186, CallStatus.EARLY_MEDIA)),
    ("CALL 1 STATUS TELEPORTED", CallProperty(1, "STATUS", "TELEPORTED")),
    ("CALL 42 DTMF 5", CallDigit(42, "5")),
    ("CALL 42 DTMF X", CallProperty(42, "DTMF", "X")),
    (
        "CALL 7 PARTNER_DISPNAME Bob, Uuid: x",
        CallProperty(7, "PARTNER_DISPNAME", "Bob, Uuid: x"),
    ),
    ("CALL 7 PARTNER_DISPNAME ", CallProperty(7, "PARTNER_DISPNAME", "")),
    ("SET CALL 32493 DTMF 0", DigitSent(32493, "0")),
    ("CONNSTATUS ONLINE", ConnectionStatusChanged(ConnectionStatus.ONLINE)),
    ("CURRENTUSERHANDLE skypet123", CurrentUserHandle("skypet123")),
    ("USERSTATUS INVISIBLE", UserStatusChanged(UserStatus.INVISIBLE)),
    ("USER bob FULLNAME Bob Day", UserProperty("bob", "FULLNAME", "Bob Day")),
    ("PROFILE PSTN_BALANCE 1000000", ProfileProperty("PSTN_BALANCE", "1000000")),
    ("MUTE ON", Setting("MUTE", "ON")),
    ("SKYPEVERSION 4.3.0.37", Setting("SKYPEVERSION", "4.3.0.37")),
    ("CALLS 12, 13", SearchResult("CALLS", ("12", "13"))),
    ("CALLS ", SearchResult("CALLS")),
    ("USERS bob", SearchResult("USERS", ("bob",))),
    ("ALTER CALL 186 ANSWER", AlterEcho("CALL", "186", "ANSWER")),
    (
        'ALTER CALL 42 SET_INPUT PORT="32770"',
        AlterEcho("CALL", "42", "SET_INPUT", 'PORT="32770"'),
    ),
    ("ALTER CHAT ADDMEMBERS", AlterEcho("CHAT", "ADDMEMBERS", "")),
    ("ERROR 68", Error(68)),
    ("ERROR 92 CALL: Unrecognised identity", Error(92, "CALL: Unrecognised identity")),
    ("OK", Ok()),
    ("PONG", Pong()),
    ("PROTOCOL 7", ProtocolLevel(7)),
    (
        "CHATMESSAGE 4 STATUS RECEIVED",
        ObjectProperty("CHATMESSAGE", "4", "STATUS", "RECEIVED"),
    ),
    (
        "CHAT #alice/$bob;a7ab STATUS DIALOG",
        ObjectProperty("CHAT", "#alice/$bob;a7ab", "STATUS", "DIALOG"),
    ),
    ("VOICEMAIL 8014 DURATION 1", ObjectProperty("VOICEMAIL", "8014", "DURATION", "1")),
    ("CHATMESSAGE", Unknown("CHATMESSAGE")),
]


@pytest.mark.parametrize(("text", "notification"), TABLE)
def test_text_and_value_are_each_others_image(text, notification):
    assert parse_notification(text) == notification
    assert format_notification(notification) == text


@pytest.mark.parametrize("text", ["CALLS", "CALLS   "])
def test_an_empty_result_may_lack_its_space(text):
    assert parse_notification(text) == SearchResult("CALLS")


@pytest.mark.parametrize(
    "text",
    ["", "CALL", "CALL x STATUS RINGING", "CALL 5", "ERROR", "ERROR x", "USER bob",
     "PROFILE", "ALTER CALL", "PROTOCOL", "CONNSTATUS MAYBE", "USERSTATUS", "OK then"],
)  # fmt: skip
def test_a_line_without_meaning_here_is_kept(text):
    assert parse_notification(text) == Unknown(text)


def test_keywords_are_read_in_any_case():
    assert parse_notification("call 1 status ringing") == CallStatusChanged(
        1, CallStatus.RINGING
    )


@pytest.mark.parametrize(
    "notification",
    [
        Unknown("two\nlines"),
        CallProperty(1, "STATUS", "RINGING"),
        UserProperty("two words", "FULLNAME", "x"),
        SearchResult("CALLS", ("a,b",)),
        Unknown("OK"),
    ],
)
def test_what_would_be_read_differently_is_not_written(notification):
    with pytest.raises(LocalWireError):
        format_notification(notification)


PRINTABLE = st.text(
    st.characters(exclude_characters="\x00\r\n", exclude_categories=["Cs"]),
    max_size=40,
)
WORD = st.from_regex(r"[A-Za-z0-9_.+:;$]{1,20}", fullmatch=True)
CALL_ID = st.integers(0, 10**12)
NOTIFICATIONS = st.one_of(
    st.builds(CallStatusChanged, CALL_ID, st.sampled_from(CallStatus)),
    st.builds(
        CallProperty,
        CALL_ID,
        st.sampled_from(["PARTNER_DISPNAME", "DURATION", "TYPE"]),
        PRINTABLE,
    ),
    st.builds(CallDigit, CALL_ID, st.sampled_from("0123456789*#")),
    st.builds(DigitSent, CALL_ID, st.sampled_from("0123456789*#")),
    st.sampled_from(ConnectionStatus).map(ConnectionStatusChanged),
    st.sampled_from(UserStatus).map(UserStatusChanged),
    PRINTABLE.map(CurrentUserHandle),
    st.builds(UserProperty, WORD, st.just("FULLNAME"), PRINTABLE),
    st.builds(
        ObjectProperty,
        st.sampled_from(sorted(OBJECT_KINDS)),
        WORD,
        st.sampled_from(["STATUS", "BODY"]),
        PRINTABLE,
    ),
    st.builds(SearchResult, st.just("USERS"), st.lists(WORD).map(tuple)),
    st.builds(Error, st.integers(0, 9999), PRINTABLE),
    st.integers(0, 99).map(ProtocolLevel),
)


@settings(deadline=None)
@given(NOTIFICATIONS)
def test_every_notification_is_read_back_the_same(notification):
    assert parse_notification(format_notification(notification)) == notification


@settings(deadline=None)
@given(st.text(max_size=60) | PRINTABLE.map(lambda rest: "CALL 1 " + rest))
def test_reading_never_fails(text):
    parse_notification(text)
