"""What the emulated client knows besides calls: people, profile, settings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from skypechan.backends.skype.protocol.commands import GetProperty, SetProperty
from skypechan.backends.skype.protocol.notifications import (
    Error,
    Notification,
    ProfileProperty,
    SearchResult,
    Setting,
    UserProperty,
)
from skypechan.backends.skype.protocol.values import BuddyStatus, ErrorNumber
from skypechan.emulator.party import Person, telephone_subscriber
from skypechan.errors import ConfigError

HANDLE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.:\-]{0,63}")
_NUMBER: Final = re.compile(r"(?:\+|00)([1-9][0-9]{3,17})")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]+")

_VERSION: Final = "4.3.0.37"
"""The last Skype for Linux that had this API."""

_SETTINGS: Final = {
    "AGC": "ON",
    "AEC": "ON",
    "AUDIO_IN": "",
    "AUDIO_OUT": "",
    "AUTOAWAY": "ON",
    "MUTE": "OFF",
    "PREDICTIVE_DIALER_COUNTRY": "",
    "RINGER": "",
    "VIDEO_IN": "",
    "WINDOWSTATE": "NORMAL",
}
_SWITCHES: Final = frozenset({"AGC", "AEC", "AUTOAWAY", "MUTE", "SILENT_MODE"})
_WINDOW_STATES: Final = frozenset({"NORMAL", "MINIMIZED", "MAXIMIZED", "HIDDEN"})
_PRIVILEGES: Final = {"SKYPEOUT": "TRUE", "SKYPEIN": "FALSE"}
_PROFILE: Final = {
    "PSTN_BALANCE": "1000000",
    "PSTN_BALANCE_CURRENCY": "EUR",
    "FULLNAME": "",
    "CALL_FORWARD_RULES": "",
    "CALL_NOANSWER_TIMEOUT": "120",
    "CALL_APPLY_CF": "FALSE",
    "CALL_SEND_TO_VM": "FALSE",
    "MOOD_TEXT": "",
    "TIMEZONE": "86400",
    "IPCOUNTRY": "de",
}
_USER_DEFAULTS: Final = {
    "BIRTHDAY": "0",
    "SEX": "UNKNOWN",
    "LANGUAGE": "",
    "COUNTRY": "",
    "PROVINCE": "",
    "CITY": "",
    "PHONE_HOME": "",
    "PHONE_OFFICE": "",
    "PHONE_MOBILE": "",
    "HOMEPAGE": "",
    "ABOUT": "",
    "HASCALLEQUIPMENT": "TRUE",
    "IS_VIDEO_CAPABLE": "FALSE",
    "IS_VOICEMAIL_CAPABLE": "FALSE",
    "LASTONLINETIMESTAMP": "0",
    "MOOD_TEXT": "",
    "RICH_MOOD_TEXT": "",
    "TIMEZONE": "86400",
    "NROF_AUTHED_BUDDIES": "0",
    "IS_CF_ACTIVE": "FALSE",
    "ALIASES": "",
    "SPEEDDIAL": "",
}


_EMPTY_RESULTS: Final = {
    "BOOKMARKEDCHATS": "CHATS",
    "FILETRANSFERS": "FILETRANSFERS",
    "ACTIVEFILETRANSFERS": "FILETRANSFERS",
}
"""SEARCH words that find nothing here, and the keyword of their result."""


def one_line(text: str) -> str:
    """Free text as a line of the protocol can carry it."""
    return _UNPRINTABLE.sub(" ", text)


def checked(person: Person) -> Person:
    """The person with printable names; ConfigError for an impossible handle."""
    if not HANDLE.fullmatch(person.handle) and not _NUMBER.fullmatch(person.handle):
        raise ConfigError(f"no Skype name or +number: {person.handle!r}")
    return replace(
        person,
        full_name=one_line(person.full_name),
        display_name=one_line(person.display_name),
        reply=one_line(person.reply),
        request=one_line(person.request),
    )


class Directory:
    """The contact list, everyone met so far, and the client's settings.

    Names are compared without regard to case, as Skype names are. `silent_mode` is
    whether the client knows that setting, `voicemail` whether the account has it.
    """

    def __init__(
        self,
        people: Iterable[Person],
        *,
        silent_mode: bool = False,
        voicemail: bool = False,
        forward_rules: str = "",
    ) -> None:
        self._people: dict[str, Person] = {}
        self._profile = {**_PROFILE, "CALL_FORWARD_RULES": forward_rules}
        self._privileges = {**_PRIVILEGES, "VOICEMAIL": str(voicemail).upper()}
        self._settings = dict(_SETTINGS)
        if silent_mode:
            self._settings["SILENT_MODE"] = "OFF"
        for person in people:
            self.put(person)

    @property
    def people(self) -> tuple[Person, ...]:
        """Everyone, in the order of appearance."""
        return tuple(self._people.values())

    @property
    def muted(self) -> bool:
        """True while the user has muted the microphone."""
        return self._settings["MUTE"] == "ON"

    def can_send_on(self, where: str) -> bool:
        """True if a ringing call can go to "voicemail" or be sent "forward"."""
        if where == "voicemail":
            return self._privileges["VOICEMAIL"] == "TRUE"
        return bool(self._profile["CALL_FORWARD_RULES"])

    def put(self, person: Person) -> Person:
        """Add or change a person; ConfigError for an impossible handle."""
        person = checked(person)
        self._people[person.handle.lower()] = person
        return person

    def find(self, handle: str) -> Person | None:
        """A known person."""
        return self._people.get(handle.lower())

    def callee(self, target: str) -> Person | None:
        """Who answers at this target; None for an unrecognised identity.

        A number must be in its full international form (`+` or `00`).
        """
        if found := _NUMBER.fullmatch(re.sub(r"[ ()\-]", "", target)):
            number = "+" + found[1]
            return self.find(number) or telephone_subscriber(number)
        return self.find(target)

    def tell(self, handle: str, *names: str) -> tuple[Notification, ...]:
        """The lines that tell properties of a person."""
        return tuple(self._get_user(handle, name) for name in names)

    def search(self, what: str, argument: str) -> Notification:
        """Answer to a SEARCH of anything but calls."""
        if what in _EMPTY_RESULTS:
            return SearchResult(_EMPTY_RESULTS[what])
        if what == "FRIENDS" and argument.strip():
            number = ErrorNumber.SEARCH_FRIENDS_TARGET
            return Error(number, "SEARCH FRIENDS: no target allowed")
        if what not in {"FRIENDS", "USERS", "USERSWAITINGMYAUTHORIZATION"}:
            return Error(ErrorNumber.SEARCH_UNKNOWN_WHAT, "SEARCH: unknown WHAT")
        found = (person for person in self.people if _matches(person, what, argument))
        return SearchResult("USERS", tuple(person.handle for person in found))

    def get(self, command: GetProperty) -> Notification:
        """Answer to a GET of anything but calls and the account's own state."""
        match command.kind:
            case "USER":
                return self._get_user(command.ident, command.name)
            case "PROFILE" if command.name in self._profile:
                return ProfileProperty(command.name, self._profile[command.name])
            case "PRIVILEGE":
                return self._get_privilege(command.name)
            case "SKYPEVERSION":
                return Setting("SKYPEVERSION", _VERSION)
            case kind if kind in self._settings:
                return Setting(kind, self._settings[kind])
            case _:
                return Error(ErrorNumber.GET_INVALID_WHAT, "GET: invalid WHAT")

    def set(self, command: SetProperty) -> Notification:
        """Answer to a SET of the same; what changed has to be told again.

        SILENT_MODE is refused unless the script has it: Linux clients knew it not.
        """
        match command.kind:
            case "USER":
                return self._set_user(command)
            case "PROFILE" if command.name in self._profile:
                self._profile[command.name] = command.value
                return ProfileProperty(command.name, command.value)
            case kind if kind in self._settings:
                return self._set_setting(kind, command.value)
            case _:
                return Error(ErrorNumber.SET_INVALID_WHAT, "SET: invalid WHAT")

    def _get_privilege(self, name: str) -> Notification:
        if name not in self._privileges:
            return Error(ErrorNumber.UNKNOWN_PRIVILEGE, "Unknown privilege")
        return Setting("PRIVILEGE", f"{name} {self._privileges[name]}")

    def _get_user(self, handle: str, name: str) -> Notification:
        person = self.find(handle)
        if not HANDLE.fullmatch(handle) and not _NUMBER.fullmatch(handle):
            return Error(ErrorNumber.INVALID_USER_HANDLE, "GET: invalid user handle")
        if person is None:
            return Error(ErrorNumber.UNKNOWN_USER, "Unknown user")
        value = _user_facts(person).get(name, _USER_DEFAULTS.get(name))
        if value is None:
            return Error(ErrorNumber.GET_INVALID_PROPERTY, "GET: invalid PROP")
        return UserProperty(person.handle, name, value)

    def _set_user(self, command: SetProperty) -> Notification:
        person = self.find(command.ident)
        change = _USER_CHANGES.get(command.name)
        if person is None or change is None:
            return Error(ErrorNumber.SET_INVALID_WHAT, "SET: invalid WHAT")
        changed = change(person, command.value)
        if changed is None:
            return Error(ErrorNumber.SET_INVALID_VALUE, "Invalid value")
        self.put(changed)
        return self._get_user(person.handle, command.name)

    def _set_setting(self, name: str, value: str) -> Notification:
        allowed = {"ON", "OFF"} if name in _SWITCHES else None
        if name == "WINDOWSTATE":
            allowed = set(_WINDOW_STATES)
        if allowed is not None:
            value = value.upper()
            if value not in allowed:
                return Error(ErrorNumber.SET_INVALID_VALUE, "Invalid value")
        self._settings[name] = value
        return Setting(name, value)


