"""Whatever way audio comes, delay and every figure of it stay within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.audio.drift import SourceClock
from skypechan.media.settings import EngineSettings
from skypechan.media.timing import Timing, refit
from tests.unit.audio.signals import voice

RATE_HZ = 16_000
FRAME_S = 0.020
SPEECH = voice(1.0).reshape(-1, 320)
SETTINGS = EngineSettings()
MOST_S = 0.5 + 0.3 + FRAME_S  # a playout's, a queue's, and the frame itself

EVENTS = st.one_of(
    st.tuples(st.just("paced"), st.integers(1, 120)),
    st.tuples(st.just("burst"), st.integers(1, 40)),
    st.tuples(st.just("quiet"), st.floats(0.001, 1.5)),
    st.tuples(st.just("rough"), st.integers(1, 400)),
)


class Call:
    """One direction, called as the engine does; how much went in and out."""

    def __init__(self, seed: int) -> None:
        self.receiver = SourceClock(0.0)
        self.timing = Timing(SETTINGS, 0.0, self.receiver)
        self.now_s, self.second_s, self.came_s = 0.0, 1.0, -1.0
        self.came = self.went = self.number = 0
        self.rng = np.random.default_rng(seed)

    def event(self, kind: str, amount: float) -> None:
        match kind:
            case "quiet":
                self.wait(amount)
            case "burst":
                for _ in range(int(amount)):
                    self.frame()
            case _:
                for _ in range(int(amount)):
                    late_s = self.rng.uniform(0, 0.04) if kind == "rough" else 0
                    self.wait(max(FRAME_S + late_s - self.rng.uniform(0, late_s), 0))
                    self.frame()

    def wait(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            due_s = self.timing.due_s
            tick_s = (int(self.now_s / FRAME_S) + 1) * FRAME_S
            self.now_s = max(min(end_s, tick_s, due_s or end_s), self.now_s + 1e-6)
            for _, frame in self.timing.due(self.now_s):
                self.send(frame.copy())
            if self.now_s - self.came_s > SETTINGS.gap_ms / 1000:
                self.timing.paused()
            self.timing.steer(self.now_s)
            if self.now_s >= self.second_s:
                refit([self.timing], self.now_s)
                self.second_s += 1

    def frame(self) -> None:
        self.number += 1
        pcm = SPEECH[self.number % len(SPEECH)].copy()
        self.came += len(pcm)
        self.came_s = self.now_s
        if self.timing.admit(pcm, RATE_HZ, self.now_s):
            self.send(pcm)

    def send(self, pcm: np.ndarray) -> None:
        length = self.timing.shorten(pcm, len(pcm), RATE_HZ, self.now_s)
        assert 0 <= length <= len(pcm)
        self.went += length
        self.timing.written(length / RATE_HZ, self.now_s)


@settings(max_examples=30, deadline=None)
@given(events=st.lists(EVENTS, min_size=1, max_size=12), seed=st.integers(0, 99))
def test_any_arrivals_leave_delay_and_figures_bounded(
    events: list[tuple[str, float]], seed: int
) -> None:
    call = Call(seed)
    for kind, amount in events:
        call.event(kind, amount)
        figures = call.timing.timeliness()
        numbers = (figures.delay_ms, figures.drift_ppm, figures.concealed_ms)
        assert np.isfinite(numbers).all()
        assert 0 <= figures.delay_ms <= 1000 * MOST_S
        assert abs(figures.drift_ppm) <= 2_000
        level_s = call.timing.queue.level_s(call.now_s)
        assert level_s <= MOST_S
        ratio = call.timing.queue.ratio
        assert abs(ratio - 1) <= 3_001e-6
        # Nothing is made of nothing, and what is gone is told.
        made = figures.concealed_ms * RATE_HZ / 1000
        gone = figures.skipped_ms * RATE_HZ / 1000
        assert call.went <= call.came + made + RATE_HZ / 1000
        assert call.went >= call.came - gone - MOST_S * RATE_HZ


@pytest.mark.parametrize("samples", [1, 32, 64, 320])
def test_a_piece_of_any_length_may_follow_what_was_skipped(samples: int) -> None:
    timing = Timing(SETTINGS, 0.0)
    for _ in range(9):
        if timing.admit(SPEECH[0].copy(), RATE_HZ, 5.0):
            timing.written(FRAME_S, 5.0)
    assert timing.is_skipping
    assert timing.admit(SPEECH[1, :samples].copy(), RATE_HZ, 6.0)
    assert not timing.is_skipping


class Asked:
    """A line that speaks and then not, to which is sent, and what it leaves unread."""

    def __init__(self) -> None:
        self.questions = 0
        self.unread_s: float | None = 0.0
        self.now_s = 0.0
        self.begin()

    def begin(self) -> None:
        self.receiver = SourceClock(self.now_s)
        self.timing = Timing(SETTINGS, self.now_s, self.receiver, self._unread)

    def _unread(self) -> float | None:
        self.questions += 1
        return self.unread_s

    def run(self, seconds: float, *, speaks: bool) -> int:
        """How often it was asked while so much was sent, as the engine sends."""
        self.questions = 0
        for _ in range(round(seconds / FRAME_S)):
            for work in (self._send, self._steer):
                self.now_s += FRAME_S / 2
                if speaks:
                    self.receiver.note(FRAME_S / 2, self.now_s)
                work()
        return self.questions

    def _send(self) -> None:
        self.timing.written(FRAME_S, self.now_s)

    def _steer(self) -> None:
        self.timing.steer(self.now_s)


def test_a_line_that_is_silent_and_takes_all_is_asked_often_only_at_first() -> None:
    line = Asked()
    assert line.run(1, speaks=True) == 0
    assert line.run(0.5, speaks=False) >= 40
    assert 10 <= line.run(4, speaks=False) <= 20
    line.run(1, speaks=True)
    assert line.run(0.5, speaks=False) >= 40


def test_a_line_that_stands_is_asked_each_time_however_long_it_was_silent() -> None:
    line = Asked()
    line.run(1, speaks=True)
    line.run(4, speaks=False)
    line.unread_s = 0.5
    line.run(0.3, speaks=False)
    assert line.run(4, speaks=False) == 400


def test_who_is_not_told_of_is_not_asked_about_again_in_this_call() -> None:
    line = Asked()
    line.unread_s = None
    assert line.run(4, speaks=False) == 1
    line.begin()
    assert line.run(4, speaks=False) == 1
