from __future__ import annotations

import pytest

from skypechan.call.routes import Incoming, Route, Target, find
from skypechan.errors import ConfigError

DEFAULT = Target("600", "from-skypechan")
ROUTES = [
    Route(Target("555", "phones"), line="first", caller="boss.*"),
    Route(Target("560", "phones"), kind="pstn", account="sales"),
    Route(Target("570", "phones"), kind="pstn"),
    Route(Target("610", "phones"), line="second"),
]


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (Incoming("first", "skypet123", "boss.smith", "p2p"), "555"),
        (Incoming("first", "skypet123", "BOSS.Smith", "p2p"), "555"),
        (Incoming("first", "skypet123", "bossy", "p2p"), "600"),
        (Incoming("first", "Sales", "+4930123", "pstn"), "560"),
        (Incoming("second", "skypet123", "+4930123", "pstn"), "570"),
        (Incoming("second", "skypet123", "boss.smith", "p2p"), "610"),
        (Incoming("third", "", "boss.smith", "p2p"), "600"),
    ],
)
def test_first_matching_route_wins(call: Incoming, expected: str) -> None:
    assert find(ROUTES, call, DEFAULT).extension == expected


@pytest.mark.parametrize("text", ["555", "@ctx", "555@", "5 5@ctx", "555@a,b", "a@b@c"])
def test_a_target_is_extension_at_context(text: str) -> None:
    with pytest.raises(ConfigError, match="EXTENSION@CONTEXT"):
        Target.parse(text)
