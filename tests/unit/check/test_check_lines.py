"""What `skypechan check` finds of a line whose client the gateway starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from skypechan.asterisk.settings import AsteriskSettings
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.check.finding import Finding, Status
from skypechan.check.lines import lines
from skypechan.check.subject import (
    CheckedLine,
    LineFact,
    Running,
    SelfTestFact,
    Subject,
)
from skypechan.gateway.settings import LineSettings
from skypechan.settings import Endpoint
from tests.doubles.clock import FakeClock


async def never_asked() -> SelfTestFact:
    pytest.fail("no self-test is wanted")


async def finding(programs: tuple[str, ...], fact: LineFact | None = None) -> Finding:
    (found,) = await findings(programs, fact)
    return found


async def findings(
    programs: tuple[str, ...], fact: LineFact | None = None
) -> list[Finding]:
    subject = Subject(
        source=Path("skypechan.toml"),
        asterisk=AsteriskSettings(),
        web=Endpoint("127.0.0.1", 0),
        lines=(CheckedLine("alice", LineSettings(), SkypeSettings(), programs),),
        targets=(),
        clock=FakeClock(),
        running=Running({"alice": fact}, never_asked) if fact else None,
    )
    return [one async for one in lines(subject)]


async def test_client_is_not_looked_for_before_the_gateway_has_started_it() -> None:
    found = await finding(("sh", "env"))
    assert found.status is Status.OK
    assert found.finding == "the gateway will start its client"


async def test_programs_that_are_missing_are_named() -> None:
    found = await finding(("sh", "no-such-client"))
    assert found.status is Status.FAILED
    assert found.evidence == "there is no program no-such-client"


async def test_reason_why_the_client_is_not_there_is_the_evidence() -> None:
    fact = LineFact("waiting_for_client", "client ended with status 1", "")
    found = await finding(("sh",), fact)
    assert found.status is Status.FAILED
    assert "client ended with status 1" in found.evidence
    assert "skypechan line restart alice" in found.remedy


@pytest.mark.parametrize(
    ("level", "reason", "statuses"),
    [
        ("namespace", "", [Status.OK]),
        ("user", "", [Status.OK]),
        ("none", "", [Status.OK]),
        ("user", "no namespaces: none are left", [Status.OK, Status.WARNING]),
        ("none", "no user of its own", [Status.OK, Status.WARNING]),
    ],
)
async def test_client_with_less_walls_than_could_be_is_a_warning(
    level: str, reason: str, statuses: list[Status]
) -> None:
    told = await findings(("sh",), LineFact("ready", "", "alice", level, reason))
    assert [one.status for one in told] == statuses
    for warned in told[1:]:
        assert f"isolation is {level}, says the gateway: {reason}" == warned.evidence
        assert "skypechan line restart alice" in warned.remedy
