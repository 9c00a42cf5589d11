"""The people of the stand-in who write and who want to be contacts.

Messages are ``CHATMESSAGE`` from protocol 3 on and ``MESSAGE`` below; a contact request
is told twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Deeds = list[Callable[[], None]]


@dataclass(eq=False)
class Message:
    """Something that was written, by others or by the account itself."""

    number: int
    author: str
    name: str
    body: str
    status: str
    kind: str = "SAID"
    chat: str = "#bob/$alice;a7ab206ec78060f1"


class People:
    """Who writes to the account; ``tell`` notifies every application."""

    def __init__(
        self, tell: Callable[[str], None], take_number: Callable[[], int], level: int
    ) -> None:
        self.messages: dict[int, Message] = {}
        self.requests: dict[str, str] = {}
        """Who waits for an answer, and what was said."""
        self.decisions: list[tuple[str, str]] = []
        """Handle and TRUE or FALSE, as the application decided."""
        self.asked: set[tuple[int, str]] = set()
        """Number and property of each message that the application has looked at."""
        self._tell = tell
        self._take_number = take_number
        self._word = "CHATMESSAGE" if level >= 3 else "MESSAGE"

    @property
    def seen(self) -> list[Message]:
        """What the application has marked as seen."""
        return [m for m in self.messages.values() if m.status == "READ"]

    # What they do

    def write(
        self, author: str, body: str, name: str = "", kind: str = "SAID"
    ) -> Message:
        """Somebody writes to the account."""
        message = self._new(author, body, "RECEIVED", name, kind)
        self._told(message)
        return message

    def want_in(self, handle: str, text: str) -> None:
        """Somebody asks to be a contact."""
        self.requests[handle] = text
        for _ in range(2):
            self._tell(f"USER {handle} RECEIVEDAUTHREQUEST {text}")

    # What the application asks

    def answer(self, words: list[str], command: str, after: Deeds) -> str | None:
        """The reply to a command about messages and people; None for any other."""
        match words:
            case ["GET", word, number, name] if word == self._word:
                return self._get(number, name)
            case ["SET", word, number, "SEEN", *_] if word == self._word:
                return self._see(number, after)
            case ["GET", "USER", handle, name]:
                return f"USER {handle} {name} {self._user(handle, name)}"
            case ["SET", "USER", handle, "ISAUTHORIZED", truth]:
                return self._decide(handle, truth, after)
            case ["SEARCH", "USERSWAITINGMYAUTHORIZATION"]:
                return f"USERS {', '.join(self.requests)}"
            case ["SEARCH", "MISSEDCHATMESSAGES" | "MISSEDMESSAGES"]:
                missed = (m for m in self.messages.values() if m.status == "RECEIVED")
                return f"{self._word}S {', '.join(str(m.number) for m in missed)}"
            case ["MESSAGE", _, _, *_]:
                return self._send(command.split(" ", 2)[2], after)
            case ["CHAT", "CREATE", handle]:
                return f"CHAT #alice/${handle};0001 STATUS DIALOG"
            case ["CHATMESSAGE", _, _, *_]:
                return self._send(command.split(" ", 2)[2], after)
        return None

    def _get(self, number: str, name: str) -> str:
        message = self._find(number)
        if message is None:
            return "ERROR 15 Unknown message"
        values = {
            "TYPE": message.kind,
            "CHATNAME": message.chat,
            "FROM_HANDLE": message.author,
            "FROM_DISPNAME": message.name,
            "PARTNER_HANDLE": message.author,
            "PARTNER_DISPNAME": message.name,
            "BODY": message.body,
            "STATUS": message.status,
            "TIMESTAMP": "1385000000",
        }
        if name not in values:
            return "ERROR 10 GET: invalid PROP"
        self.asked.add((message.number, name))
        return f"{self._word} {number} {name} {values[name]}"

    def _see(self, number: str, after: Deeds) -> str:
        message = self._find(number)
        if message is None:
            return "ERROR 31 Unknown message"
        message.status = "READ"
        after.append(lambda: self._told(message))
        return f"{self._word} {number} STATUS READ"

    def _user(self, handle: str, name: str) -> str:
        return {
            "BUDDYSTATUS": "0" if handle in self.requests else "3",
            "ONLINESTATUS": "ONLINE",
            "RECEIVEDAUTHREQUEST": self.requests.get(handle, ""),
            "ISAUTHORIZED": "FALSE" if handle in self.requests else "TRUE",
            "ISBLOCKED": "FALSE",
        }.get(name, "")

    def _decide(self, handle: str, truth: str, after: Deeds) -> str:
        self.decisions.append((handle, truth))
        self.requests.pop(handle, None)
        lines = ["RECEIVEDAUTHREQUEST ", f"ISAUTHORIZED {truth}"]
        if truth == "TRUE":
            lines += ["ISBLOCKED FALSE", "BUDDYSTATUS 3", "ONLINESTATUS ONLINE"]
        for line in lines:
            after.append(lambda line=line: self._tell(f"USER {handle} {line}"))  # type: ignore[misc]
        return f"USER {handle} ISAUTHORIZED {truth}"

    def _send(self, body: str, after: Deeds) -> str:
        message = self._new("alice", body, "SENDING")

        def arrive() -> None:
            message.status = "SENT"
            self._told(message)

        after.append(arrive)
        return f"{self._word} {message.number} STATUS SENDING"

    def _told(self, message: Message) -> None:
        self._tell(f"{self._word} {message.number} STATUS {message.status}")

    def _find(self, number: str) -> Message | None:
        known = re.fullmatch("[0-9]+", number)
        return self.messages.get(int(number)) if known else None

    def _new(
        self, author: str, body: str, status: str, name: str = "", kind: str = "SAID"
    ) -> Message:
        message = Message(self._take_number(), author, name, body, status, kind)
        self.messages[message.number] = message
        return message
