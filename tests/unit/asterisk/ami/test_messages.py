from __future__ import annotations

import pytest

from skypechan.asterisk.ami.messages import (
    Channel,
    ChannelBegan,
    ChannelEnded,
    DialEnded,
    DialProgress,
    DigitEnded,
    Getvar,
    Hangup,
    HoldChanged,
    Login,
    Originated,
    PlayDtmf,
    Redirect,
    Setvar,
    Status,
    UserEvent,
    headers_of,
    parse_event,
)
from skypechan.errors import LocalWireError

CHANNEL = {"channel": "PJSIP/x-1", "uniqueid": "1.1", "linkedid": "1.0"}
PARSED = Channel("PJSIP/x-1", "1.1", "1.0")


def test_actions_have_the_headers_of_ami() -> None:
    assert headers_of(Redirect("c", "x", "y"), "7") == [
        ("Action", "Redirect"),
        ("ActionID", "7"),
        ("Channel", "c"),
        ("Context", "x"),
        ("Exten", "y"),
        ("Priority", "1"),
    ]
    assert headers_of(Hangup("c", 17), "7")[2:] == [("Channel", "c"), ("Cause", "17")]
    assert headers_of(Status(), "7") == [("Action", "Status"), ("ActionID", "7")]
    assert ("Receive", "true") in headers_of(PlayDtmf("c", "#", 120), "7")


def test_a_global_variable_names_no_channel() -> None:
    assert headers_of(Setvar("", "V", "1"), "7")[2:] == [
        ("Variable", "V"),
        ("Value", "1"),
    ]


@pytest.mark.parametrize("bad", ["a\r\nb", "a\nb", "a\rb", "a\0b"])
def test_no_value_can_hold_a_line_break(bad: str) -> None:
    for action in (Setvar("c", "V", bad), Getvar(bad), Login("u", bad, "x")):
        with pytest.raises(LocalWireError, match="line break"):
            headers_of(action, "7")


def test_a_line_is_measured_in_bytes() -> None:
    headers_of(Setvar("c", "V", "x" * 990), "7")
    with pytest.raises(LocalWireError, match="too long"):
        headers_of(Setvar("c", "V", "é" * 500), "7")


def test_events_are_read() -> None:
    assert parse_event({"event": "Newchannel", **CHANNEL}) == ChannelBegan(PARSED)
    assert parse_event({"event": "Hangup", **CHANNEL, "cause": "17"}) == ChannelEnded(
        PARSED, 17
    )
    assert parse_event({"event": "Hold", **CHANNEL}) == HoldChanged(PARSED, held=True)
    assert parse_event({"event": "Unhold", **CHANNEL}) == HoldChanged(
        PARSED, held=False
    )
    assert parse_event(
        {"event": "DTMFEnd", **CHANNEL, "digit": "5", "direction": "Sent"}
    ) == DigitEnded(PARSED, "5", received=False)
    assert parse_event(
        {"event": "OriginateResponse", "uniqueid": "u", "response": "Failure"}
    ) == Originated("u", success=False)


def test_dial_events_are_about_the_dialled_channel() -> None:
    dialled = {f"dest{name}": value for name, value in CHANNEL.items()}
    caller = {"channel": "other", "uniqueid": "9"}
    headers = {**caller, **dialled, "dialstatus": "RINGING"}
    assert parse_event({"event": "DialState", **headers}) == DialProgress(
        PARSED, "RINGING"
    )
    assert parse_event({"event": "DialEnd", **headers}) == DialEnded(PARSED, "RINGING")


def test_a_user_event_keeps_its_fields() -> None:
    event = parse_event({"event": "UserEvent", "userevent": "X", **CHANNEL, "to": "a"})
    assert isinstance(event, UserEvent)
    assert (event.name, event.channel, event.fields["to"]) == ("X", PARSED, "a")


def test_other_events_are_none_of_ours() -> None:
    assert parse_event({"event": "VarSet"}) is None
    assert parse_event({}) is None


@pytest.mark.parametrize("cause", ["", "many", "-1", "²", "1e3"])
def test_a_number_that_is_none_counts_as_zero(cause: str) -> None:
    event = parse_event({"event": "Hangup", **CHANNEL, "cause": cause})
    assert event == ChannelEnded(PARSED, 0)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("<unknown>", ""),
        ("Bob", "Bob"),
        ("O\\'Neil", "O'Neil"),
        ('say \\\\\\"hi\\\\\\"', 'say "hi"'),
        ("tab\\there", "tab\there"),
        ("back\\\\\\\\slash", "back\\slash"),
        ("a,b: c", "a,b: c"),
    ],
)
def test_a_callers_name_loses_the_escapes_of_asterisk(written: str, name: str) -> None:
    event = parse_event({"event": "Newchannel", **CHANNEL, "calleridname": written})
    assert isinstance(event, ChannelBegan)
    assert event.channel.caller_name == name


def test_a_channels_technology_is_in_its_name() -> None:
    assert PARSED.technology == "PJSIP"
    assert Channel("Local/s@x-1;2", "", "").technology == "Local"
