from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypechan.call import address
from skypechan.errors import RemoteWireError

PRINTABLE = st.text(min_size=1, max_size=512).filter(str.isprintable)


@given(PRINTABLE)
def test_an_address_survives_the_dialplan(text: str) -> None:
    written = address.encode(text)
    assert not set(written) & set("@/,&()\"' ${}[]|;*")
    assert address.decode(written) == text


def test_several_addresses_are_told_apart() -> None:
    assert address.decode_all("echo123") == ("echo123",)
    assert address.decode_all("bob|%2B49301|a%7Cb") == ("bob", "+49301", "a|b")


@pytest.mark.parametrize("text", ["bob|", "|bob", "bob||alice", "bob|%0A"])
def test_one_bad_address_spoils_a_conference(text: str) -> None:
    with pytest.raises(RemoteWireError):
        address.decode_all(text)


@pytest.mark.parametrize("text", ["", "a%0Ab", "a%00", "x" * 513])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RemoteWireError):
        address.decode(text)


@pytest.mark.parametrize(
    ("dialled", "numbers"),
    [
        ("+4930123", ("+4930123",)),
        ("004930123", ("+4930123",)),
        ("+49 (30) 12-3", ("+4930123",)),
        ("\uff0b\uff14\uff19", ("+49",)),  # what a full-width keyboard writes
        ("tel:+4930123", ("+4930123",)),
        ("tel:4912345", ("4912345",)),
        ("TEL : 4912345", ("4912345",)),
        ("callto://+4912345", ("+4912345",)),
        ("callto:/+49", ("+49",)),
        ("callto:tel:0301", ("0301",)),
        ("skype:004930", ("+4930",)),
        ("live:/+49", ("+49",)),
        ("tel:+49:bob", ("+49bob",)),
        ("sip:4930@x:5060", ("4930x5060",)),
        ("sips:4930@x", ("4930x",)),
        ("0301234", ("0301234",)),
        ("99", ("99",)),  # a speed dial
        (" *21", ("21",)),
        ("echo123,+4930123, bob|+491", ("+4930123", "+491")),
        ("echo123", ()),
        ("skype:4912345?call", ("4912345call",)),
        ("live:bob.4", ()),
        ("live:.cid.1f", ()),
        ("live:1f", ()),
        ("skype:live:bob.4", ()),
        ("sip:bob@x", ()),
        ("tel", ()),
        ("tel:", ()),
        ("nobody@home", ()),
        ("\u6f22\u5b57", ()),
    ],
)
def test_whatever_does_not_begin_as_a_name_is_a_telephone_number(
    dialled: str, numbers: tuple[str, ...]
) -> None:
    assert address.telephone_numbers(dialled) == numbers


@given(PRINTABLE)
def test_no_text_of_digits_alone_passes_as_a_name(text: str) -> None:
    assert address.telephone_numbers(f"+{text.lstrip(',;&')}0")
