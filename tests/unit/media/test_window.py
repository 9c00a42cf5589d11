"""The window before a pass: by the load, from the start of one, none in a backlog."""

from __future__ import annotations

import pytest

from skypechan.media.window import Window


class Engine:
    """Runs passes one after another: as soon as one may begin and something is there.

    Something new is there `every_s`, and a pass over what has come costs `fixed_s`
    and `each_s` for each.
    """

    def __init__(self, every_s: float, fixed_s: float = 0.0004, each_s: float = 2e-5):
        self.window = Window()
        self.every_s, self.fixed_s, self.each_s = every_s, fixed_s, each_s
        self.now_s = self.taken_s = 1_000.0

    def run(self, seconds: float) -> set[float]:
        """The windows that were chosen in the last second."""
        chosen, end_s = set(), self.now_s + seconds
        while self.now_s < end_s:
            begin_s = max(self.now_s, self.taken_s + self.every_s)
            come = int((begin_s - self.taken_s) / self.every_s + 1e-6)
            self.taken_s += come * self.every_s
            finish_s = begin_s + self.fixed_s + come * self.each_s
            next_s = self.window.next_s(begin_s, finish_s, again=False)
            self.now_s = max(next_s, finish_s)
            if self.now_s > end_s - 1:
                chosen.add(self.window.seconds)
        return chosen


def arrivals(calls: int) -> float:
    """Seconds between what comes of so many calls: two pieces and a message a frame."""
    return 0.020 / 3 / calls


def test_nothing_is_gathered_with_few_calls() -> None:
    assert Engine(arrivals(1)).run(5) == {0}
    assert Engine(arrivals(5)).run(5) == {0}


@pytest.mark.parametrize("calls", [20, 50, 100, 200, 250])
def test_load_opens_a_window_that_stays_as_it_is(calls: int) -> None:
    engine = Engine(arrivals(calls))
    (chosen,) = engine.run(5)
    assert chosen in (0.0005, 0.001, 0.002, 0.004)
    assert engine.run(5) == {chosen}


def test_more_load_never_makes_it_smaller() -> None:
    chosen = [max(Engine(arrivals(calls)).run(5)) for calls in range(1, 260, 20)]
    assert chosen == sorted(chosen)
    assert chosen[-1] == 0.004


def test_it_closes_again_when_the_load_has_gone() -> None:
    engine = Engine(arrivals(250))
    engine.run(5)
    engine.every_s = arrivals(1)
    engine.run(3)
    assert engine.run(1) == {0}


def test_a_pause_without_passes_counts_as_idle() -> None:
    engine = Engine(arrivals(250))
    engine.run(5)
    before = engine.window.seconds
    engine.now_s = engine.taken_s = engine.now_s + 60
    engine.window.next_s(engine.now_s, engine.now_s + 0.001, again=False)
    assert engine.window.seconds < before


def test_deadline_is_counted_from_the_start_of_the_pass() -> None:
    engine = Engine(arrivals(250))
    engine.run(5)
    begin_s, window_s = engine.now_s, engine.window.seconds
    for taken_s in (0.0, 0.003, 0.009):
        next_s = engine.window.next_s(begin_s, begin_s + taken_s, again=False)
        assert next_s == begin_s + window_s


def test_backlog_is_drained_at_once_but_a_flood_not_for_ever() -> None:
    engine = Engine(arrivals(250))
    engine.run(5)
    at_s = engine.now_s
    deadlines = []
    for _ in range(40):
        deadlines.append(engine.window.next_s(at_s, at_s + 0.001, again=True) - at_s)
        at_s += 0.001
    drained = [deadline < 0.0015 for deadline in deadlines]
    assert drained == [True] * 16 + [False] * 24


def test_pieces_in_their_pace_are_no_backlog() -> None:
    engine = Engine(arrivals(250))
    engine.run(5)
    at_s = engine.now_s + 1
    for _ in range(3):
        window_s = engine.window.next_s(at_s, at_s + 0.009, again=True) - at_s
        assert window_s == pytest.approx(engine.window.seconds)
        at_s += 0.010


def test_full_is_what_takes_all_the_time_for_a_second_however_it_gathers() -> None:
    engine = Engine(arrivals(200))
    engine.run(5)
    assert not engine.window.is_full
    assert 0.3 < engine.window.share < 0.9
    flooded = Engine(arrivals(330))
    flooded.run(10)
    assert flooded.window.is_full
    assert flooded.window.takes_all
    flooded.every_s = arrivals(200)
    flooded.taken_s = flooded.now_s
    flooded.run(0.3)
    assert not flooded.window.is_full


def test_a_moment_of_load_opens_no_window() -> None:
    engine = Engine(arrivals(1))
    engine.run(1)
    engine.every_s = arrivals(300)
    assert engine.run(0.1) == {0}
    assert engine.run(1) != {0}
