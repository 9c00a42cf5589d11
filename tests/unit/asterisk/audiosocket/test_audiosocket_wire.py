from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.asterisk.audiosocket.wire import Decoder, Message
from skypechan.errors import RemoteWireError

CALL = UUID("12345678-9abc-def0-1234-56789abcdef0")
messages = st.lists(
    st.builds(Message, st.integers(0, 255), st.binary(max_size=700)), max_size=8
)


def encoded(message: Message) -> bytes:
    """By the description of the protocol."""
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
    assert [message.wire for message in got] == [encoded(message) for message in sent]


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


def test_the_uuid_is_read() -> None:
    assert Message(0x01, CALL.bytes).uuid == CALL


@pytest.mark.parametrize(
    "message",
    [Message(0x01, b""), Message(0x01, bytes(17)), Message(0x10, CALL.bytes)],
)
def test_what_is_no_uuid_is_the_other_ends_fault(message: Message) -> None:
    with pytest.raises(RemoteWireError):
        _ = message.uuid
