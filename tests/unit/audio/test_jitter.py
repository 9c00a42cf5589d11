"""Playout hides lateness behind a bounded delay, and gets rid of what is too much."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skypechan.audio.jitter import Playout
from tests.unit.audio.signals import voice

RATE_HZ = 16_000
FRAME_S = 0.020
FRAME = 320


class Listener:
    """Frames that come late by a rule, played by a playout at its deadlines."""

    def __init__(self, outlier_s: float) -> None:
        self.playout = Playout(RATE_HZ)
        self.outlier_s = outlier_s
        self.heard: list[np.ndarray] = []
        self.delays_s: list[float] = []
        self.at_s: list[float] = []
        self._sent = 0
        self._at_s = 0.0

    def run(self, pcm: np.ndarray, late_s: Callable[[int], float]) -> None:
        """Send `pcm` and play what falls due meanwhile."""
        for begin in range(0, len(pcm), FRAME):
            self._sent += 1
            self._at_s = max(self._at_s, self._sent * FRAME_S + late_s(self._sent))
            self._play_until(self._at_s)
            piece = pcm[begin : begin + FRAME]
            if self.playout.is_primed:
                self.playout.push(piece, self._at_s, self.outlier_s)
            else:
                self.playout.prime(piece, self._at_s)
                self.heard.append(piece)
        self._received = self._sent

    def _play_until(self, now_s: float) -> None:
        playout = self.playout
        while playout.is_primed and not playout.is_dry and playout.due_s <= now_s:
            behind_s = playout.due_s - (self._sent - 1) * FRAME_S
            self.at_s.append(playout.due_s)
            self.heard.append(playout.pull(max(behind_s, 0), self.outlier_s, 0.0))
            self.delays_s.append(playout.delay_s)


def test_audio_in_time_passes_bit_by_bit() -> None:
    listener, pcm = Listener(0.0), voice(2.0)
    listener.run(pcm, lambda _: 0.0)
    heard = np.concatenate(listener.heard)
    first = listener.playout.concealed_s
    assert first <= FRAME_S  # the first deadline makes the margin
    begin = 3 * FRAME + round(first * RATE_HZ)
    tail = heard[begin + 1_600 :]
    np.testing.assert_array_equal(tail, pcm[3 * FRAME + 1_600 :][: len(tail)])


def test_late_frames_are_concealed_once_and_then_waited_for() -> None:
    rng = np.random.default_rng(1)
    listener = Listener(0.040)
    listener.run(
        voice(60.0), lambda _: rng.uniform(0, 0.040) if rng.random() < 0.05 else 0.0
    )
    assert 0 < listener.playout.concealed_s <= 0.060
    assert max(listener.delays_s) <= 0.065
    assert listener.playout.skipped_s == 0


def late_once(number: int) -> float:
    return max(0.0, 0.300 - (number - 100) * FRAME_S) if number >= 100 else 0.0


def test_a_stall_is_caught_up_within_a_second() -> None:
    listener = Listener(0.010)
    listener.run(voice(4.0), late_once)
    # 15 frames come at once at 2.3 s; then all is in time again.
    after = np.array(listener.at_s) >= 2.3 + 1.0
    assert max(np.array(listener.delays_s)[after]) <= 0.013 + 0.020
    assert listener.playout.skipped_s > 0.1


def test_silence_of_the_source_is_left_to_others_after_60_ms() -> None:
    listener = Listener(0.010)
    listener.run(voice(1.0), lambda _: 0.0)
    listener.run(voice(0.02), lambda _: 1.0)
    assert listener.playout.concealed_s <= 0.100
    assert not listener.playout.is_dry
    assert listener.playout.due_s == pytest.approx(1.02 + 1.0 + 0.013)


def test_too_much_delay_is_spliced_out_a_little_at_a_time() -> None:
    listener = Listener(0.070)
    rng = np.random.default_rng(1)
    listener.run(
        voice(10.0), lambda _: rng.uniform(0, 0.070) if rng.random() < 0.1 else 0.0
    )
    listener.outlier_s = listener.delays_s[-1] - 0.003 - 0.025
    listener.run(voice(20.0, pitch_hz=200), lambda _: 0.0)
    assert listener.delays_s[-1] <= listener.outlier_s + 0.003 + FRAME_S
    assert 0.004 <= listener.playout.skipped_s <= 0.030


@settings(max_examples=40, deadline=None)
@given(
    pieces=st.lists(
        st.tuples(st.integers(1, 1_920), st.floats(0, 0.4)), min_size=5, max_size=60
    ),
    outlier_s=st.floats(0, 0.08),
)
def test_any_arrivals_keep_every_figure_bounded(
    pieces: list[tuple[int, float]], outlier_s: float
) -> None:
    playout, now_s = Playout(RATE_HZ), 0.0
    signal = voice(0.12)
    for length, pause_s in pieces:
        now_s += pause_s
        while playout.is_primed and not playout.is_dry and playout.due_s <= now_s:
            frame = playout.pull(0.0, outlier_s, 200e-6)
            assert len(frame) == FRAME
            assert np.abs(frame.astype(int)).max() <= 2 * 8_000
        if playout.is_primed:
            playout.push(signal[:length], now_s, outlier_s)
        else:
            playout.prime(signal[:length], now_s)
        assert playout.held_s <= 0.5
        assert playout.due_s <= now_s + 0.25
