"""The table of a line's client: what is ours, where it lives, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from skypechan.config.reader import load, parse
from skypechan.desktop.settings import ClientSettings
from skypechan.errors import ConfigError

HEAD = '[asterisk]\nami_secret = "x"\n[lines.alice]\n'
COMPOSE = Path(__file__).parents[3] / "docker/compose"
SOURCE = Path("/somewhere/skypechan.toml")


def client(text: str, line: str = "") -> ClientSettings:
    config = parse(f"{HEAD}{line}\n[lines.alice.client]\n{text}\n", SOURCE, {})
    return config.lines[0].client


def fault(text: str, line: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        client(text, line)
    return str(caught.value)


def test_line_without_a_client_of_ours_is_attached_to() -> None:
    config = parse(HEAD, SOURCE, {})
    assert not config.lines[0].client.is_ours
    assert not client("").is_ours


def test_client_lives_beside_the_configuration_if_nothing_else_is_said() -> None:
    base = SOURCE.parent
    assert client("").folder_from(base, "alice") == base / "clients/alice"
    assert client('folder = "own"').folder_from(base, "alice") == base / "own"
    assert client('folder = "/own"').folder_from(base, "alice") == Path("/own")


def test_login_comes_from_a_file_that_not_everybody_can_read(tmp_path: Path) -> None:
    secret = tmp_path / "login"
    secret.touch(mode=0o600)
    secret.write_text("alice sesame\n")
    assert client(f'login_file = "{secret}"').login == "alice sesame"
    secret.chmod(0o644)
    assert "everybody can read" in fault(f'login_file = "{secret}"')


def test_limits_name_what_the_warden_sets() -> None:
    assert ClientSettings(memory_mb=1, home_mb=2).limits == (
        "AS=1048576",
        "FSIZE=2097152",
        "HOME=2097152",
        "NOFILE=1024",
        "CORE=0",
    )
    assert ClientSettings(memory_mb=0, home_mb=0).limits == ("NOFILE=1024", "CORE=0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('screen = "big"', "WIDTHxHEIGHTxDEPTH"),
        ('screen = "99999x600x24"', "at most 8192 pixels a side"),
        ('readable = ["/srv/fonts", "fonts"]', "absolute paths, not 'fonts'"),
        ('login = "a\\nb"', "line breaks"),
        ('comand = ["skype"]', "did you mean 'command'"),
        ("command = 5", "list of text"),
        ("crashes_most = 0", "at least 1"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, words: str) -> None:
    assert words in fault(text)
    assert f"{SOURCE}:6" in fault(text)


@pytest.mark.parametrize("key", ["dbus_address", "display", "xauthority"])
def test_client_of_ours_is_found_on_its_own_desktop_alone(key: str) -> None:
    told = fault('command = ["skype"]', f'{key} = ":1"')
    assert f"{key}: the client that the gateway starts gets its own" in told


def test_screen_of_a_client_elsewhere_is_at_the_display_of_the_line() -> None:
    assert not client("", 'display = ":1"').screen_in_page
    there = client("screen_in_page = true", 'display = ":1"\nxauthority = "/a"')
    assert there.screen_in_page
    assert not there.is_ours


def test_line_of_the_containers_finds_bus_and_display_in_the_folder_of_the_client() -> (
    None
):
    (apart,) = load(COMPOSE / "client.toml", {}).lines
    (line,) = load(COMPOSE / "skypechan.toml", {"SKYPECHAN_WEB__TOKEN": "x"}).lines
    folder = apart.client.folder_from(Path(), apart.name)
    assert line.name == apart.name
    assert line.backend.dbus_address == f"unix:path={folder}/bus/bus"
    assert line.backend.display == f"unix:{folder}/screen/display"
    assert line.backend.xauthority == f"{folder}/screen/Xauthority"
    assert line.client.screen_in_page
    assert apart.client.screen_in_page
    assert not line.client.is_ours


@pytest.mark.parametrize("text", ['command = ["skype"]', "screen_in_page = true"])
def test_backend_without_a_client_gets_none(text: str) -> None:
    told = fault(text, 'backend = "echo"')
    assert f"{SOURCE}:6" in told
    assert "this backend needs no client" in told


def test_secret_may_come_from_the_environment() -> None:
    environment = {"SKYPECHAN_LINES__ALICE__CLIENT__LOGIN": "alice sesame"}
    config = parse(HEAD, SOURCE, environment)
    assert config.lines[0].client.login == "alice sesame"
