"""Netstrings arrive whole however the stream is cut, and garbage is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypechan.demo.parts.netstrings import Decoder, encode
from skypechan.errors import RemoteWireError


@given(
    payloads=st.lists(st.binary(max_size=40), max_size=6),
    step=st.integers(min_value=1, max_value=50),
)
def test_any_cutting_gives_the_same_payloads(payloads: list[bytes], step: int) -> None:
    stream = b"".join(encode(payload) for payload in payloads)
    decoder = Decoder()
    found = []
    for start in range(0, len(stream), step):
        found += decoder.feed(stream[start : start + step])
    assert found == payloads


def test_length_counts_bytes() -> None:
    assert encode("ü".encode()) == b"2:\xc3\xbc,"


@pytest.mark.parametrize(
    "stream",
    [b"x:a,", b":a,", b"-1:a,", b"1:ab", b"1000001:", b"123456789", b"hello"],
)
def test_what_is_no_netstring_is_refused(stream: bytes) -> None:
    with pytest.raises(RemoteWireError):
        Decoder().feed(stream)
