"""When the audio of one direction goes on: at once, late, or not at all.

Audio of a well-behaved source passes when it comes. Three things are exceptions, and
all are rare: a source that is rough gets a playout buffer; what a stall piled up
beyond what its receiver was short of is skipped, cross-faded; and towards the line a
client whose queue has grown is spliced back. In the usual case `admit` only notes the
arrival and looks at two tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from skypechan.audio.concealment import crossfaded, spliced
from skypechan.audio.drift import ClockFit
from skypechan.audio.jitter import Playout
from skypechan.audio.pcm import Int16, Rows
from skypechan.audio.queue import QueueModel
from skypechan.audio.ratematch import Counts, Float64
from skypechan.media.settings import EngineSettings

_LATE_S = 0.010
_DUE_S = 0.0005  # what is due this soon need not wait for a timer of its own
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
    """One direction of `capacity` calls. `receiver` is the clock that plays it.

    Without one the receivers follow whoever sends to them. `unread_s` tells what a
    row's receiver has not taken yet, or None if that will never be known of it; it is
    asked when a receiver seems to stand still.
    """

    def __init__(
        self,
        capacity: int,
        settings: EngineSettings,
        receiver: ClockFit | None = None,
        unread_s: Callable[[int], float | None] | None = None,
    ) -> None:
        self.clock = ClockFit(capacity)
        self.queue = QueueModel(capacity)
        self._receiver = receiver or self.clock
        self._unread_s = unread_s
        self._asked_s = np.zeros(capacity)
        self._is_told = np.ones(capacity, np.bool_)
        self._any_stands = False  # or did, until somebody is seen to go on
        self._written_s = np.zeros(capacity)
        self._forgotten_s = 0.0 if receiver else _FORGOTTEN_S
        self._rough_s = settings.rough_ms / 1000
        self._backlog_s = settings.backlog_ms / 1000
        self._began_s = np.zeros(capacity)
        self._rough = np.zeros(capacity, np.bool_)
        self._special = np.zeros(capacity, np.bool_)
        self._late = np.zeros(capacity, np.int64)
        self._concealed_s = np.zeros(capacity)
        self._skipped_s = np.zeros(capacity)
        self._crowded = np.zeros(capacity, np.bool_)
        self._spliced_s = np.zeros(capacity)
        self._playouts: dict[int, Playout] = {}
        self._seams: dict[int, Int16] = {}

    def skipping(self, rows: Rows) -> list[int]:
        """Those of `rows` whose audio is skipped until their receivers catch up."""
        return [row for row in self._seams if row in rows]

    def reset(self, row: int, now_s: float) -> None:
        """Start a call."""
        self.clock.reset(row, now_s)
        self.queue.reset(row, now_s)
        for table in (
            *(self._special, self._late, self._concealed_s, self._skipped_s),
            *(self._rough, self._crowded, self._spliced_s),
        ):
            table[row] = 0
        self._is_told[row] = True
        self.release(row)

    def release(self, row: int) -> None:
        """A call has ended: nothing of it falls due any more."""
        self.queue.release(row)
        self._playouts.pop(row, None)
        self._seams.pop(row, None)

    # When audio comes.

    def admit(
        self, rows: Rows, pcm: Int16, rate_hz: int, now_s: float
    ) -> tuple[Rows, Int16]:
        """Which of `[k, n]` that has come for `rows` goes on now, and as what."""
        seconds = pcm.shape[1] / rate_hz
        arrived_s, begins = self.clock.arrived_s[rows], self.clock.is_paused[rows]
        late_s = self.clock.note(rows, seconds, now_s)
        late = late_s > _LATE_S
        if np.count_nonzero(late):
            self._late[rows] += late
        clock_s = self._receiver.clock_s(rows, now_s)
        if np.count_nonzero(begins):
            self._began_s[rows[begins]] = now_s
            self.queue.begin(rows[begins], clock_s[begins])
        level_s = self.queue.level_s(rows, clock_s)
        special = self._special[rows]
        perhaps = level_s > _FIRST_SHARE * self._backlog_s
        if not np.count_nonzero(special | perhaps):
            return rows, pcm  # the usual case
        piled_up = level_s > self._spared_s(rows, now_s) + self.queue.starved_s[rows]
        at_once = now_s - arrived_s < seconds / 2
        piled_up &= at_once | special | (level_s > _MOST_PILED_S)
        special |= piled_up
        if not np.count_nonzero(special):
            return rows, pcm
        kept = np.ones(len(rows), np.bool_)
        for i in np.flatnonzero(special).tolist():
            kept[i] = self._take(int(rows[i]), pcm[i], rate_hz, now_s, piled_up[i])
        return rows[kept], pcm[kept]

    def _spared_s(self, rows: Rows, now_s: float) -> Float64:
        """How much of what has piled up goes on.

        It is little where nobody waits for it: what was said while the call was being
        joined, and what comes behind so long a stall that silence has taken its place.
        """
        is_young = now_s - self._began_s[rows] < _FIRST_S
        return self._backlog_s * np.where(is_young, _FIRST_SHARE, 1.0)

    def _take(
        self, row: int, pcm: Int16, rate_hz: int, now_s: float, piled_up: bool
    ) -> bool:
        """Whether `[n]` goes on now; it may begin with another's seam then."""
        playout = self._playouts.get(row)
        if playout is not None and playout.rate_hz != rate_hz:
            self._leave(row)  # the far end has changed its rate
            playout = None
        if playout is not None and not self._rough[row] and not playout.held_s:
            self._leave(row)
            playout = None
        elif playout is None and self._rough[row]:
            playout = self._playouts[row] = Playout(rate_hz)
        if playout is not None and playout.is_primed:
            playout.push(pcm, now_s, float(self.clock.outlier_s[row]))
            return False
        if playout is not None:
            playout.prime(pcm, now_s)
        if piled_up:
            self._seams.setdefault(row, pcm[: int(_SEAM_S * rate_hz)].copy())
            self._skipped_s[row] += len(pcm) / rate_hz
            self._special[row] = True
            return False
        seam = self._seams.pop(row, pcm[:0])[: len(pcm)]
        pcm[: len(seam)] = crossfaded(seam, pcm[: len(seam)])
        self._special[row] = self._rough[row] or row in self._playouts
        return True

    def paused(self, rows: Rows) -> None:
        """The sources are quiet: their next audio cannot be late."""
        self.clock.pause(rows)

    # Rough sources.

    def next_due_s(self) -> float | None:
        """When `due` has something next."""
        return min(
            (one.due_s for one in self._playouts.values() if one.is_running),
            default=None,
        )

    def due(self, now_s: float) -> Iterator[tuple[int, int, Int16]]:
        """Row, rate and frame of each call of which one is due.

        Deadlines that we have missed are not made up for in a burst.
        """
        for row, playout in list(self._playouts.items()):
            one = np.array([row], np.intp)
            if now_s - playout.due_s > _MISSED_S:
                playout.due_s = now_s
            while playout.is_running and playout.due_s <= now_s + _DUE_S:
                behind_s = float(self.clock.behind_s(one, now_s)[0])
                outlier_s = float(self.clock.outlier_s[row])
                drift = float(self.clock.drift(one)[0])
                yield row, playout.rate_hz, playout.pull(behind_s, outlier_s, drift)

    def _leave(self, row: int) -> None:
        playout = self._playouts.pop(row)
        self._concealed_s[row] += playout.concealed_s
        self._skipped_s[row] += playout.skipped_s

    # What is written.

    def written(self, rows: Rows, seconds: Float64 | float, now_s: float) -> None:
        """Take note of what was sent to the receivers of `rows`."""
        if self._any_stands:
            self._see_who_goes_on(rows, now_s)
        self.queue.written(rows, seconds, self._receiver.clock_s(rows, now_s))
        if self._unread_s:
            self._see_who_stands(rows, seconds, now_s, self._unread_s)
            self._written_s[rows] = now_s

    def _seems_to_stand(self, rows: Rows, now_s: float) -> npt.NDArray[np.bool_]:
        seems = self._receiver.silent_s(rows, now_s) > _SILENT_S
        seems |= self._receiver.behind_s(rows, now_s) > _BEHIND_S
        return seems

    def _see_who_goes_on(self, rows: Rows, now_s: float) -> None:
        """Of receivers that stood still, those who speak again have taken all."""
        standing = rows[self.queue.standing(rows)]
        if standing.size:
            clock = self._receiver
            back = standing[~self._seems_to_stand(standing, now_s)]
            back_s = clock.clock_s(back, clock.returned_s[back])
            self.queue.untaken(back, np.zeros(len(back)), back_s)
        self._any_stands = self.queue.any_stands()

    def _see_who_stands(
        self,
        rows: Rows,
        sent_s: Float64 | float,
        now_s: float,
        unread_s: Callable[[int], float | None],
    ) -> None:
        """Of silent receivers those who left what was sent before stand still."""
        asked = self._seems_to_stand(rows, now_s)
        if not asked.any():
            return
        asked &= self._is_worth_asking(rows, now_s)
        if not asked.any():
            return
        sent_s, rows = np.broadcast_to(sent_s, len(rows))[asked], rows[asked]
        told = [unread_s(row) for row in rows.tolist()]
        self._asked_s[rows] = now_s
        self._is_told[rows] = [one is not None for one in told]
        left_s = np.array([one or 0.0 for one in told])
        untaken_s = np.where(left_s > sent_s, left_s, 0)
        self.queue.untaken(rows, untaken_s, self._receiver.clock_s(rows, now_s))
        self._any_stands |= bool(untaken_s.any())

    def _is_worth_asking(self, rows: Rows, now_s: float) -> npt.NDArray[np.bool_]:
        """Whose answer may be news.

        Nobody can have taken what has only just been sent, and who was silent for long
        and goes all the same has nothing to say: a client on hold, or a muted one.
        """
        settled = now_s - self._written_s[rows] > _TAKEN_S
        young = self._receiver.silent_s(rows, now_s) < _YOUNG_S
        young |= now_s - self._asked_s[rows] > _ASK_AGAIN_S
        return self._is_told[rows] & (settled & young | self.queue.standing(rows))

    def shorten(
        self, rows: Rows, pcm: Int16, counts: Counts, rate_hz: int, now_s: float
    ) -> None:
        """Splice what goes to receivers whose queues have grown, in place."""
        left_s = self.queue.recent_s[rows]
        if left_s.max(initial=0) < _SPACIOUS_S:
            return
        left_s = left_s - np.where(self._rough[rows], 0, self.clock.outlier_s[rows])
        self._crowded[rows] &= left_s > _SPACIOUS_S
        self._crowded[rows] |= self.clock.is_judged[rows] & (left_s > _CROWDED_S)
        waited = now_s - self._spliced_s[rows] >= _SPLICE_EVERY_S
        crowded = self._crowded[rows] & waited
        for i in np.flatnonzero(crowded).tolist():
            shorter = spliced(pcm[i, : counts[i]], rate_hz)
            removed = int(counts[i]) - len(shorter)
            if removed:
                pcm[i, : len(shorter)] = shorter
                counts[i] = len(shorter)
                self._spliced_s[rows[i]] = now_s
                self._skipped_s[rows[i]] += removed / rate_hz
                self.queue.removed(rows[i : i + 1], np.array([removed / rate_hz]))

    # Once in a while.

    def steer(self, rows: Rows, now_s: float) -> None:
        """Choose the ratio to the receivers' clocks. For each frame's time."""
        if self._unread_s:
            self._see_who_stands(rows, 0.0, now_s, self._unread_s)
        self.queue.steer(rows, self._receiver.drift(rows) - self.clock.drift(rows))

    def refit(self, rows: Rows, now_s: float) -> None:
        """Close the second that has passed, and see which sources have become rough."""
        self.clock.refit(rows, now_s)
        self.queue.refit(rows, self._forgotten_s)
        late_s = self.clock.lateness_s[rows]
        self._rough[rows] &= late_s > self._rough_s / 2
        self._rough[rows] |= late_s > self._rough_s
        self._special[rows] |= self._rough[rows]

    def timeliness(self, row: int) -> Timeliness:
        """The figures of one call."""
        one, playout = np.array([row], np.intp), self._playouts.get(row)
        delay_s = float(self.queue.least_s(one)[0]) if not self._forgotten_s else 0.0
        delay_s += playout.delay_s if playout else 0.0
        concealed_s = self._concealed_s[row] + (playout.concealed_s if playout else 0)
        skipped_s = self._skipped_s[row] + (playout.skipped_s if playout else 0)
        return Timeliness(
            delay_ms=round(delay_s * 1000, 2),
            drift_ppm=round(float(self.clock.drift(one)[0]) * 1e6, 2),
            late=int(self._late[row]),
            concealed_ms=round(float(concealed_s) * 1000, 1),
            skipped_ms=round(float(skipped_s) * 1000, 1),
            smoothed=playout is not None,
        )
