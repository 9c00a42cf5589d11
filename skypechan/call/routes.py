"""Routes: where a call from a line goes in the dialplan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from skypechan.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Target:
    """A place in the dialplan."""

    extension: str
    context: str

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read `EXTENSION@CONTEXT`. Raises ConfigError for anything else."""
        extension, at, context = text.partition("@")
        words = (extension, context)
        if not at or not all(map(_is_plain, words)):
            raise ConfigError(f"{text!r} is not EXTENSION@CONTEXT")
        return cls(extension, context)

    def __str__(self) -> str:
        return f"{self.extension}@{self.context}"


def plain_word(text: str) -> None:
    """Be content with a word that a dialplan takes as it is, else ConfigError."""
    if not _is_plain(text):
        raise ConfigError(f"{text!r} holds what a dialplan takes for its own")


def _is_plain(word: str) -> bool:
    special = set(" @,/&()|;${}[]\"'")
    return bool(word) and word.isprintable() and not set(word) & special


@dataclass(frozen=True, slots=True)
class Route:
    """A rule: calls on `line` from a `caller` that match the patterns go to `to`.

    Patterns are shell-style and ignore case, as messenger names do.
    """

    to: Target
    line: str = "*"
    caller: str = "*"

    def matches(self, line: str, caller: str) -> bool:
        """Tell whether the rule speaks about a call."""
        return fnmatchcase(line.lower(), self.line.lower()) and fnmatchcase(
            caller.lower(), self.caller.lower()
        )


def find(routes: Iterable[Route], line: str, caller: str, default: Target) -> Target:
    """Return the target of the first route that matches, else the default."""
    for route in routes:
        if route.matches(line, caller):
            return route.to
    return default
