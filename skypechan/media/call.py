"""What the engine keeps of one call: its row in all tables, its streams, its counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from skypechan.log import CallLog
from skypechan.media.payload import PayloadDecoder
from skypechan.media.streams import Outlet, PbxInlet, PcmInlet
from skypechan.media.values import MediaFigures, MediaStart, Payload


@dataclass(slots=True, eq=False)
class Call:
    """One call in the engine."""

    row: int
    start: MediaStart
    line_inlet: PcmInlet
    pbx_inlet: PbxInlet
    line_outlet: Outlet
    pbx_outlet: Outlet
    log: CallLog
    decoder: PayloadDecoder
    playback_db: float = 0.0
    capture_db: float = 0.0
    playback_muted: bool = False
    capture_muted: bool = False
    payload: Payload = Payload.LINEAR
    digits: int = 0
    flushing: bool = False
    final: MediaFigures | None = None  # once it has been stopped

    def note_payload(self, payload: Payload) -> None:
        """Say once that the dialplan is not as meant, and how to mend it."""
        if self.payload is not payload:
            self.payload = payload
            self.log.warning(
                "! Asterisk's audio is %s: dial AudioSocket with c(slin), or with"
                " c(${SKYPECHAN_FORMAT}), which is the best that this release can do",
                payload,
            )

    def deliver(self, callback: Callable[..., None], news: object) -> None:
        """Call the owner back, unless it has stopped the call meanwhile."""
        if self.final is None:
            callback(news)