def _matches(person: Person, what: str, argument: str) -> bool:
    match what:
        case "FRIENDS":
            return person.buddy is BuddyStatus.FRIEND
        case "USERS":
            names = (person.handle, person.full_name, person.display_name)
            return any(argument.lower() in name.lower() for name in names)
        case _:
            return bool(person.request)


def _user_facts(person: Person) -> dict[str, str]:
    friend = person.buddy is BuddyStatus.FRIEND
    return {
        "HANDLE": person.handle,
        "FULLNAME": person.full_name,
        "DISPLAYNAME": person.display_name,
        "BUDDYSTATUS": str(person.buddy.value),
        "ISAUTHORIZED": "TRUE" if friend else "FALSE",
        "ISBLOCKED": "TRUE" if person.blocked_here else "FALSE",
        "ONLINESTATUS": person.online.value,
        "RECEIVEDAUTHREQUEST": person.request,
        "CAN_LEAVE_VM": "FALSE" if person.telephone else "TRUE",
    }


def _rename(person: Person, value: str) -> Person | None:
    return replace(person, display_name=value)


def _block(person: Person, value: str) -> Person | None:
    if value.upper() not in {"TRUE", "FALSE"}:
        return None
    return replace(person, blocked_here=value.upper() == "TRUE")


def _authorise(person: Person, value: str) -> Person | None:
    if value.upper() not in {"TRUE", "FALSE"}:
        return None
    yes = value.upper() == "TRUE"
    buddy = BuddyStatus.FRIEND if yes else BuddyStatus.NEVER
    return replace(person, buddy=buddy, request="")


def _befriend(person: Person, value: str) -> Person | None:
    number, _, _ = value.partition(" ")
    if number not in {"1", "2"}:
        return None
    return replace(person, buddy=BuddyStatus(int(number)))


_USER_CHANGES: Final[dict[str, Callable[[Person, str], Person | None]]] = {
    "DISPLAYNAME": _rename,
    "ISBLOCKED": _block,
    "ISAUTHORIZED": _authorise,
    "BUDDYSTATUS": _befriend,
}
