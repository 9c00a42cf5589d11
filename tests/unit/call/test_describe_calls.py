"""The transition table in words."""

from __future__ import annotations

from pathlib import Path

from skypechan.call.describe import table
from skypechan.call.machine import IGNORED, TRANSITIONS

ARCHITECTURE = Path(__file__).parents[3] / "ARCHITECTURE.md"


def test_the_architecture_shows_the_table_as_it_is() -> None:
    assert f"```text\n{table()}\n```\n" in ARCHITECTURE.read_text("utf-8")


def test_every_pair_is_told() -> None:
    words = table().replace(",", " ").split()
    told = sum(words.count(event.__name__) for event in {e for _, e in TRANSITIONS})
    assert told == len(TRANSITIONS) + len(IGNORED)
