"""The configuration: what is right is read, what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from skypechan.call.routes import Route, Target
from skypechan.config.reader import Config, find_file, load, parse
from skypechan.errors import ConfigError
from skypechan.settings import Endpoint

UUID_1 = "2f9d8f52-5f0e-4a4a-9d7c-9b3d3cf5f3a1"
MINIMAL = "[lines.first]\n"


def read(text: str, environment: dict[str, str] | None = None) -> Config:
    return parse(text, Path("test.toml"), environment or {})


def faults(text: str, environment: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, environment)
    return caught.value.faults


def test_defaults_make_a_working_configuration() -> None:
    config = read(MINIMAL)
    assert str(config.asterisk.ami_endpoint()) == "127.0.0.1:5038"
    assert config.lines[0].name == "first"
    assert config.lines[0].line.ring_seconds == 60.0
    assert config.lines[0].backend.transport == "dbus"


def test_values_are_read_with_their_types() -> None:
    config = read(
        """
        [asterisk]
        ami = "[::1]:5039"
        audiosocket_allow = ["10.0.0.0/8"]
        [lines.first]
        ring_seconds = 20
        capture_boost_db = -3.5
        [[routes]]
        line = "first"
        account = "skypet*"
        caller = "boss.*"
        type = "pstn"
        to = "555@from-skypechan"
        """
    )
    assert config.asterisk.ami_endpoint() == Endpoint("::1", 5039)
    assert config.asterisk.audiosocket_allow == ("10.0.0.0/8",)
    assert config.lines[0].line.ring_seconds == 20.0
    assert config.lines[0].line.capture_boost_db == -3.5
    target = Target("555", "from-skypechan")
    assert config.routes == (Route(target, "first", "skypet*", "boss.*", "pstn"),)


def test_every_fault_is_named_at_once_with_its_line() -> None:
    found = faults(
        "[asterisk]\n"
        'ami_sercet = "x"\n'
        'ami = "nowhere"\n'
        "[lines.first]\n"
        'ring_seconds = "long"\n'
        "capture_boost_db = 90\n"
        'bakend = "skype"\n'
        "[wbe]\n"
        "[[routes]]\n"
        'line = "frist"\n'
        'to = "555"\n'
    )
    text = "\n".join(found)
    assert "test.toml:2: [asterisk] knows no 'ami_sercet'" in text
    assert "did you mean 'ami_secret'?" in text
    assert "test.toml:3: ami: 'nowhere' is not HOST:PORT" in text
    assert "test.toml:5: ring_seconds: must be a number" in text
    assert "test.toml:6: capture_boost_db: must be at most 40" in text
    assert "test.toml:7: [lines.first] knows no 'bakend'; did you mean 'back" in text
    assert "test.toml:8: there is no section [wbe]; did you mean 'web'?" in text
    assert "route 1: no line 'frist'; did you mean 'first'?" in text
    assert "route 1: to: '555' is not EXTENSION@CONTEXT" in text
    assert len(found) == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[lines", "is not TOML"),
        ("", "there is no line"),
        ("lines = 3", "lines must be a table"),
        ("[lines]\nfirst = 3", "first must be a table, [lines.first]"),
        ("[lines.ANY]", "cannot be called 'ANY'"),
        ('[lines."a b"]', "cannot be called 'a b'"),
        ("routes = 1\n[lines.a]", "routes are written [[routes]]"),
        ("[lines.a]\nring_seconds = true", "must be a number"),
        ('[lines.a]\nbackend = "jami"', "must be one of skype, echo"),
        ('[lines.a]\ncontext = "a,b"', "takes for its own"),
        ('[lines.a]\nextension = "1)&x"', "takes for its own"),
        ('[asterisk]\nami = "foo..bar:5038"\n[lines.a]', "is no name of a host"),
        ('[asterisk]\nami_secret = "a\\nb"\n[lines.a]', "line breaks"),
        (
            f'[lines.a]\n[contacts]\nx = {{ uuid = "{UUID_1}", line = "b" }}',
            "no line 'b'",
        ),
        (f'[lines.a]\n[contacts]\n"x,y" = {{ uuid = "{UUID_1}" }}', "cannot be called"),
        ("[lines.a]\n[contacts]\nx = { line = 'a' }", "uuid must be one"),
        (
            f'[lines.a]\n[contacts]\nx = {{ uuid = "{UUID_1}", address = "" }}',
            "be text",
        ),
        ("[lines.a]\n[[routes]]\ncaller = 5\nto = '1@a'", "caller: must be text"),
        ("[lines.a]\n[[routes]]\nto = '1@a'\ncalle = 'x'", "did you mean 'caller'?"),
        (
            "[lines.a]\n[[routes]]\nto = '1@a'\ntype = 'p2'",
            "no type 'p2'; did you mean 'p2p'?",
        ),
        ("[lines.a]\n[[routes]]\nto = '${X}@a'", "is not EXTENSION@CONTEXT"),
        ('[lines.a]\nlanguage = "en,Foo"', "takes for its own"),
        ('[web]\nlisten = "[::1"\n[lines.a]', "is no name of a host"),
        ('[web]\nlisten = "[::1:80"\n[lines.a]', "is no name of a host"),
        (
            "[lines.a]\n[contacts]\n"
            + "".join(f'{name} = {{ uuid = "{UUID_1}" }}\n' for name in "xy"),
            "its uuid is that of x",
        ),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(text: str, said: str) -> None:
    assert said in "\n".join(faults(text))


@pytest.mark.parametrize("kept", ['command = ["skype"]', "screen_in_page = true"])
def test_two_clients_may_not_share_a_folder(kept: str) -> None:
    text = f"[lines.{{}}.client]\n{kept}\n"
    other = text.format("b") + 'folder = "clients/a"\n'
    assert len(read(text.format("a") + text.format("b")).lines) == 2
    (found,) = faults(text.format("a") + other)
    assert "clients/a is taken by [lines.a.client] folder" in found


def test_two_lines_may_not_share_a_sound_port() -> None:
    first = "[lines.a]\nsound_port_to_skype = 11234\n"
    found = faults(first + "[lines.b]\nsound_port_from_skype = 11234")
    said = "sound_port_from_skype: port 11234 is taken by [lines.a] sound_port_to_skype"
    assert found == (f"test.toml:4: {said}",)


def test_the_environment_overrides_the_file() -> None:
    config = read(
        MINIMAL,
        {
            "SKYPECHAN_ASTERISK__AMI_SECRET": "s3cret",
            "SKYPECHAN_LINES__FIRST__RING_SECONDS": "25",
            "SKYPECHAN_ASTERISK__AUDIOSOCKET_ALLOW": '["10.0.0.0/8"]',
            "PATH": "/bin",
        },
    )
    assert config.asterisk.ami_secret == "s3cret"
    assert config.lines[0].line.ring_seconds == 25.0
    assert config.asterisk.audiosocket_allow == ("10.0.0.0/8",)


def test_a_secret_of_digits_stays_text() -> None:
    config = read(MINIMAL, {"SKYPECHAN_ASTERISK__AMI_SECRET": "1234"})
    assert config.asterisk.ami_secret == "1234"


def test_a_secret_comes_from_a_file_that_only_we_can_read(tmp_path: Path) -> None:
    secret = tmp_path / "ami.secret"
    secret.write_text("from a file\n")
    text = f'[asterisk]\nami_secret_file = "{secret}"\n{MINIMAL}'
    secret.chmod(0o600)
    assert read(text).asterisk.ami_secret == "from a file"
    secret.chmod(0o644)
    assert "everybody can read" in faults(text)[0]
    secret.unlink()
    assert "cannot read" in faults(text)[0]


def test_a_secret_that_is_set_twice_is_a_fault(tmp_path: Path) -> None:
    text = f'[asterisk]\nami_secret = "a"\nami_secret_file = "b"\n{MINIMAL}'
    assert "both set" in faults(text)[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        find_file(tmp_path / "absent.toml")
    broken = tmp_path / "latin.toml"
    broken.write_bytes(b"# \xff\n")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(broken, {})


def test_further_asterisks_have_a_table_each_and_lines_name_theirs(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    secret.write_text("s3cret\n")
    config = read(
        f"""
[asterisks.branch]
ami = "10.0.0.2:5038"
ami_secret_file = "{secret}"
audiosocket_listen = "10.0.0.1:9093"

[lines.here]
[lines.there]
asterisk = "branch"
""",
        {"SKYPECHAN_ASTERISKS__BRANCH__AMI_USERNAME": "west"},
    )
    (branch,) = config.asterisks.values()
    assert (branch.ami_username, branch.ami_secret) == ("west", "s3cret")
    assert config.asterisk.ami_username == "skypechan"
    assert [line.line.asterisk for line in config.lines] == ["", "branch"]


def test_an_asterisk_that_is_nowhere_is_a_fault_of_the_line_that_names_it() -> None:
    (fault,) = faults('[asterisks.branch]\n[lines.one]\nasterisk = "brunch"\n')
    assert "there is no [asterisks.brunch]" in fault
    assert "branch" in fault


@pytest.mark.parametrize("text", ["[asterisks]\nbranch = 1", "[asterisks.'two words']"])
def test_an_asterisk_is_a_table_with_a_name(text: str) -> None:
    (fault,) = faults(f"[lines.one]\n{text}")
    assert "an Asterisk is a table [asterisks.NAME]" in fault
