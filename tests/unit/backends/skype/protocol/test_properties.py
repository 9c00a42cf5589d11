from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.backends.skype.protocol.devices import Device, DeviceKind
from skypechan.backends.skype.protocol.properties import (
    PROPERTIES,
    GatewayFault,
    Participant,
    level_of,
    read_value,
    write_value,
)
from skypechan.backends.skype.protocol.values import (
    BuddyStatus,
    CallStatus,
    CallType,
    ChatStatus,
    FailureReason,
    MessageStatus,
    UserStatus,
    VoicemailType,
    WindowState,
)
from skypechan.errors import LocalWireError

TABLE = [
    ("CALL", "DURATION", "61", 61),
    ("CALL", "TYPE", "OUTGOING_PSTN", CallType.OUTGOING_PSTN),
    ("CALL", "STATUS", "VM_SENT", CallStatus.VM_SENT),
    ("CALL", "FAILUREREASON", "14", FailureReason.CONFERENCE_DROPPED),
    (
        "CALL",
        "PSTN_STATUS",
        "6500 PSTN Call Creation Timeout",
        GatewayFault(6500, "PSTN Call Creation Timeout"),
    ),
    ("CALL", "PSTN_STATUS", "6500", GatewayFault(6500)),
    (
        "CALL",
        "CONF_PARTICIPANT",
        "1 bob INCOMING_P2P INPROGRESS Bob Day",
        Participant(1, "bob", CallType.INCOMING_P2P, CallStatus.IN_PROGRESS, "Bob Day"),
    ),
    ("CALL", "OUTPUT", 'PORT="4711"', (Device(DeviceKind.PORT, "4711"),)),
    ("CALL", "SEEN", "TRUE", True),
    ("USER", "BUDDYSTATUS", "3", BuddyStatus.FRIEND),
    ("USER", "ONLINESTATUS", "DND", UserStatus.DO_NOT_DISTURB),
    ("USER", "ISBLOCKED", "FALSE", False),
    ("USER", "TIMEZONE", "90000", 90000),
    ("CHAT", "STATUS", "DIALOG", ChatStatus.DIALOG),
    ("CHAT", "MEMBERS", "alice bob", ("alice", "bob")),
    ("CHATMESSAGE", "STATUS", "READ", MessageStatus.READ),
    ("MESSAGE", "STATUS", "RECEIVED", MessageStatus.RECEIVED),
    ("VOICEMAIL", "TYPE", "OUTGOING", VoicemailType.OUTGOING),
    ("GROUP", "USERS", "bob, carol", ("bob", "carol")),
    ("PROFILE", "PSTN_BALANCE", "1000000", 1_000_000),
    ("PRIVILEGE", "SKYPEOUT", "TRUE", True),
    ("", "MUTE", "ON", True),
    ("", "WINDOWSTATE", "HIDDEN", WindowState.HIDDEN),
]


@pytest.mark.parametrize(("kind", "name", "text", "value"), TABLE)
def test_text_and_value_are_each_others_image(kind, name, text, value):
    read = read_value(kind, name, text)
    assert (type(read), read) == (type(value), value)
    assert write_value(kind, name, value) == text


@pytest.mark.parametrize(
    ("kind", "name", "text"),
    [
        ("CALL", "SHOESIZE", "44"),
        ("CALL", "DURATION", "long"),
        ("CALL", "TYPE", "TELEPATHY"),
        ("CALL", "FAILUREREASON", "99"),
        ("CALL", "CONF_PARTICIPANT 1", "bob"),
        ("CALL", "INPUT", "microphone"),
        ("MOON", "PHASE", "FULL"),
        ("", "MUTE", "PERHAPS"),
    ],
)
def test_what_is_not_known_stays_text(kind, name, text):
    assert read_value(kind, name, text) == text


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("CALL", "DURATION", "61"),
        ("CALL", "DURATION", True),
        ("CALL", "SEEN", 1),
        ("CALL", "TYPE", CallStatus.BUSY),
        ("CHAT", "MEMBERS", ("two words",)),
        ("CALL", "CONF_PARTICIPANT 1", "bob"),
        ("MOON", "PHASE", 3),
    ],
)
def test_a_value_of_another_type_is_not_written(kind, name, value):
    with pytest.raises(LocalWireError):
        write_value(kind, name, value)


EVERY = [(kind, name) for kind, names in PROPERTIES.items() for name in names]


@settings(deadline=None)
@given(st.sampled_from(EVERY), st.text(max_size=40) | st.integers().map(str))
def test_reading_never_fails_and_what_was_read_can_be_written(place, text):
    kind, name = place
    value = read_value(kind, name, text)
    if not isinstance(value, str) or type(value) is not str:
        assert read_value(kind, name, write_value(kind, name, value)) == value


@pytest.mark.parametrize(
    ("kind", "name", "level"),
    [
        ("CALL", "STATUS", 1),
        ("CALL", "VM_DURATION", 5),
        ("CALL", "RATE", 6),
        ("CALL", "TRANSFER_ACTIVE", 7),
        ("CALL", "CAN_TRANSFER bob", 7),
        ("CHATMESSAGE", "BODY", 3),
        ("CALL", "SHOESIZE", 1),
    ],
)
def test_a_property_exists_from_its_level_on(kind, name, level):
    assert level_of(kind, name) == level
