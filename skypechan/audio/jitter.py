"""Adaptive playout of a source whose audio comes late at times.

A well-behaved source does without: its frames pass when they come. For a rough one
frames are gathered here and leave at deadlines, 20 ms apart by the source's own clock,
behind a delay that covers what 99.9 % of its arrivals need. Growth is immediate, by
the concealment that stands in for a missing frame. Shrinking is slow: deadlines move
forward by 1 ms a second, as if the network had become quicker; audio that has piled up
here is spliced out by a pitch period each 8 s, each 80 ms where more than 30 ms are
too much, and skipped at once beyond 80 ms.

One object is one call: rough sources are few.
"""

from __future__ import annotations

import numpy as np

from skypechan.audio.concealment import Concealer, skipped, spliced
from skypechan.audio.pcm import Int16

FRAME_S = 0.020
_MARGIN_S = 0.003
_MOST_DELAY_S = 0.200
_MOST_HELD_S = 0.500
_SKIP_S = 0.080
_MUCH_S, _LITTLE_S = 0.030, 0.008
_SOON_S, _LATER_S = 0.080, 8.0
_SOONER = 1e-3
_PRIMING_S = 0.060


class Playout:
    """Audio of one rough source at `rate_hz`.

    Frames leave at `due_s`; `concealed_s` and `skipped_s` add up what was made and what
    was cut out.
    """

    def __init__(self, rate_hz: int) -> None:
        self.due_s = 0.0
        self.delay_s = 0.0
        self.concealed_s = 0.0
        self.skipped_s = 0.0
        self.is_dry = False
        self.rate_hz = rate_hz
        self._frame = int(FRAME_S * rate_hz)
        self._held = np.zeros(0, np.int16)
        self._piece = self._frame
        self._concealer = Concealer(rate_hz)
        self._primed_s = 0.0
        self._spliced_s = -np.inf

    @property
    def is_primed(self) -> bool:
        """Whether enough has been heard to conceal a gap."""
        return self._primed_s >= _PRIMING_S

    @property
    def is_running(self) -> bool:
        """Whether frames fall due: it knows the voice, and the voice goes on."""
        return self.is_primed and not self.is_dry

    @property
    def held_s(self) -> float:
        """How much audio waits."""
        return len(self._held) / self.rate_hz

    def prime(self, pcm: Int16, now_s: float) -> None:
        """Hear `[n]` that is still passed on when it comes; the next is due behind."""
        self._concealer.heard(pcm)
        self._primed_s += len(pcm) / self.rate_hz
        self.due_s = now_s + FRAME_S

    def push(self, pcm: Int16, now_s: float, outlier_s: float) -> None:
        """Take `[n]` that has come. Behind a silence it starts anew, with its delay."""
        if self.is_dry:
            self.is_dry = False
            self.due_s = now_s + wanted_s(outlier_s)
        self._piece = len(pcm)
        self._held = np.concatenate([self._held, pcm])
        over = len(self._held) - int(_MOST_HELD_S * self.rate_hz)
        if over > 0:
            self._skip(over)

    def pull(self, behind_s: float, outlier_s: float, drift: float) -> Int16:
        """The frame that is due: `[20 ms]`.

        `behind_s` is how long ago the last audio that came was due to come.
        """
        self.delay_s = max(self.held_s - FRAME_S + behind_s, 0)
        excess_s = self._shrink(behind_s, wanted_s(outlier_s))
        self.due_s += FRAME_S / (1 + drift)
        if excess_s > 0:
            self.due_s -= min(excess_s, FRAME_S * _SOONER)
        there, self._held = self._held[: self._frame], self._held[self._frame :]
        missing = self._frame - len(there)
        if not missing:
            return self._concealer.heard(there)
        made = self._concealer.heard(there), self._concealer.conceal(missing)
        self.concealed_s += missing / self.rate_hz
        self.is_dry = self._concealer.is_silent
        return np.concatenate(made)

    def _slack_s(self, behind_s: float, removed: int = 0) -> float:
        """How much sooner than now the audio due now was due to come.

        Audio comes in pieces: a frame is there when its last piece has come whole.
        """
        left = len(self._held) - self._frame - removed
        return behind_s + left // self._piece * self._piece / self.rate_hz

    def _shrink(self, behind_s: float, wanted_delay_s: float) -> float:
        """Take out what is too much where it can be; what then is too much still."""
        excess_s = self._slack_s(behind_s) - wanted_delay_s
        if excess_s > _SKIP_S:
            most = max(len(self._held) - self._frame, 0)
            self._skip(min(int(excess_s * self.rate_hz), most))
        pause_s = _SOON_S if excess_s > _MUCH_S else _LATER_S
        if excess_s > _LITTLE_S and self.due_s - self._spliced_s >= pause_s:
            shorter = spliced(self._held, self.rate_hz)
            removed = len(self._held) - len(shorter)
            if removed and self._slack_s(behind_s, removed) >= wanted_delay_s:
                self._held = shorter
                self._spliced_s = self.due_s
                self.skipped_s += removed / self.rate_hz
        return self._slack_s(behind_s) - wanted_delay_s

    def _skip(self, length: int) -> None:
        before = len(self._held)
        self._held = skipped(self._held, length, self.rate_hz)
        self.skipped_s += (before - len(self._held)) / self.rate_hz


def wanted_s(outlier_s: float) -> float:
    """The delay that lets 99.9 % be in time, beyond the frame itself."""
    return min(outlier_s + _MARGIN_S, _MOST_DELAY_S)
