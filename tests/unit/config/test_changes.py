"""What another configuration means for each line, and for the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from skypechan.config.changes import (
    clash,
    line_changes,
    needing_restart,
    other_changes,
    with_sections_of,
)
from skypechan.config.reader import Config, parse
from skypechan.gateway.reloaded import Change, LineOutcome

LINES = """
[lines.alice]
display = ":1"
transport = "x11"
[lines.bob]
display = ":2"
transport = "x11"
"""


def config(text: str) -> Config:
    return parse(text, Path("skypechan.toml"), {})


def changes(old: str, new: str) -> list[LineOutcome]:
    return list(line_changes(config(old).lines, config(new).lines))


def test_what_is_the_same_is_kept() -> None:
    assert changes(LINES, LINES) == [
        LineOutcome("alice", Change.KEEP),
        LineOutcome("bob", Change.KEEP),
    ]


def test_lines_come_and_go_the_new_ones_in_their_order() -> None:
    new = '[lines.carol]\nbackend = "echo"\n' + LINES.replace("lines.bob", "lines.dora")
    assert changes(LINES, new) == [
        LineOutcome("carol", Change.ADD),
        LineOutcome("alice", Change.KEEP),
        LineOutcome("dora", Change.ADD),
        LineOutcome("bob", Change.REMOVE),
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("context", '"elsewhere"'),
        ("extension", '"555"'),
        ("language", '"de"'),
        ("playback_boost_db", "3"),
        ("capture_boost_db", "-3"),
        ("ring_seconds", "10"),
        ("max_call_seconds", "60"),
        ("inband_digits", "true"),
        ("callers_allowed", '["boss"]'),
        ("calls_per_minute", "3"),
        ("numbers_allowed", '["*"]'),
        ("max_calls_per_account", "1"),
    ],
)
def test_targets_gains_and_limits_hold_at_once(key: str, value: str) -> None:
    new = LINES.replace("[lines.bob]", f"{key} = {value}\n[lines.bob]")
    assert changes(LINES, new) == [
        LineOutcome("alice", Change.LIVE, (key,)),
        LineOutcome("bob", Change.KEEP),
    ]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('account = "alice"', "account"),
        ("sound_port_to_skype = 4711", "sound_port_to_skype"),
        ('when_busy = "ring"', "when_busy"),
        ('raw_commands = ["GET PROFILE"]', "raw_commands"),
        ('backend = "echo"', "backend"),
    ],
)
def test_what_concerns_the_client_needs_another_line(line: str, name: str) -> None:
    old = "[lines.alice]\n[lines.bob]"
    assert changes(old, f"[lines.alice]\n{line}\n[lines.bob]") == [
        LineOutcome("alice", Change.REPLACE, (name,)),
        LineOutcome("bob", Change.KEEP),
    ]


def test_a_client_that_becomes_ours_or_has_another_login_needs_another_line() -> None:
    old = "[lines.alice]\n"
    ours = f'{old}[lines.alice.client]\ncommand = ["skype"]\n'
    assert changes(old, ours) == [
        LineOutcome("alice", Change.REPLACE, ("client.command",))
    ]
    login = f'{ours}login = "alice sesame"\n'
    (outcome,) = changes(ours, login)
    assert outcome == LineOutcome("alice", Change.REPLACE, ("client.login",))
    assert "sesame" not in outcome.words


def test_a_replaced_line_names_all_that_has_changed() -> None:
    new = LINES.replace('":1"', '":3"\nring_seconds = 5')
    (outcome, _) = changes(LINES, new)
    assert outcome == LineOutcome("alice", Change.REPLACE, ("display", "ring_seconds"))


REST = """
[web]
listen = "127.0.0.1:1"
[asterisk]
ami = "127.0.0.1:2"
audiosocket_listen = "127.0.0.1:3"
ami_secret = "sesame"
[log]
level = "info"
"""


def test_what_needs_a_restart_is_named_and_stays() -> None:
    old, new = config(REST + LINES), config(LINES)
    assert needing_restart(old, new) == (
        "[asterisk] ami",
        "[asterisk] ami_secret",
        "[asterisk] audiosocket_listen",
        "[web] listen",
    )
    assert with_sections_of(new, old).web == old.web
    assert needing_restart(old, with_sections_of(new, old)) == ()


def test_further_asterisks_that_come_go_and_change_are_named_and_stay() -> None:
    table = '[asterisks.{}]\naudiosocket_listen = "127.0.0.1:{}"\n'
    old = config(LINES + table.format("gone", 4) + table.format("moved", 5))
    new = config(LINES + table.format("moved", 6) + table.format("added", 7))
    assert needing_restart(old, new) == (
        "[asterisks.added]",
        "[asterisks.gone]",
        "[asterisks.moved] audiosocket_listen",
    )
    assert with_sections_of(new, old).asterisks == old.asterisks


def test_routes_contacts_and_log_go_live() -> None:
    old = config(LINES)
    new = config(
        LINES
        + '[[routes]]\nto = "1@a"\n[log]\nlevel = "debug"\n[contacts]\n'
        + 'x = { uuid = "2f9d8f52-5f0e-4a4a-9d7c-9b3d3cf5f3a1" }'
    )
    assert other_changes(old, new) == ("routes", "contacts", "log")
    assert needing_restart(old, new) == ()
    assert other_changes(old, old) == ()


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ("", "", True),  # both are on the session bus
        ('dbus_address = "a"', 'dbus_address = "b"', False),
        ('transport = "x11"\ndisplay = ":1"', 'transport = "x11"\ndisplay=":1"', True),
        ('transport = "x11"\ndisplay = ":1"', 'transport = "x11"\ndisplay=":2"', False),
        ("sound_port_to_skype = 5", 'dbus_address = "b"', False),
        (
            "sound_port_to_skype = 5",
            'dbus_address = "b"\nsound_port_from_skype = 5',
            True,
        ),
        ('backend = "echo"', 'backend = "echo"', False),
    ],
)
def test_two_lines_clash_where_they_need_the_same(
    one: str, other: str, wanted: bool
) -> None:
    (first,) = config(f"[lines.one]\n{one}").lines
    (second,) = config(f"[lines.other]\n{other}").lines
    assert clash(first, second) is wanted


def test_clients_of_our_own_clash_by_their_folders() -> None:
    text = '[lines.{}.client]\ncommand = ["skype"]\nfolder = "{}"'
    (one,) = config(text.format("one", "here")).lines
    (same,) = config(text.format("same", "here")).lines
    (own,) = config(text.format("own", "")).lines
    (usual,) = config(text.format("usual", "clients/own")).lines
    assert clash(one, same)
    assert not clash(one, own)
    assert clash(usual, own)
