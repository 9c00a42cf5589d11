"""Checks of Asterisk, of a kind that no real one here can be brought to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from skypechan.asterisk.settings import AsteriskSettings
from skypechan.asterisk.versions import Version
from skypechan.check.asterisk import _release, asterisk
from skypechan.check.finding import Finding, Status
from skypechan.check.subject import CheckedLine, Running, SelfTestFact, Subject
from skypechan.clock import SystemClock
from skypechan.gateway.settings import LineSettings
from skypechan.settings import Endpoint
from tests.doubles.ami_server import AmiServer, Answer, refuse, silence

PERMISSION_DENIED = refuse("Permission denied")


def subject(port: int, running: Running | None = None) -> Subject:
    return Subject(
        source=Path("skypechan.toml"),
        asterisk=AsteriskSettings(
            ami=f"127.0.0.1:{port}",
            audiosocket_listen="127.0.0.1:9092",
            action_seconds=0.2,
        ),
        web=Endpoint("127.0.0.1", 0),
        lines=(CheckedLine("one", LineSettings(extension="600"), None),),
        targets=(),
        clock=SystemClock(),
        running=running,
    )


async def findings(of: Subject) -> dict[str, Finding]:
    return {finding.check: finding async for finding in asterisk(of)}


def valued(values: Mapping[str, str]) -> Answer:
    """Answer Getvar with these values, and with nothing for others."""

    def answer(server: AmiServer, action: Mapping[str, str]) -> None:
        name = action["Variable"]
        known = next((v for key, v in values.items() if name.startswith(key)), "")
        server.respond(action, Variable=name, Value=known)

    return answer


async def self_test() -> SelfTestFact:
    return SelfTestFact(passed=True, reason="")


@pytest.mark.parametrize(
    ("release", "status", "word"),
    [
        ("22.10.1", Status.OK, "wideband"),
        ("20.17.0", Status.OK, "wideband"),
        ("20.15.0", Status.WARNING, "audio is 8 kHz only"),
        ("18.26.4", Status.WARNING, "digits come by AMI only and audio is 8 kHz only"),
        ("16.28.0", Status.FAILED, "no AudioSocket"),
        ("", Status.WARNING, "not known"),
        ("GIT-master-1234", Status.WARNING, "8 kHz"),
    ],
)
def test_a_release_is_judged_by_what_its_audiosocket_can_do(
    release: str, status: Status, word: str
) -> None:
    found = _release(Version(release))
    assert found.status is status
    assert word in found.finding
    assert bool(found.remedy) is (status is not Status.OK)


async def test_an_asterisk_that_says_nothing_is_named() -> None:
    async with AmiServer() as server:
        server.answers["Login"] = silence
        found = await findings(subject(server.port))
    assert found["ami"].status is Status.FAILED
    assert "did not answer Login" in found["ami"].evidence
    assert found["asterisk"].status is Status.SKIPPED


async def test_rights_are_measured_by_what_changes_nothing() -> None:
    async with AmiServer() as server:
        for name in ("Getvar", "Setvar", "Redirect", "Hangup", "PlayDTMF"):
            server.answers[name] = PERMISSION_DENIED
        server.answers["Originate"] = refuse("Channel not specified")
        found = await findings(subject(server.port))
        sent = [dict(action) for action in server.actions]
    assert found["ami-rights"].finding == (
        "skypechan may not Getvar, Setvar, Redirect, Hangup, PlayDTMF"
    )
    assert "add call to write" in found["ami-rights"].remedy
    for action in sent:
        assert action.get("Channel", "") in ("", "skypechan-nobody")
        assert action.get("Variable", "") in ("", "EPOCH")


@pytest.mark.parametrize(
    ("value", "status", "word"),
    [
        ("127.0.0.1:9092", Status.OK, "is 127.0.0.1:9092"),
        ("", Status.FAILED, "clearglobalvars"),
        ("10.0.0.9:9092", Status.FAILED, "alone = false"),
    ],
)
async def test_the_global_must_name_the_gateway_that_runs(
    value: str, status: Status, word: str
) -> None:
    values = {"VERSION": "22.10.1", "SKYPECHAN_SOCKET": value, "DIALPLAN_EXISTS": "0"}
    async with AmiServer() as server:
        server.answers["Getvar"] = valued(values)
        found = await findings(subject(server.port, Running({}, self_test)))
    assert found["socket"].status is status
    assert word in found["socket"].finding + found["socket"].remedy
    assert found["dialplan"].status is Status.FAILED
    assert found["audio"].status is Status.SKIPPED


async def test_a_context_that_takes_telephone_numbers_is_warned_of() -> None:
    values = {
        "VERSION": "22.10.1",
        "DIALPLAN_EXISTS(from-skypechan,0": "1",
        "DIALPLAN_EXISTS(from-skypechan,+": "1",
        "DIALPLAN_EXISTS": "0",
    }
    async with AmiServer() as server:
        server.answers["Getvar"] = valued(values)
        found = (await findings(subject(server.port)))["context from-skypechan"]
    assert found.status is Status.WARNING
    assert found.evidence.endswith("an extension there for +2079460123, 02079460123")
    assert "no trunk" in found.remedy


async def test_a_context_that_takes_no_telephone_numbers_is_well() -> None:
    async with AmiServer() as server:
        server.answers["Getvar"] = valued({"DIALPLAN_EXISTS": "0"})
        found = await findings(subject(server.port))
    assert found["context from-skypechan"].status is Status.OK
    assert found["lamps"].status is Status.WARNING
