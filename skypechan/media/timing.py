"""When the audio of one direction goes on: at once, late, or not at all.

Audio of a well-behaved source passes when it comes. Three things are exceptions, and
all are rare: a source that is rough gets a playout buffer; what a stall piled up
beyond what its receiver was short of is skipped, cross-faded; and towards the line a
client whose queue has grown is spliced back. In the usual case `admit` only notes the
arrival and looks at two figures.

All of it is plain Python, an object for each direction of a call: 2 to 4 us a frame.
Tables of numpy cost 90 us for each pass and direction, and one a frame: less only where
more than thirty come at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from skypechan.audio.concealment import crossfaded, spliced
from skypechan.audio.drift import SourceClock
from skypechan.audio.drift import refit as refit_clocks
from skypechan.audio.jitter import Playout
from skypechan.audio.pcm import Int16
from skypechan.audio.queue import ReceiverQueue
from skypechan.media.settings import EngineSettings

SOON_S = 0.0005
"""What is due this soon need not wait for a timer of its own."""

_LATE_S = 0.010
_MISSED_S = 0.040
_SILENT_S = 0.011  # a client sends each 10 ms
_BEHIND_S = 0.021  # behind the last frame of 20 ms, when it came late itself
_TAKEN_S = 0.005  # a receiver that goes has taken by then what it was sent
_YOUNG_S, _ASK_AGAIN_S = 0.5, 0.2  # a line on hold is silent for long, and goes
_SEAM_S = 0.004
_MOST_PILED_S = 0.300  # even of what comes in its pace
_FIRST_S, _FIRST_SHARE = 1.0, 0.25  # of what is spared later
_CROWDED_S, _SPACIOUS_S = 0.030, 0.008
_SPLICE_EVERY_S = 0.060
_FORGOTTEN_S = 0.001  # a second: phones get rid of delay by themselves


@dataclass(frozen=True, slots=True)
class Timeliness:
    """What `DirectionFigures` tells of time, for one call."""

    delay_ms: float
    drift_ppm: float
    late: int
    concealed_ms: float
    skipped_ms: float
    smoothed: bool


class Timing:
    """One direction of a call that begins at `now_s`.

    `receiver` is the clock that plays it; without one the receiver follows whoever
    sends to it. `unread_s` tells what the receiver has not taken yet, or None if that
    will never be known of it; it is asked when the receiver seems to stand still.
    """

    def __init__(
        self,
        settings: EngineSettings,
        now_s: float,
        receiver: SourceClock | None = None,
        unread_s: Callable[[], float | None] | None = None,
    ) -> None:
        self.clock = SourceClock(now_s)
        self.queue = ReceiverQueue(now_s)
        self._receiver = receiver or self.clock
        self._unread_s = unread_s
        self._asked_s = 0.0
        self._written_s = 0.0
        self._forgotten_s = 0.0 if receiver else _FORGOTTEN_S
        self._rough_s = settings.rough_ms / 1000
        self._backlog_s = settings.backlog_ms / 1000
        self._began_s = 0.0
        self._is_rough = False
        self._is_special = False
        self._late = 0
        self._concealed_s = 0.0
        self._skipped_s = 0.0
        self._is_crowded = False
        self._spliced_s = 0.0
        self._playout: Playout | None = None
        self._seam: Int16 | None = None

    @property
    def is_skipping(self) -> bool:
        """Whether what comes is skipped until the receiver catches up."""
        return self._seam is not None

    @property
    def is_smoothed(self) -> bool:
        """Whether the source has a playout buffer."""
        return self._playout is not None

    # When audio comes.

    def admit(
        self, pcm: Int16, rate_hz: int, now_s: float, overdue_s: float = 0.0
    ) -> bool:
        """Whether `[n]` that has come goes on now; it may begin with a seam then.

        For `overdue_s` we ought to have looked for it: so much of how late it is may be
        our own doing, and does not make the source rough.
        """
        seconds = len(pcm) / rate_hz
        clock = self.clock
        arrived_s, begins = clock.arrived_s, clock.is_paused
        if clock.note(seconds, now_s, overdue_s) > _LATE_S:
            self._late += 1
        clock_s = self._receiver.clock_s(now_s)
        if begins:
            self._began_s = now_s
            self.queue.begin(clock_s)
        level_s = self.queue.level_s(clock_s)
        if not self._is_special and level_s <= _FIRST_SHARE * self._backlog_s:
            return True  # the usual case
        has_piled_up = level_s > self._spared_s(now_s) + self.queue.starved_s
        if has_piled_up and not self._is_special and level_s <= _MOST_PILED_S:
            has_piled_up = now_s - arrived_s < seconds / 2  # came at once
        if not self._is_special and not has_piled_up:
            return True
        return self._take(pcm, rate_hz, now_s, has_piled_up)

    def _spared_s(self, now_s: float) -> float:
        """How much of what has piled up goes on.

        It is little where nobody waits for it: what was said while the call was being
        joined, and what comes behind so long a stall that silence has taken its place.
        """
        is_young = now_s - self._began_s < _FIRST_S
        return self._backlog_s * (_FIRST_SHARE if is_young else 1.0)

    def _take(self, pcm: Int16, rate_hz: int, now_s: float, has_piled_up: bool) -> bool:
        """Whether audio that is no usual case goes on now."""
        playout = self._playout_of(rate_hz)
        if playout is not None and playout.is_primed:
            playout.push(pcm, now_s, self.clock.outlier_s)
            return False
        if playout is not None:
            playout.prime(pcm, now_s)
        if has_piled_up:
            if self._seam is None:
                self._seam = pcm[: int(_SEAM_S * rate_hz)].copy()
            self._skipped_s += len(pcm) / rate_hz
            self._is_special = True
            return False
        if self._seam is not None:
            seam, self._seam = self._seam[: len(pcm)], None
            pcm[: len(seam)] = crossfaded(seam, pcm[: len(seam)])
        self._is_special = self._is_rough or playout is not None
        return True

    def _playout_of(self, rate_hz: int) -> Playout | None:
        """The playout buffer if the source needs one still; of one rate only."""
        playout = self._playout
        if playout is not None and (
            playout.rate_hz != rate_hz or not (self._is_rough or playout.held_s)
        ):
            self._leave(playout)
        if self._playout is None and self._is_rough:
            self._playout = Playout(rate_hz)
        return self._playout

    def paused(self) -> None:
        """The source is quiet: its next audio cannot be late."""
        self.clock.pause()

    # A rough source.

    @property
    def due_s(self) -> float | None:
        """When `due` has something next."""
        playout = self._playout
        return playout.due_s if playout is not None and playout.is_running else None

    def due(self, now_s: float) -> Iterator[tuple[int, Int16]]:
        """Rate and `[20 ms]` of each frame that is due.

        Deadlines that we have missed are not made up for in a burst.
        """
        playout, clock = self._playout, self.clock
        if playout is None:
            return
        if now_s - playout.due_s > _MISSED_S:
            playout.due_s = now_s
        while playout.is_running and playout.due_s <= now_s + SOON_S:
            behind_s = clock.behind_s(now_s)
            yield playout.rate_hz, playout.pull(behind_s, clock.outlier_s, clock.drift)

    def give_up(self) -> None:
        """Throw away what a playout buffer holds: it has failed."""
        if self._playout is not None:
            self._leave(self._playout)

    def _leave(self, playout: Playout) -> None:
        self._playout = None
        self._concealed_s += playout.concealed_s
        self._skipped_s += playout.skipped_s

    # What is written.

    def written(self, seconds: float, now_s: float) -> None:
        """Take note of what was sent to the receiver."""
        if self.queue.is_standing and not self._seems_to_stand(now_s):
            # It speaks again, so it has taken all.
            back_s = self._receiver.clock_s(self._receiver.returned_s)
            self.queue.untaken(0.0, back_s)
        self.queue.written(seconds, self._receiver.clock_s(now_s))
        if self._unread_s is not None:
            self._see_whether_it_stands(seconds, now_s)
            self._written_s = now_s

    def _seems_to_stand(self, now_s: float) -> bool:
        receiver = self._receiver
        return (
            receiver.silent_s(now_s) > _SILENT_S or receiver.behind_s(now_s) > _BEHIND_S
        )

    def _see_whether_it_stands(self, sent_s: float, now_s: float) -> None:
        """A silent receiver that left what was sent before stands still."""
        if (
            self._unread_s is None
            or not self._seems_to_stand(now_s)
            or not self._is_worth_asking(now_s)
        ):
            return
        unread_s = self._unread_s()
        self._asked_s = now_s
        if unread_s is None:
            self._unread_s = None
            unread_s = 0.0
        untaken_s = unread_s if unread_s > sent_s else 0.0
        self.queue.untaken(untaken_s, self._receiver.clock_s(now_s))

    def _is_worth_asking(self, now_s: float) -> bool:
        """Whether the answer may be news.

        Nobody can have taken what has only just been sent, and who was silent for long
        and goes all the same has nothing to say: a client on hold, or a muted one.
        """
        if self.queue.is_standing:
            return True
        is_young = self._receiver.silent_s(now_s) < _YOUNG_S
        return now_s - self._written_s > _TAKEN_S and (
            is_young or now_s - self._asked_s > _ASK_AGAIN_S
        )

    def shorten(self, pcm: Int16, length: int, rate_hz: int, now_s: float) -> int:
        """Splice `[:length]` in place if the queue it goes to has grown; its length."""
        left_s = self.queue.recent_s
        if left_s < _SPACIOUS_S:
            self._is_crowded = False
            return length  # the usual case
        if not self._is_rough:
            left_s -= self.clock.outlier_s
        if left_s <= _SPACIOUS_S:
            self._is_crowded = False
        elif left_s > _CROWDED_S and self.clock.is_judged:
            self._is_crowded = True
        if not self._is_crowded or now_s - self._spliced_s < _SPLICE_EVERY_S:
            return length
        shorter = spliced(pcm[:length], rate_hz)
        removed = length - len(shorter)
        if removed:
            pcm[: len(shorter)] = shorter
            self._spliced_s = now_s
            self._skipped_s += removed / rate_hz
            self.queue.removed(removed / rate_hz)
        return len(shorter)

    # Once in a while.

    def steer(self, now_s: float) -> None:
        """Choose the ratio to the receiver's clock. For each frame's time."""
        self._see_whether_it_stands(0.0, now_s)
        self.queue.steer(self._receiver.drift - self.clock.drift)

    def close_second(self) -> None:
        """See whether the source has become rough. To be called by `refit`."""
        self.queue.close_second(self._forgotten_s)
        late_s = self.clock.lateness_s
        bound_s = self._rough_s / 2 if self._is_rough else self._rough_s
        self._is_rough = late_s > bound_s
        self._is_special |= self._is_rough

    def timeliness(self) -> Timeliness:
        """The figures of the call."""
        playout = self._playout
        delay_s = self.queue.least_s if not self._forgotten_s else 0.0
        concealed_s, skipped_s = self._concealed_s, self._skipped_s
        if playout is not None:
            delay_s += playout.delay_s
            concealed_s += playout.concealed_s
            skipped_s += playout.skipped_s
        return Timeliness(
            delay_ms=round(delay_s * 1000, 2),
            drift_ppm=round(self.clock.drift * 1e6, 2),
            late=self._late,
            concealed_ms=round(concealed_s * 1000, 1),
            skipped_ms=round(skipped_s * 1000, 1),
            smoothed=self.is_smoothed,
        )


def refit(timings: Sequence[Timing], now_s: float) -> None:
    """Close the second that has passed, for many at once. To be called once a second.

    The clocks are fitted anew, and who has become rough is seen.
    """
    refit_clocks([timing.clock for timing in timings], now_s)
    for timing in timings:
        timing.close_second()
