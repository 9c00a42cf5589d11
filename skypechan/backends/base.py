"""The seam between the gateway and a kind of messenger client.

A backend speaks for one client. It keeps itself attached for as long as `run`
lives, publishes its state, offers incoming calls and places outgoing ones. Each
call on it is a `LineLeg`; what happens to the leg goes to the call's `EventSink`.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

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


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of client can do."""

    digits_out: str = "0123456789*#"
    early_media: bool = False
    hold: bool = False
    transfer: bool = False


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

    async def release(self) -> None:
        """End the leg whatever its state; harmless when it has ended."""

    async def send_digit(self, digit: str) -> None:
        """Send one digit to the far end."""

    async def open_audio(self) -> AudioPort:
        """Connect the audio of an answered leg."""


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
