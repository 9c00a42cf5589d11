"""The audio of one call, for whoever owns the call."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Protocol

from skypechan.audio.gain import check_gain
from skypechan.media.call import Call
from skypechan.media.settings import EngineSettings
from skypechan.media.values import MediaFigures


class Host(Protocol):
    """The engine that has the call."""

    def apply_gain(self, call: Call) -> None:
        """Let the call's gains and mutes take effect."""

    def tap(self, call: Call, path: Path | None, most_s: float) -> None:
        """Begin or end a recording."""

    def flush(self, call: Call) -> None:
        """Throw away what a bursty line has sent."""

    def rest(self, call: Call, *, to_line: bool, to_pbx: bool) -> None:
        """Let hold audio take the place of audio, or end that."""

    def move_pbx(self, call: Call, sock: socket.socket, pending: bytes) -> None:
        """Go on with another connection to Asterisk."""

    def figures(self, call: Call) -> MediaFigures:
        """Return the call's figures."""

    def stop(self, call: Call) -> None:
        """End the call's audio."""


class CallMedia:
    """The audio of one call in the engine, for whoever owns the call."""

    def __init__(self, engine: Host, call: Call) -> None:
        self._engine = engine
        self._call = call

    def set_gain(self, playback_db: float, capture_db: float) -> None:
        """Reach these gains within a frame. Raises ValueError beyond 40 dB."""
        check_gain(playback_db)
        check_gain(capture_db)
        self._call.playback_db, self._call.capture_db = playback_db, capture_db
        self._engine.apply_gain(self._call)

    def mute(self, *, playback: bool = False, capture: bool = False) -> None:
        """Silence what goes to the line, what comes from it, both, or neither."""
        self._call.playback_muted, self._call.capture_muted = playback, capture
        self._engine.apply_gain(self._call)

    def tap(self, path: Path | None, most_s: float = 600) -> None:
        """Write both directions to a new WAV file, for so long; None ends it.

        Left is what goes to the PBX, right what goes to the line, 16 kHz. Raises
        OSError when the file exists or cannot be created.
        """
        self._engine.tap(self._call, path, most_s)

    def flush(self) -> None:
        """Throw away what a bursty line has sent and nobody has heard yet.

        Ends with the first 20 ms in which nothing more comes; not for paced lines.
        """
        self._engine.flush(self._call)

    def rest(self, *, to_line: bool, to_pbx: bool) -> None:
        """Who is on hold and hears the hold audio, from the next frame on."""
        self._engine.rest(self._call, to_line=to_line, to_pbx=to_pbx)

    def move_pbx(self, sock: socket.socket, pending: bytes) -> None:
        """Go on with another connection to Asterisk; the one before is hung up.

        Rates stay. A socket that is of no use ends the PBX side.
        """
        self._engine.move_pbx(self._call, sock, pending)

    @property
    def settings(self) -> EngineSettings:
        """Those of the engine, as far as they go for this call."""
        return self._call.settings

    def figures(self) -> MediaFigures:
        """Return the figures of now, or of the moment the call was stopped."""
        return self._engine.figures(self._call)

    def stop(self) -> None:
        """Hang up the PBX side if it is open, close all sockets. Harmless twice."""
        self._engine.stop(self._call)
