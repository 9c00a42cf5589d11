"""Who may call a line, and whom a line may call."""

from __future__ import annotations

import pytest

from skypechan.gateway.permissions import Callers, objection_to_address
from skypechan.gateway.settings import LineSettings
from tests.doubles.clock import FakeClock


@pytest.mark.parametrize(
    ("allowed", "address", "may"),
    [
        ((), "echo123", True),
        ((), "+4930123", False),
        ((), "004930123", False),
        ((), "110", False),
        (("+49*",), "+49 30 123", True),
        (("+49*",), "00 49 30 123", True),
        (("+49*",), "+1900123", False),
        (("+49*",), "+4930123,+1900123", False),
        (("*",), "+1900123", True),
        (("110",), "110", True),
    ],
)
def test_a_telephone_number_is_called_only_where_it_is_allowed(
    allowed: tuple[str, ...], address: str, may: bool
) -> None:
    settings = LineSettings(numbers_allowed=allowed)
    objection = objection_to_address(settings, address)
    assert (objection == "") is may
    assert may or "numbers_allowed" in objection


@pytest.mark.parametrize(
    ("allowed", "caller", "may"),
    [
        ((), "anybody", True),
        (("boss.*", "carol"), "Boss.Smith", True),
        (("boss.*", "carol"), "carol", True),
        (("boss.*", "carol"), "carol2", False),
        (("boss.*",), "", False),
    ],
)
def test_where_callers_are_listed_nobody_else_may_call(
    allowed: tuple[str, ...], caller: str, may: bool
) -> None:
    settings = LineSettings(callers_allowed=allowed)
    objection = Callers(FakeClock()).objection("a", settings, caller)
    assert (objection == "") is may


async def test_each_caller_may_call_so_often_a_minute_and_no_more() -> None:
    clock = FakeClock()
    callers, settings = Callers(clock), LineSettings(calls_per_minute=2)

    def may(caller: str, line: str = "a") -> bool:
        return not callers.objection(line, settings, caller)

    assert [may("carol"), may("Carol"), may("carol")] == [True, True, False]
    assert may("dave")
    assert may("carol", "b")
    await clock.advance(59)
    assert not may("carol")
    await clock.advance(1)
    assert [may("carol"), may("carol"), may("carol")] == [True, True, False]
