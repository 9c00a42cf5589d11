"""Entries of the table `[contacts]` for people who have none yet."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

from skypechan.call.address import encode
from skypechan.errors import ConfigError

_CONTACTS = uuid.UUID("2f9d8f52-5f0e-4a4a-9d7c-9b3d3cf5f3a1")  # ours, of chance


def contact_uuid(name: str) -> uuid.UUID:
    """Return a UUID for a contact: always the same one for the same name."""
    return uuid.uuid5(_CONTACTS, name)


def contacts_table(names: Sequence[str]) -> str:
    """Return a `[contacts]` table with a new UUID for each name.

    Raises ConfigError without names.
    """
    if not names:
        raise ConfigError("say whom: `skypechan describe contacts NAME ...`")
    entries = [
        f'{_key(name)} = {{ uuid = "{uuid.uuid4()}", line = "ANY" }}' for name in names
    ]
    return "\n".join(["[contacts]", *entries])


def _key(name: str) -> str:
    """Return a name as a key of TOML. Raises ConfigError for what is no address."""
    try:
        encode(name)
        is_printable = name.isprintable()
    except UnicodeError:
        is_printable = False
    if not is_printable:
        raise ConfigError(f"{name!r} is no address")
    is_bare = name.isascii() and name.replace("-", "_").replace("_", "a").isalnum()
    return name if is_bare else json.dumps(name, ensure_ascii=False)
