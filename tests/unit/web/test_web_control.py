from __future__ import annotations

import logging
import os
import socket
import stat
from pathlib import Path

import aiohttp
import pytest

from skypechan.errors import ConfigError
from skypechan.web import settings
from skypechan.web.control import serve_control
from skypechan.web.settings import ControlSettings, control_socket
from tests.unit.web.fixed_gateway import FixedGateway, gateway_of, live_call


@pytest.fixture(autouse=True)
def no_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "run"
    monkeypatch.setattr(settings, "RUN_FOLDER", folder)
    return folder


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    return tmp_path / "skypechan.toml"


def test_the_socket_is_beside_the_configuration(configuration: Path) -> None:
    path = control_socket(ControlSettings(), configuration)
    assert path == configuration.parent / "control.sock"


def test_the_run_folder_comes_first_where_it_is_ours(
    configuration: Path, no_run_folder: Path
) -> None:
    no_run_folder.mkdir()
    path = control_socket(ControlSettings(), configuration)
    assert path == no_run_folder / "control.sock"


@pytest.mark.parametrize("written", ["/elsewhere/x.sock", "x.sock"])
def test_a_configured_socket_counts_from_the_configuration(
    configuration: Path, written: str
) -> None:
    path = control_socket(ControlSettings(written), configuration)
    assert path == configuration.parent / written


async def test_who_may_write_to_the_socket_operates_without_a_token(
    configuration: Path,
) -> None:
    gateway = FixedGateway(gateway_of(calls=(live_call("c1"),)))
    async with serve_control(gateway, ControlSettings(), configuration) as path:
        assert path is not None
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path))) as client,
            client.delete("http://any.host/api/calls/c1") as answer,
        ):
            assert answer.status == 202
    assert gateway.hung_up == ["c1"]


async def test_only_user_and_group_may_use_the_socket_whatever_the_umask(
    configuration: Path,
) -> None:
    before = os.umask(0)
    try:
        async with serve_control(
            FixedGateway(), ControlSettings(), configuration
        ) as path:
            assert path is not None
            assert stat.S_IMODE(path.stat().st_mode) == 0o660
            assert os.umask(0) == 0
    finally:
        os.umask(before)


async def test_the_socket_is_gone_afterwards(configuration: Path) -> None:
    async with serve_control(FixedGateway(), ControlSettings(), configuration) as path:
        assert path is not None
        assert path.is_socket()
    assert not path.exists()


async def test_a_socket_that_a_killed_gateway_left_is_replaced(
    configuration: Path,
) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(configuration.parent / "control.sock"))
    async with serve_control(FixedGateway(), ControlSettings(), configuration) as path:
        assert path is not None


async def test_a_second_gateway_is_told_of_the_first_and_leaves_it_alone(
    configuration: Path,
) -> None:
    async with serve_control(FixedGateway(), ControlSettings(), configuration) as path:
        with pytest.raises(ConfigError, match=r"another gateway runs: .*control\.sock"):
            async with serve_control(FixedGateway(), ControlSettings(), configuration):
                pass
        assert path is not None
        assert path.is_socket()


async def test_the_socket_of_a_successor_is_left_alone(configuration: Path) -> None:
    async with serve_control(FixedGateway(), ControlSettings(), configuration) as path:
        assert path is not None
        path.rename(path.with_suffix(".old"))
        path.write_text("a successor's")
    assert path.exists()


async def test_a_usual_place_that_cannot_be_had_is_done_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = tmp_path / "nowhere" / "skypechan.toml"
    with caplog.at_level(logging.WARNING):
        async with serve_control(
            FixedGateway(), ControlSettings(), configuration
        ) as path:
            assert path is None
    assert "no control socket, set [control] socket" in caplog.text


@pytest.mark.parametrize("written", ["nowhere/x.sock", "x" * 120])
async def test_a_configured_place_that_cannot_be_had_is_a_fault(
    configuration: Path, written: str
) -> None:
    with pytest.raises(ConfigError, match=r"^\[control\] socket: .*: "):
        async with serve_control(
            FixedGateway(), ControlSettings(written), configuration
        ):
            pass


async def test_a_file_that_is_no_socket_is_not_removed(configuration: Path) -> None:
    place = configuration.parent / "control.sock"
    place.write_text("precious")
    async with serve_control(FixedGateway(), ControlSettings(), configuration) as path:
        assert path is None
    assert place.read_text() == "precious"
