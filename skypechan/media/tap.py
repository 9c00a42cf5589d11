"""Both directions of a call in a WAV file, on demand: 16 kHz, two channels.

Left is what goes to the PBX, before its gain and its change of rate; right is what
goes to the line, as it is written there. The two are laid side by side as they come;
where one lags by more than half a second, as behind a stall, it gets silence.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from skypechan.audio.chain import LINE_RATE_HZ
from skypechan.audio.pcm import SAMPLE_BYTES, Int16, Rows

_MOST_SKEW = LINE_RATE_HZ // 2
_WRITE = LINE_RATE_HZ // 5  # samples at once: few writes, little lost in a crash


_log = logging.getLogger(__name__)


class Tap:
    """A stereo WAV file of at most `most_s` seconds; the file must not exist yet.

    Raises OSError when it cannot be created.
    """

    def __init__(self, path: Path, most_s: float) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        self.path = path
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._written = 0
        self._file.write(_head(0))
        self._room = int(most_s * LINE_RATE_HZ)
        self._waiting = [np.zeros(0, np.int16), np.zeros(0, np.int16)]

    @property
    def is_full(self) -> bool:
        """Whether it holds as much as it may."""
        return self._room <= 0

    def to_pbx(self, pcm: Int16) -> None:
        """Take `[n]` on its way to the PBX. Raises OSError as the disk does."""
        self._take(0, pcm)

    def to_line(self, pcm: Int16) -> None:
        """Take `[n]` on its way to the line. Raises OSError as the disk does."""
        self._take(1, pcm)

    def _take(self, side: int, pcm: Int16) -> None:
        self._waiting[side] = np.concatenate([self._waiting[side], pcm])
        ahead = len(self._waiting[side]) - len(self._waiting[1 - side])
        if ahead > _MOST_SKEW:
            silence = np.zeros(ahead, np.int16)
            self._waiting[1 - side] = np.concatenate([self._waiting[1 - side], silence])
        if min(map(len, self._waiting)) >= _WRITE:
            self._write()

    def _write(self) -> None:
        length = min(*map(len, self._waiting), self._room)
        sides = np.stack([waiting[:length] for waiting in self._waiting], axis=1)
        self._waiting = [waiting[length:] for waiting in self._waiting]
        self._room -= length
        self._written += self._file.write(sides.astype("<i2").tobytes()) or 0

    def close(self) -> None:
        """Write what waits and close the file. Raises OSError as the disk does."""
        with self._file:
            self._write()
            self._file.seek(0)
            self._file.write(_head(self._written))


def _head(size: int) -> bytes:
    """The head of a WAV file with `size` bytes of stereo PCM."""
    frame = 2 * SAMPLE_BYTES
    form = struct.pack(
        "<HHIIHH", 1, 2, LINE_RATE_HZ, LINE_RATE_HZ * frame, frame, 8 * SAMPLE_BYTES
    )
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form
    body += b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", len(body) + size) + body


class Taps:
    """The taps that are open, by the row of their call. A full disk ends no call."""

    def __init__(self) -> None:
        self._taps: dict[int, Tap] = {}

    def __bool__(self) -> bool:
        return bool(self._taps)

    def open(self, row: int, path: Path | None, most_s: float) -> None:
        """End the tap of `row`, and begin another if there is a path.

        Raises OSError when the file cannot be created.
        """
        self.close(row)
        if path is not None:
            self._taps[row] = Tap(path, most_s)

    def to_pbx(self, rows: Rows, pcm: Int16) -> None:
        """Take `[k, n]` on its way to the PBX."""
        for row, samples in zip(rows.tolist(), pcm, strict=True):
            self._take(row, Tap.to_pbx, samples)

    def to_line(self, rows: Rows, pcm: Int16, lengths: list[int]) -> None:
        """Take `[k, n]` on its way to the line, of each row so many samples."""
        for row, samples, length in zip(rows.tolist(), pcm, lengths, strict=True):
            self._take(row, Tap.to_line, samples[:length])

    def _take(
        self, row: int, take: Callable[[Tap, Int16], None], samples: Int16
    ) -> None:
        tap = self._taps.get(row)
        if tap is None:
            return
        try:
            take(tap, samples)
        except OSError as error:
            _log.warning("! %s: %s", tap.path, error)
            self.close(row)
        else:
            if tap.is_full:
                self.close(row)

    def close(self, row: int) -> None:
        """End the tap of `row`, if it has one."""
        tap = self._taps.pop(row, None)
        if tap is not None:
            with contextlib.suppress(OSError):
                tap.close()
