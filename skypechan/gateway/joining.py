"""The audio of one call: joined, moved, held, recorded and parted again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from skypechan.asterisk.channel import PbxLeg
from skypechan.backends.base import LineLeg, Pacing
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink, LineDigit, PbxDigit
from skypechan.call.record import CallRecord, Side
from skypechan.errors import CallError
from skypechan.gateway.line import Line
from skypechan.media.describe import audio_text
from skypechan.media.engine import CallMedia, Engine
from skypechan.media.values import MediaEnd, MediaStart


class CallAudio:
    """What a call has of the engine; `media` is None until both sides are joined.

    `held_by` tells who has put the call on hold: the PBX's far end, the line's, or
    the operator, who is the gateway. `line` may change until the audio is joined.
    """

    def __init__(
        self,
        record: CallRecord,
        line: Line,
        engine: Engine,
        post: EventSink,
        on_closed: Callable[[MediaEnd], None],
    ) -> None:
        self.media: CallMedia | None = None
        self.held_by: set[Side] = set()
        self._record = record
        self.line = line
        self._engine = engine
        self._post = post
        self._on_closed = on_closed
        self._joining = asyncio.Lock()

    async def join(
        self, line_leg: LineLeg, pbx_leg: PbxLeg, is_wanted: Callable[[], bool]
    ) -> None:
        """Join the audio of two legs, if that is still wanted once both have it.

        What is joined already goes on, with another connection of the PBX leg if
        there is one. Raises CallError and LinkError as the legs do.
        """
        async with self._joining:
            if self.media is None:
                await self._open(line_leg, pbx_leg, is_wanted)
            elif pbx_leg.has_audio:
                connection = await pbx_leg.audio()
                self.media.move_pbx(connection.socket, connection.pending)

    async def _open(
        self, line_leg: LineLeg, pbx_leg: PbxLeg, is_wanted: Callable[[], bool]
    ) -> None:
        line, settings = self.line, self.line.settings
        with ExitStack() as opened:
            port = await line_leg.open_audio()
            opened.callback(port.close)
            connection = await pbx_leg.audio()
            opened.callback(connection.socket.close)
            if not is_wanted():
                return  # it has ended while the client was opening its sound
            in_band = self._line_digit if settings.inband_digits else None
            self.media = self._engine.start(
                MediaStart(
                    call_id=self._record.call,
                    line_receive=port.from_line,
                    line_send=port.to_line,
                    line_rate_hz=port.rate_hz,
                    line_is_bursty=port.pacing is Pacing.BURSTY,
                    line_has_clock=port.pacing is not Pacing.RETURNED,
                    pbx=connection.socket,
                    pbx_pending=connection.pending,
                    pbx_rate_hz=connection.rate_hz,
                    playback_db=line.playback_db,
                    capture_db=line.capture_db,
                    hold_audio=line.hold_audio,
                    on_digit=lambda digit: self._post(PbxDigit(digit)),
                    on_line_digit=in_band,
                    on_closed=self._on_closed,
                )
            )
            opened.pop_all()  # the engine has them now
        self._rest()

    def _line_digit(self, digit: str) -> None:
        self._post(LineDigit(digit, in_band=True))

    def note_hold(self, side: Side) -> None:
        """Take note that a side has put the call on hold; the other hears that."""
        self.held_by.add(side)
        self._rest()

    def note_resume(self, side: Side) -> None:
        """Take note that a side has taken the call off hold."""
        self.held_by.discard(side)
        self._rest()

    def _rest(self) -> None:
        if self.media is not None:
            self.media.rest(
                to_line=Side.PBX in self.held_by,
                to_pbx=bool(self.held_by & {Side.LINE, Side.GATEWAY}),
            )

    def text(self) -> str:
        """Describe the audio chain, with counters once the audio is joined."""
        if self.media is None:
            return audio_text(None, self._engine.settings)
        return audio_text(self.media.figures(), self.media.settings)

    def tap(self, path: Path | None, seconds: float) -> None:
        """Record both directions to a new WAV file for so long; None ends it.

        Raises OSError when the file exists or cannot be created, CallError before the
        audio is joined.
        """
        if self.media is None:
            reason = "the call has no audio yet"
            raise CallError(HangupCause.NORMAL_UNSPECIFIED, reason)
        self.media.tap(path, seconds)
        if path is not None:
            self._record.taps.append(str(path))

    def stop(self) -> None:
        """Part the audio and write its figures into the record; harmless twice."""
        if self.media is not None:
            self._record.audio = self.media.figures().as_record()
            self.media.stop()
            self.media = None
