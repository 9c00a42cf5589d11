"""Addresses: what can be called, and how a dialplan writes it.

A dialplan argument or a Local channel name cannot hold every character, so an
address travels percent-encoded and `LINE*ADDRESS` or `LINE/ADDRESS` names both;
`ADDRESS|ADDRESS` is a conference.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote, unquote

from skypechan.errors import RemoteWireError

_LONGEST = 512
_SEPARATOR = re.compile("[,;&|]")
# What may stand before a number: anything before one with a country, else schemes such
# as `tel:`, but for the one that names like `live:.cid.1f` have.
_SCHEMES = re.compile(
    r"\A(?:.*:[\s/]*(?=\+|00)|(?:(?!live\s*:)[^\W\d][\w+.-]*\s*:[\s/]*)*)",
    re.IGNORECASE | re.DOTALL,
)
# Neither the dialplan nor a Dial string gives it a meaning of its own.
_TOGETHER = "|"


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


def decode_all(text: str) -> tuple[str, ...]:
    """Return the addresses that a dialplan joined by `|`: several are a conference.

    Raises RemoteWireError as `decode` does.
    """
    return tuple(decode(part) for part in text.split(_TOGETHER))


def telephone_numbers(dialled: str) -> tuple[str, ...]:
    """Return the telephone numbers in what is dialled: a plus where it had one, digits.

    A messenger's names begin with a letter. Whatever begins otherwise, a scheme such
    as `tel:` aside, is a number here, however it is written: a client may understand
    more forms than we do, and calls to telephones cost money. A comma may join several
    addresses.
    """
    normal = unicodedata.normalize("NFKC", dialled)
    parts = [_SCHEMES.sub("", part.strip()) for part in _SEPARATOR.split(normal)]
    return tuple(
        _plain_number(part) for part in parts if part and not part[0].isalpha()
    )


def _plain_number(text: str) -> str:
    digits = "".join(letter for letter in text if letter.isalnum())
    if text.startswith("+") or digits.startswith("00"):
        return "+" + digits.removeprefix("00")
    return digits
