"""Addresses: what can be called, and how a dialplan writes it.

A dialplan argument or a Local channel name cannot hold every character, so an
address travels percent-encoded and `LINE*ADDRESS` or `LINE/ADDRESS` names both.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from skypechan.errors import RemoteWireError

_LONGEST = 512


def encode(address: str) -> str:
    """Percent-encode an address for a dialplan; letters, digits and `+._:-` stay."""
    return quote(address, safe="+._:-")


def decode(text: str) -> str:
    """Return the address that a dialplan wrote percent-encoded.

    Raises RemoteWireError for an empty, overlong or control-character address.
    """
    address = unquote(text)
    if not address:
        raise RemoteWireError("an empty address was dialled")
    if len(address) > _LONGEST:
        raise RemoteWireError(f"an address of {len(address)} characters was dialled")
    if not address.isprintable():
        raise RemoteWireError(f"control characters in the address {address!r}")
    return address


def is_number(address: str) -> bool:
    """Tell whether an address is a telephone number in `+` or `00` form."""
    digits = address.removeprefix("+")
    international = address.startswith(("+", "00"))
    return international and digits.isascii() and digits.isdigit()
