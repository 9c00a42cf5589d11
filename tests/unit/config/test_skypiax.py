"""The old configuration file works as it is, and what cannot be kept is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from skypechan import cli
from skypechan.config import skypiax
from skypechan.config.reader import Config, LineConfig, load
from skypechan.errors import ConfigError

ARTICLE = Path(__file__).parents[2] / "data/skypiax.conf"
LOGIN = {"SKYPECHAN_ASTERISK__AMI_SECRET": "s3cret"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing of ours in it, nor in the machine's own."""
    system = tmp_path / "etc/skypechan.toml"
    monkeypatch.setattr(
        "skypechan.config.reader.DEFAULT_FILES", (Path("skypechan.toml"), system)
    )
    return tmp_path


def run_with(
    place: Path, text: str, environment: dict[str, str] | None = None
) -> Config:
    path = place / "skypiax.conf"
    path.write_text(text)
    return load(path, LOGIN if environment is None else environment)


def lines(place: Path, text: str) -> dict[str, LineConfig]:
    return {line.name: line for line in run_with(place, text).lines}


def faults(
    place: Path, text: str, environment: dict[str, str] | None = None
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        run_with(place, text, environment)
    return [fault.replace(f"{place}/", "") for fault in caught.value.faults]


def warnings(place: Path, text: str) -> list[str]:
    found = run_with(place, text).warnings
    return [warning.replace(f"{place}/", "") for warning in found]


def test_the_file_of_2009_works_as_it_is(place: Path) -> None:
    config = run_with(place, ARTICLE.read_text())
    (only,) = config.lines
    assert only.name == "skypeclient"
    assert str(only.line.target) == "600@default"
    assert only.line.language == "en"
    assert only.line.playback_boost_db == 0
    assert only.line.capture_boost_db == 6
    assert only.backend.account == "skypet123"
    assert only.backend.transport == "x11"
    assert only.backend.display == "localhost:11.0"
    assert only.backend.sound_port_to_skype == 11234
    assert only.backend.sound_port_from_skype == 11235
    assert config.log.level == "info"
    assert config.asterisk.ami_secret == "s3cret"


def test_what_the_old_file_does_not_know_can_be_set_in_the_environment(
    place: Path,
) -> None:
    numbers = {"SKYPECHAN_LINES__SKYPECLIENT__NUMBERS_ALLOWED": '["+49*"]'}
    (only,) = run_with(place, ARTICLE.read_text(), LOGIN | numbers).lines
    assert only.line.numbers_allowed == ("+49*",)


def test_the_slip_extensions_is_taken_as_extension_with_a_warning(place: Path) -> None:
    text = "[a]\nskype=yes\nextensions=600\n"
    assert lines(place, text)["a"].line.extension == "600"
    said = "skypiax.conf:3: extensions was never an option: taken as extension"
    assert warnings(place, text) == [said]


def test_extension_counts_beside_the_slip(place: Path) -> None:
    text = "[a]\nskype=yes\nextension=700\nextensions=600\n"
    assert lines(place, text)["a"].line.extension == "700"
    assert "extension is set and counts" in warnings(place, text)[0]


def test_what_is_not_written_is_as_it_was_in_the_channel_driver(place: Path) -> None:
    only = lines(place, "[a]\nskype = yes\n")["a"]
    assert str(only.line.target) == "s@default"
    assert only.line.language == "en"
    assert only.backend.display == ""
    assert only.backend.sound_port_to_skype == 0


def test_the_first_section_sets_defaults_of_the_rest(place: Path) -> None:
    found = lines(
        place,
        """
        [first]
        skype=yes
        context=incoming
        extension=600
        language=uk
        playback_boost=-3
        capture_boost=4.5
        skype_user=alice
        X11_display=:101
        tcp_cli_port=11234
        [second]
        skype=yes
        extension=601
        X11_display=:102
        """,
    )
    second = found["second"]
    assert str(second.line.target) == "601@incoming"
    assert second.line.language == "uk"
    assert second.line.playback_boost_db == -3
    assert second.line.capture_boost_db == 4.5
    assert second.backend.account == ""
    assert second.backend.sound_port_to_skype == 0


def test_an_extension_may_name_its_context(place: Path) -> None:
    text = "[a]\nskype=yes\ncontext=x\nextension=600@other\n"
    assert str(lines(place, text)["a"].line.target) == "600@other"


@pytest.mark.parametrize("no", ["skype=no\n", "skype = off\n", ""])
def test_a_section_without_skype_is_left_out_and_said_so(place: Path, no: str) -> None:
    text = f"[a]\nskype=yes\n[b]\n{no}"
    assert list(lines(place, text)) == ["a"]
    assert "[b] is left out: it does not say skype = yes" in warnings(place, text)[0]


def test_a_first_section_that_is_left_out_still_sets_defaults(place: Path) -> None:
    text = "[general]\ncontext=incoming\n[a]\nskype=yes\n"
    assert lines(place, text)["a"].line.context == "incoming"


@pytest.mark.parametrize("name", ["debug_all", "debug_skype", "debug_fbus2"])
def test_a_debug_option_sets_the_level_of_the_log(place: Path, name: str) -> None:
    text = f"[a]\nskype=yes\n{name}=yes\n"
    assert run_with(place, text).log.level == "debug"
    assert warnings(place, text) == [
        f"skypiax.conf:3: {name} sets the log's level to debug"
    ]
    assert (
        run_with(place, text.replace(f"{name}=yes", f"{name}=no")).log.level == "info"
    )


def test_the_prefix_of_the_directory_is_said_to_have_no_counterpart(
    place: Path,
) -> None:
    prefix = "skypiax_dir_entry_extension_prefix"
    text = f"[a]\nskype=yes\nX11_display=:1\n{prefix}=6\n[b]\nskype=yes\n"
    (said,) = warnings(place, text)
    assert said.startswith(f"skypiax.conf:4: {prefix} has no counterpart")


def test_lines_on_one_display_are_said_to_share_a_client(place: Path) -> None:
    text = "[a]\nskype=yes\nX11_display=:5\n[b]\nskype=yes\nX11_display=:5\n"
    assert "[b] and [a] share one client: both on :5" in warnings(place, text)[0]


def test_the_manner_of_asterisk_is_understood(place: Path) -> None:
    found = lines(
        place,
        "\ufeff;-- a comment of\n[more] lines than one --;\n"
        "[ proto ]( ! ) ; a template\r\n"
        "Context => incoming\r\n"
        "[a]( proto )\n"
        "SKYPE => Yes\n"
        "skype_user = semi\\;colon ; the rest is a comment\n"
        "[a](+)\n"
        "extension = 600\n",
    )
    assert list(found) == ["a"]
    assert str(found["a"].line.target) == "600@incoming"
    assert found["a"].backend.account == "semi;colon"


def test_comments_need_not_be_utf8_but_values_must(place: Path) -> None:
    path = place / "skypiax.conf"
    path.write_bytes(
        "[a]\nskype=yes ; \u043b\u0438\u043d\u0438\u044f\n".encode("cp1251")
    )
    assert load(path, LOGIN).lines[0].name == "a"
    path.write_bytes(b"[a]\nskype=yes\nskype_user=\xec\xe0\n")
    with pytest.raises(ConfigError, match=r"skypiax.conf:3: skype_user: .* not UTF-8"):
        load(path, LOGIN)


def test_every_fault_is_named_at_once_by_the_old_name_and_place(place: Path) -> None:
    found = faults(
        place,
        "[a]\n"
        "skype=yes\n"
        "tcp_cli_prot=1\n"
        "tcp_srv_port=70000\n"
        "playback_boost=41\n"
        "capture_boost=loud\n"
        "[b]\n"
        "skype=perhaps\n",
        {},
    )
    assert found[:6] == [
        "skypiax.conf:3: [a] knows no 'tcp_cli_prot'; did you mean 'tcp_cli_port'?",
        "skypiax.conf:8: skype: must be yes or no, not 'perhaps'",
        found[2],
        "skypiax.conf:5: playback_boost: must be at most 40, not 41.0",
        "skypiax.conf:6: capture_boost: must be a number, not 'loud'",
        "skypiax.conf:4: tcp_srv_port: must be at most 65535, not 70000",
    ]
    assert "holds no login" in found[2]
    assert len(found) == 6


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nskype=yes\n[a]\nskype=yes", ":3: [a] stands in line 1 already"),
        ("skype=yes", ":1: 'skype=yes' stands before the first [SECTION]"),
        ("[a]\nskype", ":2: 'skype' is neither [SECTION] nor NAME = VALUE"),
        ("#include more.conf\n[a]\nskype=yes", ":1: #include is not followed"),
        ("[a](pro)\nskype=yes", ":1: [a]: there is no section 'pro' above"),
        ("[ANY]\nskype=yes", ":1: a line cannot be called 'ANY'"),
        ("[a b]\nskype=yes", ":1: a line cannot be called 'a b'"),
        ("[a]\nskype=no", ": no section has skype = yes: there is no line"),
        ("", ": no section has skype = yes: there is no line"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(place: Path, text: str, said: str) -> None:
    assert f"skypiax.conf{said}" in "\n".join(faults(place, text))


def test_a_port_can_be_given_once(place: Path) -> None:
    text = "[a]\nskype=yes\ntcp_cli_port=5000\n[b]\nskype=yes\ntcp_srv_port=5000"
    said = "skypiax.conf:6: tcp_srv_port: port 5000 is taken by [a] tcp_cli_port"
    assert faults(place, text) == [said]


def test_a_missing_login_is_named_with_where_to_write_it(place: Path) -> None:
    (said,) = faults(place, "[a]\nskype=yes\n", {})
    assert said.startswith("skypiax.conf holds no login for Asterisk's manager")
    for word in ("ami_secret_file", "skypechan.toml", "SKYPECHAN_ASTERISK__AMI_SECRET"):
        assert word in said


def test_the_command_ends_with_2_and_that_sentence(
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("SKYPECHAN_ASTERISK__AMI_SECRET", raising=False)
    (place / "skypiax.conf").write_text("[a]\nskype=yes\n")
    assert cli.main(["run", "-c", str(place / "skypiax.conf")]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert "holds no login" in said


@pytest.mark.parametrize("folder", ["", "etc"])
def test_the_login_comes_from_the_toml_beside_it_or_the_systems(
    place: Path, folder: str
) -> None:
    (place / folder).mkdir(exist_ok=True)
    (place / folder / "skypechan.toml").write_text('[asterisk]\nami_secret = "x"\n')
    config = run_with(place, "[a]\nskype=yes\n", {})
    assert config.asterisk.ami_secret == "x"
    assert config.source == place / "skypiax.conf"


def test_a_fault_in_the_toml_beside_it_names_that_file(place: Path) -> None:
    (place / "skypechan.toml").write_text('[asterisk]\nami_secret = "x"\nami = "no"\n')
    assert "skypechan.toml:3: ami" in faults(place, "[a]\nskype=yes\n", {})[0]


def test_the_toml_beside_it_may_set_the_level_of_the_log(place: Path) -> None:
    (place / "skypechan.toml").write_text('[log]\nlevel = "error"\n')
    config = run_with(place, "[a]\nskype=yes\ndebug_all=yes\n")
    assert config.log.level == "error"


def test_the_environment_reaches_the_lines_of_the_old_file(place: Path) -> None:
    config = run_with(
        place,
        "[SkypeClient]\nskype=yes\ncapture_boost=3\n",
        {**LOGIN, "SKYPECHAN_LINES__SKYPECLIENT__CAPTURE_BOOST_DB": "5"},
    )
    (only,) = config.lines
    assert only.line.capture_boost_db == 5


def write_both(place: Path, toml: str, old: str) -> Path:
    (place / "old.conf").write_text(old)
    path = place / "skypechan.toml"
    path.write_text(f'[asterisk]\nlines_from = "old.conf"\n{toml}')
    return path


def test_lines_from_adds_the_lines_of_an_old_file(place: Path) -> None:
    old = "[a]\nskype=yes\nextensions=600\n"
    config = load(write_both(place, '[lines.b]\nbackend = "echo"\n', old), {})
    assert [line.name for line in config.lines] == ["b", "a"]
    assert len(config.warnings) == 1
    assert [line.name for line in load(write_both(place, "", old), {}).lines] == ["a"]


def test_a_line_in_both_files_is_a_fault(place: Path) -> None:
    path = write_both(place, "[lines.a]\n", "[a]\nskype=yes\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    (said,) = caught.value.faults
    assert said == (
        f"{place}/old.conf:1: line a is in {place}/skypechan.toml:3 as well: keep one"
    )


def test_a_port_in_both_files_is_a_fault(place: Path) -> None:
    toml = "[lines.b]\nsound_port_to_skype = 5000\n"
    path = write_both(place, toml, "[a]\nskype=yes\ntcp_cli_port=5000\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    (said,) = caught.value.faults
    assert said.startswith(f"{place}/old.conf:3: tcp_cli_port: port 5000 is taken")
    assert said.endswith("by [lines.b] sound_port_to_skype")


def test_lines_from_is_seen_from_the_folder_of_its_file_and_may_come_from_outside(
    place: Path,
) -> None:
    path = write_both(place, "[lines.b]\n", "[a]\nskype=yes\n")
    (place / "sub").mkdir()
    (place / "sub/other.conf").write_text("[c]\nskype=yes\n")
    config = load(path, {"SKYPECHAN_ASTERISK__LINES_FROM": "sub/other.conf"})
    assert [line.name for line in config.lines] == ["b", "c"]


def test_a_route_may_name_a_line_of_the_old_file(place: Path) -> None:
    toml = '[[routes]]\nline = "a"\nto = "555@x"\n'
    config = load(write_both(place, toml, "[a]\nskype=yes\n"), {})
    assert config.routes[0].line == "a"


def test_faults_of_lines_from_name_the_old_file(place: Path) -> None:
    with pytest.raises(ConfigError, match=r"old.conf:3: \[a\] knows no 'wrong'"):
        load(write_both(place, "", "[a]\nskype=yes\nwrong=1\n"), {})
    path = write_both(place, "", "")
    (place / "old.conf").unlink()
    with pytest.raises(ConfigError, match=r"skypechan.toml:2: lines_from: .*old.conf"):
        load(path, {})


def test_the_toml_beside_may_name_the_same_old_file(place: Path) -> None:
    toml = '[asterisk]\nami_secret = "x"\nlines_from = "skypiax.conf"\n'
    (place / "skypechan.toml").write_text(toml)
    assert len(run_with(place, "[a]\nskype=yes\n", {}).lines) == 1


@pytest.mark.parametrize(
    ("text", "name", "is_old"),
    [
        ("[a]\nskype=yes", "x.cfg", True),
        ("; lines\n[a]\nX11_display=:1", "x.cfg", True),
        ("[a]\ntcp_cli_port = 1", "x", True),
        ("[a]\ntcp_cli_port = 1", "x.toml", False),
        ("", "skypiax.conf", True),
        ("[lines.a]\nskype = true", "x", False),
        ("[asterisk]\nami = broken", "x", False),
        ("[lines.a]\nextension = '600'", "x", False),
    ],
)
def test_an_old_file_is_known_by_its_content(
    text: str, name: str, is_old: bool
) -> None:
    assert skypiax.is_one(text, Path(name)) is is_old
