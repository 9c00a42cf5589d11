"""What all books of objects have in common: how commands about them are answered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from skypechan.backends.skype.protocol.commands import (
    Alter,
    Create,
    Delete,
    GetProperty,
    SetProperty,
)
from skypechan.backends.skype.protocol.notifications import (
    AlterEcho,
    Error,
    Notification,
    SearchResult,
)
from skypechan.backends.skype.protocol.values import ErrorNumber

UNKNOWN_COMMAND = Error(ErrorNumber.UNKNOWN_COMMAND, "Unknown command")
CREATE_FAILED = Error(ErrorNumber.CREATE_FAILED, "CREATE: no object or type given")
DELETE_FAILED = Error(ErrorNumber.DELETE_FAILED, "DELETE: no object or type given")


class Book(Protocol):
    """All objects of one kind, or of kinds that belong together.

    Each method returns the reply; what else follows is told through the engine and
    comes after it.
    """

    def get(self, command: GetProperty) -> Notification:
        """GET kind ident name."""

    def set(self, command: SetProperty, now: int) -> Notification:
        """SET kind ident name value."""

    def alter(self, command: Alter, now: int) -> Notification:
        """ALTER kind ident VERB arguments."""

    def create(self, command: Create, now: int) -> Notification:
        """CREATE kind arguments."""

    def delete(self, command: Delete) -> Notification:
        """DELETE kind ident."""

    def search(self, what: str, argument: str) -> Notification | None:
        """SEARCH what; None for a word of another book."""


def number_of(ident: str) -> int:
    """The number that an identifier is; -1 for none."""
    plain = ident.isascii() and ident.isdecimal() and len(ident) <= 18
    return int(ident) if plain else -1


def echo(alter: Alter) -> AlterEcho:
    """The reply to a verb that was carried out."""
    return AlterEcho(alter.kind, alter.ident, alter.verb, alter.arguments)


def found(what: str, idents: Iterable[object]) -> SearchResult:
    """The reply to a SEARCH."""
    return SearchResult(what, tuple(str(ident) for ident in idents))
