from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from skypechan.cli import main
from skypechan.console.client import ControlClient, places_of
from skypechan.console.commands import since
from skypechan.errors import (
    CommandError,
    ConfigError,
    DeadlineError,
    LinkDownError,
)
from skypechan.web.control import serve_control
from skypechan.web.settings import ControlSettings
from tests.unit.web.fixed_gateway import (
    FixedGateway,
    gateway_of,
    line,
    link,
    live_call,
    record,
)

CONFIG = '[lines.skypeclient]\nbackend = "echo"\n[control]\nsocket = "here.sock"\n'


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "skypechan.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def gateway() -> FixedGateway:
    now = gateway_of(calls=(live_call("c1"), live_call("c2"), live_call("d1")))
    return FixedGateway(now, [record("old", 9), record("new", 30)])


@pytest.fixture
async def running(
    gateway: FixedGateway, configuration: Path
) -> AsyncIterator[FixedGateway]:
    async with serve_control(gateway, ControlSettings("here.sock"), configuration):
        yield gateway


async def cli(*arguments: str) -> int:
    return await asyncio.to_thread(main, list(arguments))


async def shown(
    capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0
) -> Any:
    assert await cli(*arguments, "--json") == status
    return json.loads(capsys.readouterr().out)


async def test_lines_calls_and_records_come_raw_as_json(
    running: FixedGateway, configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ("-c", str(configuration))
    (one,) = await shown(capsys, "lines", *config)
    assert one["name"] == "skypeclient"
    calls = await shown(capsys, "calls", *config)
    assert [call["call"] for call in calls] == ["c1", "c2", "d1"]
    records = await shown(capsys, "records", *config)
    assert [one["call"] for one in records] == ["old", "new"]


async def test_records_are_chosen_by_time_and_by_call(
    running: FixedGateway, configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ("records", "-c", str(configuration))
    late = await shown(capsys, *config, "--since", "2026-01-02T03:04:10+00:00")
    assert [one["call"] for one in late] == ["new"]
    one = await shown(capsys, *config, "--call", "old")
    assert [one["call"] for one in one] == ["old"]


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (gateway_of(), 0),
        (gateway_of(lines=(line("one"), line("two", "refused"))), 1),
        (gateway_of(links=(link("link_down"),)), 2),
    ],
    ids=["well", "degraded", "down"],
)
async def test_the_exit_status_of_status_is_for_monitoring(
    running: FixedGateway, configuration: Path, now: Any, status: int
) -> None:
    running.now = now
    assert await cli("status", "-c", str(configuration)) == status


async def test_hangup_of_nothing_ends_nothing(
    running: FixedGateway, configuration: Path
) -> None:
    assert await cli("hangup", "", "-c", str(configuration)) == 2


async def test_hangup_takes_the_beginning_of_an_id(
    running: FixedGateway, configuration: Path
) -> None:
    assert await cli("hangup", "d", "-c", str(configuration)) == 0
    assert running.hung_up == ["d1"]


@pytest.mark.parametrize(
    ("begins", "said"),
    [("x", "there is no live call"), ("c", "there are several live calls")],
)
async def test_hangup_never_guesses(
    running: FixedGateway,
    configuration: Path,
    begins: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert await cli("hangup", begins, "-c", str(configuration)) == 1
    assert said in capsys.readouterr().err
    assert running.hung_up == []


@pytest.mark.parametrize(
    ("command", "status"),
    [("status", 2), ("lines", 1), ("calls", 1), ("records", 1)],
)
def test_without_a_gateway_one_sentence_says_so(
    configuration: Path,
    command: str,
    status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([command, "-c", str(configuration)]) == status
    told = capsys.readouterr()
    said = (told.out + told.err).strip()
    assert "no gateway runs: nobody answers at" in said
    assert "here.sock" in said
    assert len(said.splitlines()) == 1


async def test_what_the_gateway_refuses_is_told_in_its_words(
    running: FixedGateway, configuration: Path
) -> None:
    client = ControlClient(places_of(configuration))
    with pytest.raises(CommandError, match="there is no live call of this id"):
        await asyncio.to_thread(client.ask, "DELETE", "/api/calls/none")


def test_a_gateway_that_says_nothing_is_waited_for_no_longer_than_agreed(
    tmp_path: Path,
) -> None:
    place = tmp_path / "mute.sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(place))
        mute.listen()
        with pytest.raises(DeadlineError):
            ControlClient([place]).ask("GET", "/api/status", timeout_s=0.05)


def test_the_first_place_where_somebody_answers_is_taken(tmp_path: Path) -> None:
    with pytest.raises(LinkDownError, match=r"nobody answers at .*a or .*b"):
        ControlClient([tmp_path / "a", tmp_path / "b"]).ask("GET", "/api/status")


def test_a_configuration_that_went_bad_does_not_hide_its_gateway(
    tmp_path: Path,
) -> None:
    path = tmp_path / "skypechan.toml"
    path.write_text("[lines")
    assert places_of(path)[0] == tmp_path / "control.sock"


def test_a_configuration_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        places_of(tmp_path / "absent.toml")


NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("15m", timedelta(minutes=15)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("2026-01-02T11:00:00+00:00", timedelta(hours=1)),
    ],
)
def test_since_is_a_time_or_how_long_ago(text: str, ago: timedelta) -> None:
    assert since(text, NOON) == NOON - ago


def test_since_without_a_zone_is_the_operators_own() -> None:
    assert since("2026-01-02T12:00", NOON).tzinfo is not None


@pytest.mark.parametrize("text", ["", "yesterday", "5w", "-5m", "٣m"])
def test_since_names_its_forms_for_anything_else(text: str) -> None:
    with pytest.raises(ConfigError, match="ISO time"):
        since(text, NOON)


def test_help_waits_for_no_heavy_library() -> None:
    code = "import sys, skypechan.cli; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "aiohttp", "asyncio", "http.client"} & set(loaded)
