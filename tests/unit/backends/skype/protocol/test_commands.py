from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.backends.skype.protocol import commands, devices
from skypechan.backends.skype.protocol.commands import (
    Alter,
    Create,
    CreateChat,
    Delete,
    GetProperty,
    LeaveVoicemail,
    Name,
    OtherCommand,
    Ping,
    PlaceCall,
    Search,
    SendChatMessage,
    SendMessage,
    SetProperty,
    SetProtocol,
    format_command,
    parse_command,
    split_token,
    with_token,
)
from skypechan.backends.skype.protocol.devices import (
    Device,
    DeviceKind,
    format_devices,
    parse_devices,
)
from skypechan.errors import LocalWireError, RemoteWireError

TABLE = [
    ("NAME skypopen", Name("skypopen")),
    ("NAME My Program 1.0", Name("My Program 1.0")),
    ("PROTOCOL 999", SetProtocol(999)),
    ("PING", Ping()),
    ("CALL echo123", PlaceCall(("echo123",))),
    ("CALL bob, +123456", PlaceCall(("bob", "+123456"))),
    ("GET CALL 12 STATUS", GetProperty("CALL", "12", "STATUS")),
    (
        "GET CALL 59 CONF_PARTICIPANT 1",
        GetProperty("CALL", "59", "CONF_PARTICIPANT 1"),
    ),
    ("GET USER bob FULLNAME", GetProperty("USER", "bob", "FULLNAME")),
    ("GET PROFILE PSTN_BALANCE", GetProperty("PROFILE", name="PSTN_BALANCE")),
    ("GET CURRENTUSERHANDLE", GetProperty("CURRENTUSERHANDLE")),
    ("GET PRIVILEGE SKYPEOUT", GetProperty("PRIVILEGE", name="SKYPEOUT")),
    ("SET USERSTATUS ONLINE", SetProperty("USERSTATUS", value="ONLINE")),
    ("SET CALL 212 STATUS FINISHED", SetProperty("CALL", "212", "STATUS", "FINISHED")),
    ("SET CALL 5 SEEN", SetProperty("CALL", "5", "SEEN")),
    ("SET CALL 32493 DTMF #", commands.send_digit(32493, "#")),
    (
        "SET PROFILE MOOD_TEXT hello all",
        SetProperty("PROFILE", "", "MOOD_TEXT", "hello all"),
    ),
    ("ALTER CALL 186 ANSWER", commands.answer(186)),
    ("ALTER CALL 42 HANGUP", commands.hang_up(42)),
    ("ALTER CALL 42 END HANGUP", commands.end_hang_up(42)),
    ("ALTER CALL 42 HOLD", commands.hold(42)),
    ("ALTER CALL 42 RESUME", commands.resume(42)),
    ("ALTER CALL 42 DTMF 5", Alter("CALL", "42", "DTMF", "5")),
    (
        'ALTER CALL 42 SET_INPUT PORT="32770"',
        commands.set_input(42, devices.sound_port(32770)),
    ),
    ("ALTER CALL 42 SET_OUTPUT", commands.set_output(42)),
    ("SEARCH ACTIVECALLS", Search("ACTIVECALLS")),
    ("SEARCH CALLS bob", Search("CALLS", "bob")),
    ("VOICEMAIL echo123", LeaveVoicemail("echo123")),
    ("CALLVOICEMAIL echo123", LeaveVoicemail("echo123", "CALLVOICEMAIL")),
    ("MESSAGE bob how are you", SendMessage("bob", "how are you")),
    ("CHATMESSAGE #a/$b;1 hi all", SendChatMessage("#a/$b;1", "hi all")),
    ("CHAT CREATE bob, carol", CreateChat(("bob", "carol"))),
    ("CHAT CREATE", CreateChat()),
    ("CREATE SMS OUTGOING +123", Create("SMS", "OUTGOING +123")),
    ("DELETE GROUP 7", Delete("GROUP", "7")),
    ("SET CHATMESSAGE 4 SEEN", SetProperty("CHATMESSAGE", "4", "SEEN")),
    ("ALTER CALL 77 TRANSFER eve, bob", commands.transfer(77, "eve", "bob")),
    ("SET CALL 5 JOIN_CONFERENCE 8", commands.join_conference(5, 8)),
    ("MINIMIZE", OtherCommand("MINIMIZE")),
]


@pytest.mark.parametrize(("text", "command"), TABLE)
def test_text_and_value_are_each_others_image(text, command):
    assert parse_command(text) == command
    assert format_command(command) == text


def test_keywords_are_read_in_any_case_and_values_keep_theirs():
    assert parse_command("get user Bob fullname") == GetProperty(
        "USER", "Bob", "FULLNAME"
    )
    assert parse_command("alter call 5 end hangup") == Alter(
        "CALL", "5", "END", "hangup"
    )


def test_missing_words_are_empty_fields_for_the_client_to_judge():
    assert parse_command("SET CALL STATUS FINISHED") == SetProperty(
        "CALL", "STATUS", "FINISHED"
    )
    assert parse_command("GET CALL") == GetProperty("CALL")
    assert parse_command("CALL ") == PlaceCall(())
    assert parse_command("ALTER CALL") == Alter("CALL", "", "")


