"""The script: one JSON file that says who the emulated people are.

    {
      "account": "skypet123",          the name signed in
      "signed_in": true,
      "password": "",                  the only one that signs in; "": any does
      "authorise": "yes",              yes, ask, no
      "protocol": 8,                   highest protocol level
      "repeats": true,                 ROUTING and RINGING twice
      "reason_14": false,              FAILUREREASON 14 when a partner hangs up
      "silent_mode": false,            whether the client knows SILENT_MODE
      "voicemail": false,              whether the account has voicemail
      "forward_rules": "",             where the account forwards calls to
      "default_contacts": true,        keep the built-in people
      "recording_s": 120,              sound kept of each direction of a call
      "contacts": [                    people to add or to change
        {
          "handle": "boss",            a Skype name, or +number
          "full_name": "The Boss",
          "display_name": "boss",
          "buddy": 3,                  0 never, 1 deleted, 2 pending, 3 friend
          "online": "ONLINE",
          "manner": "answer",          answer, busy, refuse, ignore, fail, manual,
                                       voicemail
          "failure": 3,                FAILUREREASON of manner fail
          "answer_s": 1.0,             from ringing to answer or refusal
          "no_answer_s": 120.0,
          "hang_up_s": null,           from the answer to their hang-up
          "voice": "tone:440",         silence, echo[:LEAD_MS], echo123, tone[:HZ],
                                       talk[:SEED], pauses[:SEED], announce, chirp,
                                       ringback, wav:PATH
          "reply": "you said {text}",  written back to each message; "" is nothing
          "reply_s": 0.5,
          "request": ""                words of a contact request that waits
        }
      ],
      "incoming": [                    calls to the account
        {
          "at_s": 2.0,                 after the start
          "from": "boss",
          "give_up_s": 60.0,
          "digits": "1234",            pressed one second after the answer
          "voice": "talk"              instead of the contact's
        }
      ],
      "messages": [                    written to the account
        {"at_s": 1.0, "from": "boss", "text": "are you there?"}
      ]
    }

Everything may be left out. All faults of a file are reported at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from skypechan.backends.skype.protocol.attachment import Permission
from skypechan.backends.skype.protocol.values import (
    HIGHEST_LEVEL,
    BuddyStatus,
    FailureReason,
    UserStatus,
)
from skypechan.emulator.directory import HANDLE, checked
from skypechan.emulator.party import CONTACTS, GIVE_UP_S, Manner, Person
from skypechan.emulator.sound import KEPT_S
from skypechan.emulator.voices import make_voice
from skypechan.errors import ConfigError

DEFAULT_ACCOUNT: Final = "skypet123"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A call that the script makes to the account."""

    caller: str
    at_s: float = 0.0
    give_up_s: float = GIVE_UP_S
    digits: str = ""
    voice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A message that the script has somebody write to the account."""

    sender: str
    text: str = ""
    at_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the emulated world looks like."""

    account: str = DEFAULT_ACCOUNT
    signed_in: bool = True
    password: str = ""
    permission: Permission = Permission.YES
    protocol: int = HIGHEST_LEVEL
    repeats: bool = True
    reason_14: bool = False
    silent_mode: bool = False
    voicemail: bool = False
    forward_rules: str = ""
    recording_s: float = KEPT_S
    people: tuple[Person, ...] = CONTACTS
    incoming: tuple[Incoming, ...] = ()
    messages: tuple[Written, ...] = ()


Reader = Callable[[Any], Any]


