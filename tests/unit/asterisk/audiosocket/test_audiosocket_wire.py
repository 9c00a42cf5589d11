from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.asterisk.audiosocket.wire import (
    AUDIO_RATES_HZ,
    DIGITS,
    Decoder,
    Message,
    encode_audio,
    encode_digit,
    encode_hangup,
    encode_identity,
)
from skypechan.errors import LocalWireError, RemoteWireError

CALL = UUID("12345678-9abc-def0-1234-56789abcdef0")
messages = st.lists(
    st.builds(Message, st.integers(0, 255), st.binary(max_size=700)), max_size=8
)


def encoded(message: Message) -> bytes:
    """By the description of the protocol, without our encoders."""
    length = len(message.payload)
    return bytes([message.kind, length >> 8, length & 255]) + message.payload


@settings(deadline=None)  # other jobs share the machine
@given(messages, st.lists(st.integers(1, 900), max_size=30))
def test_any_cutting_gives_the_same_messages(
    sent: list[Message], cuts: list[int]
) -> None:
    stream = b"".join(map(encoded, sent))
    decoder, got = Decoder(), []
    for cut in cuts:
        got += decoder.feed(stream[:cut])
        stream = stream[cut:]
    got += decoder.feed(stream)
    assert got == sent
    assert decoder.rest == b""


@settings(deadline=None)  # other jobs share the machine
@given(messages, st.integers(0, 4000))
def test_what_is_not_whole_stays_in_the_rest(sent: list[Message], cut: int) -> None:
    stream = b"".join(map(encoded, sent))[:cut]
    decoder = Decoder()
    got = decoder.feed(stream)
    assert b"".join(map(encoded, got)) + decoder.rest == stream


def test_one_message_is_taken_and_what_follows_stays() -> None:
    decoder = Decoder()
    assert decoder.next(b"\x01\x00") is None
    first = decoder.next(b"\x10" + CALL.bytes + b"\x10\x00\x02ab\x10")
    assert first == Message(0x01, CALL.bytes)
    assert decoder.rest == b"\x10\x00\x02ab\x10"


def test_encodings_are_those_of_the_protocol() -> None:
    assert encode_hangup() == b"\x00\x00\x00"
    assert encode_identity(CALL) == b"\x01\x00\x10" + CALL.bytes
    assert encode_digit("#") == b"\x03\x00\x01#"
    assert encode_audio(8_000, b"\x01\x02" * 160)[:3] == b"\x10\x01\x40"
    assert encode_audio(16_000, b"\x01\x02" * 320)[:3] == b"\x12\x02\x80"
    assert encode_audio(48_000, b"\x01\x02" * 960)[:3] == b"\x16\x07\x80"


@pytest.mark.parametrize("kind", AUDIO_RATES_HZ)
def test_audio_tells_its_rate(kind: int) -> None:
    rate_hz = AUDIO_RATES_HZ[kind]
    (message,) = Decoder().feed(encode_audio(rate_hz, b"ab"))
    assert (message.kind, message.rate_hz) == (kind, rate_hz)


def test_other_messages_have_no_rate() -> None:
    assert Message(0x03, b"1").rate_hz is None


@pytest.mark.parametrize(
    ("rate_hz", "pcm"),
    [(8_000, b""), (8_000, b"abc"), (8_000, bytes(65_536)), (11_025, b"ab")],
)
def test_what_would_end_the_call_is_not_encoded(rate_hz: int, pcm: bytes) -> None:
    with pytest.raises(LocalWireError):
        encode_audio(rate_hz, pcm)


@pytest.mark.parametrize("digit", ["", "E", "12", "é"])
def test_what_is_no_digit_is_not_encoded(digit: str) -> None:
    with pytest.raises(LocalWireError):
        encode_digit(digit)


def test_uuid_and_digits_are_read() -> None:
    assert Message(0x01, CALL.bytes).uuid == CALL
    for digit in DIGITS:
        assert Message(0x03, digit.encode()).digit == digit


@pytest.mark.parametrize(
    "message",
    [Message(0x01, b""), Message(0x01, bytes(17)), Message(0x10, CALL.bytes)],
)
def test_what_is_no_uuid_is_the_other_ends_fault(message: Message) -> None:
    with pytest.raises(RemoteWireError):
        _ = message.uuid


@pytest.mark.parametrize(
    "message",
    [
        Message(0x03, b""),
        Message(0x03, b"12"),
        Message(0x03, b"\xff"),
        Message(0x10, b"1"),
    ],
)
def test_what_is_no_digit_is_the_other_ends_fault(message: Message) -> None:
    with pytest.raises(RemoteWireError):
        _ = message.digit
