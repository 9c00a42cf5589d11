"""A line whose client can do all that concerns people, and does as a test says."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

from skypechan.backends.base import (
    Capabilities,
    ContactAnsweredSink,
    ContactRequestSink,
    LineLeg,
    LineObserver,
    LineState,
    MessageSink,
    Money,
    Presence,
)
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.errors import CallError, SkypechanError


class TalkativeBackend:
    """Takes note of what it is asked; `refusal` is what it then raises."""

    def __init__(self) -> None:
        self.capabilities = Capabilities(
            messages=True, contacts=True, presence=True, balance=True, raw=True
        )
        self.wire = logging.getLogger("skypechan.wire.talkative")
        self.asked: list[tuple[object, ...]] = []
        self.refusal: SkypechanError | None = None
        self.on_message: MessageSink = lambda message: self._note(message)
        self.on_contact_request: ContactRequestSink = lambda who: self._note(who)
        self.on_contact_answered: ContactAnsweredSink = lambda who: self._note(who)

    async def run(self, observer: LineObserver) -> None:
        observer.line_changed(LineState.READY, "", "skypet123")
        await asyncio.get_running_loop().create_future()

    async def place(self, address: str, sink: EventSink) -> LineLeg:
        raise CallError(HangupCause.INTERWORKING, "it only writes")

    def _note(self, *what: object) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(what)

    async def send_message(self, address: str, text: str) -> str:
        self._note("message", address, text)
        return str(len(self.asked))

    async def decide_contact(self, who: str, *, accept: bool) -> None:
        self._note("decide", who, accept)

    async def find(self, words: str) -> tuple[str, ...]:
        self._note("find", words)
        return ("bob", "bobby")

    async def presence(self, address: str) -> Presence:
        self._note("presence", address)
        return Presence.AWAY

    async def balance(self) -> Money:
        self._note("balance")
        return Money(Decimal("12.50"), "EUR")

    async def send_raw(self, text: str) -> str:
        self._note("raw", text)
        return "PONG"
