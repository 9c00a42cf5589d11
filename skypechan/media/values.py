"""What goes into the engine and what it tells: plain data."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from skypechan.audio.chain import LINE_RATE_HZ, PBX_RATES_HZ
from skypechan.audio.gain import check_gain
from skypechan.audio.meter import Level
from skypechan.call.record import Side
from skypechan.media.holdaudio import HoldAudio


class EndReason(StrEnum):
    """Why a side of the media ended."""

    CLOSED = "closed"  # the far end closed the connection in order
    TERMINATED = "terminated"  # Asterisk sent its hang-up message
    BROKEN = "broken"  # the connection was reset or failed
    PROTOCOL_ERROR = "protocol_error"  # what came is not AudioSocket
    STALLED = "stalled"  # the receiver took no audio for too long


class Payload(StrEnum):
    """What Asterisk's audio messages hold."""

    LINEAR = "slin"
    ULAW = "ulaw"  # the dialplan's Dial has no c(slin): decoded, 8 kHz
    ALAW = "alaw"  # likewise
    UNTOLD_SLIN16 = "slin16 in messages of slin"  # its release of Asterisk cannot tell
    UNSUPPORTED = "unsupported"  # a rate or a codec that is not played


@dataclass(frozen=True, slots=True)
class MediaEnd:
    """One side of a call's media has ended; the other goes on with silence."""

    side: Side
    reason: EndReason
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStart:
    """The sockets, rates and gains of a call whose audio is to be joined.

    The engine owns the sockets from here on, also when it refuses the call.
    `line_receive` and `line_send` may be one socket. `pbx` has delivered its UUID
    message; `pbx_pending` is what was read behind it. `pbx_rate_hz` is what we send
    to Asterisk, 8000 or 16000; what comes is taken by the kind of each message.
    `playback_db` acts towards the line, `capture_db` from it, -40 to 40 dB.

    `hold_audio` is heard by whoever waits while the call is held; None is silence.

    `line_is_bursty` is for a line that speaks faster than real time: it is read a
    frame each 20 ms, and what it has sent too soon waits in its socket. A line without
    a clock returns what is written to it: to follow its clock would be to follow our
    own corrections of it, in a circle.

    `on_digit` gets each digit of the phone. `on_line_digit`, if there is one, gets each
    digit that is found as a tone in what the line says. `on_closed` is called at most
    once for each side, and never after `CallMedia.stop`. All are called from the event
    loop, outside the engine's pass. `call_id` is for the log.
    """

    line_receive: socket.socket
    line_send: socket.socket
    pbx: socket.socket
    on_digit: Callable[[str], None]
    on_closed: Callable[[MediaEnd], None]
    pbx_pending: bytes = b""
    line_rate_hz: int = 16_000
    pbx_rate_hz: int = 16_000
    playback_db: float = 0.0
    capture_db: float = 0.0
    line_is_bursty: bool = False
    line_has_clock: bool = True
    hold_audio: HoldAudio | None = None
    on_line_digit: Callable[[str], None] | None = None
    call_id: str = ""


def check_start(start: MediaStart) -> None:
    """Raise ValueError for a rate or a gain that the engine does not have."""
    if start.line_rate_hz != LINE_RATE_HZ:
        raise ValueError(f"a line of {start.line_rate_hz} Hz is not supported")
    if start.pbx_rate_hz not in PBX_RATES_HZ:
        raise ValueError(f"{start.pbx_rate_hz} Hz to the PBX is not supported")
    check_gain(start.playback_db)
    check_gain(start.capture_db)


@dataclass(frozen=True, slots=True)
class DirectionFigures:
    """One direction of a call.

    `frames` of 20 ms came in; `dropped` messages or frames the receiver had no room
    for. `gaps` counts pauses of the source that were bridged with `filled` frames of
    silence of 20 ms. `queue_ms` is audio that waits unsent in front of the receiver.

    `drift_ppm` is how much faster than ours the source's clock runs. `late` counts
    frames that were taken more than 10 ms behind it. Of a source that is `smoothed`
    because too many are, audio is held for `delay_ms` on top of its frame; towards the
    line `delay_ms` includes what waits at the client, as far as our model of it knows.
    `concealed_ms` of missing audio was made up, `skipped_ms` was cut out, because it
    came too late or was too much.
    """

    frames: int
    dropped: int
    gaps: int
    filled: int
    queue_ms: float
    level: Level
    delay_ms: float = 0.0
    drift_ppm: float = 0.0
    late: int = 0
    concealed_ms: float = 0.0
    skipped_ms: float = 0.0
    smoothed: bool = False


@dataclass(frozen=True, slots=True)
class MediaFigures:
    """Both directions of a call. `payload` tells of a dialplan that is not as meant."""

    to_pbx: DirectionFigures
    to_line: DirectionFigures
    payload: Payload
    digits: int

    def as_record(self) -> dict[str, float | int]:
        """Flat, for a call record: `to_pbx_frames`, `to_line_level_dbfs` and so on."""
        flat: dict[str, float | int] = {}
        for name, side in (("to_pbx", self.to_pbx), ("to_line", self.to_line)):
            flat |= {
                f"{name}_frames": side.frames,
                f"{name}_dropped": side.dropped,
                f"{name}_gaps": side.gaps,
                f"{name}_filled": side.filled,
                f"{name}_queue_ms": side.queue_ms,
                f"{name}_level_dbfs": side.level.average_dbfs,
                f"{name}_peak_dbfs": side.level.peak_dbfs,
                f"{name}_clipped": side.level.clipped,
                f"{name}_limited": side.level.limited,
                f"{name}_delay_ms": side.delay_ms,
                f"{name}_drift_ppm": side.drift_ppm,
                f"{name}_late": side.late,
                f"{name}_concealed_ms": side.concealed_ms,
                f"{name}_skipped_ms": side.skipped_ms,
            }
        return flat
