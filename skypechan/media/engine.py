"""The batch engine: all calls' audio, in one event loop, a pass at a time.

The passes themselves are in `hotpath.py`. Here is what is not done a thousand times a
second: calls come and go, sides end, and what goes by the clock. Audio is forwarded
when its last sample has come, never on a tick; `timing.py` holds the exceptions. Where
a source is quiet (hold, a key held down, no call audio yet) a timer of 20 ms sends the
other side silence in its place, through the same chain.

Towards the line audio is resampled so that as much is written as the client reads:
what would be written too fast waits in its queue and is delay for good.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from pathlib import Path

import numpy as np

from skypechan.audio.audiosocket import DIGIT, HANGUP, RATE_HZ_OF_KIND
from skypechan.audio.chain import LINE_RATE_HZ, PBX_RATES_HZ
from skypechan.audio.pcm import PcmFormat, Rows, from_bytes
from skypechan.call.causes import HangupCause
from skypechan.call.record import Side
from skypechan.errors import CallError, RemoteWireError
from skypechan.media.call import Call, begin
from skypechan.media.callmedia import CallMedia
from skypechan.media.flow import begin_with
from skypechan.media.hotpath import CHUNK_SAMPLES, LINE, HotPath
from skypechan.media.settings import EngineSettings
from skypechan.media.streams import (
    end_of,
    prepare_all,
)
from skypechan.media.ticker import Ticker
from skypechan.media.values import (
    EndReason,
    MediaEnd,
    MediaFigures,
    MediaStart,
    Payload,
    check_start,
)

__all__ = ["CallMedia", "Engine", "EngineSettings", "MediaEnd", "MediaStart"]

_TICKS_A_QUARTER = 12
_LATE_TICK_S = 0.040
_DIGITS = b"0123456789*#ABCD"

_log = logging.getLogger(__name__)


class Engine:
    """Joins line and PBX audio of up to `settings.most_calls` inside `loop`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: EngineSettings | None = None,
    ) -> None:
        self._loop = loop
        self.settings = settings or EngineSettings()
        self._hot = HotPath(self.settings, loop.time, self._lose, self._take_message)
        self._calls = self._hot.calls
        self._rows = np.zeros(0, np.intp)  # those of `_calls`, for arithmetic
        self._free = list(range(self.settings.most_calls))[::-1]
        self._ticker = Ticker(loop, self._tick)
        self._ticks = 0
        self._ticked_s = 0.0
        self._due_timer: asyncio.TimerHandle | None = None
        loop.add_reader(self._hot.gate.fileno(), self._pass)

    def is_alive(self) -> bool:
        """Tell whether audio is worked on; without a call there is none to work on."""
        return self._ticker.is_alive

    @property
    def window_s(self) -> float:
        """How long frames are gathered at present: 0 unless there is much to do."""
        return self._hot.window.seconds

    def _pass(self) -> None:
        self._hot.run_pass()
        self._await_due()

    # The slow and obvious path: messages in pieces, or other than plain audio.

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
            self._hot.hear_pbx(rows, pcm[None].copy(), played_hz, now_s)
        if call.decoder.note is not Payload.LINEAR:
            call.note_payload(call.decoder.note)

    # By the clock: what is due, what pauses, what is known of clocks.

    def _await_due(self) -> None:
        """Have `_play_due` called when a rough source's next frame is due."""
        dues = (self._hot.line_timing.next_due_s(), self._hot.pbx_timing.next_due_s())
        due_s = min((due for due in dues if due is not None), default=None)
        timer = self._due_timer
        if timer is not None and (due_s is None or timer.when() > due_s):
            timer.cancel()
            timer = self._due_timer = None
        if timer is None and due_s is not None:
            self._due_timer = self._loop.call_at(due_s, self._play_due)

    def _play_due(self) -> None:
        self._due_timer, now_s = None, self._loop.time()
        for row, rate_hz, frame in self._hot.line_timing.due(now_s):
            rows, pcm = np.array([row], np.intp), frame[None].copy()
            self._hot.from_line.arrived(rows, pcm, rate_hz, now_s)
            self._hot.send_to_pbx(rows, pcm, self._calls[row].start.pbx_rate_hz, now_s)
        for row, rate_hz, frame in self._hot.pbx_timing.due(now_s):
            rows, pcm = np.array([row], np.intp), frame[None].copy()
            self._hot.from_pbx.arrived(rows, pcm, rate_hz, now_s)
            self._hot.send_to_line(rows, pcm, rate_hz, now_s)
        self._await_due()

    def _tick(self, now_s: float) -> None:
        if now_s - self._ticked_s > _LATE_TICK_S:
            # A stopped process finds its timers first: who waits is not quiet.
            self._hot.run_pass()
        self._ticked_s = now_s
        self._pace(now_s)
        paused = self._hot.from_line.pausing(self._rows, now_s)
        self._hot.line_timing.paused(paused)
        arriving = [self._calls[row].line_inlet.is_arriving() for row in paused]
        self._silence_to_pbx(paused[~np.array(arriving, np.bool_)], now_s)
        paused = self._hot.from_pbx.pausing(self._rows, now_s)
        self._hot.pbx_timing.paused(paused)
        self._silence_to_line(paused, now_s)
        self._keep_time(now_s)

    def _keep_time(self, now_s: float) -> None:
        """Steer each call, and four times a second look at the clocks of a quarter."""
        if self.settings.follow_line_clock:
            self._hot.pbx_timing.steer(self._rows, now_s)
        self._ticks += 1
        quarter, left = divmod(self._ticks, _TICKS_A_QUARTER)
        rows = self._rows[self._rows % 4 == quarter % 4]
        if not left and rows.size:
            self._hot.line_timing.refit(rows, now_s)
            self._hot.pbx_timing.refit(rows, now_s)

    def _pace(self, now_s: float) -> None:
        """Take a frame from each line that speaks faster than real time."""
        for call in [
            call for call in self._calls.values() if call.start.line_is_bursty
        ]:
            if self._hot.line_outlets[call.row] is None:
                continue
            try:
                if not call.read_ahead():
                    continue
            except (OSError, EOFError) as error:
                self._lose(call, Side.LINE, error)
                continue
            rows = np.array([call.row], np.intp)
            pcm = self._hot.line_frames[rows].view("<i2")
            self._hot.hear_line(rows, pcm, call.start.pbx_rate_hz, now_s)

    def _silence_to_pbx(self, rows: Rows, now_s: float) -> None:
        rates_hz = np.array([self._calls[row].start.pbx_rate_hz for row in rows])
        for rate_hz in PBX_RATES_HZ:
            chosen = rows[rates_hz == rate_hz]
            if not chosen.size:
                continue
            pcm = self._hot.from_line.silence(chosen, LINE.frame_samples, LINE_RATE_HZ)
            for frame, row in zip(pcm, chosen.tolist(), strict=True):
                begin_with(from_bytes(self._calls[row].line_inlet.take_rest()), frame)
            self._hot.send_to_pbx(chosen, pcm, rate_hz, now_s)

    def _silence_to_line(self, rows: Rows, now_s: float) -> None:
        for rate_hz, chosen in self._hot.from_pbx.by_rate(rows):
            length = PcmFormat(rate_hz).frame_samples
            pcm = self._hot.from_pbx.silence(chosen, length, rate_hz)
            self._hot.send_to_line(chosen, pcm, rate_hz, now_s)

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
        call, hot = self._place(start), self._hot
        hot.ports.open_call(call, hot.receive_from_line, hot.receive_from_pbx)
        self._rows = np.array(list(self._calls), np.intp)
        now_s = self._loop.time()
        self._silence_to_pbx(np.array([call.row], np.intp), now_s)
        try:
            hot.take_messages(call)
        except RemoteWireError as error:
            self._lose(call, Side.PBX, error)
        self._ticker.start()
        return CallMedia(self, call)

    def _place(self, start: MediaStart) -> Call:
        """Give the call a row and start all that has a row of its own afresh."""
        row, hot = self._free.pop(), self._hot
        call = begin(
            row,
            start,
            self.settings,
            hot.line_frames[row].data,
            hot.pbx_frames[row].data,
            hot.ports.wait_for_room,
            CHUNK_SAMPLES,
        )
        now_s = self._loop.time()
        hot.to_pbx.reset(row, start.capture_db)
        hot.to_line.reset(row, start.playback_db)
        hot.line_timing.reset(row, now_s)
        hot.pbx_timing.reset(row, now_s)
        hot.from_line.reset(row, LINE_RATE_HZ, now_s)
        hot.from_pbx.reset(row, start.pbx_rate_hz, now_s)
        if start.on_line_digit is not None:
            tell = partial(call.deliver, start.on_line_digit)
            hot.in_band.listen(row, lambda digit: self._loop.call_soon(tell, digit))
        hot.line_outlets[row] = call.line_outlet
        hot.pbx_outlets[row] = call.pbx_outlet
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
        outlets = self._hot.pbx_outlets if side is Side.PBX else self._hot.line_outlets
        outlets[call.row] = None
        self._hot.ports.close_side(call, side)

    def stop(self, call: Call) -> None:
        """Hang up the PBX side if it is open, close all sockets. Harmless twice."""
        if call.final is not None:
            return
        call.final, hot = self.figures(call), self._hot
        if hot.pbx_outlets[call.row] is not None:
            call.pbx_outlet.terminate()
        self._close_side(call, Side.PBX)
        self._close_side(call, Side.LINE)
        hot.line_timing.release(call.row)
        hot.pbx_timing.release(call.row)
        hot.taps.close(call.row)
        for one in (hot.in_band, hot.to_pbx_rests, hot.to_line_rests):
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
        if not self._hot.ports.closed:
            self._loop.remove_reader(self._hot.gate.fileno())
            self._hot.close()

    # What the owner of a call asks for.

    def tap(self, call: Call, path: Path | None, most_s: float) -> None:
        """See `CallMedia.tap`."""
        if call.final is None:
            self._hot.taps.open(call.row, path, most_s)

    def rest(self, call: Call, *, to_line: bool, to_pbx: bool) -> None:
        """See `CallMedia.rest`."""
        if call.final is None:
            audio = call.start.hold_audio
            self._hot.to_line_rests.set(call.row, to_line, audio)
            self._hot.to_pbx_rests.set(call.row, to_pbx, audio)

    def move_pbx(self, call: Call, sock: socket.socket, pending: bytes) -> None:
        """See `CallMedia.move_pbx`."""
        if call.final is not None:
            sock.close()
            return
        call.pbx_outlet.terminate()
        self._close_side(call, Side.PBX)
        call.take_pbx(sock, pending, self._hot.pbx_frames[call.row].data)
        self._hot.pbx_outlets[call.row] = call.pbx_outlet
        self._hot.ports.open_pbx(call, sock, self._hot.receive_from_pbx)

    def flush(self, call: Call) -> None:
        """Throw away what a line that is ahead of time has sent."""
        call.flushing = call.start.line_is_bursty

    def apply_gain(self, call: Call) -> None:
        """Let the call's gains and mutes take effect within a frame."""
        if call.final is None:
            self._hot.to_line.gain.set(call.row, call.playback_db, call.playback_muted)
            self._hot.to_pbx.gain.set(call.row, call.capture_db, call.capture_muted)

    def figures(self, call: Call) -> MediaFigures:
        """Figures of now, or of the moment the call was stopped."""
        if call.final is not None:
            return call.final
        row, hot = call.row, self._hot
        return MediaFigures(
            to_pbx=hot.from_line.figures(
                row,
                call.pbx_outlet.dropped,
                call.pbx_outlet.queue_ms(call.start.pbx_rate_hz),
                hot.to_pbx.meter.read(row),
                hot.line_timing.timeliness(row),
            ),
            to_line=hot.from_pbx.figures(
                row,
                call.line_outlet.dropped,
                call.line_outlet.queue_ms(LINE_RATE_HZ),
                hot.to_line.meter.read(row),
                hot.pbx_timing.timeliness(row),
            ),
            payload=call.payload,
            digits=call.digits,
        )
