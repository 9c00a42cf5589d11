"""The sound of one call: a person's voice, what is mixed into it, what was heard.

Pure. Stamps are the machine's monotonic clock in nanoseconds, which all processes
share, so that a test elsewhere can measure delays with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from skypechan.audio.pcm import Int16, from_bytes
from skypechan.emulator import voices
from skypechan.emulator.voices import PIECE_SAMPLES, RATE_HZ, Voice

KEPT_S: Final = 120
"""Of each direction of a call; later samples are counted but not kept."""

_NS_PER_SAMPLE: Final = 1_000_000_000 / RATE_HZ


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples that passed at once: stamp, place of the first, how many."""

    stamp_ns: int
    first_sample: int
    samples: int


class Recording:
    """Samples of one direction and when they passed."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._most_bytes = int(kept_s * RATE_HZ) * 2
        self._content = bytearray()
        self.pieces: list[Piece] = []
        self.samples = 0

    def add(self, stamp_ns: int, content: bytes) -> None:
        """Samples that passed now."""
        count = len(content) // 2
        if len(self._content) < self._most_bytes:
            self.pieces.append(Piece(stamp_ns, self.samples, count))
            self._content += content
        self.samples += count

    def content(self) -> bytes:
        """Everything kept, little-endian."""
        return bytes(self._content)


@dataclass(slots=True)
class _Overlay:
    """Something said on top; `start_ns` 0 is as soon as possible."""

    name: str
    samples: Int16
    start_ns: int
    position: int = 0


class CallSound:
    """What the two sound ports of one call carry.

    `marks` tells where in what was sent each played sound began: name, sample.
    """

    def __init__(self, voice: Voice, kept_s: float = KEPT_S) -> None:
        self.voice = voice
        self.sent = Recording(kept_s)
        self.heard = Recording(kept_s)
        self.marks: list[tuple[str, int]] = []
        self.muted = False
        self.resting = False
        self._overlays: list[_Overlay] = []
        self._keys: list[_Overlay] = []
        self._half = b""

    def play(self, name: str, samples: Int16, start_ns: int = 0) -> None:
        """Say something once, from this moment of the monotonic clock on."""
        self._overlays.append(_Overlay(name, samples, start_ns))

    def press(self, pressed: str) -> None:
        """The tones of digits, one after another, after those still sounding."""
        self._keys.append(_Overlay(f"digits {pressed}", voices.digits(pressed), 0))

    def speak(self, now_ns: int) -> bytes:
        """The next ten milliseconds towards the account; held calls are silent."""
        piece = self.voice.speak(PIECE_SAMPLES)
        if self.muted or self.resting:
            piece = np.zeros(PIECE_SAMPLES, np.int16)
        else:
            piece = self._with_overlays(piece, now_ns)
        content = piece.astype("<i2", copy=False).tobytes()
        self.sent.add(now_ns, content)
        return content

    def hear(self, now_ns: int, content: bytes, *, silent: bool = False) -> None:
        """Bytes from the account; half a sample waits for its other half."""
        content = self._half + content
        cut = len(content) & ~1
        self._half = content[cut:]
        content = bytes(cut) if silent else content[:cut]
        if not content:
            return
        self.heard.add(now_ns, content)
        if not self.resting:
            self.voice.hear(from_bytes(content))

    def _with_overlays(self, piece: Int16, now_ns: int) -> Int16:
        for overlay in (*self._overlays, *self._keys[:1]):
            piece = self._mixed(piece, overlay, now_ns)
        self._overlays = [item for item in self._overlays if not _over(item)]
        self._keys = [item for item in self._keys if not _over(item)]
        return piece

    def _mixed(self, piece: Int16, overlay: _Overlay, now_ns: int) -> Int16:
        offset = 0
        if overlay.position == 0:
            wait_ns = max(0, overlay.start_ns - now_ns)
            offset = round(wait_ns / _NS_PER_SAMPLE)
            if offset >= PIECE_SAMPLES:
                return piece
            self.marks.append((overlay.name, self.sent.samples + offset))
        room = PIECE_SAMPLES - offset
        part = overlay.samples[overlay.position : overlay.position + room]
        overlay.position += room
        padded = np.pad(part, (offset, room - part.size))
        return voices.mix(piece, padded)


def _over(overlay: _Overlay) -> bool:
    return overlay.position >= overlay.samples.size
