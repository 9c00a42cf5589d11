from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from skypechan.web.metrics import Family, Kind, families, lines_of, text
from tests.unit.web.fixed_gateway import figures, gateway_of, line, link, live_call

GOLDEN = Path(__file__).parent / "metrics.txt"


def test_metrics_are_as_the_golden_text_has_them() -> None:
    now = gateway_of(
        lines=(
            replace(line("one"), isolation="namespace"),
            line("two", "signed_out", "nobody is signed in"),
        ),
        calls=(live_call("c1", figures()), live_call("c2", figures(queue_ms=40.0))),
        links=(link("link_down", "no answer"),),
        calls_total={"to_pbx/ANSWER": 7, "to_line/BUSY": 2},
        refused_sockets={"unknown uuid": 1},
        media_ended={"to_pbx_gaps": 40, "to_line_concealed_ms": 2_500},
    )
    assert text(now) == GOLDEN.read_text("utf-8")


def test_an_idle_gateway_shows_zeros_and_not_holes() -> None:
    shown = text(gateway_of())
    assert 'skypechan_calls_live{direction="to_pbx"} 0\n' in shown
    assert 'skypechan_lines{state="paused"} 0\n' in shown
    assert 'skypechan_media_gaps_total{direction="to_line"} 0\n' in shown
    assert "skypechan_media_calls 0\n" in shown


def test_each_line_has_a_one_for_its_state_and_for_no_other() -> None:
    shown = text(gateway_of(lines=(line("one", "paused"),)))
    states = re.findall(
        r'^skypechan_line_state\{line="one",state="(\w+)"\} 1$', shown, re.MULTILINE
    )
    assert states == ["paused"]


def test_nothing_that_a_caller_chose_is_a_label() -> None:
    shown = text(gateway_of(calls=(live_call("c1", figures()),)))
    assert "onerror" not in shown
    assert "bob" not in shown


def test_a_label_is_escaped() -> None:
    shown = text(gateway_of(refused_sockets={'a "b"\\n\nc': 1}))
    assert r'skypechan_audiosocket_refused_total{reason="a \"b\"\\n\nc"} 1' in shown


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (True, "1"),
        (0.0125, "0.0125"),
        (12_345_678_901, "12345678901"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_a_number_is_written_as_prometheus_reads_it(value: float, written: str) -> None:
    family = Family("n", Kind.GAUGE, "A number.", (({}, value),))
    assert "".join(lines_of(family)).splitlines()[-1] == f"n {written}"


def test_every_family_has_one_well_formed_name_and_counters_end_in_total() -> None:
    every = list(families(gateway_of()))
    names = [family.name for family in every]
    assert len(set(names)) == len(names)
    for family in every:
        assert re.fullmatch(r"skypechan_[a-z0-9_]+", family.name)
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
