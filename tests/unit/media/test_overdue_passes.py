"""Whose fault it is that a frame is late: its source's, or that of a busy gateway."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import numpy as np
import pytest

from skypechan.media.call import Call, begin
from skypechan.media.hotpath import CHUNK_SAMPLES, HotPath
from skypechan.media.settings import EngineSettings
from skypechan.media.timing import refit
from skypechan.media.values import MediaStart
from tests.doubles.pcm_peers import message

SETTINGS = EngineSettings(most_calls=1)
FRAME = message(0x12, np.zeros(320, "<i2").tobytes())
FRAME_S, LATE_S = 0.020, 0.018


class Passes:
    """The hot path with one call, its passes made by hand at times of ours."""

    def __init__(self, opened: ExitStack) -> None:
        self.now_s = 1_000.0
        self.hot = HotPath(SETTINGS, lambda: self.now_s, self._lose, self._take)
        opened.callback(self.hot.close)
        line, self.line = socket.socketpair()
        pbx, self.pbx = socket.socketpair()
        for sock in (line, self.line, pbx, self.pbx):
            sock.setblocking(False)
            opened.callback(sock.close)
        start = MediaStart(
            line_receive=line,
            line_send=line,
            pbx=pbx,
            on_digit=lambda _: None,
            on_closed=lambda _: None,
        )
        hot = self.hot
        self.call: Call = begin(
            0,
            start,
            SETTINGS,
            hot.line_frames[0].data,
            hot.pbx_frames[0].data,
            hot.ports.wait_for_room,
            CHUNK_SAMPLES,
            self.now_s,
        )
        hot.ports.open_line(self.call, hot.receive_from_line)
        hot.ports.open_pbx(self.call, pbx, hot.receive_from_pbx)

    def _lose(self, _call: Call, _side: object, error: Exception) -> None:
        raise error

    def _take(self, _call: Call, kind: int, payload: bytes) -> None:
        raise AssertionError((kind, payload))

    def at(self, now_s: float) -> None:
        """Make a pass; behind one that was not idle the next is planned 4 ms later."""
        self.now_s = now_s
        self.hot.window._step = 4
        self.hot.run_pass()


@pytest.fixture
def passes() -> Iterator[Passes]:
    with ExitStack() as opened:
        yield Passes(opened)


@pytest.mark.parametrize("is_ours", [False, True])
def test_only_its_own_lateness_makes_a_source_rough(
    passes: Passes, is_ours: bool
) -> None:
    clock = passes.call.from_pbx.timing.clock
    for number in range(1, 400):
        due_s = 1_000 + number * FRAME_S
        late_s = 0.0 if number % 10 else LATE_S
        if not (late_s and is_ours):
            passes.at(due_s - FRAME_S / 2)  # the planned one finds nothing
        passes.pbx.send(FRAME)
        passes.at(due_s + late_s)
        with suppress(BlockingIOError):  # once it is rough, frames are put aside
            passes.line.recv(2_000)
        if number % 50 == 0:
            refit([passes.call.from_pbx.timing], passes.now_s)
    assert clock.is_judged
    assert clock.lateness_s == pytest.approx(0.0 if is_ours else LATE_S, abs=0.001)
