"""Written messages: those that come to the account, and those that we send.

Skype API: a CHATMESSAGE (a MESSAGE at levels 1 and 2) is announced by its status
RECEIVED; who wrote what has to be asked for, and that it was seen has to be said.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Final

from skypechan.backends.base import Message, MessageSink
from skypechan.backends.skype.bounded import BoundedWork
from skypechan.backends.skype.causes import refusal_of
from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.protocol.commands import (
    GetProperty,
    Search,
    SendMessage,
    SetProperty,
)
from skypechan.backends.skype.protocol.notifications import (
    Notification,
    ObjectProperty,
    SearchResult,
)
from skypechan.backends.skype.protocol.values import MessageStatus, MessageType
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.call.causes import HangupCause
from skypechan.errors import CallError, CommandError, LinkError, LocalWireError

_log = logging.getLogger(__name__)

LONGEST_TEXT: Final = 8_192
"""Characters of a message that are passed on; the rest is cut off."""

_WRITTEN: Final = frozenset({"", MessageType.SAID, MessageType.TEXT})
_PROPERTIES: Final = {
    "CHATMESSAGE": ("TYPE", "FROM_HANDLE", "FROM_DISPNAME", "BODY", "CHATNAME"),
    "MESSAGE": ("TYPE", "PARTNER_HANDLE", "PARTNER_DISPNAME", "BODY"),
}
_BREAK: Final = re.compile(r"[\x00\r\n]+")

_Key = tuple[str, str]


class Mailbox:
    """The messages of one client, as long as the conversation lasts."""

    def __init__(
        self, talk: Conversation, settings: SkypeSettings, deliver: MessageSink
    ) -> None:
        self._talk = talk
        self._settings = settings
        self._deliver = deliver
        self._work: BoundedWork[_Key] = BoundedWork("messages", talk.spawn, self._read)

    def take(self, notification: Notification) -> None:
        """Take a notification about any message; others are ignored."""
        match notification:
            case ObjectProperty(
                ("CHATMESSAGE" | "MESSAGE") as kind, ident, "STATUS", status
            ) if status.strip().upper() == MessageStatus.RECEIVED:
                self._work.add((kind, ident))

    async def catch_up(self) -> None:
        """Read what came while nobody was attached."""
        (missed,) = await self._talk.attempt(Search("MISSEDCHATMESSAGES"))
        if isinstance(missed, SearchResult) and missed.what == "CHATMESSAGES":
            for ident in missed.names:
                self._work.add(("CHATMESSAGE", ident))

    async def send(self, address: str, text: str) -> str:
        """Send a message; line breaks become spaces. Returns the client's number."""
        line = _BREAK.sub(" ", text)
        try:
            reply = await self._talk.order(SendMessage(address, line))
        except CommandError as error:
            raise refusal_of(error) from error
        except LocalWireError as error:
            reason = f"no address for Skype: {address!r}"
            raise CallError(HangupCause.INVALID_NUMBER, reason) from error
        match reply:
            case ObjectProperty("CHATMESSAGE" | "MESSAGE", ident):
                return ident
        reason = f"MESSAGE was answered with {reply}"
        raise CallError(HangupCause.INTERWORKING, reason)

    async def _read(self, key: _Key) -> None:
        kind, ident = key
        if self._settings.messages == "report":
            told = await self._ask(kind, ident) or await self._ask(kind, ident)
            if not told:
                # Not seen, so it is among the missed ones when we come again.
                _log.warning("! %s %s is not told, it stays unread", kind, ident)
                self._work.forget(key)
                return
            message = self._message(ident, told)
            if message is not None:
                self._deliver(message)
        await self._talk.attempt(SetProperty(kind, ident, "SEEN"))

    async def _ask(self, kind: str, ident: str) -> list[str | None]:
        """Ask for the properties of a message; empty when a reply is lost."""
        replies = await asyncio.gather(
            *(
                self._talk.ask(GetProperty(kind, ident, name))
                for name in _PROPERTIES[kind]
            ),
            return_exceptions=True,
        )
        if any(isinstance(reply, LinkError) for reply in replies):
            return []
        return [_value(reply, kind, ident) for reply in replies]

    def _message(self, ident: str, told: list[str | None]) -> Message | None:
        """What the properties make; None when nobody wrote it to us."""
        written, sender, name, body, chat = (*told, "")[:5]
        if body is None or not sender:
            _log.warning("! the client does not tell message %s", ident)
            return None
        own = sender.lower() == self._talk.account.lower()
        if own or (written or "").strip().upper() not in _WRITTEN:
            return None
        return Message(sender, name or sender, body[:LONGEST_TEXT], chat or "", ident)


def _value(reply: object, kind: str, ident: str) -> str | None:
    match reply:
        case ObjectProperty(found, number, _, value) if (found, number) == (
            kind,
            ident,
        ):
            return value
    return None
