"""Old files in today's form: what is written loads again and means the same."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from skypechan import cli
from skypechan.config import dialplan, skypiax, skypopen
from skypechan.config.convert import as_toml, convert
from skypechan.config.reader import Config, lines_of, parse
from skypechan.errors import ConfigError

ARTICLE = Path(__file__).parents[2] / "data/skypiax.conf"
OLD_DIALPLAN = Path(__file__).parents[2] / "data/skypiax-extensions.conf"

SKYPOPEN = """\
<configuration name="skypopen.conf" description="Skype lines">
  <global_settings>
    <param name="dialplan" value="XML"/>
    <param name="context" value=" incoming "/>
    <param name="destination" value="5000"/>
    <param name="silent_mode" value="true"/>
  </global_settings>
  <!-- one for each client -->
  <per_interface_settings>
    <interface id="1" name="better.voice">
      <param name="X11-display" value=":101"/>
      <param name="skype_user" value="alice"/>
    </interface>
    <interface id="2" name="skype2">
      <param name="X11_display" value=":102"/>
      <param name="skype_user" value="b&#246;b &quot;b&quot;"/>
      <param name="destination" value="5001"/>
      <param name="skype_password" value="hidden"/>
    </interface>
  </per_interface_settings>
</configuration>
"""


def loaded(toml: str) -> Config:
    return parse(toml, Path("converted.toml"), {})


def interface(parameters: str, name: str = "a") -> str:
    return (
        '<configuration name="skypopen.conf">\n'
        f'<interface name="{name}">\n{parameters}</interface></configuration>'
    )


REQUIRED = (
    '<param name="X11-display" value=":1"/>\n<param name="skype_user" value="u"/>\n'
)


def test_a_skypiax_conf_means_the_same_after_conversion() -> None:
    text, warnings = convert(ARTICLE)
    old = skypiax.parse(ARTICLE.read_text(), "skypiax.conf")
    assert loaded(text).lines == lines_of(old)
    assert warnings == ()


def test_that_telephone_numbers_must_be_allowed_now_is_said() -> None:
    text, _ = convert(ARTICLE)
    said = text.partition('numbers_allowed = ["+49*"]')
    assert "any telephone number" in said[0]
    assert "[lines." in said[2]


def test_what_has_no_counterpart_is_a_comment_at_its_line() -> None:
    text = as_toml(
        skypiax.parse(
            "[a]\nskype=yes\nextensions=600\nskypiax_dir_entry_extension_prefix=6\n"
            "debug_sound=yes\n[b]\nskype=no\n",
            "skypiax.conf",
        )
    )
    of_the_line = text.partition("[lines.a]")[2]
    assert "# line 3: extensions was never an option" in of_the_line
    assert "# line 4: skypiax_dir_entry_extension_prefix has no count" in of_the_line
    assert "# [b] is left out" in text
    config = loaded(text)
    assert config.log.level == "debug"
    assert [line.name for line in config.lines] == ["a"]


@settings(deadline=None)  # other jobs share the machine
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "skype_user": st.text(
                    st.characters(
                        exclude_categories=("C", "Z"), exclude_characters=";"
                    ),
                    min_size=1,
                ).filter(lambda text: not text.startswith(">")),
                "X11_display": st.sampled_from([":1", "localhost:11.0"]),
                "language": st.sampled_from(["en", "uk"]),
                "playback_boost": st.integers(-40, 40).map(str),
                "capture_boost": st.floats(-40, 40).map(lambda value: f"{value:f}"),
                "extension": st.sampled_from(["600", "s", "601@elsewhere"]),
            },
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_skypiax_conf_means_the_same_after_conversion(
    sections: list[dict[str, str]],
) -> None:
    text = "".join(
        f"[line{number}]\nskype=yes\n"
        + "".join(f"{name}={value}\n" for name, value in options.items())
        for number, options in enumerate(sections)
    )
    old = skypiax.parse(text, "skypiax.conf")
    assert loaded(as_toml(old)).lines == lines_of(old)


def test_a_skypopen_conf_becomes_lines_with_its_globals_as_defaults() -> None:
    first, second = loaded(as_toml(skypopen.parse(SKYPOPEN, "x.xml"))).lines
    assert first.name == "better.voice"
    assert str(first.line.target) == "5000@incoming"
    assert first.backend.account == "alice"
    assert first.backend.display == ":101"
    assert first.backend.transport == "x11"
    assert str(second.line.target) == "5001@incoming"
    assert second.backend.account == 'böb "b"'


_PARAMETERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["context", "destination", "tcp_cli_port", "debug", "X11_display"]
        ),
        st.sampled_from(
            ["600", "0", "&amp;&lt;", "\u00e9\U0001f600", "&#127;", "\\u0041", ""]
        ),
    ).map('<param name="{0[0]}" value="{0[1]}"/>\n'.format),
    max_size=4,
).map("".join)


@settings(deadline=None)  # other jobs share the machine
@given(_PARAMETERS, _PARAMETERS)
def test_any_skypopen_conf_without_faults_means_the_same_after_conversion(
    common: str, own: str
) -> None:
    text = interface(REQUIRED + own).replace("<interface", f"{common}<interface")
    old = skypopen.parse(text, "x.xml")
    try:
        lines = lines_of(old)
    except ConfigError:
        assume(False)
    assert loaded(as_toml(old)).lines == lines


def test_what_a_skypopen_conf_says_beyond_is_a_comment_without_secrets() -> None:
    text = as_toml(skypopen.parse(SKYPOPEN, "x.xml"))
    assert "# line 3: dialplan has no counterpart" in text
    assert "skype_password has no counterpart" in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("parameter", "value", "key", "ours"),
    [
        ("report_incoming_chatmessages", "true", "messages", "report"),
        ("report_incoming_chatmessages", "no", "messages", "ignore"),
        ("silent_mode", "true", "silent_mode", True),
        ("silent_mode", "false", "silent_mode", False),
    ],
)
def test_what_skypopen_did_about_chats_and_windows_is_done_here(
    parameter: str, value: str, key: str, ours: object
) -> None:
    own = f'<param name="{parameter}" value="{value}"/>'
    (line,) = lines_of(skypopen.parse(interface(REQUIRED + own), "x.xml"))
    assert getattr(line.backend, key) == ours


def test_a_skypopen_conf_without_globals_has_the_defaults_of_then() -> None:
    (only,) = lines_of(skypopen.parse(interface(REQUIRED), "x.xml"))
    assert str(only.line.target) == "5000@default"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            interface(REQUIRED).replace("<int", '<param name="contex"/><int', 1),
            ":2: global_settings knows no 'contex'; did you mean 'context'?",
        ),
        (interface("<param/>"), ":3: interface 'a' knows no ''"),
        (
            interface(REQUIRED + '<param name="skype_usr" value="u"/>'),
            ":5: interface 'a' knows no 'skype_usr'; did you mean 'skype_user'?",
        ),
        (interface(""), ":2: interface 'a' does not say skype_user"),
        (interface(""), ":2: interface 'a' does not say X11-display"),
        (interface(REQUIRED, ""), ":2: an interface has no name"),
        (interface(REQUIRED, "ANY"), ":2: a line cannot be called 'ANY'"),
        (
            interface(REQUIRED + '<param name="context" value="$${domain}"/>'),
            ":5: context: holds a variable of FreeSWITCH",
        ),
        (
            interface(REQUIRED + '<param name="tcp_cli_port" value="x"/>'),
            ":5: tcp_cli_port: must be a whole number, not 'x'",
        ),
        (
            interface(REQUIRED + '<param name="silent_mode" value="perhaps"/>'),
            ":5: silent_mode: must be yes or no, not 'perhaps'",
        ),
        (
            interface(REQUIRED + '<param name="context" value="a&#1234567;"/>'),
            ":5: is not XML",
        ),
        (
            interface(REQUIRED + '<param name="context" value="a&#10;b"/>'),
            ":5: context: holds control characters",
        ),
        (
            interface(f'{REQUIRED}</interface><interface name="a">{REQUIRED}'),
            ":5: interface 'a' stands in x.xml:2 already",
        ),
        ('<configuration name="skypopen.conf"/>', ": there is no interface in it"),
        ("<configuration/>", ": has no <configuration"),
        ("<a", ":1: is not XML"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', ": its encoding is not"),
        ('<?xml version="1.0" encoding="shift_jis"?><a/>', ": its encoding is not"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', ":1: a document type is not"),
        (
            '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;&a;</x>',
            ":1: a document type is not accepted here",
        ),
    ],
)
def test_a_wrong_skypopen_conf_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        as_toml(skypopen.parse(text, "x.xml"))
    assert any(fault.startswith(f"x.xml{said}") for fault in caught.value.faults)


def changed(line: str) -> str:
    text, _ = dialplan.convert(line, "extensions.conf")
    head, was, new = text.rpartition("; was: ")
    assert head.startswith("; Converted by skypechan")
    assert was
    old, _, new = new.partition("\n")
    assert old == line
    return new


@pytest.mark.parametrize(
    ("call", "new"),
    [
        ("Dial(Skypiax/if/echo123)", "Gosub(skypechan,dial,1(if/echo123))"),
        ("dial( skypiax/if/echo123 )", "Gosub(skypechan,dial,1(if/echo123))"),
        ("Dial(Skypiax/if/bob,30)", "Gosub(skypechan,dial,1(if/bob,30))"),
        ("Dial(Skypiax/if/bob,30,tg)", "Gosub(skypechan,dial,1(if/bob,30,tg))"),
        ("Dial(Skypiax/if/bob,,g)", "Gosub(skypechan,dial,1(if/bob,,g))"),
        ("Dial(Skypiax/if/bob,,)", "Gosub(skypechan,dial,1(if/bob))"),
        ("Dial(Skypiax/if/bob|30|g)", "Gosub(skypechan,dial,1(if/bob,30,g))"),
        ("Dial,Skypiax/if/bob|30|g", "Gosub(skypechan,dial,1(if/bob,30,g))"),
        ("Dial(Skypiax/if/bob,30,g,http://x)", "Gosub(skypechan,dial,1(if/bob,30,g))"),
        (
            "Dial(Skypiax/if/bob,30,M(a^b)g)",
            "Gosub(skypechan,dial,1(if/bob,30,M(a^b)g))",
        ),
        ("Dial(Skypiax/ANY/+3805)", "Gosub(skypechan,dial,1(ANY/+3805))"),
        ("Dial(Skypiax/ANY/${EXTEN:1})", "Gosub(skypechan,dial,1(ANY/${EXTEN:1}))"),
        (
            "Dial(Skypiax/ANY/a b${CUT(X,/,2)}@c,9)",
            "Gosub(skypechan,dial,1(ANY/a%20b${CUT(X,/,2)}%40c,9))",
        ),
        (
            "Dial(Skypiax/if/a/b%c\\,d\\;e$f)",
            "Gosub(skypechan,dial,1(if/a%2Fb%25c%2Cd%3Be%24f))",
        ),
        ("Dial(Skypiax/${LINE}/x)", "Gosub(skypechan,dial,1(${LINE}/x))"),
        ("Dial(Skypiax/${WHO},30)", "Gosub(skypechan,dial,1(${WHO},30))"),
        (
            "Dial(Skypiax/if/a&SIP/b&Skypiax/ANY/c d,9)",
            "Dial(Local/if*a@skypechan-lines&SIP/b&Local/ANY*c%20d@skypechan-lines,9)",
        ),
        (
            'ExecIf($["${X}" = "1"]?Dial(Skypiax/if/a,30):NoOp())',
            'ExecIf($["${X}" = "1"]?Gosub(skypechan,dial,1(if/a,30)):NoOp())',
        ),
    ],
)
@pytest.mark.parametrize("start", ["exten => 5,1,", " same = n(x),"])
@pytest.mark.parametrize("end", ["", " ; a remark", "\r"])
def test_a_dial_over_the_old_driver_is_rewritten_in_place(
    start: str, call: str, new: str, end: str
) -> None:
    assert changed(start + call + end) == start + new + end


@pytest.mark.parametrize(
    "line",
    [
        "exten => 1,1,Queue(Skypiax/if/a)",
        "exten => 1,1,Dial(Skypiax/if)",
        "exten => 1,1,Dial(Skypiax/if/)",
        "exten => 1,1,Dial(Skypiax/if/a",
        "TRUNK=Skypiax/if",
    ],
)
def test_what_cannot_be_rewritten_is_kept_and_told(line: str) -> None:
    text, warnings = dialplan.convert(f"; x\n{line}", "e.conf")
    assert text == f"; x\n; skypechan: the next line is not converted\n{line}"
    assert warnings == (f"e.conf:2: not converted: {line}",)


def test_what_stands_after_a_comment_of_several_lines_is_rewritten() -> None:
    text = ";-- no\nlonger\n--;\nexten => 1,1,Dial(Skypiax/if/a)\n"
    assert "exten => 1,1,Gosub(" in dialplan.convert(text, "e.conf")[0]


def test_a_dialplan_without_such_calls_is_told_to_have_none() -> None:
    _, warnings = dialplan.convert("exten => 1,1,Answer()\n", "e.conf")
    assert warnings == ("e.conf: no call over the old driver is in it",)


@pytest.mark.parametrize(
    "text",
    [
        ";exten => 1,1,Dial(Skypiax/if/a)\n",
        ";-- no longer\nexten => 1,1,Dial(Skypiax/if/a)\n--;\n",
        "exten => 1,1,Dial(SIP/a,30)\r\n",
        "exten => 1,1,NoOp(NotSkypiax/a/b)",
        "",
    ],
)
def test_every_other_line_stays_as_it_is(text: str) -> None:
    assert dialplan.convert(text, "e.conf")[0] == text


_PIECES = st.sampled_from(
    [
        *(
            "exten => 1,1,",
            "Dial(",
            "Skypiax/",
            "if/",
            "a",
            "&",
            ",",
            "|",
            ")",
            "(",
            "$",
        ),
        *("{", "}", "[", "]", ";", ";--", "--;", "\\", "\n", "\r\n", " ", "Dial,", "é"),
    ]
)


@settings(deadline=None)  # other jobs share the machine
@given(st.lists(_PIECES, max_size=40).map("".join))
def test_no_line_is_lost_and_a_second_conversion_changes_nothing(text: str) -> None:
    once, _ = dialplan.convert(text, "e.conf")
    rest = iter(once.split("\n"))
    for line in text.split("\n"):
        assert any(found in (line, f"; was: {line}") for found in rest)
    assert dialplan.convert(once, "e.conf")[0] == once


def test_the_dialplan_of_2009_is_rewritten() -> None:
    text, warnings = convert(OLD_DIALPLAN)
    assert warnings == ()
    assert "exten => 556,1,Gosub(skypechan,dial,1(skypeclient/echo123))\n" in text
    assert "exten => _9.,1,Gosub(skypechan,dial,1(ANY/${EXTEN:1},60,g))\n" in text


def command(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, bytes]:
    written = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", written)
    status = cli.main(["convert", str(path)])
    return status, written.buffer.getvalue()  # type: ignore[attr-defined]


def test_the_command_prints_the_converted_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    status, output = command(ARTICLE, monkeypatch)
    assert status == 0
    assert output.decode() == convert(ARTICLE)[0]
    xml = tmp_path / "skypopen.conf.xml"
    xml.write_text(f"\ufeff<!-- of then -->\n{SKYPOPEN}")
    status, output = command(xml, monkeypatch)
    assert status == 0
    assert loaded(output.decode()).lines[0].name == "better.voice"
    xml.write_text(f"\n{SKYPOPEN}")
    assert command(xml, monkeypatch) == (0, output)


def test_letters_of_another_encoding_pass_the_command_unchanged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "extensions.conf"
    path.write_bytes(b"exten => 1,1,NoOp(\xec\xe0)\n")
    assert command(path, monkeypatch) == (0, b"exten => 1,1,NoOp(\xec\xe0)\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nskype=yes\nwrong=1\n", "x.conf:3: [a] knows no 'wrong'"),
        ("just text", "is neither a skypiax.conf, a skypopen.conf.xml nor an ext"),
        ("<a/>", "x.conf: has no <configuration"),
        (None, "x.conf: cannot be read: No such file or directory"),
    ],
)
def test_the_command_ends_with_2_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    text: str | None,
    said: str,
) -> None:
    path = tmp_path / "x.conf"
    if text is not None:
        path.write_text(text)
    assert command(path, monkeypatch) == (2, b"")
    (sentence,) = capsys.readouterr().err.splitlines()
    assert said in sentence
