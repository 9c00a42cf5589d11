"""The seam between the gateway and a kind of messenger client.

A backend speaks for one client. It keeps itself attached for as long as `run`
lives, publishes its state, offers incoming calls and places outgoing ones. Each
call on it is a `LineLeg`; what happens to the leg goes to the call's `EventSink`.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Protocol, runtime_checkable

from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink


class LineState(StrEnum):
    """The one published state of a line; each can lead to any other."""

    STARTING = "starting"  # the gateway has just begun
    WAITING_FOR_CLIENT = "waiting_for_client"  # no client, or no bus or display
    WAITING_FOR_PERMISSION = "waiting_for_permission"  # a person must allow us
    REFUSED = "refused"  # a person refused us
    SIGNED_OUT = "signed_out"  # the client runs, nobody is signed in
    CONNECTING = "connecting"  # signed in, not yet online
    READY = "ready"  # calls can be placed and taken
    DEGRADED = "degraded"  # attached, but the client does not answer in time
    PAUSED = "paused"  # the operator wants no calls
    STOPPED = "stopped"  # the gateway is going down


class Pacing(Enum):
    """How audio arrives from a port."""

    PACED = "as it is spoken, by the far end's sound clock"
    BURSTY = "faster than real time, to be paced by us"
    RETURNED = "when and as much as we write, without a sound clock"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of client can do."""

    digits_out: str = "0123456789*#"
    early_media: bool = False
    hold: bool = False
    transfer: bool = False
    conference: bool = False
    messages: bool = False
    contacts: bool = False
    presence: bool = False
    balance: bool = False
    raw: bool = False


@dataclass(frozen=True, slots=True)
class AudioPort:
    """The two raw PCM streams of a leg: S16LE, mono, `rate_hz` samples a second.

    `from_line` is read and `to_line` is written; they may be the same socket.
    Both are connected and non-blocking, and belong to whoever holds the port.
    """

    from_line: socket.socket
    to_line: socket.socket
    rate_hz: int = 16_000
    pacing: Pacing = Pacing.PACED

    def close(self) -> None:
        """Close both sockets; harmless when they are closed."""
        self.from_line.close()
        self.to_line.close()


class LineLeg(Protocol):
    """One call on a client.

    Every method raises CallError when the client refuses, and LinkError when the
    client cannot be reached. The end of the leg is always reported by one
    `LineReleased` to the sink, also after `release`.
    """

    @property
    def leg_id(self) -> str:
        """The client's own name of the call."""

    async def answer(self) -> None:
        """Answer an offered call; `LineAnswered` follows when it took effect."""

    async def release(
        self, cause: HangupCause = HangupCause.NORMAL_CLEARING, /
    ) -> None:
        """End the leg whatever its state; harmless when it has ended.

        The cause is for a caller whom nobody answered, if the client can tell him.
        """

    async def send_digit(self, digit: str) -> None:
        """Send one digit to the far end."""

    async def open_audio(self) -> AudioPort:
        """Connect the audio of an answered leg, once.

        Where `early_media` is a capability also before the answer, from
        `LineEarlyMedia` on; the same port then serves the answered leg.
        """


@dataclass(frozen=True, slots=True)
class Offer:
    """An incoming call: who calls, and the leg to answer or release.

    `kind` is "p2p" or "pstn".
    """

    leg: LineLeg
    caller: str
    caller_name: str
    kind: str


class LineObserver(Protocol):
    """The gateway, as a backend sees it."""

    def line_changed(self, state: LineState, reason: str, account: str) -> None:
        """Take note of the line's state; `account` is empty when unknown."""

    def offered(self, offer: Offer) -> EventSink:
        """Take an incoming call; the returned sink gets the leg's events."""


class Backend(Protocol):
    """One client of one kind."""

    @property
    def capabilities(self) -> Capabilities:
        """What this kind of client can do."""

    async def run(self, observer: LineObserver) -> None:
        """Keep the client attached until cancelled; never raises for its absence."""

    async def place(self, address: str, sink: EventSink) -> LineLeg:
        """Start a call. Raises CallError (refused) or LinkError (no client)."""