def read_script(path: Path) -> Script:
    """The script in a file; ConfigError with every fault in it."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_script(content)


def parse_script(content: object) -> Script:
    """The script in parsed JSON; ConfigError with every fault in it."""
    faults: list[str] = []
    fields = _read(content, _SCRIPT, "script", faults)
    defaults = CONTACTS if fields.pop("default_contacts", True) else ()
    people = {person.handle.lower(): person for person in defaults}
    for item in fields.pop("contacts", []):
        if person := _person(item, people, faults):
            people[person.handle.lower()] = person
    incoming = []
    for item in fields.pop("incoming", []):
        values = _read(item, _INCOMING, "incoming", faults)
        if "caller" in values:
            incoming.append(Incoming(**values))
        else:
            faults.append("incoming: `from` is missing")
    messages = []
    for item in fields.pop("messages", []):
        values = _read(item, _MESSAGE, "messages", faults)
        if "sender" in values:
            messages.append(Written(**values))
        else:
            faults.append("messages: `from` is missing")
    if faults:
        raise ConfigError(*faults)
    return Script(
        **fields,
        people=tuple(people.values()),
        incoming=tuple(incoming),
        messages=tuple(messages),
    )


def change_person(person: Person, content: object) -> Person:
    """The person with these fields changed; ConfigError with every fault."""
    faults: list[str] = []
    values = _read(content, _PERSON, f"contact {person.handle}", faults)
    if faults:
        raise ConfigError(*faults)
    return checked(replace(person, **values))


def _person(
    item: object, known: Mapping[str, Person], faults: list[str]
) -> Person | None:
    handle = item.get("handle") if isinstance(item, dict) else None
    if not isinstance(handle, str):
        faults.append(f"contact without a handle: {item!r}")
        return None
    try:
        return change_person(known.get(handle.lower(), Person(handle=handle)), item)
    except ConfigError as error:
        faults.extend(error.faults)
        return None


def _read(
    content: object,
    readers: Mapping[str, tuple[str, Reader]],
    where: str,
    faults: list[str],
) -> dict[str, Any]:
    """Fields by their Python names."""
    if not isinstance(content, dict):
        faults.append(f"{where}: an object is needed, not {content!r}")
        return {}
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in readers:
            faults.append(f"{where}: unknown key {key!r}")
            continue
        name, reader = readers[key]
        try:
            values[name] = reader(value)
        except (ValueError, TypeError, ConfigError) as error:
            faults.append(f"{where}: {key} = {value!r}: {error}")
    return values


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is needed")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false is needed")
    return value


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("a number of seconds is needed")
    if not 0 <= value <= 1e6:
        raise ValueError("between 0 and 1,000,000 seconds")
    return float(value)


def _optional_seconds(value: Any) -> float | None:
    return None if value is None else _seconds(value)


def _handle(value: Any) -> str:
    return checked(Person(handle=_text(value))).handle


def _account(value: Any) -> str:
    if not HANDLE.fullmatch(_text(value)):
        raise ValueError("no Skype name")
    return _text(value)


def _voice(value: Any) -> str:
    make_voice(_text(value))
    return _text(value)


def _digits(value: Any) -> str:
    if not set(_text(value)) <= set("0123456789*#"):
        raise ValueError("only 0 to 9, * and #")
    return _text(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list is needed")
    return value


def _level(value: Any) -> int:
    if value not in range(1, 100):
        raise ValueError("a number from 1")
    return int(value)


_PERSON: Final[Mapping[str, tuple[str, Reader]]] = {
    "handle": ("handle", _handle),
    "full_name": ("full_name", _text),
    "display_name": ("display_name", _text),
    "buddy": ("buddy", BuddyStatus),
    "online": ("online", UserStatus),
    "manner": ("manner", Manner),
    "failure": ("failure", FailureReason),
    "answer_s": ("answer_s", _seconds),
    "no_answer_s": ("no_answer_s", _seconds),
    "hang_up_s": ("hang_up_s", _optional_seconds),
    "voice": ("voice", _voice),
    "reply": ("reply", _text),
    "reply_s": ("reply_s", _seconds),
    "request": ("request", _text),
}
_MESSAGE: Final[Mapping[str, tuple[str, Reader]]] = {
    "at_s": ("at_s", _seconds),
    "from": ("sender", _handle),
    "text": ("text", _text),
}
_INCOMING: Final[Mapping[str, tuple[str, Reader]]] = {
    "at_s": ("at_s", _seconds),
    "from": ("caller", _handle),
    "give_up_s": ("give_up_s", _seconds),
    "digits": ("digits", _digits),
    "voice": ("voice", _voice),
}
_SCRIPT: Final[Mapping[str, tuple[str, Reader]]] = {
    "account": ("account", _account),
    "signed_in": ("signed_in", _flag),
    "password": ("password", _text),
    "authorise": ("permission", Permission),
    "protocol": ("protocol", _level),
    "repeats": ("repeats", _flag),
    "reason_14": ("reason_14", _flag),
    "silent_mode": ("silent_mode", _flag),
    "voicemail": ("voicemail", _flag),
    "forward_rules": ("forward_rules", _text),
    "messages": ("messages", _list),
    "default_contacts": ("default_contacts", _flag),
    "recording_s": ("recording_s", _seconds),
    "contacts": ("contacts", _list),
    "incoming": ("incoming", _list),
}
