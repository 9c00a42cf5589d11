"""Lines that come, change and go, while others have calls."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from skypechan.backends.base import Capabilities, LineLeg, LineObserver, LineState
from skypechan.call.events import EventSink
from skypechan.errors import CallError
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.settings import LineSettings
from skypechan.gateway.turnover import Turnover
from tests.doubles.clock import FakeClock, settle


class Client:
    """A backend that tells whether it is attached."""

    capabilities = Capabilities()

    def __init__(self) -> None:
        self.attached = False
        self.times = 0

    async def run(self, observer: LineObserver) -> None:
        self.attached, self.times = True, self.times + 1
        observer.line_changed(LineState.READY, "", "")
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.attached = False

    async def place(self, address: str, sink: EventSink) -> LineLeg:
        raise AssertionError(address)


class House:
    """Two lines in their places, and what was told of others."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.lines = Lines([self.line("a"), self.line("b")])
        self.taken_in: list[Line] = []
        self.gone: list[str] = []
        self.turnover = Turnover(
            self.lines, self.taken_in.append, lambda line: self.gone.append(line.name)
        )

    def line(self, name: str, settings: LineSettings | None = None) -> Line:
        return Line(name, settings or LineSettings(), Client(), self.clock)

    @property
    def names(self) -> list[str]:
        return [line.name for line in self.lines]


def client(line: Line) -> Client:
    assert isinstance(line.backend, Client)
    return line.backend


@pytest.fixture
async def house() -> AsyncIterator[House]:
    made = House()

    async def serve() -> None:
        async with asyncio.TaskGroup() as tasks:
            made.turnover.run_in(tasks)
            await asyncio.get_running_loop().create_future()  # as the gateway does

    serving = asyncio.create_task(serve())
    await settle()
    yield made
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


async def test_a_new_line_is_taken_in_and_served(house: House) -> None:
    new = house.line("c")
    assert house.turnover.turn("c", new) is False
    await settle()
    assert house.taken_in[-1] is new
    assert new.is_idle
    assert house.names == ["a", "b", "c"]


async def test_an_idle_line_goes_at_once_and_lets_go_of_its_client(
    house: House,
) -> None:
    old = house.lines["a"]
    assert house.turnover.turn("a", None) is False
    assert old.state is LineState.STOPPED
    await settle()
    assert old.has_parted
    assert not client(old).attached
    assert (house.names, house.gone) == (["b"], ["a"])


async def test_a_line_with_a_call_takes_no_other_and_goes_after_it(
    house: House,
) -> None:
    old = house.lines["a"]
    old.seize("call")
    assert house.turnover.turn("a", None) is True
    await settle()
    assert client(old).attached
    assert (old.state, old.reason) == (
        LineState.READY,
        "will be removed when its call has ended",
    )
    with pytest.raises(CallError, match="will be removed when its call has ended"):
        house.lines.select("a")
    assert house.lines.select("ANY").name == "b"
    old.free("call")
    await settle()
    assert house.names == ["b"]
    assert not client(old).attached


async def test_a_line_is_replaced_after_its_call_and_keeps_its_place(
    house: House,
) -> None:
    old, new = house.lines["a"], house.line("a")
    old.seize("call")
    assert house.turnover.turn("a", new) is True
    await settle()
    assert old.reason == "will be replaced when its call has ended"
    assert not client(new).attached
    old.free("call")
    await settle()
    assert [*house.lines] == [new, house.lines["b"]]
    assert client(new).attached
    assert not client(old).attached
    assert new.calls_total == 1
    assert house.gone == []


async def test_what_the_operator_made_of_a_line_outlives_its_replacement(
    house: House,
) -> None:
    old = house.lines["a"]
    old.pause()
    old.playback_db, old.capture_db = 3.0, -3.0
    new = house.line("a", LineSettings(capture_boost_db=6))
    house.turnover.turn("a", new)
    await settle()
    assert new.state is LineState.PAUSED
    # The configuration has said something else of the second gain only.
    assert (new.playback_db, new.capture_db) == (3.0, 6.0)


async def test_only_the_last_of_those_who_shall_follow_does(house: House) -> None:
    old, first, second = house.lines["a"], house.line("a"), house.line("a")
    old.seize("call")
    house.turnover.turn("a", first)
    house.turnover.turn("a", None)
    house.turnover.turn("a", second)
    old.free("call")
    await settle()
    assert house.lines["a"] is second
    assert client(first).times == 0
    assert client(second).attached


