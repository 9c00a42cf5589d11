from __future__ import annotations

from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.messages import (
    MOST_LINE_BYTES,
    Channel,
    Originate,
    UserEvent,
    headers_of,
)
from skypechan.asterisk.dialplan import Wanted
from skypechan.errors import RemoteWireError
from skypechan.settings import Endpoint
from tests.doubles.pbx_driver import origination

CALL = UUID("12345678-9abc-def0-1234-56789abcdef0")


def wanted(**fields: str) -> Wanted:
    values = {
        "uuid": str(CALL),
        "to": "skypeclient%2Fecho123",
        "seconds": "30",
        "format": "slin",
        "sipcallid": "a%40b",
    }
    channel = Channel("PJSIP/x-1", "1.1", "1.1")
    return dialplan.parse_wanted(
        UserEvent(dialplan.CALL_EVENT, channel, values | fields)
    )


def test_a_request_of_the_dialplan_is_read() -> None:
    assert wanted() == Wanted(CALL, "", "skypeclient", ("echo123",), 30.0, 8_000, "a@b")
    assert wanted(seconds="").ring_seconds is None
    assert wanted(format="slin16").rate_hz == 16_000


@pytest.mark.parametrize(
    ("to", "line", "address"),
    [
        ("ANY%2F%2B49301", "ANY", "+49301"),
        ("l%2Flive%253Abob", "l", "live:bob"),
        ("l%2Fa%252Cb", "l", "a,b"),
        ("l%2Fa%2Fb", "l", "a/b"),
    ],
)
def test_line_and_address_are_told_apart(to: str, line: str, address: str) -> None:
    asked = wanted(to=to)
    assert (asked.line, asked.addresses) == (line, (address,))


@pytest.mark.parametrize(
    "fields",
    [
        {"to": ""},
        {"to": "echo123"},
        {"to": "%2Fecho123"},
        {"to": "line%2F"},
        {"to": "line%2Fa%250Ab"},
        {"to": "line%2F" + "x" * 1000},
        {"uuid": "00000000-dead"},
        {"uuid": ""},
    ],
)
def test_a_request_that_names_no_call_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(RemoteWireError):
        wanted(**fields)


def test_an_audio_channel_tells_its_uuid() -> None:
    assert dialplan.audio_uuid(f"AudioSocket/127.0.0.1:9092-{CALL}") == CALL
    assert dialplan.audio_uuid("AudioSocket/127.0.0.1:9092-x") is None
    assert dialplan.audio_uuid(f"PJSIP/{CALL}") is None


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("127.0.0.1:9092", Endpoint("127.0.0.1", 9092)),
        ("gate-way.example:9092", Endpoint("gate-way.example", 9092)),
        ("[::1]:9092", Endpoint("::1", 9092)),
        ("9092", None),
        ("", None),
    ],
)
def test_an_audio_channel_tells_where_its_audio_goes(
    place: str, told: Endpoint | None
) -> None:
    assert dialplan.audio_place(f"AudioSocket/{place}-{CALL}") == told


@settings(deadline=None)  # other jobs share the machine
@given(st.text())
def test_encoded_text_has_no_character_of_a_dialplan(text: str) -> None:
    encoded = dialplan.encode(text)
    assert not set(encoded) & set(" ,;\"'`\\$[]{}()|&<>=\r\n\t\0/#^!*")
    assert encoded.isascii()


@settings(deadline=None)  # other jobs share the machine
@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"])))
def test_an_encoded_name_is_decoded_as_it_was(name: str) -> None:
    kept = unquote(dialplan.encode(name))
    assert name.startswith(kept)
    if len(name) <= 70:
        assert kept == name


@settings(deadline=None)  # other jobs share the machine
@given(st.text(), st.text())
def test_any_caller_fits_the_lines_of_ami(caller: str, name: str) -> None:
    call = origination(caller=caller, caller_name=name)
    variables = dialplan.variables_of(call, CALL, "127.0.0.1:9092")
    action = Originate("Local/x@y", "a", "s", "slin", 1, ("1", "2"), variables)
    lines = [f"{key}: {value}".encode() for key, value in headers_of(action, "1")]
    assert max(map(len, lines)) <= MOST_LINE_BYTES
    assert not any("," in value for _, value in variables)


def test_an_address_stays_readable() -> None:
    assert dialplan.encode("live:bob.smith_1-x") == "live:bob.smith_1-x"
    assert dialplan.encode("+49301") == "+49301"


@settings(deadline=None)  # other jobs share the machine
@given(st.text())
def test_a_reason_cannot_be_an_expression(text: str) -> None:
    reason = dialplan.plain_reason(text)
    assert not set(reason) & set('"$[]{},;\\()\r\n\0')
    assert len(reason) <= 200


def test_a_reason_stays_readable() -> None:
    text = "FAILUREREASON 3: user is offline"
    assert dialplan.plain_reason(text) == text
