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
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from skypechan.audio.audiosocket import DIGIT, DIGITS, HANGUP, RATE_HZ_OF_KIND
from skypechan.audio.chain import LINE_RATE_HZ, PBX_RATES_HZ
from skypechan.audio.pcm import Int16, PcmFormat, from_bytes
from skypechan.call.causes import HangupCause
from skypechan.call.record import Side
from skypechan.errors import CallError, RemoteWireError
from skypechan.media.call import Call, begin
from skypechan.media.callmedia import CallMedia
from skypechan.media.flow import begin_with, silence
from skypechan.media.hotpath import CHUNK_SAMPLES, LINE, HotPath
from skypechan.media.settings import EngineSettings
from skypechan.media.streams import end_of, prepare_all
from skypechan.media.ticker import Ticker
from skypechan.media.timing import refit
from skypechan.media.values import (
    EndReason,
    MediaEnd,
    MediaFigures,
    MediaStart,
    Payload,
    check_start,
)

__all__ = ["CallMedia", "Engine", "EngineSettings", "MediaEnd", "MediaStart"]

_TICKS_A_QUARTER = 12  # of the calls: each has its turn about once a second
_LATE_TICK_S = 0.040

_log = logging.getLogger(__name__)

_Due = dict[Call, Iterator[tuple[int, Int16]]]  # rate and `[1, n]`, of each call


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
        self._calls: dict[int, Call] = {}  # by row
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

    @property
    def busy_share(self) -> float:
        """How much of the time audio takes at present, from 0 to 1."""
        return self._hot.window.share if self._calls else 0.0

    def _pass(self) -> None:
        self._hot.run_pass()
        self._await_due()

    # The slow and obvious path: messages in pieces, or other than plain audio.

    def _take_message(self, call: Call, kind: int, payload: bytes) -> None:
        """Act on one message. Raises RemoteWireError for what Asterisk never sends."""
        if kind in RATE_HZ_OF_KIND:
            self._take_audio(call, RATE_HZ_OF_KIND[kind], payload)
        elif kind == DIGIT and (digit := payload.decode("latin-1")) in DIGITS:
            call.digits += 1
            self._loop.call_soon(call.deliver, call.start.on_digit, digit)
        elif kind == HANGUP and not payload:
            self._end(call, Side.PBX, EndReason.TERMINATED, "")
        else:
            raise RemoteWireError(
                f"AudioSocket kind {kind:#04x} with {len(payload)} bytes"
            )

    def _take_audio(self, call: Call, rate_hz: int, payload: bytes) -> None:
        now_s = self._loop.time()
        for played_hz, pcm in call.decoder.decode(rate_hz, payload, now_s):
            self._hot.hear_pbx([call], pcm[None].copy(), played_hz, now_s)
        if call.decoder.note is not Payload.LINEAR:
            call.note_payload(call.decoder.note)

    # By the clock: what is due, what pauses, what is known of clocks.

    def _await_due(self) -> None:
        """Have `_play_due` called when a rough source's next frame is due.

        Under load it is called a window later, and finds more that is due.
        """
        due_s, timer = self._hot.agenda.next_s, self._due_timer
        if due_s is not None:
            due_s += self._hot.window.seconds
        if timer is not None and (due_s is None or timer.when() > due_s):
            timer.cancel()
            timer = self._due_timer = None
        if timer is None and due_s is not None:
            self._due_timer = self._loop.call_at(due_s, self._play_due)

    def _play_due(self) -> None:
        self._due_timer, now_s, hot = None, self._loop.time(), self._hot
        flows = hot.agenda.take(now_s)
        line: _Due = {}
        pbx: _Due = {}
        for call, flow in flows:
            (line if flow is call.from_line else pbx)[call] = flow.due(now_s)
        try:
            for rate_hz, calls, pcm in self._together(line, Side.LINE):
                hot.send_to_pbx(calls, pcm, rate_hz, now_s)
            for rate_hz, calls, pcm in self._together(pbx, Side.PBX):
                hot.send_to_line(calls, pcm, rate_hz, now_s)
        finally:
            for call, flow in flows:
                hot.agenda.add(call, flow)
            self._await_due()
        hot.window.note_work(self._loop.time() - now_s)

    def _together(
        self, frames: _Due, side: Side
    ) -> Iterator[tuple[int, list[Call], Int16]]:
        """Rate of the PBX side, calls and `[k, n]` of what each has due.

        One frame of a call at a time: alone it costs several times its share of a
        batch. A call whose playout fails loses that side, and the others go on.
        """
        while frames:
            by_rate: dict[int, list[tuple[Call, Int16]]] = {}
            for call in list(frames):
                try:
                    due = next(frames[call], None)
                except Exception as error:
                    call.log.exception("! audio of the %s side failed", side)
                    self._lose(call, side, error)
                    call.flow(side).timing.give_up()
                    due = None
                if due is None:
                    del frames[call]
                else:
                    came_hz, pcm = due
                    rate_hz = call.start.pbx_rate_hz if side is Side.LINE else came_hz
                    by_rate.setdefault(rate_hz, []).append((call, pcm))
            for rate_hz, found in by_rate.items():
                calls = [call for call, _ in found]
                yield rate_hz, calls, np.concatenate([pcm for _, pcm in found])

    def _tick(self, now_s: float) -> None:
        if now_s - self._ticked_s > _LATE_TICK_S:
            # A stopped process finds its timers first: who waits is not quiet.
            self._pass()
        self._ticked_s = now_s
        begin_s = self._loop.time()
        self._pace(now_s)
        calls = list(self._calls.values())
        quiet = [call for call in calls if call.from_line.falls_quiet(now_s)]
        silent = [call for call in quiet if not call.line_inlet.is_arriving()]
        self._silence_to_pbx(silent, now_s)
        quiet = [call for call in calls if call.from_pbx.falls_quiet(now_s)]
        self._silence_to_line(quiet, now_s)
        self._keep_time(calls, now_s)
        self._await_due()
        self._hot.window.note_work(self._loop.time() - begin_s)

    def _keep_time(self, calls: list[Call], now_s: float) -> None:
        """Steer each call, and four times a second look at the clocks of a quarter."""
        for call in calls:
            if call.settings.follow_line_clock:
                call.from_pbx.timing.steer(now_s)
        self._ticks += 1
        quarter, left = divmod(self._ticks, _TICKS_A_QUARTER)
        if not left:
            turn = [call for call in calls if call.row % 4 == quarter % 4]
            refit([call.from_line.timing for call in turn], now_s)
            refit([call.from_pbx.timing for call in turn], now_s)

    def _pace(self, now_s: float) -> None:
        """Take a frame from each line that speaks faster than real time."""
        for call in [
            call for call in self._calls.values() if call.start.line_is_bursty
        ]:
            if not call.line_outlet.is_open:
                continue
            try:
                if not call.read_ahead():
                    continue
            except (OSError, EOFError) as error:
                self._lose(call, Side.LINE, error)
                continue
            pcm = self._hot.line_frames[[call.row]].view("<i2")
            self._hot.hear_line([call], pcm, call.start.pbx_rate_hz, now_s)

    def _silence_to_pbx(self, calls: list[Call], now_s: float) -> None:
        for rate_hz in PBX_RATES_HZ:
            chosen = [call for call in calls if call.start.pbx_rate_hz == rate_hz]
            if not chosen:
                continue
            flows = [call.from_line for call in chosen]
            pcm = silence(flows, LINE.frame_samples, LINE_RATE_HZ)
            for frame, call in zip(pcm, chosen, strict=True):
                begin_with(from_bytes(call.line_inlet.take_rest()), frame)
            self._hot.send_to_pbx(chosen, pcm, rate_hz, now_s)

    def _silence_to_line(self, calls: list[Call], now_s: float) -> None:
        for rate_hz in PBX_RATES_HZ:
            chosen = [call for call in calls if call.from_pbx.rate_hz == rate_hz]
            if chosen:
                flows = [call.from_pbx for call in chosen]
                pcm = silence(flows, PcmFormat(rate_hz).frame_samples, rate_hz)
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
            self._check_room()
            prepare_all(start)
        except (CallError, ValueError, OSError):
            for sock in sockets:
                sock.close()
            raise
        call, hot = self._place(start), self._hot
        hot.ports.open_line(call, hot.receive_from_line)
        self._open_pbx(call, start.pbx)
        self._silence_to_pbx([call], self._loop.time())
        self._ticker.start()
        return CallMedia(self, call)

    def _open_pbx(self, call: Call, sock: socket.socket) -> None:
        """Go on with a connection to Asterisk, first with what was read of it."""
        hot = self._hot
        hot.ports.open_pbx(call, sock, hot.receive_from_pbx)
        try:
            hot.take_messages(call)
        except RemoteWireError as error:
            self._lose(call, Side.PBX, error)
        except Exception as error:
            call.log.exception("! audio of the %s side failed", Side.PBX)
            self._lose(call, Side.PBX, error)
        self._await_due()

    def _check_room(self) -> None:
        """Refuse what would spoil the audio of all. Raises CallError."""
        if not self._free:
            raise CallError(HangupCause.CONGESTION, "the media engine is full")
        if self._calls and self._hot.window.is_full:
            raise CallError(
                HangupCause.CONGESTION,
                f"the audio of {len(self._calls)} calls takes all of a core",
            )

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
            self._loop.time(),
        )
        hot.to_pbx.reset(row, start.capture_db)
        hot.to_line.reset(row, start.playback_db)
        if start.on_line_digit is not None:
            tell = partial(call.deliver, start.on_line_digit)
            hot.in_band.listen(row, lambda digit: self._loop.call_soon(tell, digit))
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
        outlet = call.pbx_outlet if side is Side.PBX else call.line_outlet
        outlet.is_open = False
        self._hot.ports.close_side(call, side)

    def stop(self, call: Call) -> None:
        """Hang up the PBX side if it is open, close all sockets. Harmless twice."""
        if call.final is not None:
            return
        call.final, hot = self.figures(call), self._hot
        if call.pbx_outlet.is_open:
            call.pbx_outlet.terminate()
        self._close_side(call, Side.PBX)
        self._close_side(call, Side.LINE)
        hot.taps.close(call.row)
        for one in (hot.in_band, hot.to_pbx_rests, hot.to_line_rests):
            one.forget(call.row)
        del self._calls[call.row]
        self._free.append(call.row)
        if not self._calls:
            self._ticker.stop()

    def close(self) -> None:
        """Stop all calls and leave the event loop."""
        for call in list(self._calls.values()):
            self.stop(call)
        if self._due_timer is not None:
            self._due_timer.cancel()
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
        try:
            call.take_pbx(sock, pending, self._hot.pbx_frames[call.row].data)
        except OSError as error:
            sock.close()
            self._lose(call, Side.PBX, error)
            return
        self._open_pbx(call, sock)

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
            to_pbx=call.from_line.figures(
                call.pbx_outlet.dropped,
                call.pbx_outlet.queue_ms(call.start.pbx_rate_hz),
                hot.to_pbx.meter.read(row),
            ),
            to_line=call.from_pbx.figures(
                call.line_outlet.dropped,
                call.line_outlet.queue_ms(LINE_RATE_HZ),
                hot.to_line.meter.read(row),
            ),
            payload=call.payload,
            digits=call.digits,
        )
