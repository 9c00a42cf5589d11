"""A configuration that is read again: all of it holds, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from skypechan.app import make_exchange, make_line
from skypechan.asterisk.audiosocket.server import AudioSocketServer
from skypechan.config.reader import LineConfig, load
from skypechan.config.reload import Reload
from skypechan.errors import CommandError, ConfigError
from skypechan.gateway.gateway import Gateway
from skypechan.gateway.line import Line
from skypechan.gateway.lines import Lines
from skypechan.gateway.paused import PausedLines
from skypechan.gateway.records import RecordBook
from skypechan.media.engine import Engine
from tests.doubles.clock import FakeClock, settle

# Port 9 is "discard": nobody answers there.
FRONT = '[asterisk]\nami = "127.0.0.1:9"\naudiosocket_listen = "127.0.0.1:0"\n'
MORE = '[asterisks.more]\nami = "127.0.0.1:9"\naudiosocket_listen = "127.0.0.1:0"\n'
ECHO = '[lines.{}]\nbackend = "echo"\n'
OF_MORE = 'asterisk = "more"\n'
SKYPE = '[lines.{}]\ndbus_address = "unix:path=/nowhere"\n'


class House:
    """A gateway of a file, without its Asterisks and without clients."""

    def __init__(self, path: Path, rest: str = "") -> None:
        self.path = path
        self.write(ECHO.format("a") + SKYPE.format("b") + rest)
        config = load(path, {})
        clock = FakeClock()
        self.make_line = partial(make_line, clock=clock, base=path.parent)
        self.lines = Lines(map(self.make_line, config.lines))
        exchanges = [
            make_exchange(
                name, one, AudioSocketServer(one, clock), config.contacts, clock
            )
            for name, one in {"": config.asterisk, **config.asterisks}.items()
        ]
        self.engine = Engine(asyncio.get_running_loop(), config.media)
        self.gateway = Gateway(
            self.lines,
            exchanges,
            self.engine,
            config.routes,
            clock,
            RecordBook(config.records, path.parent, clock),
            PausedLines(None, clock),
        )
        reload = Reload(config, self.gateway, self.line, {})
        self.gateway.on_reload = reload.reload

    def line(self, config: LineConfig) -> Line:
        if config.name == "impossible":
            raise ConfigError("cannot be served")
        return self.make_line(config)

    def write(self, text: str) -> None:
        self.path.write_text(FRONT + text)

    async def reload(self) -> list[str]:
        told = [*(await self.gateway.reload()).told()]
        await settle()
        return told

    @property
    def names(self) -> list[str]:
        return [line.name for line in self.lines]


@asynccontextmanager
async def serving(made: House) -> AsyncIterator[House]:
    task = asyncio.create_task(made.gateway.run())
    await settle()
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    made.engine.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with serving(House(tmp_path / "skypechan.toml")) as made:
        yield made


@pytest.fixture
async def branch(tmp_path: Path) -> AsyncIterator[House]:
    """The same with a second Asterisk, whose line is `c`."""
    path = tmp_path / "skypechan.toml"
    async with serving(House(path, MORE + ECHO.format("c") + OF_MORE)) as made:
        yield made


async def test_lines_come_and_go_in_the_order_of_the_file(house: House) -> None:
    kept = house.lines["a"]
    house.write(ECHO.format("c") + ECHO.format("a"))
    assert await house.reload() == [
        "line c is added",
        "line a is as it was",
        "line b is removed",
    ]
    assert house.names == ["c", "a"]
    assert house.lines["a"] is kept
    assert await house.reload() == ["line c is as it was", "line a is as it was"]


async def test_an_idle_line_under_another_name_waits_for_no_call(house: House) -> None:
    house.write(ECHO.format("a") + SKYPE.format("c"))
    assert await house.reload() == [
        "line a is as it was",
        "line c is added",
        "line b is removed",
    ]
    assert house.names == ["a", "c"]
    assert house.lines["c"].state == "waiting_for_client"


async def test_a_line_waits_for_what_one_that_left_in_an_earlier_reload_still_has(
    house: House,
) -> None:
    house.lines["b"].seize("call")
    house.write(ECHO.format("a"))
    await house.reload()
    house.write(ECHO.format("a") + SKYPE.format("c"))
    assert await house.reload() == [
        "line a is as it was",
        "line c is added when the call in its way has ended",
    ]
    assert house.names == ["a", "c", "b"]
    assert house.lines["c"].reason.startswith("waits until another line")
    house.lines["b"].free("call")
    await settle()
    assert house.names == ["a", "c"]
    assert house.lines["c"].state == "waiting_for_client"


async def test_a_line_that_comes_back_during_its_call_is_there_after_it(
    house: House,
) -> None:
    old = house.lines["b"]
    old.seize("call")
    house.write(ECHO.format("a"))
    await house.reload()
    house.write(ECHO.format("a") + SKYPE.format("b"))
    assert "line b is added when the call in its way has ended" in await house.reload()
    old.free("call")
    await settle()
    assert house.names == ["a", "b"]
    assert house.lines["b"] is not old
    assert house.lines["b"].state == "waiting_for_client"


async def test_a_gain_holds_at_once_unless_the_operator_has_his_own(
    house: House,
) -> None:
    line = house.lines["a"]
    house.gateway.set_gain("a", capture_db=-6)
    house.write(ECHO.format("a") + "playback_boost_db = 3\n" + SKYPE.format("b"))
    assert (await house.reload())[0] == (
        "line a has other settings from now on (playback_boost_db)"
    )
    assert house.lines["a"] is line
    assert (line.playback_db, line.capture_db) == (3, -6)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (ECHO.format("c") + "ring_second = 1\n", r"skypechan\.toml:6: .*ring_second"),
        ("[[", "is not TOML"),
        ("", "there is no line"),
        (
            ECHO.format("c") + ECHO.format("impossible"),
            r"\[lines\.impossible\] cannot be served",
        ),
        (
            ECHO.format("c")
            + 'asterisk = "more"\n[asterisks.more]\naudiosocket_listen = "127.0.0.1:0"',
            r"\[asterisks\.more\] is new: it needs a restart",
        ),
    ],
    ids=["key", "toml", "empty", "impossible", "asterisk"],
)
async def test_one_fault_and_nothing_has_changed(
    house: House, text: str, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    house.write(text)
    with pytest.raises(ConfigError, match=fault):
        await house.gateway.reload()
    assert "! not reloaded: " in caplog.text
    await settle()
    assert house.names == ["a", "b"]
    assert house.lines["b"].wants_calls


async def test_a_file_that_is_away_changes_nothing(house: House) -> None:
    house.path.unlink()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        await house.gateway.reload()
    assert house.names == ["a", "b"]


async def test_what_needs_a_restart_is_named_as_long_as_it_does(house: House) -> None:
    rest = ECHO.format("a") + SKYPE.format("b")
    house.write(f'{rest}[web]\nlisten = "127.0.0.1:1"\n')
    stays = "[web] listen stays as it is: it needs a restart of the gateway"
    assert (await house.reload())[-1] == stays
    assert (await house.reload())[-1] == stays
    house.write(rest)
    assert (await house.reload())[-1] == "line b is as it was"


BOTH = ECHO.format("a") + SKYPE.format("b")


@pytest.mark.parametrize(
    ("text", "named", "lines"),
    [
        (
            BOTH + ECHO.format("c") + OF_MORE + MORE + MORE.replace("more", "new"),
            "[asterisks.new]",
            ["a", "b", "c"],
        ),
        (
            BOTH + ECHO.format("c") + OF_MORE + MORE + 'ami_username = "another"\n',
            "[asterisks.more] ami_username",
            ["a", "b", "c"],
        ),
        (BOTH, "[asterisks.more]", ["a", "b"]),
    ],
    ids=["added", "changed", "removed"],
)
async def test_another_asterisk_needs_a_restart_and_no_call_notices(
    branch: House, text: str, named: str, lines: list[str]
) -> None:
    in_use = [branch.lines[name] for name in lines]
    for line in in_use:
        line.seize("call")
    links = (await branch.gateway.snapshot()).links
    branch.write(text)
    stays = f"{named} stays as it is: it needs a restart of the gateway"
    assert (await branch.reload())[-1] == stays
    assert [*branch.lines] == in_use
    assert all(line.call_id == "call" and line.wants_calls for line in in_use)
    assert (await branch.gateway.snapshot()).links == links


async def test_a_line_goes_to_another_asterisk_after_its_call(branch: House) -> None:
    old = branch.lines["a"]
    old.seize("call")
    rest = SKYPE.format("b") + MORE + ECHO.format("c") + OF_MORE
    for ring in ("", "ring_seconds = 5\n"):  # the second changes it while it waits
        branch.write(ECHO.format("a") + OF_MORE + ring + rest)
        await branch.reload()
        assert branch.lines["a"] is old
        assert old.settings.asterisk == ""
    old.free("call")
    await settle()
    new = branch.lines["a"]
    assert (new.settings.asterisk, new.settings.ring_seconds) == ("more", 5)


async def test_a_line_without_its_asterisk_changes_nothing(branch: House) -> None:
    branch.write(BOTH + ECHO.format("c") + OF_MORE)
    with pytest.raises(ConfigError, match=r"there is no \[asterisks\.more\]"):
        await branch.gateway.reload()
    assert branch.names == ["a", "b", "c"]


async def test_two_reloads_at_once_follow_each_other(house: House) -> None:
    house.write(ECHO.format("c"))
    first, second = await asyncio.gather(house.reload(), house.reload())
    assert first[0] == "line c is added"
    assert second == ["line c is as it was"]


async def test_a_gateway_that_starts_or_stops_does_not_reload(
    house: House, tmp_path: Path
) -> None:
    early = House(tmp_path / "early.toml")
    with pytest.raises(CommandError, match="the gateway starts"):
        await early.gateway.reload()
    early.engine.close()
    await house.gateway.drain(0)
    with pytest.raises(CommandError, match="the gateway is drained"):
        await house.gateway.reload()
