from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from skypechan.console import tables
from skypechan.gateway.snapshot import as_json
from tests.unit.web.fixed_gateway import HOSTILE, at, figures, line, link, live_call
from tests.unit.web.fixed_gateway import record as ended_call

NOW = at(59)


def rows(*snapshots: object) -> Any:
    return as_json(snapshots)


def test_columns_are_aligned_and_empty_cells_have_a_dash() -> None:
    shown = tables.lines_table(rows(line("one"), line("twenty-two", "refused")), NOW)
    title, first, second = shown.splitlines()
    assert title.split() == [
        "LINE",
        "BACKEND",
        "ACCOUNT",
        "STATE",
        "FOR",
        "ISOLATION",
        "CALLS",
        "CALL",
        "REASON",
    ]
    for row in (first, second):
        assert row.index("skypet123") == title.index("ACCOUNT")
    assert first.split()[-2:] == ["-", "-"]


def test_states_and_ages_read_as_words() -> None:
    shown = tables.lines_table(rows(line("one", "waiting_for_client", "no bus")), NOW)
    assert "waiting for client  59s" in shown
    assert shown.endswith("no bus")


def test_a_line_shows_how_its_client_is_kept_apart_and_why_no_better() -> None:
    fell = replace(line("one"), isolation="none", isolation_reason="no namespaces")
    shown = tables.lines_table(rows(replace(fell, reason="no bus")), NOW)
    assert " none " in shown
    assert shown.endswith("no bus; isolation none: no namespaces")


def test_a_call_shows_the_level_of_both_directions() -> None:
    shown = tables.calls_table(rows(live_call("c1", figures())), NOW)
    assert "-25 dBFS" in shown
    assert "-100 dBFS" in shown


def test_a_call_without_audio_has_no_level() -> None:
    assert "dBFS" not in tables.calls_table(rows(live_call("c1")), NOW)


def test_a_record_shows_how_and_why_the_call_ended() -> None:
    shown = tables.records_table([ended_call("c1").as_json()])
    assert shown.splitlines()[1].split()[3:] == [
        "skypeclient",
        "1001",
        "echo123",
        "BUSY",
        "17",
        "-",
        "line",
        "busy",
    ]


@pytest.mark.parametrize(
    ("shown", "nothing"),
    [
        (tables.lines_table([], NOW), "no line is configured"),
        (tables.calls_table([], NOW), "no call"),
        (tables.records_table([]), "no record"),
    ],
)
def test_an_empty_table_says_so(shown: str, nothing: str) -> None:
    assert shown == nothing


@pytest.mark.parametrize("text", [HOSTILE, "\x1b[2J\x1b]0;x\x07", "a\nb\r\tc\u202e"])
def test_what_strangers_wrote_cannot_steer_the_terminal(text: str) -> None:
    shown = tables.lines_table(rows(line("one", reason=text)), NOW)
    assert len(shown.splitlines()) == 2
    assert all(letter.isprintable() for letter in shown.replace("\n", ""))


def test_long_texts_are_cut_and_wide_letters_count_twice() -> None:
    columns = (("A", lambda row: row["a"]), ("B", lambda row: row["b"]))
    shown = tables.table(
        columns,
        [
            {"a": "日本", "b": "x"},
            {"a": "abcd", "b": "x"},
            {"a": "語" * 90, "b": "x"},
            {"a": "y" * 90, "b": "x"},
        ],
        "",
    ).splitlines()
    assert shown[1] == "日本" + " " * 38 + "x"
    assert shown[2] == "abcd" + " " * 38 + "x"
    assert shown[3].startswith("語" * 19 + "…")
    assert shown[4].startswith("y" * 39 + "…")


def test_a_reason_at_the_end_of_the_line_is_shown_whole() -> None:
    reason = "no bus at unix:path=/nowhere: No such file or directory, at all"
    assert tables.lines_table(rows(line("one", reason=reason)), NOW).endswith(reason)


def test_the_first_line_of_the_status_tells_all() -> None:
    status = {
        "ready": False,
        "reasons": ["link asterisk: link down, no AMI"],
        "links": rows(link("link_down", "no AMI")),
        "lines": rows(line("one")),
        "calls": [],
    }
    shown = tables.status_screen(status, NOW)
    assert shown.splitlines()[0] == (
        "NOT READY, 0 calls; link asterisk: link down, no AMI"
    )
    assert "asterisk  link down" in shown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (7, "7s"), (187, "3m07s"), (7_380, "2h03m"), (352_800, "4d02h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    assert tables._duration(seconds) == text
