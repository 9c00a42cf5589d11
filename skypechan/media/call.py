"""What the engine keeps of one call: its row in all tables, its streams, its flows."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from skypechan.audio.chain import LINE_RATE_HZ
from skypechan.audio.pcm import PcmFormat
from skypechan.call.record import Side
from skypechan.log import CallLog
from skypechan.media.flow import Flow
from skypechan.media.payload import PayloadDecoder
from skypechan.media.settings import EngineSettings
from skypechan.media.streams import OnBlocked, Outlet, PbxInlet, PcmInlet, prepare
from skypechan.media.timing import Timing
from skypechan.media.unread import unread_s
from skypechan.media.values import MediaFigures, MediaStart, Payload

_LINE = PcmFormat(LINE_RATE_HZ)

_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Call:
    """One call in the engine."""

    row: int
    start: MediaStart
    settings: EngineSettings
    line_inlet: PcmInlet
    pbx_inlet: PbxInlet
    line_outlet: Outlet
    pbx_outlet: Outlet
    from_line: Flow
    from_pbx: Flow
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

    def flow(self, side: Side) -> Flow:
        """The audio that a side says."""
        return self.from_line if side is Side.LINE else self.from_pbx

    def take_pbx(self, sock: socket.socket, pending: bytes, row: memoryview) -> None:
        """Go on with another connection to Asterisk. Raises OSError as sockets do."""
        prepare(sock)
        before = self.pbx_outlet
        self.pbx_inlet = PbxInlet(sock, row, pending)
        self.pbx_outlet = before.moved_to(sock)

    def read_ahead(self) -> bool:
        """Read a line that is ahead of time up to a whole frame; False without one.

        Raises EOFError at the end and OSError as the socket does.
        """
        if self.flushing:
            self.flushing = self.line_inlet.discard()
            return False
        try:
            while not self.line_inlet.receive():
                pass
        except BlockingIOError:
            return False
        return True

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


def begin(
    row: int,
    start: MediaStart,
    settings: EngineSettings,
    line_frame: memoryview,
    pbx_frame: memoryview,
    on_blocked: OnBlocked,
    most_samples: int,
    now_s: float,
) -> Call:
    """Return a call that begins in `row` now, its streams on the row's frames."""
    stall_s, gap_s = settings.stall_seconds, settings.gap_ms / 1000
    limit = _LINE.frame_bytes * settings.line_queue_ms // _LINE.ptime_ms
    if not start.line_has_clock:
        settings = replace(settings, follow_line_clock=False)
    line_timing = Timing(settings, now_s)
    if settings.follow_line_clock:
        unread = partial(unread_s, start.line_send)
        pbx_timing = Timing(settings, now_s, line_timing.clock, unread)
    else:
        pbx_timing = Timing(settings, now_s)
    return Call(
        row=row,
        start=start,
        settings=settings,
        line_inlet=PcmInlet(start.line_receive, line_frame),
        pbx_inlet=PbxInlet(start.pbx, pbx_frame, start.pbx_pending),
        decoder=PayloadDecoder(most_samples),
        line_outlet=Outlet(start.line_send, on_blocked, stall_s, limit),
        pbx_outlet=Outlet(start.pbx, on_blocked, stall_s),
        from_line=Flow(line_timing, LINE_RATE_HZ, gap_s, now_s),
        from_pbx=Flow(pbx_timing, start.pbx_rate_hz, gap_s, now_s),
        log=CallLog(_log, start.call_id),
        playback_db=start.playback_db,
        capture_db=start.capture_db,
    )
