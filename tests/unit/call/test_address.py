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


@pytest.mark.parametrize("text", ["", "a%0Ab", "a%00", "x" * 513])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(RemoteWireError):
        address.decode(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [("+4930123", True), ("0049301", True), ("echo123", False), ("+", False)],
)
def test_international_numbers_are_told_from_names(text: str, number: bool) -> None:
    assert address.is_number(text) is number
