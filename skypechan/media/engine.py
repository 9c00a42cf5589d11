"""The batch engine: all calls' audio, in one event loop, a pass at a time.

One epoll descriptor holds the sockets of all calls and is itself one reader of the
asyncio loop. A pass

1. reads each socket that has something, once, into its call's row of a table;
2. runs the chain of each direction over all rows whose frame has become whole;
3. sends each of them, header and payload in one send.

Audio is forwarded when its last sample has come, never on a tick; `timing.py` holds
the exceptions. Where a source is quiet (hold, a key held down, no call audio yet) a
timer of 20 ms sends the other side silence in its place, through the same chain. An
epoll that is level triggered brings back what a pass has left, so no socket starves
another.

Towards the line audio is resampled so that as much is written as the client reads:
what would be written too fast waits in its queue and is delay for good.

Give BLAS one thread: `OPENBLAS_NUM_THREADS=1` before numpy is imported.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np

from skypechan.audio.audiosocket import DIGIT, HANGUP, HEADER_BYTES, RATE_HZ_OF_KIND
from skypechan.audio.chain import LINE_RATE_HZ, PBX_RATES_HZ, ToLine, ToPbx
from skypechan.audio.pcm import Int16, PcmFormat, Rows, from_bytes
from skypechan.call.causes import HangupCause
from skypechan.call.record import Side
from skypechan.errors import CallError, RemoteWireError
from skypechan.media.call import Call, begin
from skypechan.media.callmedia import CallMedia
from skypechan.media.flow import Flow, begin_with
from skypechan.media.holdaudio import Resting
from skypechan.media.inband import InBandDigits
from skypechan.media.ports import Ports
from skypechan.media.settings import EngineSettings
from skypechan.media.streams import (
    PLAIN_HEADERS,
    MessageTable,
    Outlet,
    end_of,
    prepare_all,
)
from skypechan.media.tap import Taps
from skypechan.media.ticker import Ticker
from skypechan.media.timing import Timing
from skypechan.media.values import (
    EndReason,
    MediaEnd,
    MediaFigures,
    MediaStart,
    Payload,
    check_start,
)

__all__ = ["CallMedia", "Engine", "EngineSettings", "MediaEnd", "MediaStart"]

_LINE = PcmFormat(LINE_RATE_HZ)
_MOST_MS = 60  # the longest audio message that a row of the table holds
_MOST_BYTES = PcmFormat(max(PBX_RATES_HZ), _MOST_MS).frame_bytes
_CHUNK_SAMPLES = _MOST_BYTES // 2  # what the slow path takes at once of a message
_MOST_LINE_SAMPLES = 2 * _CHUNK_SAMPLES + 8  # narrow samples double, clocks drift
_TICKS_A_QUARTER = 12
_DIGITS = b"0123456789*#ABCD"

_log = logging.getLogger(__name__)


class Engine:
    """Joins line and PBX audio of up to `capacity` calls inside `loop`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        capacity: int = 128,
        settings: EngineSettings | None = None,
    ) -> None:
        self._loop = loop
        self.settings = settings or EngineSettings()
        gap_s = self.settings.gap_ms / 1000
        self._to_pbx, self._to_line = ToPbx(capacity), ToLine(capacity)
        self._from_line, self._from_pbx = Flow(capacity, gap_s), Flow(capacity, gap_s)
        line = self._line_timing = Timing(capacity, self.settings)
        follow = self.settings.follow_line_clock
        self._pbx_timing = Timing(
            capacity, self.settings, line.clock if follow else None
        )
        self._line_frames = np.zeros((capacity, _LINE.frame_bytes), np.uint8)
        self._pbx_frames = np.zeros((capacity, HEADER_BYTES + _MOST_BYTES), np.uint8)
        self._line_output = np.zeros((capacity, _MOST_LINE_SAMPLES), "<i2")
        self._line_views = [row.data.cast("B") for row in self._line_output]
        self._messages = {rate: MessageTable(capacity, rate) for rate in PBX_RATES_HZ}
        self._whole_from_line: dict[int, list[int]] = {r: [] for r in PBX_RATES_HZ}
        self._whole_from_pbx: dict[int, list[int]] = {h: [] for h in PLAIN_HEADERS}
        self._pbx_outlets: list[Outlet | None] = [None] * capacity
        self._line_outlets: list[Outlet | None] = [None] * capacity
        self._calls: dict[int, Call] = {}
        self._rows = np.zeros(0, np.intp)  # those of `_calls`, for arithmetic
        self._free = list(range(capacity))[::-1]
        self._ports = Ports()
        self._ticker = Ticker(loop, self._tick)
        self._ticks = 0
        self._due_timer: asyncio.TimerHandle | None = None
        self._taps = Taps()
        self._to_pbx_rests, self._to_line_rests = Resting(), Resting()
        self._in_band = InBandDigits(capacity)
        loop.add_reader(self._ports.fileno(), self._pass)

    def is_alive(self) -> bool:
        """Tell whether audio is worked on; without a call there is none to work on."""
        return self._ticker.is_alive

    # A pass.

    def _pass(self) -> None:
        now_s = self._loop.time()
        for port, events in self._ports.ready():
            try:
                port.handle(events)
            except BlockingIOError:
                continue
            except (OSError, EOFError, RemoteWireError) as error:
                self._lose(port.call, port.side, error)
            except Exception as error:  # the other calls go on
                port.call.log.exception("! audio of the %s side failed", port.side)
                self._lose(port.call, port.side, error)
        for rate_hz, whole in self._whole_from_line.items():
            if whole:
                rows = np.array(whole, np.intp)
                whole.clear()
                pcm = self._line_frames[rows].view("<i2")
                self._hear_line(rows, pcm, rate_hz, now_s)
        for header, whole in self._whole_from_pbx.items():
            if whole:
                rows = np.array(whole, np.intp)
                whole.clear()
                end = HEADER_BYTES + (header & 0xFFFF)
                pcm = self._pbx_frames[rows, HEADER_BYTES:end].view("<i2")
                self._hear_pbx(rows, pcm, RATE_HZ_OF_KIND[header >> 16], now_s)
        self._await_due()

    def _receive_from_line(self, call: Call) -> None:
        if call.line_inlet.receive():
            self._whole_from_line[call.start.pbx_rate_hz].append(call.row)

    def _receive_from_pbx(self, call: Call) -> None:
        header = call.pbx_inlet.receive()
        if header is None:
            self._take_messages(call)
        elif header in self._whole_from_pbx:
            self._whole_from_pbx[header].append(call.row)
        else:
            end = HEADER_BYTES + (header & 0xFFFF)
            payload = self._pbx_frames[call.row, HEADER_BYTES:end].tobytes()
            self._take_message(call, header >> 16, payload)

    def _hear_line(
        self, rows: Rows, pcm: Int16, pbx_rate_hz: int, now_s: float
    ) -> None:
        kept, pcm = self._line_timing.admit(rows, pcm, LINE_RATE_HZ, now_s)
        self._from_line.touch(self._line_timing.skipping(rows), now_s)
        if kept.size:
            self._from_line.arrived(kept, pcm, LINE_RATE_HZ, now_s)
            self._send_to_pbx(kept, pcm, pbx_rate_hz, now_s)

    def _hear_pbx(self, rows: Rows, pcm: Int16, rate_hz: int, now_s: float) -> None:
        kept, pcm = self._pbx_timing.admit(rows, pcm, rate_hz, now_s)
        self._from_pbx.touch(self._pbx_timing.skipping(rows), now_s)
        if kept.size:
            self._from_pbx.arrived(kept, pcm, rate_hz, now_s)
            self._send_to_line(kept, pcm, rate_hz, now_s)

    def _send_to_pbx(self, rows: Rows, pcm: Int16, rate_hz: int, now_s: float) -> None:
        if self._in_band:
            self._in_band.hear(rows, pcm)
        if self._to_pbx_rests:
            self._to_pbx_rests.apply(rows, pcm, LINE_RATE_HZ)
        if self._taps:
            self._taps.to_pbx(rows, pcm)
        table = self._messages[rate_hz]
        self._to_pbx.process(rows, pcm, rate_hz, table.samples[: len(rows)])
        self._send(Side.PBX, self._pbx_outlets, rows, table.messages, now_s)
        self._line_timing.written(rows, pcm.shape[1] / LINE_RATE_HZ, now_s)

    def _send_to_line(self, rows: Rows, pcm: Int16, rate_hz: int, now_s: float) -> None:
        if self._to_line_rests:
            self._to_line_rests.apply(rows, pcm, rate_hz)
        timing, output = self._pbx_timing, self._line_output[: len(rows)]
        ratio = timing.queue.ratio[rows] if self.settings.follow_line_clock else None
        counts = self._to_line.process(rows, pcm, rate_hz, output, ratio)
        timing.shorten(rows, output, counts, LINE_RATE_HZ, now_s)
        lengths = counts.tolist()
        views = zip(self._line_views, lengths, strict=False)
        frames = (view[: 2 * length] for view, length in views)
        self._send(Side.LINE, self._line_outlets, rows, frames, now_s)
        timing.written(rows, counts / LINE_RATE_HZ, now_s)
        if self._taps:
            self._taps.to_line(rows, output, lengths)

    def _send(
        self,
        side: Side,
        outlets: list[Outlet | None],
        rows: Rows,
        frames: Iterable[memoryview],
        now_s: float,
    ) -> None:
        for row, frame in zip(rows.tolist(), frames, strict=False):
            outlet = outlets[row]
            if outlet is None:  # this side has ended
                continue
            try:
                outlet.send(frame, now_s)
            except OSError as error:
                self._lose(self._calls[row], side, error)

    # The slow and obvious path: messages in pieces, or other than plain audio.

    def _take_messages(self, call: Call) -> None:
        for kind, payload in call.pbx_inlet.messages():
            if self._pbx_outlets[call.row] is not None:
                self._take_message(call, kind, payload)

    def _take_message(self, call: Call, kind: int, payload: bytes) -> None:
        """Act on one message. Raises RemoteWireError for what Asterisk never sends."""
        if kind in RATE_HZ_OF_KIND:
            self._take_audio(call, RATE_HZ_OF_KIND[kind], payload)
        elif kind == DIGIT and len(payload) == 1 and payload in _DIGITS:
            call.digits += 1
            digit = payload.decode("ascii")
            self._loop.call_soon(call.deliver, call.start.on_digit, digit)
        elif kind == HANGUP and not payload:
            self._end(call, Side.PBX, EndReason.TERMINATED, "")
        else:
            raise RemoteWireError(
                f"AudioSocket kind {kind:#04x} with {len(payload)} bytes"
            )

    def _take_audio(self, call: Call, rate_hz: int, payload: bytes) -> None:
        now_s, rows = self._loop.time(), np.array([call.row], np.intp)
        for played_hz, pcm in call.decoder.decode(rate_hz, payload, now_s):
            self._hear_pbx(rows, pcm[None].copy(), played_hz, now_s)
        if call.decoder.note is not Payload.LINEAR:
            call.note_payload(call.decoder.note)

    # By the clock: what is due, what pauses, what is known of clocks.

    def _await_due(self) -> None:
        """Have `_play_due` called when a rough source's next frame is due."""
        dues = (self._line_timing.next_due_s(), self._pbx_timing.next_due_s())
        due_s = min((due for due in dues if due is not None), default=None)
        timer = self._due_timer
        if timer is not None and (due_s is None or timer.when() > due_s):
            timer.cancel()
            timer = self._due_timer = None
        if timer is None and due_s is not None:
            self._due_timer = self._loop.call_at(due_s, self._play_due)

    def _play_due(self) -> None:
        self._due_timer, now_s = None, self._loop.time()
        for row, rate_hz, frame in self._line_timing.due(now_s):
            rows, pcm = np.array([row], np.intp), frame[None].copy()
            self._from_line.arrived(rows, pcm, rate_hz, now_s)
            self._send_to_pbx(rows, pcm, self._calls[row].start.pbx_rate_hz, now_s)
        for row, rate_hz, frame in self._pbx_timing.due(now_s):
            rows, pcm = np.array([row], np.intp), frame[None].copy()
            self._from_pbx.arrived(rows, pcm, rate_hz, now_s)
            self._send_to_line(rows, pcm, rate_hz, now_s)
        self._await_due()

    def _tick(self, now_s: float) -> None:
        self._pace(now_s)
        paused = self._from_line.pausing(self._rows, now_s)
        self._line_timing.paused(paused)
        arriving = [self._calls[row].line_inlet.is_arriving() for row in paused]
        self._silence_to_pbx(paused[~np.array(arriving, np.bool_)], now_s)
        paused = self._from_pbx.pausing(self._rows, now_s)
        self._pbx_timing.paused(paused)
        self._silence_to_line(paused, now_s)
        self._keep_time(now_s)

    def _keep_time(self, now_s: float) -> None:
        """Steer each call, and four times a second look at the clocks of a quarter."""
        if self.settings.follow_line_clock:
            self._pbx_timing.steer(self._rows)
        self._ticks += 1
        quarter, left = divmod(self._ticks, _TICKS_A_QUARTER)
        rows = self._rows[self._rows % 4 == quarter % 4]
        if not left and rows.size:
            self._line_timing.refit(rows, now_s)
            self._pbx_timing.refit(rows, now_s)

    def _pace(self, now_s: float) -> None:
        """Take a frame from each line that speaks faster than real time."""
        for call in [
            call for call in self._calls.values() if call.start.line_is_bursty
        ]:
            if self._line_outlets[call.row] is None:
                continue
            try:
                if not call.read_ahead():
                    continue
            except (OSError, EOFError) as error:
                self._lose(call, Side.LINE, error)
                continue
            rows = np.array([call.row], np.intp)
            pcm = self._line_frames[rows].view("<i2")
            self._hear_line(rows, pcm, call.start.pbx_rate_hz, now_s)

    def _silence_to_pbx(self, rows: Rows, now_s: float) -> None:
        rates_hz = np.array([self._calls[row].start.pbx_rate_hz for row in rows])
        for rate_hz in PBX_RATES_HZ:
            chosen = rows[rates_hz == rate_hz]
            if not chosen.size:
                continue
            pcm = self._from_line.silence(chosen, _LINE.frame_samples, LINE_RATE_HZ)
            for frame, row in zip(pcm, chosen.tolist(), strict=True):
                begin_with(from_bytes(self._calls[row].line_inlet.take_rest()), frame)
            self._send_to_pbx(chosen, pcm, rate_hz, now_s)

    def _silence_to_line(self, rows: Rows, now_s: float) -> None:
        for rate_hz, chosen in self._from_pbx.by_rate(rows):
            length = PcmFormat(rate_hz).frame_samples
            pcm = self._from_pbx.silence(chosen, length, rate_hz)
            self._send_to_line(chosen, pcm, rate_hz, now_s)

    # Calls come and go.

    def start(self, start: MediaStart) -> CallMedia:
        """Join the audio of a call.

        Raises CallError when the engine is full, ValueError for a rate or a gain
        that it does not have, OSError for a socket that is of no use.
        """
        sockets = (start.line_receive, start.line_send, start.pbx)
        try:
            check_start(start)
            if not self._free:
                raise CallError(HangupCause.CONGESTION, "the media engine is full")
            prepare_all(start)
        except (CallError, ValueError, OSError):
            for sock in sockets:
                sock.close()
            raise
        call = self._place(start)
        self._ports.open_call(call, self._receive_from_line, self._receive_from_pbx)
        self._rows = np.array(list(self._calls), np.intp)
        now_s = self._loop.time()
        self._silence_to_pbx(np.array([call.row], np.intp), now_s)
        try:
            self._take_messages(call)
        except RemoteWireError as error:
            self._lose(call, Side.PBX, error)
        self._ticker.start()
        return CallMedia(self, call)

    def _place(self, start: MediaStart) -> Call:
        """Give the call a row and start all that has a row of its own afresh."""
        row = self._free.pop()
        call = begin(
            row,
            start,
            self.settings,
            self._line_frames[row].data,
            self._pbx_frames[row].data,
            self._ports.wait_for_room,
            _CHUNK_SAMPLES,
        )
        now_s = self._loop.time()
        self._to_pbx.reset(row, start.capture_db)
        self._to_line.reset(row, start.playback_db)
        self._line_timing.reset(row, now_s)
        self._pbx_timing.reset(row, now_s)
        self._from_line.reset(row, LINE_RATE_HZ, now_s)
        self._from_pbx.reset(row, start.pbx_rate_hz, now_s)
        if start.on_line_digit is not None:
            tell = partial(call.deliver, start.on_line_digit)
            self._in_band.listen(row, lambda digit: self._loop.call_soon(tell, digit))
        self._line_outlets[row] = call.line_outlet
        self._pbx_outlets[row] = call.pbx_outlet
        self._calls[row] = call
        return call

    def _lose(self, call: Call, side: Side, error: Exception) -> None:
        reason, detail = end_of(error)
        self._end(call, side, reason, detail)

    def _end(self, call: Call, side: Side, reason: EndReason, detail: str) -> None:
        """Close one side and say so; the other side goes on, with silence."""
        call.log.info("= audio of the %s side ended: %s %s", side, reason, detail)
        self._close_side(call, side)
        news = MediaEnd(side, reason, detail)
        self._loop.call_soon(call.deliver, call.start.on_closed, news)

    def _close_side(self, call: Call, side: Side) -> None:
        outlets = self._pbx_outlets if side is Side.PBX else self._line_outlets
        outlets[call.row] = None
        self._ports.close_side(call, side)

    def stop(self, call: Call) -> None:
        """Hang up the PBX side if it is open, close all sockets. Harmless twice."""
        if call.final is not None:
            return
        call.final = self.figures(call)
        if self._pbx_outlets[call.row] is not None:
            call.pbx_outlet.terminate()
        self._close_side(call, Side.PBX)
        self._close_side(call, Side.LINE)
        self._line_timing.release(call.row)
        self._pbx_timing.release(call.row)
        self._taps.close(call.row)
        for one in (self._in_band, self._to_pbx_rests, self._to_line_rests):
            one.forget(call.row)
        del self._calls[call.row]
        self._free.append(call.row)
        self._rows = np.array(list(self._calls), np.intp)
        if not self._calls:
            self._ticker.stop()
        self._await_due()

    def close(self) -> None:
        """Stop all calls and leave the event loop."""
        for call in list(self._calls.values()):
            self.stop(call)
        if not self._ports.closed:
            self._loop.remove_reader(self._ports.fileno())
            self._ports.close()

    # What the owner of a call asks for.

    def tap(self, call: Call, path: Path | None, most_s: float) -> None:
        """See `CallMedia.tap`."""
        if call.final is None:
            self._taps.open(call.row, path, most_s)

    def rest(self, call: Call, *, to_line: bool, to_pbx: bool) -> None:
        """See `CallMedia.rest`."""
        if call.final is None:
            audio = call.start.hold_audio
            self._to_line_rests.set(call.row, to_line, audio)
            self._to_pbx_rests.set(call.row, to_pbx, audio)

    def move_pbx(self, call: Call, sock: socket.socket, pending: bytes) -> None:
        """See `CallMedia.move_pbx`."""
        if call.final is not None:
            sock.close()
            return
        call.pbx_outlet.terminate()
        self._close_side(call, Side.PBX)
        call.take_pbx(sock, pending, self._pbx_frames[call.row].data)
        self._pbx_outlets[call.row] = call.pbx_outlet
        self._ports.open_pbx(call, sock, self._receive_from_pbx)

    def flush(self, call: Call) -> None:
        """Throw away what a line that is ahead of time has sent."""
        call.flushing = call.start.line_is_bursty

    def apply_gain(self, call: Call) -> None:
        """Let the call's gains and mutes take effect within a frame."""
        if call.final is None:
            self._to_line.gain.set(call.row, call.playback_db, call.playback_muted)
            self._to_pbx.gain.set(call.row, call.capture_db, call.capture_muted)

    def figures(self, call: Call) -> MediaFigures:
        """Figures of now, or of the moment the call was stopped."""
        if call.final is not None:
            return call.final
        row = call.row
        return MediaFigures(
            to_pbx=self._from_line.figures(
                row,
                call.pbx_outlet.dropped,
                call.pbx_outlet.queue_ms(call.start.pbx_rate_hz),
                self._to_pbx.meter.read(row),
                self._line_timing.timeliness(row),
            ),
            to_line=self._from_pbx.figures(
                row,
                call.line_outlet.dropped,
                call.line_outlet.queue_ms(LINE_RATE_HZ),
                self._to_line.meter.read(row),
                self._pbx_timing.timeliness(row),
            ),
            payload=call.payload,
            digits=call.digits,
        )
