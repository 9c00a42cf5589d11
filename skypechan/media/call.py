"""What the engine keeps of one call: its row in all tables, its streams, its counts."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from skypechan.call.record import Side
from skypechan.media.payload import AmbiguousPayload
from skypechan.media.streams import Outlet, PbxInlet, PcmInlet
from skypechan.media.values import MediaFigures, MediaStart, Payload


@dataclass(slots=True, eq=False)
class Port:
    """One socket in epoll: whose it is, and what its events mean."""

    call: Call
    side: Side
    sock: socket.socket
    receive: Callable[[Call], None]
    interest: int
    outlet: Outlet | None


@dataclass(slots=True, eq=False)
class Call:
    """One call in the engine."""

    row: int
    start: MediaStart
    line_inlet: PcmInlet
    pbx_inlet: PbxInlet
    line_outlet: Outlet
    pbx_outlet: Outlet
    ports: list[Port] = field(default_factory=list)
    ambiguous: AmbiguousPayload = field(default_factory=AmbiguousPayload)
    playback_db: float = 0.0
    capture_db: float = 0.0
    playback_muted: bool = False
    capture_muted: bool = False
    payload: Payload = Payload.LINEAR
    digits: int = 0
    final: MediaFigures | None = None  # once it has been stopped

    def deliver(self, callback: Callable[..., None], news: object) -> None:
        """Call the owner back, unless it has stopped the call meanwhile."""
        if self.final is None:
            callback(news)
