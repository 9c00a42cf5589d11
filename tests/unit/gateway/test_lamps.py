"""What a lamp shows of a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from skypechan.asterisk.devices import DeviceState
from skypechan.backends.base import LineState
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.machine import CallState
from skypechan.call.record import CallRecord, Direction
from skypechan.gateway.lamps import device_state
from skypechan.gateway.line import Line
from skypechan.gateway.runner import CallLimits, CallRunner
from skypechan.gateway.settings import LineSettings
from skypechan.media.engine import Engine, EngineSettings
from tests.doubles.clock import FakeClock


@pytest.fixture
def line() -> Line:
    made = Line("a", LineSettings(), EchoBackend(), FakeClock())
    made.line_changed(LineState.READY, "", "sales")
    return made


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    made = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=1))
    yield made
    made.close()


def test_a_line_without_a_call_shows_whether_it_takes_calls(line: Line) -> None:
    assert device_state(line, None) is DeviceState.NOT_INUSE
    line.pause()
    assert device_state(line, None) is DeviceState.BUSY
    line.resume()
    line.line_changed(LineState.SIGNED_OUT, "nobody is signed in", "")
    assert device_state(line, None) is DeviceState.UNAVAILABLE
    line.stop("the gateway stops")
    assert device_state(line, None) is DeviceState.UNAVAILABLE


@pytest.mark.parametrize(
    ("direction", "state", "shown"),
    [
        (Direction.TO_PBX, CallState.IDLE, DeviceState.RINGING),
        (Direction.TO_PBX, CallState.OFFERED, DeviceState.RINGING),
        (Direction.TO_PBX, CallState.ANSWERING_LINE, DeviceState.INUSE),
        (Direction.TO_PBX, CallState.ESTABLISHED, DeviceState.INUSE),
        (Direction.TO_LINE, CallState.IDLE, DeviceState.INUSE),
        (Direction.TO_LINE, CallState.RINGING, DeviceState.INUSE),
        (Direction.TO_LINE, CallState.RELEASING_LINE, DeviceState.INUSE),
    ],
)
def test_a_line_in_use_shows_how_far_its_call_is(
    line: Line,
    engine: Engine,
    direction: Direction,
    state: CallState,
    shown: DeviceState,
) -> None:
    record = CallRecord("call", direction)
    call = CallRunner(record, line, engine, FakeClock(), CallLimits(60, 0))
    call.state = state
    line.seize("call")
    line.pause()
    assert device_state(line, call) is shown
