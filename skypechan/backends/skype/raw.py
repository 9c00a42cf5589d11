"""The client's own commands, for an operator who allows some of them."""

from __future__ import annotations

from collections.abc import Iterable

from skypechan.backends.skype.protocol.commands import Command, parse_command
from skypechan.errors import CommandError, WireError


def checked_command(text: str, allowed: Iterable[str]) -> Command:
    """The command, if it begins with the words of an allowed one.

    Case and the number of spaces do not matter. Raises CommandError.
    """
    words = text.upper().split()
    for beginning in allowed:
        wanted = beginning.upper().split()
        if wanted and words[: len(wanted)] == wanted:
            break
    else:
        raise CommandError(f"the settings do not allow {text[:80]!r}")
    try:
        return parse_command(text.strip())
    except WireError as error:
        raise CommandError(f"no command: {error}") from error
