"""SMS: messages to telephones. Pure. Guess: how they get on, and when."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
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
from skypechan.backends.skype.protocol.values import ErrorNumber, SmsStatus, SmsType
from skypechan.emulator.book import CREATE_FAILED, DELETE_FAILED, echo, found, number_of
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.outputs import Purpose, StartTimer

_KEPT: Final = 200
_STEP_S: Final = 0.1
_NEXT: Final = {
    SmsStatus.SENDING_TO_SERVER: SmsStatus.SENT_TO_SERVER,
    SmsStatus.SENT_TO_SERVER: SmsStatus.DELIVERED,
}
_INVALID = Error(ErrorNumber.SET_INVALID_WHAT, "SMS: invalid")


@dataclass(slots=True)
class Sms:
    """One message to one or more numbers."""

    ident: int
    targets: tuple[str, ...]
    started: int
    body: str = ""
    status: SmsStatus = SmsStatus.COMPOSING

    def facts(self) -> dict[str, str]:
        """Its properties as text."""
        return {
            "TYPE": SmsType.OUTGOING.value,
            "STATUS": self.status.value,
            "BODY": self.body,
            "TARGET_NUMBERS": ", ".join(self.targets),
            "TIMESTAMP": str(self.started),
            "FAILUREREASON": "0",
            "IS_FAILED_UNSEEN": "FALSE",
            "PRICE": "0",
            "PRICE_PRECISION": "3",
            "PRICE_CURRENCY": "EUR",
            "REPLY_TO_NUMBER": "",
        }

    def told(self, name: str) -> ObjectProperty:
        """The line that tells one property."""
        return ObjectProperty("SMS", str(self.ident), name, self.facts()[name])


class SmsBook:
    """All SMS of one client."""

    def __init__(self, engine: CallEngine) -> None:
        self._engine = engine
        self._items: OrderedDict[int, Sms] = OrderedDict()

    def get(self, command: GetProperty) -> Notification:
        """GET SMS id name."""
        item = self._items.get(number_of(command.ident))
        if item is None or command.name not in item.facts():
            return Error(ErrorNumber.GET_INVALID_PROPERTY, "GET: invalid PROP")
        return item.told(command.name)

    def set(self, command: SetProperty, now: int) -> Notification:  # noqa: ARG002
        """SET SMS id BODY text, TARGET_NUMBERS, SEEN."""
        item = self._items.get(number_of(command.ident))
        if item is None or item.status is not SmsStatus.COMPOSING:
            return _INVALID
        match command.name:
            case "BODY":
                item.body = command.value
            case "TARGET_NUMBERS":
                item.targets = _numbers(command.value)
            case _:
                return _INVALID
        self._engine.tell(item.told(command.name))
        return item.told(command.name)

    def alter(self, command: Alter, now: int) -> Notification:  # noqa: ARG002
        """ALTER SMS id SEND."""
        item = self._items.get(number_of(command.ident))
        composed = item is not None and item.status is SmsStatus.COMPOSING
        if item is None or command.verb != "SEND" or not composed or not item.body:
            return _INVALID
        self._enter(item, SmsStatus.SENDING_TO_SERVER)
        return echo(command)

    def create(self, command: Create, now: int) -> Notification:
        """CREATE SMS OUTGOING +number."""
        word, _, numbers = command.arguments.partition(" ")
        targets = _numbers(numbers)
        if word.upper() != SmsType.OUTGOING or not targets:
            return CREATE_FAILED
        item = Sms(self._engine.new_id(), targets, now)
        self._items[item.ident] = item
        while len(self._items) > _KEPT:
            self._items.popitem(last=False)
        for name in ("STATUS", "TARGET_NUMBERS"):
            self._engine.tell(item.told(name))
        return item.told("TYPE")

    def delete(self, command: Delete) -> Notification:
        """DELETE SMS id."""
        gone = self._items.pop(number_of(command.ident), None)
        return DELETE_FAILED if gone is None else Ok()

    def search(self, what: str, argument: str) -> Notification | None:  # noqa: ARG002
        """SEARCH SMSS, MISSEDSMSS; none ever comes in."""
        match what:
            case "SMSS":
                return found("SMSS", self._items)
            case "MISSEDSMSS":
                return found("SMSS", ())
            case _:
                return None

    def expired(self, ident: int) -> None:
        """The next step of a message on its way."""
        item = self._items.get(ident)
        if item is not None and item.status in _NEXT:
            self._enter(item, _NEXT[item.status])

    def _enter(self, item: Sms, status: SmsStatus) -> None:
        item.status = status
        self._engine.tell(item.told("STATUS"))
        if status in _NEXT:
            self._engine.emit(StartTimer(item.ident, Purpose.SMS, _STEP_S))


def _numbers(text: str) -> tuple[str, ...]:
    numbers = (number.strip() for number in text.split(","))
    return tuple(number for number in numbers if number)
