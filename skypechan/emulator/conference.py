"""Conferences hosted by the emulated client. Pure.

The calls of a conference have one CONF_ID; for the host CONF_PARTICIPANTS_COUNT
stays 0 (Skype API). Guesses: each of several targets of one CALL has a call of its
own, the reply tells the first; the mixed sound is that of the oldest call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from skypechan.backends.skype.protocol.notifications import (
    CallProperty,
    CallStatusChanged,
    Error,
    Notification,
)
from skypechan.backends.skype.protocol.values import ErrorNumber
from skypechan.emulator.calls import Call, Request
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.party import Person
from skypechan.emulator.transfer import Target

MOST_PARTICIPANTS: Final = 10
"""Guess: the host not counted; more is ERROR 73."""

_CANNOT = Error(ErrorNumber.CANNOT_CREATE_CONFERENCE, "Cannot create conference")
_TOO_MANY = Error(ErrorNumber.TOO_MANY_PARTICIPANTS, "Too many participants")


def place_several(
    engine: CallEngine, request: Request, targets: Iterable[Target], started: int
) -> Error | None:
    """CALL with several targets; returns the fault if it cannot be.

    The engine answers the request with the first call's status, or with the error
    that a single call would get.
    """
    targets = list(targets)
    if len(targets) > MOST_PARTICIPANTS:
        return _TOO_MANY
    number = engine.new_id()
    for place, target in enumerate(targets):
        call = engine.place(
            request,
            target.person,
            started,
            remote=target.remote,
            conference=number if place else 0,
        )
        if call is None:
            return None
        call.conference = number
        if place:
            engine.tell(CallStatusChanged(call.call_id, call.status))
    return None


def join(engine: CallEngine, call: Call, other: Call | None) -> Notification:
    """SET CALL JOIN_CONFERENCE; returns the reply."""
    if other is None or other is call:
        return _CANNOT
    if not (call.established and other.established):
        return _CANNOT
    number = other.conference or call.conference or engine.new_id()
    joined = {item.call_id for item in engine.live() if item.conference == number}
    if len(joined | {call.call_id, other.call_id}) > MOST_PARTICIPANTS:
        return _TOO_MANY
    for item in (other, call):
        item.conference = number
        engine.resume(item)
    return CallProperty(call.call_id, "CONF_ID", str(number))


def participant(engine: CallEngine, call: Call, name: str) -> str:
    """Value of CONF_PARTICIPANT n: the other members, from 1; empty for none."""
    _, _, number = name.partition(" ")
    others = [
        item
        for item in engine.live()
        if call.conference and item.conference == call.conference
    ] or [call]
    place = int(number) if number.isascii() and number.isdigit() else 0
    if not 1 <= place <= len(others):
        return ""
    return _words(others[place - 1].person, others[place - 1])


def _words(person: Person, call: Call) -> str:
    name = person.display_name or person.full_name
    return f"{person.handle} {call.call_type.value} {call.status.value} {name}"
