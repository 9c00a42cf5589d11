"""CHAT, CHATMESSAGE and, for old protocol levels, MESSAGE. Pure.

A message that we send is SENDING, then SENT; one that comes is RECEIVED until it is
set SEEN, then READ (Skype API: chat). Guesses: how a chat is named, the times, and
that a message is told once while the client knows it as SENDING.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

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
    ObjectProperty,
)
from skypechan.backends.skype.protocol.values import (
    ChatStatus,
    ErrorNumber,
    MessageStatus,
    MessageType,
)
from skypechan.emulator.book import CREATE_FAILED, DELETE_FAILED, found, number_of
from skypechan.emulator.directory import one_line
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.outputs import MessageToPartner, Purpose, StartTimer
from skypechan.emulator.party import Person

MESSAGES_KEPT: Final = 500
CHATS_KEPT: Final = 1_000
"""Beyond these the oldest chat without messages is forgotten."""

_SENT_S: Final = 0.1

_INVALID_CHAT = Error(ErrorNumber.INVALID_CHAT_NAME, "CHAT: invalid chat name")
_INVALID_PROPERTY = Error(ErrorNumber.GET_INVALID_CHAT_PROPERTY, "GET: invalid PROP")
_UNKNOWN_MESSAGE = Error(ErrorNumber.UNKNOWN_MESSAGE, "Unknown message")
_INVALID_MESSAGE = Error(ErrorNumber.INVALID_MESSAGE_ID, "Invalid message id")
_EMPTY = Error(ErrorNumber.EMPTY_MESSAGE, "Empty message")
_INVALID_HANDLE = Error(ErrorNumber.SET_INVALID_USER_HANDLE, "Invalid user handle")
_MISSED = frozenset({"MISSEDCHATMESSAGES", "MISSEDMESSAGES"})
_CHAT_LISTS = frozenset({"CHATS", "ACTIVECHATS", "RECENTCHATS"})


@dataclass(slots=True)
class Chat:
    """A conversation; `members` are handles, the account among them."""

    name: str
    members: list[str]
    started: int
    topic: str = ""
    left: bool = False
    messages: list[int] = field(default_factory=list)

    @property
    def status(self) -> ChatStatus:
        """DIALOG for two."""
        if self.left:
            return ChatStatus.UNSUBSCRIBED
        several = len(self.members) > 2
        return ChatStatus.MULTI_SUBSCRIBED if several else ChatStatus.DIALOG

    def facts(self, account: str) -> dict[str, str]:
        """Its properties as text."""
        others = [name for name in self.members if name != account]
        return {
            "NAME": self.name,
            "TIMESTAMP": str(self.started),
            "ACTIVITY_TIMESTAMP": str(self.started),
            "ADDER": "",
            "STATUS": self.status.value,
            "POSTERS": " ".join(others),
            "MEMBERS": " ".join(self.members),
            "ACTIVEMEMBERS": " ".join(self.members),
            "TOPIC": self.topic,
            "FRIENDLYNAME": self.topic or ", ".join(others),
            "DIALOG_PARTNER": others[0] if len(others) == 1 else "",
            "CHATMESSAGES": ", ".join(map(str, self.messages)),
            "RECENTCHATMESSAGES": ", ".join(map(str, self.messages[-20:])),
        }


@dataclass(slots=True)
class Text:
    """One message."""

    ident: int
    chat: str
    sender: Person
    body: str
    started: int
    status: MessageStatus
    kind: MessageType = MessageType.SAID

    def facts(self) -> dict[str, str]:
        """Its properties, with the names of both kinds of object."""
        name = self.sender.display_name or self.sender.full_name or self.sender.handle
        return {
            "TIMESTAMP": str(self.started),
            "TYPE": self.kind.value,
            "STATUS": self.status.value,
            "CHATNAME": self.chat,
            "FROM_HANDLE": self.sender.handle,
            "PARTNER_HANDLE": self.sender.handle,
            "FROM_DISPNAME": one_line(name),
            "PARTNER_DISPNAME": one_line(name),
            "BODY": self.body,
            "LEAVEREASON": "",
            "USERS": "",
            "SEEN": "FALSE" if self.status is MessageStatus.RECEIVED else "TRUE",
        }

    @property
    def told(self) -> ObjectProperty:
        """The line that tells the status; old levels hear it as a MESSAGE."""
        status = self.status.value
        return ObjectProperty("CHATMESSAGE", str(self.ident), "STATUS", status)


class ChatBook:
    """All chats and messages of one client."""

    def __init__(
        self,
        engine: CallEngine,
        account: Callable[[], str],
        find: Callable[[str], Person | None],
    ) -> None:
        self._engine = engine
        self._account = account
        self._find = find
        self._replies: dict[int, Person] = {}
        self.chats: dict[str, Chat] = {}
        self.texts: OrderedDict[int, Text] = OrderedDict()

    # What applications and people do.

    def send_to(self, target: str, body: str, now: int) -> Notification:
        """MESSAGE user text."""
        person = self._find(target)
        if person is None:
            return _INVALID_HANDLE
        return self._send(self._dialog(person.handle, now), body, now)

    def send_in(self, name: str, body: str, now: int) -> Notification:
        """CHATMESSAGE chat text."""
        chat = self.chats.get(name)
        return _INVALID_CHAT if chat is None else self._send(chat, body, now)

    def create_chat(self, members: Iterable[str], now: int) -> Notification:
        """CHAT CREATE users."""
        people = [self._find(member) for member in members]
        known = [person.handle for person in people if person is not None]
        if len(known) < len(people):
            return _INVALID_HANDLE
        chat = self._dialog(known[0], now) if len(known) == 1 else None
        chat = chat or self._new_chat(known, now)
        told = ObjectProperty("CHAT", chat.name, "STATUS", chat.status.value)
        self._engine.tell(told)
        return told

    def receive(self, person: Person, body: str, now: int) -> Text:
        """Somebody writes to the account."""
        chat = self._dialog(person.handle, now)
        received = MessageStatus.RECEIVED
        text = self._new_text(chat, person, one_line(body), received, now)
        self._engine.tell(text.told)
        return text

    def sent(self, ident: int) -> None:
        """A message has left."""
        text = self.texts.get(ident)
        if text is not None and text.status is MessageStatus.SENDING:
            text.status = MessageStatus.SENT
            self._engine.tell(text.told)

    def reply_now(self, ident: int, now: int) -> None:
        """Who was written to writes back."""
        person, text = self._replies.pop(ident, None), self.texts.get(ident)
        if person is not None and text is not None:
            body = person.reply.replace("{text}", text.body)
            self.receive(person, body, now)

    # Book.

    def get(self, command: GetProperty) -> Notification:
        """GET CHAT, CHATMESSAGE or MESSAGE."""
        if command.kind == "CHAT":
            chat = self.chats.get(command.ident)
            facts = chat.facts(self._account()) if chat else None
            fault = _INVALID_CHAT
        else:
            text = self.texts.get(number_of(command.ident))
            facts = text.facts() if text else None
            known = number_of(command.ident) >= 0
            fault = _UNKNOWN_MESSAGE if known else _INVALID_MESSAGE
        if facts is None:
            return fault
        if command.name not in facts:
            return _INVALID_PROPERTY
        return ObjectProperty(
            command.kind, command.ident, command.name, facts[command.name]
        )

    def set(self, command: SetProperty, now: int) -> Notification:  # noqa: ARG002
        """SET CHATMESSAGE id SEEN, SET MESSAGE id SEEN."""
        text = self.texts.get(number_of(command.ident))
        if command.kind == "CHAT" or command.name != "SEEN":
            what = ErrorNumber.SET_INVALID_MESSAGE_WHAT
            return Error(what, "SET: invalid WHAT")
        if text is None:
            return Error(ErrorNumber.SET_UNKNOWN_MESSAGE, "Unknown message")
        if text.status is MessageStatus.RECEIVED:
            text.status = MessageStatus.READ
            self._engine.tell(text.told)
        status = text.status.value
        return ObjectProperty(command.kind, command.ident, "STATUS", status)

    def alter(self, command: Alter, now: int) -> Notification:  # noqa: ARG002
        """ALTER CHAT name VERB: the echo leaves the name out (Skype4Py)."""
        chat = self.chats.get(command.ident) if command.kind == "CHAT" else None
        if chat is None:
            return _INVALID_CHAT
        match command.verb:
            case "ADDMEMBERS":
                done = self._add_members(chat, command.arguments.split(","))
            case "SETTOPIC":
                chat.topic, done = command.arguments, True
                self._tell_chat(chat, "TOPIC", chat.topic)
            case "LEAVE":
                chat.left, done = True, True
                self._tell_chat(chat, "STATUS", chat.status.value)
            case _:
                done = False
        if not done:
            return Error(ErrorNumber.CHAT_FAILED, "CHAT: action failed")
        return AlterEcho("CHAT", command.verb, "")

    def create(self, command: Create, now: int) -> Notification:  # noqa: ARG002
        """Chats are made by CHAT CREATE."""
        return CREATE_FAILED

    def delete(self, command: Delete) -> Notification:  # noqa: ARG002
        """Chats are not deleted."""
        return DELETE_FAILED

    def search(self, what: str, argument: str) -> Notification | None:
        """SEARCH of chats and messages."""
        received = MessageStatus.RECEIVED
        missed = [text for text in self.texts.values() if text.status is received]
        if what in _CHAT_LISTS:
            return found("CHATS", self.chats)
        if what == "MISSEDCHATS":
            return found("CHATS", dict.fromkeys(text.chat for text in missed))
        if what in _MISSED:
            return found("CHATMESSAGES", (text.ident for text in missed))
        if what in {"CHATMESSAGES", "MESSAGES"}:
            wanted = argument.strip().lower()
            texts = self.texts.values()
            mine = (text for text in texts if wanted in self._partners(text))
            return found("CHATMESSAGES", (text.ident for text in mine))
        return None

    # Within.

    def _send(self, chat: Chat, body: str, now: int) -> Notification:
        if not body.strip():
            return _EMPTY
        sender = Person(handle=self._account())
        text = self._new_text(chat, sender, body, MessageStatus.SENDING, now)
        self._start(text, Purpose.SENT, _SENT_S)
        for handle in chat.members:
            self._pass_on(handle, text)
        return text.told

    def _pass_on(self, handle: str, text: Text) -> None:
        if handle == self._account():
            return
        self._engine.emit(MessageToPartner(handle, text.body))
        person = self._find(handle)
        if person is not None and person.reply:
            self._replies[text.ident] = person
            self._start(text, Purpose.CHAT_REPLY, person.reply_s)

    def _start(self, text: Text, purpose: Purpose, delay_s: float) -> None:
        self._engine.emit(StartTimer(text.ident, purpose, delay_s))

    def _dialog(self, handle: str, now: int) -> Chat:
        """The chat with one other."""
        pair = {handle.lower(), self._account().lower()}
        for chat in self.chats.values():
            if {member.lower() for member in chat.members} == pair and not chat.left:
                return chat
        return self._new_chat([handle], now)

    def _new_chat(self, others: list[str], now: int) -> Chat:
        account = self._account()
        number = self._engine.new_id()
        first = others[0] if others else ""
        chat = Chat(f"#{account}/${first};{number:016x}", [account, *others], now)
        if len(self.chats) >= CHATS_KEPT:
            names = (name for name, old in self.chats.items() if not old.messages)
            self.chats.pop(next(names))  # messages are fewer than chats
        self.chats[chat.name] = chat
        return chat

    def _new_text(
        self, chat: Chat, sender: Person, body: str, status: MessageStatus, now: int
    ) -> Text:
        ident = self._engine.new_id()
        text = Text(ident, chat.name, sender, body, now, status)
        self.texts[ident] = text
        chat.messages.append(ident)
        while len(self.texts) > MESSAGES_KEPT:
            old, gone = self.texts.popitem(last=False)
            self.chats[gone.chat].messages.remove(old)
        return text

    def _add_members(self, chat: Chat, names: Iterable[str]) -> bool:
        people = [self._find(name.strip()) for name in names]
        if not people or None in people:
            return False
        for person in people:
            if person is not None and person.handle not in chat.members:
                chat.members.append(person.handle)
        self._tell_chat(chat, "MEMBERS", " ".join(chat.members))
        return True

    def _tell_chat(self, chat: Chat, name: str, value: str) -> None:
        self._engine.tell(ObjectProperty("CHAT", chat.name, name, value))

    def _partners(self, text: Text) -> frozenset[str]:
        chat = self.chats[text.chat]
        return frozenset(("", *(member.lower() for member in chat.members)))
