"""Routes: where a call from a line goes in the dialplan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from skypechan.errors import ConfigError

CALL_KINDS = ("p2p", "pstn")


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
class Incoming:
    """What a route may go by: the line and its account, who calls, and from where.

    `kind` is one of CALL_KINDS: from a user of the messenger, or from a telephone.
    """

    line: str
    account: str
    caller: str
    kind: str


@dataclass(frozen=True, slots=True)
class Route:
    """A rule: calls that match every pattern go to `to`; see `matches_pattern`."""

    to: Target
    line: str = "*"
    account: str = "*"
    caller: str = "*"
    kind: str = "*"

    def matches(self, call: Incoming) -> bool:
        """Tell whether the rule speaks about a call."""
        return all(
            matches_pattern(getattr(call, name), getattr(self, name))
            for name in ("line", "account", "caller", "kind")
        )


def matches_pattern(name: str, pattern: str) -> bool:
    """Tell whether a name fits a shell-style pattern; case is of no matter.

    Messenger names are the same in any case.
    """
    return fnmatchcase(name.lower(), pattern.lower())


def find(routes: Iterable[Route], call: Incoming, default: Target) -> Target:
    """Return the target of the first route that matches, else the default."""
    for route in routes:
        if route.matches(call):
            return route.to
    return default
