"""VOICEMAIL commands: leaving one, and what can be done with those that exist. Pure."""

from __future__ import annotations

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
)
from skypechan.backends.skype.protocol.values import (
    ErrorNumber,
    VoicemailStatus,
    VoicemailType,
)
from skypechan.emulator.book import CREATE_FAILED, DELETE_FAILED, echo, found, number_of
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.party import Person
from skypechan.emulator.voicemail import Voicemail

_NO_CAPABILITY = Error(ErrorNumber.NO_VOICEMAIL, "No voicemail capability")
_INVALID_ID = Error(ErrorNumber.VOICEMAIL_INVALID_ID, "VOICEMAIL: invalid ID given")
_FAILED = Error(ErrorNumber.VOICEMAIL_ACTION_FAILED, "VOICEMAIL: action failed")
_TOLD_AT_FIRST = (
    "TYPE",
    "PARTNER_HANDLE",
    "PARTNER_DISPNAME",
    "ALLOWED_DURATION",
    "SUBJECT",
    "TIMESTAMP",
    "DURATION",
    "STATUS",
)
_PLAYABLE = frozenset({VoicemailStatus.UNPLAYED, VoicemailStatus.PLAYED})


class VoicemailBook:
    """The voicemails of one client; the engine makes and changes them."""

    def __init__(self, engine: CallEngine) -> None:
        self._engine = engine

    def leave(self, person: Person | None, now: int) -> Notification:
        """VOICEMAIL user. Guess: telephones and strangers have none (ERROR 110)."""
        if person is None or person.telephone:
            return _NO_CAPABILITY
        call = self._engine.leave_voicemail(person, now)
        pair = call.voicemail or self._engine.expect_voicemail(call)
        for name in _TOLD_AT_FIRST:
            self._engine.tell(pair.message.told(name))
        return pair.message.told("STATUS")

    def get(self, command: GetProperty) -> Notification:
        """GET VOICEMAIL id name."""
        item = self._find(command.ident)
        if item is None:
            return _INVALID_ID
        facts = item.facts()
        if command.name not in facts:
            return Error(ErrorNumber.GET_INVALID_PROPERTY, "GET: invalid PROP")
        return item.told(command.name)

    def set(self, command: SetProperty, now: int) -> Notification:  # noqa: ARG002
        """Nothing of a voicemail can be set."""
        return Error(ErrorNumber.SET_INVALID_WHAT, "SET: invalid WHAT")

    def alter(self, command: Alter, now: int) -> Notification:  # noqa: ARG002
        """ALTER VOICEMAIL id VERB. Guess: recording of one's own is not possible."""
        if not command.ident:
            return Error(ErrorNumber.VOICEMAIL_WITHOUT_ID, "VOICEMAIL: no ID given")
        item = self._find(command.ident)
        if item is None:
            return _INVALID_ID
        if not command.verb:
            number = ErrorNumber.VOICEMAIL_WITHOUT_ACTION
            return Error(number, "VOICEMAIL: no action given")
        return echo(command) if self._act(item, command.verb) else _FAILED

    def create(self, command: Create, now: int) -> Notification:  # noqa: ARG002
        """Voicemails are made by VOICEMAIL."""
        return CREATE_FAILED

    def delete(self, command: Delete) -> Notification:  # noqa: ARG002
        """Voicemails are deleted by ALTER."""
        return DELETE_FAILED

    def search(self, what: str, argument: str) -> Notification | None:  # noqa: ARG002
        """SEARCH VOICEMAILS, MISSEDVOICEMAILS."""
        items = self._engine.voicemails.values()
        if what == "VOICEMAILS":
            return found("VOICEMAILS", (item.ident for item in items))
        if what == "MISSEDVOICEMAILS":
            incoming, fresh = VoicemailType.INCOMING, VoicemailStatus.UNPLAYED
            missed = (
                item.ident
                for item in items
                if item.kind is incoming and item.status is fresh
            )
            return found("VOICEMAILS", missed)
        return None

    def _find(self, ident: str) -> Voicemail | None:
        return self._engine.voicemails.get(number_of(ident))

    def _act(self, item: Voicemail, verb: str) -> bool:
        match verb:
            case "STOPRECORDING" if item.status is VoicemailStatus.RECORDING:
                return self._engine.hang_up(self._engine.calls[item.call_id])
            case "STARTPLAYBACK" if item.status in _PLAYABLE:
                self._engine.tell(item.enter(VoicemailStatus.PLAYING))
            case "STOPPLAYBACK" if item.status is VoicemailStatus.PLAYING:
                self._engine.tell(item.enter(VoicemailStatus.PLAYED))
            case "DELETE" if item.status is not VoicemailStatus.RECORDING:
                self._engine.tell(item.enter(VoicemailStatus.DELETING))
                del self._engine.voicemails[item.ident]
            case _:
                return False
        return True
