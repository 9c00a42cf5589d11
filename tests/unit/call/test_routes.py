from __future__ import annotations

import pytest

from skypechan.call.routes import Route, Target, find
from skypechan.errors import ConfigError

DEFAULT = Target("600", "from-skypechan")
BOSS = Route(Target("555", "from-skypechan"), line="first", caller="boss.*")
ANYONE = Route(Target("610", "from-skypechan"), line="second")


@pytest.mark.parametrize(
    ("line", "caller", "expected"),
    [
        ("first", "boss.smith", "555@from-skypechan"),
        ("first", "BOSS.Smith", "555@from-skypechan"),
        ("first", "bossy", "600@from-skypechan"),
        ("second", "boss.smith", "610@from-skypechan"),
        ("third", "boss.smith", "600@from-skypechan"),
    ],
)
def test_first_matching_route_wins(line: str, caller: str, expected: str) -> None:
    assert str(find([BOSS, ANYONE], line, caller, DEFAULT)) == expected


@pytest.mark.parametrize("text", ["555", "@ctx", "555@", "5 5@ctx", "555@a,b", "a@b@c"])
def test_a_target_is_extension_at_context(text: str) -> None:
    with pytest.raises(ConfigError, match="EXTENSION@CONTEXT"):
        Target.parse(text)
