"""The hot path: what happens to a frame between one socket and the other.

A pass

1. reads each socket that has something, once, into its call's row of a table;
2. runs the chain of each direction over all rows whose frame has become whole;
3. sends each of them, header and payload in one send.

All frames of a pass go through numpy together: alone a frame costs 0.15 ms, of sixteen
0.03 each. So under load the next pass waits until some have come (`window.py`); how
the event loop is kept from bringing them one by one is told in `gate.py`.

A frame of a rough source is put into its playout buffer instead, and the engine sends
it when it is due (`agenda.py`).

Each read is as long as one message, which so lies in its row as the arithmetic wants
it. Whatever is not one whole plain message goes the slow and obvious way
(`take_messages`). The epoll is level triggered: what a pass has left comes back, and no
socket starves another.

Give BLAS one thread: `OPENBLAS_NUM_THREADS=1` before numpy is imported. With two, each
product is handed over to a thread that competes for the core.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from skypechan.audio.audiosocket import HEADER_BYTES, RATE_HZ_OF_KIND
from skypechan.audio.chain import LINE_RATE_HZ, PBX_RATES_HZ, ToLine, ToPbx
from skypechan.audio.pcm import Int16, PcmFormat, Rows
from skypechan.call.record import Side
from skypechan.errors import RemoteWireError
from skypechan.media.agenda import Agenda
from skypechan.media.call import Call
from skypechan.media.gate import Gate
from skypechan.media.holdaudio import Resting
from skypechan.media.inband import InBandDigits
from skypechan.media.ports import Ports
from skypechan.media.settings import EngineSettings
from skypechan.media.streams import PLAIN_HEADERS, MessageTable
from skypechan.media.tap import Taps
from skypechan.media.window import Window

LINE = PcmFormat(LINE_RATE_HZ)
_MOST_MS = 60  # the longest audio message that a row of the table holds
_MOST_BYTES = PcmFormat(max(PBX_RATES_HZ), _MOST_MS).frame_bytes
CHUNK_SAMPLES = _MOST_BYTES // 2  # what the slow path takes at once of a message
_MOST_LINE_SAMPLES = 2 * CHUNK_SAMPLES + 8  # narrow samples double, clocks drift

Lose = Callable[[Call, Side, Exception], None]
"""Tells that one side of a call is gone, and why."""

TakeMessage = Callable[[Call, int, bytes], None]
"""Acts on an AudioSocket message, kind and payload; raises RemoteWireError."""


class HotPath:
    """The tables of up to `capacity` calls, and the passes over them."""

    def __init__(
        self,
        settings: EngineSettings,
        time: Callable[[], float],
        lose: Lose,
        take_message: TakeMessage,
    ) -> None:
        capacity = settings.most_calls
        self._time = time
        self._begin_s = time()  # of the pass
        # When a pass was planned for and how much later it came: for so long the loop
        # had other things to do, and what has come meanwhile is late by our doing.
        # Where audio takes all of a core everything is. Of a pass that the audio itself
        # begins nothing is known; then there is little to do. Without this 150 calls
        # beside Asterisk all became rough, which costs more, and stayed so.
        self._planned_s = math.inf
        self._overdue_s = 0.0
        self._lose = lose
        self._take_message = take_message
        self._follows = settings.follow_line_clock
        self.ports = Ports()
        self.gate = Gate(self.ports.fileno())
        self.window = Window()
        self.to_pbx, self.to_line = ToPbx(capacity), ToLine(capacity)
        self.in_band = InBandDigits(capacity)
        self.to_pbx_rests, self.to_line_rests = Resting(), Resting()
        self.taps = Taps()
        self.agenda = Agenda()
        # What comes and what leaves lies here; between them numpy takes and gives back
        # memory once a pass, whatever the number of frames.
        self.line_frames = np.zeros((capacity, LINE.frame_bytes), np.uint8)
        self.pbx_frames = np.zeros((capacity, HEADER_BYTES + _MOST_BYTES), np.uint8)
        self._line_output = np.zeros((capacity, _MOST_LINE_SAMPLES), "<i2")
        self._line_views = [row.data.cast("B") for row in self._line_output]
        self._messages = {rate: MessageTable(capacity, rate) for rate in PBX_RATES_HZ}
        self._whole_from_line: dict[int, list[Call]] = {r: [] for r in PBX_RATES_HZ}
        self._whole_from_pbx: dict[int, list[Call]] = {h: [] for h in PLAIN_HEADERS}

    def run_pass(self) -> None:
        """Take one turn of all that is ready."""
        begin_s = self._begin_s = self._time()
        self._overdue_s = max(begin_s - self._planned_s, 0.0)
        if self.window.takes_all:
            self._overdue_s = math.inf
        for port, events in self.ports.ready():
            try:
                port.handle(events)
            except BlockingIOError:
                continue
            except (OSError, EOFError, RemoteWireError) as error:
                self._lose(port.call, port.side, error)
            except Exception as error:  # the other calls go on
                port.call.log.exception("! audio of the %s side failed", port.side)
                self._lose(port.call, port.side, error)
        for rate_hz, calls in self._whole_from_line.items():
            if calls:
                self._whole_from_line[rate_hz] = []
                pcm = self.line_frames[_rows_of(calls)].view("<i2")
                self.hear_line(calls, pcm, rate_hz, begin_s)
        for header, calls in self._whole_from_pbx.items():
            if calls:
                self._whole_from_pbx[header] = []
                end = HEADER_BYTES + (header & 0xFFFF)
                pcm = self.pbx_frames[_rows_of(calls), HEADER_BYTES:end].view("<i2")
                self.hear_pbx(calls, pcm, RATE_HZ_OF_KIND[header >> 16], begin_s)
        self._overdue_s = 0.0
        self._wait(begin_s)

    def _wait(self, begin_s: float) -> None:
        """Let nothing bring the next pass before its time, unless this one was idle."""
        end_s, again = self._time(), self.ports.any_ready_again
        next_s = self.window.next_s(begin_s, end_s, again=again)
        if self.ports.any_ready and next_s > end_s:
            self.gate.shut_until(next_s)
            self._planned_s = next_s
        else:
            self.gate.open()
            self._planned_s = math.inf

    def receive_from_line(self, call: Call) -> None:
        """Read once what the line says."""
        if call.line_inlet.receive():
            self._whole_from_line[call.start.pbx_rate_hz].append(call)
        else:
            call.from_line.timing.clock.begun_s = self._begin_s

    def receive_from_pbx(self, call: Call) -> None:
        """Read once what Asterisk sends.

        Under load a whole message is acknowledged by the next one of ours, within 20
        ms: 0.2 ms a second and call less.
        """
        header = call.pbx_inlet.receive()
        if header is None or not self.window.seconds:
            call.pbx_inlet.acknowledge()
        if header is None:
            self.take_messages(call)
        elif header in self._whole_from_pbx:
            self._whole_from_pbx[header].append(call)
        else:
            end = HEADER_BYTES + (header & 0xFFFF)
            payload = self.pbx_frames[call.row, HEADER_BYTES:end].tobytes()
            self._take_message(call, header >> 16, payload)

    def take_messages(self, call: Call) -> None:
        """Take one by one what came in pieces, or several at once."""
        for kind, payload in call.pbx_inlet.messages():
            if call.pbx_outlet.is_open:
                self._take_message(call, kind, payload)

    def hear_line(
        self, calls: Sequence[Call], pcm: Int16, pbx_rate_hz: int, now_s: float
    ) -> None:
        """`[k, n]` has come from the lines of `calls`, whose PBX has `pbx_rate_hz`."""
        calls, pcm = self._admitted(calls, Side.LINE, pcm, LINE_RATE_HZ, now_s)
        if calls:
            self.send_to_pbx(calls, pcm, pbx_rate_hz, now_s)

    def hear_pbx(
        self, calls: Sequence[Call], pcm: Int16, rate_hz: int, now_s: float
    ) -> None:
        """`[k, n]` at `rate_hz` has come from Asterisk for `calls`."""
        calls, pcm = self._admitted(calls, Side.PBX, pcm, rate_hz, now_s)
        if calls:
            self.send_to_line(calls, pcm, rate_hz, now_s)

    def _admitted(
        self, calls: Sequence[Call], side: Side, pcm: Int16, rate_hz: int, now_s: float
    ) -> tuple[Sequence[Call], Int16]:
        """Those of calls and `[k, n]` that go on now: nearly always all."""
        kept = [
            self._goes_on(call, side, frame, rate_hz, now_s)
            for call, frame in zip(calls, pcm, strict=True)
        ]
        if all(kept):
            return calls, pcm
        return list(itertools.compress(calls, kept)), pcm[np.array(kept)]

    def _goes_on(
        self, call: Call, side: Side, frame: Int16, rate_hz: int, now_s: float
    ) -> bool:
        """Whether `[n]` that has come from a side goes on now."""
        flow = call.flow(side)
        try:
            goes_on = flow.admit(frame, rate_hz, now_s, self._overdue_s)
            if flow.timing.is_smoothed:
                self.agenda.add(call, flow)
            return goes_on
        except Exception as error:  # the other calls go on
            call.log.exception("! audio of the %s side failed", side)
            self._lose(call, side, error)
            return False

    def send_to_pbx(
        self, calls: Sequence[Call], pcm: Int16, rate_hz: int, now_s: float
    ) -> None:
        """Send `[k, 320]` of the lines, or what stands for it, at `rate_hz`."""
        rows = _rows_of(calls)
        if self.in_band:
            self.in_band.hear(rows, pcm)
        if self.to_pbx_rests:
            self.to_pbx_rests.apply(rows, pcm, LINE_RATE_HZ)
        if self.taps:
            self.taps.to_pbx(rows, pcm)
        table = self._messages[rate_hz]
        self.to_pbx.process(rows, pcm, rate_hz, table.samples[: len(calls)])
        for call, message in zip(calls, table.messages, strict=False):
            try:
                call.pbx_outlet.send(message, now_s)
            except OSError as error:
                self._lose(call, Side.PBX, error)
        seconds = pcm.shape[1] / LINE_RATE_HZ
        for call in calls:
            call.from_line.timing.written(seconds, now_s)

    def send_to_line(
        self, calls: Sequence[Call], pcm: Int16, rate_hz: int, now_s: float
    ) -> None:
        """Send `[k, n]` at `rate_hz` of Asterisk, or what stands for it."""
        rows, ratio = _rows_of(calls), None
        if self.to_line_rests:
            self.to_line_rests.apply(rows, pcm, rate_hz)
        if self._follows:
            ratio = np.array([call.from_pbx.timing.queue.ratio for call in calls])
        output = self._line_output[: len(calls)]
        counts = self.to_line.process(rows, pcm, rate_hz, output, ratio)
        lengths = [
            call.from_pbx.timing.shorten(samples, count, LINE_RATE_HZ, now_s)
            for call, samples, count in zip(calls, output, counts.tolist(), strict=True)
        ]
        for call, view, length in zip(calls, self._line_views, lengths, strict=False):
            try:
                call.line_outlet.send(view[: 2 * length], now_s)
            except OSError as error:
                self._lose(call, Side.LINE, error)
        for call, length in zip(calls, lengths, strict=True):
            call.from_pbx.timing.written(length / LINE_RATE_HZ, now_s)
        if self.taps:
            self.taps.to_line(rows, output, lengths)

    def close(self) -> None:
        """Close the descriptors; the calls are stopped before."""
        self.gate.close()
        self.ports.close()


def _rows_of(calls: Sequence[Call]) -> Rows:
    """Where the calls are in the tables."""
    return np.array([call.row for call in calls], np.intp)
