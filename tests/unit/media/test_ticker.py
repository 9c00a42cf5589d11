"""The tick of the engine is alive while it does its work, and while there is none."""

from __future__ import annotations

import asyncio

import pytest

from skypechan.media.ticker import TICK_S, Ticker


class SteppedLoop(asyncio.SelectorEventLoop):
    """A loop whose time a test sets; it does not wait for its timers."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 100.0

    def time(self) -> float:
        return self.now_s

    def step_to(self, now_s: float) -> None:
        self.now_s = now_s
        self.call_soon(self.stop)
        self.run_forever()


@pytest.fixture
def loop():
    with asyncio.Runner(loop_factory=SteppedLoop) as runner:
        yield runner.get_loop()


def test_ticks_do_not_make_up_for_what_they_missed(loop: SteppedLoop) -> None:
    ticks: list[float] = []
    ticker = Ticker(loop, ticks.append)
    ticker.start()
    ticker.start()
    loop.step_to(100 + TICK_S + 0.001)
    assert ticks == [loop.now_s]
    loop.step_to(101.0)
    loop.step_to(101.0 + TICK_S / 2)
    assert ticks[1:] == [101.0]
    ticker.stop()
    loop.step_to(102.0)
    assert len(ticks) == 2


def test_a_tick_that_fails_again_and_again_is_dead(loop: SteppedLoop) -> None:
    def fail(_: float) -> None:
        raise ZeroDivisionError

    loop.set_exception_handler(lambda *_: None)
    ticker = Ticker(loop, fail)
    assert ticker.is_alive, "without a call there is nothing to do"
    ticker.start()
    loop.step_to(101.0)
    assert ticker.is_alive
    loop.step_to(105.5)
    assert not ticker.is_alive
    ticker.stop()
    assert ticker.is_alive


def test_a_tick_that_works_stays_alive(loop: SteppedLoop) -> None:
    ticker = Ticker(loop, lambda _: None)
    ticker.start()
    for second in range(101, 110):
        loop.step_to(float(second))
        assert ticker.is_alive
    ticker.stop()
