"""The people at the other end of the lines: what they write, who wants to be known.

Everything here is asked of the line's client where its kind is able to. Each method
raises CallError for a line that there is not, CommandError where the client cannot or
will not, LinkError where it is out of reach, LocalWireError for what its protocol
cannot carry.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from datetime import datetime

from skypechan import log
from skypechan.backends.base import (
    Charging,
    ContactRequest,
    Contacts,
    Message,
    Messaging,
    Money,
    Presence,
    Raw,
    Tracing,
)
from skypechan.call.causes import HangupCause
from skypechan.clock import Clock
from skypechan.errors import CallError, CommandError
from skypechan.gateway.feed import Feed, Kind
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines

_log = logging.getLogger(__name__)

_MOST_MESSAGES = 500
_MOST_REQUESTS = 500
_MOST_NAME = 256  # characters
_MOST_TEXT = 8_192
_MOST_LOGGED = 200


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A text that somebody has written to a line's account."""

    line: str
    received: datetime
    sender: str
    sender_name: str
    text: str
    chat: str


@dataclass(frozen=True, slots=True)
class WaitingRequest:
    """Somebody who wants to be a contact of a line's account, and waits."""

    line: str
    asked: datetime
    who: str
    text: str


class People:
    """Messages and contact requests of every line, and what can be asked and said."""

    def __init__(self, lines: Lines, feed: Feed, clock: Clock) -> None:
        self._lines = lines
        self._feed = feed
        self._clock = clock
        self._messages: deque[ReceivedMessage] = deque(maxlen=_MOST_MESSAGES)
        self._requests: dict[tuple[str, str], WaitingRequest] = {}

    def listen(self, line: Line) -> None:
        """Hear from now on what comes to a line."""
        backend, name = line.backend, line.name
        if isinstance(backend, Messaging):
            backend.on_message = lambda message: self._written(name, message)
        if isinstance(backend, Contacts):
            backend.on_contact_request = lambda request: self._asked(name, request)
            backend.on_contact_answered = lambda who: self._answered(name, who)

    def messages(self) -> tuple[ReceivedMessage, ...]:
        """Return the last messages, newest last."""
        return tuple(self._messages)

    def contact_requests(self) -> tuple[WaitingRequest, ...]:
        """Return who waits for an answer of a line that is there, newest last."""
        waiting = self._requests.values()
        return tuple(one for one in waiting if self._lines.get(one.line))

    async def send_message(self, name: str, address: str, text: str) -> str:
        """Write to somebody; returns the client's number of the message."""
        backend = self._line(name).backend
        if backend.capabilities.messages and isinstance(backend, Messaging):
            return await backend.send_message(address, text)
        raise _unable(name, "carry messages")

    async def decide_contact(self, name: str, who: str, *, accept: bool) -> None:
        """Accept somebody as a contact, or refuse."""
        backend = self._line(name).backend
        if not (backend.capabilities.contacts and isinstance(backend, Contacts)):
            raise _unable(name, "have contacts")
        await backend.decide_contact(who, accept=accept)
        self._answered(name, who)
        verdict = "accepted" if accept else "refused"
        _log.info("= line %s: %s is %s as a contact", name, log.legible(who), verdict)

    async def find(self, name: str, words: str) -> tuple[str, ...]:
        """Search the directory; returns the addresses of who matches."""
        backend = self._line(name).backend
        if backend.capabilities.contacts and isinstance(backend, Contacts):
            return await backend.find(words)
        raise _unable(name, "search for people")

    async def presence(self, name: str, address: str) -> Presence:
        """Return how reachable somebody is."""
        backend = self._line(name).backend
        if backend.capabilities.presence and isinstance(backend, Contacts):
            return await backend.presence(address)
        raise _unable(name, "tell how reachable somebody is")

    async def balance(self, name: str) -> Money:
        """Return the credit of the line's account."""
        backend = self._line(name).backend
        if backend.capabilities.balance and isinstance(backend, Charging):
            return await backend.balance()
        raise _unable(name, "tell a balance")

    async def send_raw(self, name: str, command: str) -> str:
        """Send one of the client's own commands; returns what it answers."""
        backend = self._line(name).backend
        if not isinstance(backend, Raw):
            raise _unable(name, "take commands")
        if not backend.capabilities.raw:
            raise CommandError(f"line {name}: its raw_commands allow none")
        return await backend.send_raw(command)

    def trace(self, name: str, *, on: bool) -> None:
        """Log what the line and its client say to each other, or no longer."""
        backend = self._line(name).backend
        if not isinstance(backend, Tracing):
            raise _unable(name, "be traced")
        log.trace(backend.wire, on=on)
        _log.info("= the trace of line %s is %s", name, "on" if on else "off")

    def _line(self, name: str) -> Line:
        line = self._lines.get(name)
        if line is None:
            raise CallError(HangupCause.NO_ROUTE, f"there is no line {name!r}")
        return line

    def _written(self, line: str, message: Message) -> None:
        received = ReceivedMessage(
            line=line,
            received=self._clock.wall(),
            sender=message.sender[:_MOST_NAME],
            sender_name=message.sender_name[:_MOST_NAME],
            text=message.text[:_MOST_TEXT],
            chat=message.chat[:_MOST_NAME],
        )
        self._messages.append(received)
        self._tell(Kind.MESSAGE, line, received.sender, received.text)

    def _asked(self, line: str, request: ContactRequest) -> None:
        who, text = request.who[:_MOST_NAME], request.text[:_MOST_TEXT]
        key = (line, who.lower())
        self._requests.pop(key, None)
        self._requests[key] = WaitingRequest(line, self._clock.wall(), who, text)
        if len(self._requests) > _MOST_REQUESTS:
            del self._requests[next(iter(self._requests))]
        self._tell(Kind.CONTACT_REQUEST, line, who, text)

    def _answered(self, line: str, who: str) -> None:
        self._requests.pop((line, who[:_MOST_NAME].lower()), None)

    def _tell(self, kind: Kind, line: str, who: str, text: str) -> None:
        self._feed.note(kind, f"{who}: {text}", line=line, who=who, text=text)
        shown = log.legible(text[:_MOST_LOGGED])
        what = kind.replace("_", " ")
        _log.info("< line %s: %s of %s: %s", line, what, log.legible(who), shown)


def _unable(name: str, what: str) -> CommandError:
    return CommandError(f"line {name}'s client cannot {what}")