async def test_a_line_whose_client_another_has_waits_for_that(house: House) -> None:
    old, new = house.lines["a"], house.line("c")
    old.seize("call")
    house.turnover.turn("a", None)
    assert house.turnover.turn("c", new, [old]) is True
    await settle()
    assert client(new).times == 0
    assert (new.state, new.reason) == (
        LineState.STARTING,
        "waits until another line has let go of its client",
    )
    new.restart()  # is no way round it
    await settle()
    assert client(new).times == 0
    old.free("call")
    await settle()
    assert client(new).attached
    assert not client(old).attached


async def test_two_lines_that_change_clients_do_not_wait_for_ever(
    house: House,
) -> None:
    old, other = house.lines["a"], house.lines["b"]
    first, second = house.line("a"), house.line("b")
    old.seize("call")
    house.turnover.turn("a", first, [other])
    house.turnover.turn("b", second, [old])
    await settle()
    assert not client(second).attached
    old.free("call")
    await settle()
    assert client(first).attached
    assert client(second).attached


async def test_a_line_that_waits_can_be_taken_back(house: House) -> None:
    never = house.line("never")
    house.turnover.turn("c", house.line("c"), [never])
    await settle()
    house.turnover.turn("c", None)
    await settle()
    assert house.names == ["a", "b"]


async def test_settings_hold_at_once_also_for_who_waits_for_the_place(
    house: House,
) -> None:
    old, settings = house.lines["a"], LineSettings(ring_seconds=5)
    old.seize("call")
    house.turnover.turn("a", house.line("a"))
    newest = house.line("a", replace(settings, playback_boost_db=2))
    house.turnover.set(newest)
    assert (old.settings.ring_seconds, old.playback_db) == (5, 2)
    old.free("call")
    await settle()
    assert house.lines["a"] is newest


async def test_the_kind_of_client_stays_until_the_line_is_replaced(
    house: House,
) -> None:
    house.turnover.set(house.line("a", LineSettings(backend="echo", ring_seconds=5)))
    assert house.lines["a"].settings == LineSettings(ring_seconds=5)


async def test_lines_stand_in_the_order_that_they_are_given(house: House) -> None:
    house.turnover.turn("c", house.line("c"))
    house.lines.arrange(["c", "a"])
    assert house.names == ["c", "a", "b"]


async def test_only_a_call_is_said_to_be_in_the_way(house: House) -> None:
    old = house.lines["a"]
    assert house.turnover.turn("a", None) is False
    assert house.turnover.turn("c", house.line("c"), [old]) is False
    await settle()
    assert house.lines["c"].is_idle


class Wishes:
    """Random wishes of an operator and random calls, and what must always hold."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.chance = random.Random(seed)
        self.made = [*house.lines]
        self.wanted: dict[str, Line | None] = {line.name: line for line in self.made}
        self.talking: dict[str, Line] = {}
        self.behind: dict[Line, list[Line]] = {}

    async def one_more(self) -> None:
        name = self.chance.choice("abcd")
        self.chance.choice((self.come, self.come, self.go, self.call, self.end))(name)
        line = self.house.lines.get(name)
        if line is not None and self.chance.random() < 0.2:
            self.chance.choice((line.restart, line.pause, line.resume))()
        if self.chance.random() < 0.7:
            await settle()
            self.check()

    def come(self, name: str) -> None:
        self.wanted[name] = new = self.house.line(name)
        self.made.append(new)
        wanted = self.wanted.values()
        leaving = [line for line in self.house.lines if line not in wanted]
        behind = self.chance.sample(leaving, min(len(leaving), 2))
        self.behind[new] = behind
        self.house.turnover.turn(name, new, behind)

    def go(self, name: str) -> None:
        self.wanted[name] = None
        self.house.turnover.turn(name, None)

    def call(self, name: str) -> None:
        line = self.house.lines.get(name)
        if line is not None and line.is_idle:
            call = f"call {len(self.made)} {self.chance.random()}"
            line.seize(call)
            self.talking[call] = line

    def end(self, _: str) -> None:
        if self.talking:
            call, line = self.talking.popitem()
            line.free(call)

    def check(self) -> None:
        for line in self.talking.values():
            assert self.house.lines[line.name] is line
            assert client(line).attached
        for line, others in self.behind.items():
            if client(line).attached:
                assert not any(client(other).attached for other in others)
        for name in "abcd":
            assert sum(client(x).attached for x in self.made if x.name == name) <= 1


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_is_wished_in_whatever_order_calls_go_on_and_it_comes_so(
    house: House, seed: int
) -> None:
    wishes = Wishes(house, seed)
    for _ in range(60):
        await wishes.one_more()
    while wishes.talking:
        wishes.end("")
    await settle()
    wanted = {name: line for name, line in wishes.wanted.items() if line is not None}
    assert {line.name: line for line in house.lines} == wanted
    for line in wishes.made:
        assert client(line).attached is (line in wanted.values())