@pytest.mark.parametrize(
    "text",
    ["", "   ", "PING\x00", "GET\nCALL", "PROTOCOL", "PROTOCOL x", "PROTOCOL -1"],
)
def test_malformed_text_is_the_other_ends_fault(text):
    with pytest.raises(RemoteWireError):
        parse_command(text)


def test_too_long_text_is_the_other_ends_fault():
    with pytest.raises(RemoteWireError):
        parse_command("NAME " + "x" * commands.LONGEST_TEXT)


@pytest.mark.parametrize(
    "command",
    [
        Name("two\nlines"),
        PlaceCall(("a,b",)),
        PlaceCall((" ",)),
        GetProperty("CALL", "1 2", "STATUS"),
        SetProperty("CALL", "", "STATUS", "FINISHED"),
        Alter("call", "1", "ANSWER"),
        OtherCommand("#1 PING"),
        OtherCommand("PING"),
        SetProtocol(-1),
    ],
)
def test_what_would_be_read_differently_is_not_written(command):
    with pytest.raises(LocalWireError):
        format_command(command)


@pytest.mark.parametrize(
    "text",
    [
        'SOUNDCARD="default" PORT="4711"',
        'SOUNDCARD="default", PORT="4711"',
        'soundcard="default",port="4711"',
    ],
)
def test_devices_are_parted_by_comma_space_or_both(text):
    assert parse_devices(text) == (
        Device(DeviceKind.SOUND_CARD, "default"),
        Device(DeviceKind.PORT, "4711"),
    )


def test_an_empty_device_list_has_no_devices():
    assert parse_devices("") == parse_devices("  ") == ()
    assert format_devices(()) == ""


@pytest.mark.parametrize(
    "text",
    ['PORT="0"', 'PORT="65536"', 'PORT="x"', "PORT=1", 'MOON="1"', 'PORT="1" junk'],
)
def test_a_bad_device_list_is_the_other_ends_fault(text):
    with pytest.raises(RemoteWireError):
        parse_devices(text)


def test_a_device_that_cannot_be_quoted_is_not_written():
    with pytest.raises(LocalWireError):
        format_devices([Device(DeviceKind.FILE, 'a"b')])
    with pytest.raises(LocalWireError):
        devices.sound_port(70_000)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("#0 CALL echo123", ("#0", "CALL echo123")),
        ("#output ALTER CALL 1 HOLD", ("#output", "ALTER CALL 1 HOLD")),
        ("PING", ("", "PING")),
        ("#1", ("#1", "")),
        ("", ("", "")),
    ],
)
def test_any_token_is_split_off_verbatim(text, parts):
    assert split_token(text) == parts


PRINTABLE = st.text(
    st.characters(exclude_characters="\x00\r\n", exclude_categories=["Cs"]),
    max_size=40,
)
WORD = st.from_regex(r"[A-Za-z0-9_.+:;$/]{1,20}", fullmatch=True)
KEYWORD = st.from_regex(r"[A-Z_]{1,20}", fullmatch=True)
COMMANDS = st.one_of(
    PRINTABLE.map(Name),
    st.integers(0, 9999).map(SetProtocol),
    st.just(Ping()),
    st.lists(WORD, max_size=4).map(tuple).map(PlaceCall),
    st.builds(GetProperty, st.just("CALL"), WORD, KEYWORD),
    st.builds(GetProperty, st.just("USER"), WORD, KEYWORD),
    st.builds(SetProperty, st.just("CALL"), WORD, KEYWORD, PRINTABLE),
    st.builds(
        SetProperty,
        st.sampled_from(["MUTE", "USERSTATUS"]),
        st.just(""),
        st.just(""),
        PRINTABLE,
    ),
    st.builds(Alter, st.just("CALL"), WORD, KEYWORD, PRINTABLE),
    st.builds(Search, KEYWORD, PRINTABLE),
)


@settings(deadline=None)
@given(COMMANDS, st.sampled_from(["", "#1", "#output"]))
def test_every_writable_command_is_read_back_the_same(command, token):
    text = with_token(token, format_command(command))
    split, rest = split_token(text)
    assert split == token
    assert parse_command(rest) == command


@settings(deadline=None)
@given(st.text(max_size=60) | PRINTABLE.map(lambda rest: "ALTER CALL " + rest))
def test_reading_raises_nothing_but_remote_wire_error(text):
    try:
        parse_command(text)
    except RemoteWireError:
        return


@settings(deadline=None)
@given(st.text(max_size=60) | WORD.map(lambda word: f'PORT="{word}"'))
def test_reading_devices_raises_nothing_but_remote_wire_error(text):
    try:
        devices = parse_devices(text)
    except RemoteWireError:
        return
    if not any("\n" in d.value or "\r" in d.value or "\0" in d.value for d in devices):
        assert parse_devices(format_devices(devices)) == devices