# What only some kinds of clients can do. `Capabilities` tells which, and a type
# checker or `isinstance` narrows a backend or a leg to the protocol that has it.


class Presence(StrEnum):
    """How reachable somebody says they are."""

    ONLINE = "online"
    AWAY = "away"
    BUSY = "busy"
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Message:
    """A text that came to the account; `chat` and `message_id` are the client's."""

    sender: str
    sender_name: str
    text: str
    chat: str
    message_id: str


@dataclass(frozen=True, slots=True)
class ContactRequest:
    """Somebody wants to be a contact of the account, with these words."""

    who: str
    text: str


@dataclass(frozen=True, slots=True)
class Money:
    """An amount; an empty `currency` is not known."""

    amount: Decimal
    currency: str


MessageSink = Callable[[Message], None]
ContactRequestSink = Callable[[ContactRequest], None]
ContactAnsweredSink = Callable[[str], None]


@runtime_checkable
class Holding(Protocol):
    """A leg that we can put on hold."""

    async def hold(self) -> None:
        """Have the audio rest; harmless when it does. Raises as `LineLeg` does."""

    async def resume(self) -> None:
        """Have the audio go on; harmless when it does. Raises as `LineLeg` does."""


@runtime_checkable
class Priced(Protocol):
    """A leg that may cost money."""

    @property
    def price(self) -> Money | None:
        """The price of a minute; None when it is not told."""


@runtime_checkable
class Transferring(Protocol):
    """A leg that can be sent on to somebody else."""

    async def transfer(self, *addresses: str) -> None:
        """Send an offered or answered incoming leg on, and return when it is gone.

        The first of several to answer has it. Raises CallError when nobody took it:
        the leg is then where it was, or has ended.
        """


@runtime_checkable
class Conferencing(Protocol):
    """A backend that can call several people into one conversation."""

    async def place_conference(
        self, addresses: tuple[str, ...], sink: EventSink
    ) -> LineLeg:
        """Call several; the leg is the whole conversation. Raises as `place`."""

    async def join(self, leg: LineLeg, other: LineLeg) -> None:
        """Join two answered legs; the audio is `other`'s. Raises as `LineLeg`."""


@runtime_checkable
class Messaging(Protocol):
    """A backend that carries written messages.

    `on_message` gets what comes in, never more than a bounded number at a time.
    """

    on_message: MessageSink

    async def send_message(self, address: str, text: str) -> str:
        """Send a text; returns the client's number of it. Raises as `place`."""


@runtime_checkable
class Contacts(Protocol):
    """A backend whose account has contacts.

    `on_contact_request` gets who asks, `on_contact_answered` who no longer waits,
    wherever the answer was given.
    """

    on_contact_request: ContactRequestSink
    on_contact_answered: ContactAnsweredSink

    async def decide_contact(self, who: str, *, accept: bool) -> None:
        """Accept or refuse a contact. Raises CommandError and LinkError."""

    async def find(self, words: str) -> tuple[str, ...]:
        """Search the directory: the addresses of who matches, a bounded number.

        Raises CommandError and LinkError.
        """

    async def presence(self, address: str) -> Presence:
        """How reachable somebody is. Raises CommandError and LinkError."""


@runtime_checkable
class Charging(Protocol):
    """A backend whose account pays for calls to telephones."""

    async def balance(self) -> Money:
        """The account's credit. Raises CommandError and LinkError."""


@runtime_checkable
class Raw(Protocol):
    """A backend that takes the client's own commands, if the operator allows them."""

    async def send_raw(self, text: str) -> str:
        """Send one command; returns the reply, an error's too.

        Raises CommandError when the settings do not allow it, and LinkError.
        """


@runtime_checkable
class Tracing(Protocol):
    """A backend that logs, at DEBUG, what it and its client say to each other."""

    @property
    def wire(self) -> logging.Logger:
        """The logger of this line's wire and of nothing else."""
