"""Who is let in, and what a fault may not reach."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.audiosocket.server import AudioSocketServer
from skypechan.asterisk.devices import Devices
from skypechan.asterisk.pbx import Pbx
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.backends.base import Capabilities, LineObserver, LineState
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.causes import DialStatus, HangupCause
from skypechan.call.events import LineReleased
from skypechan.call.record import Direction
from skypechan.call.routes import Route, Target
from skypechan.clock import SystemClock
from skypechan.errors import CallError, CommandError, LinkDownError
from skypechan.gateway.exchanges import Exchange
from skypechan.gateway.gateway import Gateway
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.paused import PausedLines
from skypechan.gateway.records import RecordBook, RecordSettings
from skypechan.gateway.settings import LineSettings
from skypechan.media.engine import Engine, EngineSettings
from tests.doubles.clock import FakeClock, settle


class FaultyBackend:
    """A backend with a fault of ours in it: it raises what nobody expects."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        self.runs = 0

    async def run(self, observer: LineObserver) -> None:
        self.runs += 1
        observer.line_changed(LineState.READY, "", "")
        raise ZeroDivisionError


class House:
    """A gateway with two echo lines and a faulty one, and no Asterisk."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.echo = EchoBackend()
        self.faulty = FaultyBackend()
        self.lines = Lines(
            Line(name, LineSettings(backend="echo"), backend, clock)
            for name, backend in (("first", self.echo), ("faulty", self.faulty))
        )
        # Port 9 is "discard": nobody answers there.
        settings = AsteriskSettings(ami="127.0.0.1:9", audiosocket_listen="127.0.0.1:0")
        link = AmiLink(settings, SystemClock())
        self.pbx = Pbx(link, AudioSocketServer(settings, clock), clock)
        self.engine = Engine(asyncio.get_running_loop(), EngineSettings(most_calls=2))
        routes = [Route(Target("555", "phones"), caller="boss")]
        records = RecordBook(RecordSettings(), Path(), clock)
        self.gateway = Gateway(
            self.lines,
            [Exchange(self.pbx, Devices(link, clock))],
            self.engine,
            routes,
            clock,
            records,
            PausedLines(None, clock),
        )


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House(FakeClock())
    serving = asyncio.create_task(made.gateway.run())
    await settle()
    yield made
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    made.engine.close()


async def recorded(house: House, number: int) -> None:
    async with asyncio.timeout(5):
        # The refused connection to AMI is the kernel's doing: let the loop turn.
        while len(house.gateway.records()) < number:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_a_call_without_asterisk_is_released_and_recorded(house: House) -> None:
    leg = house.echo.call_in("boss", "The Boss")
    await recorded(house, 1)
    record = house.gateway.records()[0]
    assert record.direction is Direction.TO_PBX
    assert record.address == "555@phones"
    assert record.caller_name == "The Boss"
    assert record.cause is HangupCause.TEMPORARY_FAILURE
    assert record.line_call == leg.leg_id
    assert house.lines["first"].is_idle


async def test_a_second_call_of_a_busy_line_is_turned_away(house: House) -> None:
    line = house.lines["first"]
    line.seize("another")
    leg = house.echo.call_in("carol")
    ended: list[object] = []
    leg.sink = ended.append
    await settle()
    record = house.gateway.records()[0]
    assert (record.cause, record.status) == (HangupCause.USER_BUSY, DialStatus.BUSY)
    assert ended == [LineReleased(HangupCause.NORMAL_CLEARING)]
    assert line.call_id == "another"


async def test_a_fault_in_one_line_costs_that_line_only(house: House) -> None:
    lines = (await house.gateway.snapshot()).lines
    assert [line.state for line in lines] == ["ready", "degraded"]
    assert house.faulty.runs == 1
    await house.clock.advance(1)
    assert house.faulty.runs == 2


async def test_the_totals_count_by_direction_and_status(house: House) -> None:
    house.lines["first"].seize("another")
    house.echo.call_in("carol")
    await settle()
    assert (await house.gateway.snapshot()).calls_total == {"to_pbx/BUSY": 1}


async def test_there_is_no_such_call_to_hang_up(house: House) -> None:
    assert house.gateway.hangup("c1") is False


async def test_without_asterisk_the_gateway_is_not_ready(house: House) -> None:
    snapshot = await house.gateway.snapshot()
    assert not snapshot.is_ready
    assert snapshot.links[0].name == "asterisk"


async def test_a_self_test_without_asterisk_fails_with_the_reason(
    house: House,
) -> None:
    verdict = await house.gateway.self_test()
    await settle()
    assert not verdict.passed
    assert "no AMI" in verdict.reason
    assert house.gateway.last_self_test == verdict
    assert [one.line for one in house.gateway.records()] == ["self-test"]


async def test_a_second_self_test_is_refused_while_one_runs(house: House) -> None:
    first, second = await asyncio.gather(
        house.gateway.self_test(), house.gateway.self_test(), return_exceptions=True
    )
    assert first is house.gateway.last_self_test
    assert isinstance(second, CommandError)


@pytest.mark.parametrize("line", ["nobody", "faulty"])
async def test_a_click_needs_a_line_that_can_take_the_call(
    house: House, line: str
) -> None:
    with pytest.raises(CallError):
        await house.gateway.click(line, "echo", None)


async def test_a_click_without_asterisk_says_so(house: House) -> None:
    with pytest.raises(LinkDownError):
        await house.gateway.click("first", "echo", Target("555", "phones"))


async def test_the_operator_pauses_resumes_and_restarts_lines(house: House) -> None:
    gateway, line = house.gateway, house.lines["first"]
    assert gateway.pause("first")
    assert line.state is LineState.PAUSED
    assert gateway.restart("first")
    await settle()
    assert line.state is LineState.PAUSED
    assert gateway.resume("first")
    assert line.is_idle
    assert not any((gateway.pause("x"), gateway.resume("x"), gateway.restart("x")))


async def drained(house: House, draining: asyncio.Task[int]) -> int:
    async with asyncio.timeout(5):
        while not draining.done():
            await house.clock.advance(0.1)
    return await draining


async def test_a_drained_gateway_lets_no_call_in_and_waits_for_those_it_has(
    house: House,
) -> None:
    house.echo.call_in("boss", "The Boss")
    draining = asyncio.create_task(house.gateway.drain(60))
    await asyncio.sleep(0)
    assert (await house.gateway.snapshot()).calls
    assert house.lines["first"].state is LineState.STOPPED
    house.echo.call_in("other", "Too Late")
    assert house.gateway.records()[-1].reason == "the gateway is drained"
    assert not house.gateway.stop_wanted.is_set()
    assert await drained(house, draining) == 0
    assert house.gateway.stop_wanted.is_set()


async def test_a_drain_whose_time_is_up_tells_how_many_calls_are_left(
    house: House,
) -> None:
    house.echo.call_in("boss", "The Boss")
    assert await house.gateway.drain(0) == 1
    assert house.gateway.stop_wanted.is_set()


async def test_gains_of_a_line_are_kept_within_their_limits(house: House) -> None:
    gateway, line = house.gateway, house.lines["first"]
    assert gateway.set_gain("first", playback_db=6)
    assert gateway.set_gain("first", capture_db=-3)
    assert (line.playback_db, line.capture_db) == (6, -3)
    with pytest.raises(CommandError, match="not within"):
        gateway.set_gain("first", capture_db=41)
    assert (line.playback_db, line.capture_db) == (6, -3)
    assert not gateway.set_gain("x", capture_db=1)
