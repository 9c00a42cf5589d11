"""GROUP: the hardwired ones, which the contact list makes, and custom ones. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skypechan.backends.skype.protocol.commands import (
    Alter,
    Create,
    Delete,
    GetProperty,
    SetProperty,
)
from skypechan.backends.skype.protocol.notifications import (
    Error,
    Notification,
    ObjectProperty,
    Ok,
)
from skypechan.backends.skype.protocol.values import (
    BuddyStatus,
    ErrorNumber,
    GroupType,
    UserStatus,
)
from skypechan.emulator.book import CREATE_FAILED, DELETE_FAILED, echo, found, number_of
from skypechan.emulator.directory import Directory, one_line
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.party import Person

_MOST_GROUPS: Final = 100

_MEMBERS: Final[dict[GroupType, Callable[[Person], bool]]] = {
    GroupType.ALL_USERS: lambda _: True,
    GroupType.ALL_FRIENDS: lambda person: person.buddy is BuddyStatus.FRIEND,
    GroupType.SKYPE_FRIENDS: lambda person: (
        person.buddy is BuddyStatus.FRIEND and not person.telephone
    ),
    GroupType.SKYPEOUT_FRIENDS: lambda person: (
        person.buddy is BuddyStatus.FRIEND and person.telephone
    ),
    GroupType.ONLINE_FRIENDS: lambda person: (
        person.buddy is BuddyStatus.FRIEND and person.online is not UserStatus.OFFLINE
    ),
    GroupType.WAITING_FOR_AUTHORISATION: lambda person: bool(person.request),
    GroupType.BLOCKED_USERS: lambda person: person.blocked_here,
}
_FAILED = Error(ErrorNumber.GROUP_FAILED, "GROUP: action failed")


class GroupBook:
    """All groups of one client."""

    def __init__(self, engine: CallEngine, directory: Directory) -> None:
        self._engine = engine
        self._directory = directory
        self._hardwired = dict(enumerate(_MEMBERS, 1))
        self._names: dict[int, str] = {}
        self._members: dict[int, list[str]] = {}

    def get(self, command: GetProperty) -> Notification:
        """GET GROUP id name."""
        ident = number_of(command.ident)
        if ident not in self._hardwired and ident not in self._names:
            return _FAILED
        facts = self._facts(ident)
        if command.name not in facts:
            return Error(ErrorNumber.GET_INVALID_PROPERTY, "GET: invalid PROP")
        return ObjectProperty("GROUP", str(ident), command.name, facts[command.name])

    def set(self, command: SetProperty, now: int) -> Notification:  # noqa: ARG002
        """SET GROUP id DISPLAYNAME, of a custom group."""
        ident = number_of(command.ident)
        if ident not in self._names or command.name != "DISPLAYNAME":
            return _FAILED
        self._names[ident] = command.value
        told = ObjectProperty("GROUP", str(ident), "DISPLAYNAME", command.value)
        self._engine.tell(told)
        return told

    def alter(self, command: Alter, now: int) -> Notification:  # noqa: ARG002
        """ALTER GROUP id ADDUSER or REMOVEUSER name, of a custom group."""
        ident = number_of(command.ident)
        members = self._members.get(ident)
        person = self._directory.find(command.arguments.strip())
        if members is None or person is None:
            return _FAILED
        handle = person.handle
        if command.verb == "ADDUSER" and handle not in members:
            members.append(handle)
        elif command.verb == "REMOVEUSER" and handle in members:
            members.remove(handle)
        else:
            return _FAILED
        value = str(len(members))
        self._engine.tell(ObjectProperty("GROUP", str(ident), "NROFUSERS", value))
        return echo(command)

    def create(self, command: Create, now: int) -> Notification:  # noqa: ARG002
        """CREATE GROUP name."""
        if not command.arguments.strip() or len(self._names) >= _MOST_GROUPS:
            return CREATE_FAILED
        ident = self._engine.new_id()
        self._names[ident] = one_line(command.arguments)
        self._members[ident] = []
        told = ObjectProperty("GROUP", str(ident), "TYPE", GroupType.CUSTOM.value)
        self._engine.tell(told)
        return told

    def delete(self, command: Delete) -> Notification:
        """DELETE GROUP id."""
        ident = number_of(command.ident)
        if self._names.pop(ident, None) is None:
            return DELETE_FAILED
        del self._members[ident]
        return Ok()

    def search(self, what: str, argument: str) -> Notification | None:
        """SEARCH GROUPS [ALL|CUSTOM|HARDWIRED]."""
        if what != "GROUPS":
            return None
        match argument.strip().upper():
            case "CUSTOM":
                return found("GROUPS", self._names)
            case "HARDWIRED":
                return found("GROUPS", self._hardwired)
            case _:
                return found("GROUPS", (*self._hardwired, *self._names))

    def _facts(self, ident: int) -> dict[str, str]:
        kind = self._hardwired.get(ident, GroupType.CUSTOM)
        people = self._people(ident)
        online = [p for p in people if p.online is not UserStatus.OFFLINE]
        return {
            "TYPE": kind.value,
            "DISPLAYNAME": self._names.get(ident, ""),
            "NROFUSERS": str(len(people)),
            "NROFUSERS_ONLINE": str(len(online)),
            "USERS": ", ".join(person.handle for person in people),
            "VISIBLE": "TRUE",
            "EXPANDED": "TRUE",
        }

    def _people(self, ident: int) -> list[Person]:
        if kind := self._hardwired.get(ident):
            return [p for p in self._directory.people if _MEMBERS[kind](p)]
        known = (self._directory.find(name) for name in self._members[ident])
        return [person for person in known if person is not None]
