"""The account's contacts: who asks to be one, and how reachable they are.

Skype API: USER name RECEIVEDAUTHREQUEST text, told at least twice, cleared by an
empty text; accepted or refused with SET USER name ISAUTHORIZED. Nobody is accepted
unless the operator has said so.
"""

from __future__ import annotations

import logging
from typing import Final

from skypechan.backends.base import (
    ContactAnsweredSink,
    ContactRequest,
    ContactRequestSink,
    Presence,
)
from skypechan.backends.skype.bounded import BoundedWork
from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.protocol.commands import (
    GetProperty,
    Search,
    SetProperty,
)
from skypechan.backends.skype.protocol.notifications import (
    Notification,
    SearchResult,
    UserProperty,
)
from skypechan.backends.skype.protocol.values import UserStatus
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.errors import CommandError, SkypechanError

_log = logging.getLogger(__name__)

LONGEST_TEXT: Final = 1_024
_MOST_AT_START: Final = 64
_MOST_FOUND: Final = 100
_SEARCH_S: Final = 12.0
"""A search may take ten seconds, the documentation says."""

_PRESENCE: Final = {
    UserStatus.ONLINE: Presence.ONLINE,
    UserStatus.SKYPE_ME: Presence.ONLINE,
    UserStatus.SKYPE_OUT: Presence.ONLINE,
    UserStatus.AWAY: Presence.AWAY,
    UserStatus.NOT_AVAILABLE: Presence.AWAY,
    UserStatus.DO_NOT_DISTURB: Presence.BUSY,
    UserStatus.OFFLINE: Presence.OFFLINE,
    UserStatus.INVISIBLE: Presence.OFFLINE,
    UserStatus.LOGGED_OUT: Presence.OFFLINE,
}


class ContactBook:
    """Contact requests and presence, as long as the conversation lasts."""

    def __init__(
        self,
        talk: Conversation,
        settings: SkypeSettings,
        tell: ContactRequestSink,
        answered: ContactAnsweredSink,
    ) -> None:
        self._talk = talk
        self._refuse = settings.contact_requests == "refuse"
        self._allowed = {name.lower() for name in settings.contacts_allowed}
        self._tell = tell
        self._answered = answered
        self._texts: dict[str, str] = {}
        self._work: BoundedWork[str] = BoundedWork(
            "contact requests", talk.spawn, self._judge
        )

    def take(self, notification: Notification) -> None:
        """Take a notification about any user; others are ignored."""
        match notification:
            case UserProperty(who, "RECEIVEDAUTHREQUEST", text) if text.strip():
                if self._work.add(who):
                    self._texts[who] = text.strip()[:LONGEST_TEXT]
            case UserProperty(who, "RECEIVEDAUTHREQUEST"):
                self._work.forget(who)
                self._texts.pop(who, None)
                self._answered(who)
            case UserProperty(who, "ISAUTHORIZED", word) if word.upper() == "TRUE":
                self._answered(who)

    async def catch_up(self) -> None:
        """Ask who has been waiting for an answer."""
        (found,) = await self._talk.attempt(Search("USERSWAITINGMYAUTHORIZATION"))
        if not isinstance(found, SearchResult) or found.what != "USERS":
            return
        for who in found.names[:_MOST_AT_START]:
            command = GetProperty("USER", who, "RECEIVEDAUTHREQUEST")
            (reply,) = await self._talk.attempt(command)
            if reply is not None:
                self.take(reply)

    async def decide(self, who: str, *, accept: bool) -> None:
        """Accept or refuse somebody. Raises CommandError and LinkError."""
        word = "TRUE" if accept else "FALSE"
        await self._talk.order(SetProperty("USER", who, "ISAUTHORIZED", word))

    async def find(self, words: str) -> tuple[str, ...]:
        """Search the directory. Raises CommandError and LinkError."""
        reply = await self._talk.order(Search("USERS", words), _SEARCH_S)
        match reply:
            case SearchResult("USERS", names):
                return names[:_MOST_FOUND]
        raise CommandError(f"the client does not tell whom it found: {reply}")

    async def presence(self, address: str) -> Presence:
        """How reachable somebody is. Raises CommandError and LinkError."""
        reply = await self._talk.order(GetProperty("USER", address, "ONLINESTATUS"))
        match reply:
            case UserProperty(_, "ONLINESTATUS", word):
                return _presence(word.strip().upper())
        return Presence.UNKNOWN

    async def _judge(self, who: str) -> None:
        text = self._texts.pop(who, None)
        if text is None:  # withdrawn meanwhile
            return
        request = ContactRequest(who, text)
        allowed = request.who.lower() in self._allowed
        if not allowed and not self._refuse:
            _log.info("%s asks to be a contact", request.who)
            self._tell(request)
            return
        verdict = "accepted" if allowed else "refused"
        try:
            await self.decide(request.who, accept=allowed)
        except SkypechanError as error:
            _log.warning("! %s is not %s: %s", request.who, verdict, error)
        else:
            _log.info("= %s asked to be a contact and is %s", request.who, verdict)


def _presence(word: str) -> Presence:
    known = word in UserStatus.__members__.values()
    return (
        _PRESENCE.get(UserStatus(word), Presence.UNKNOWN)
        if known
        else (Presence.UNKNOWN)
    )
