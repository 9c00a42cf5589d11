from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from skypechan.check.finding import Finding, failed, ok, skipped, warning
from skypechan.cli import main
from skypechan.console.checking import report_of, running_gateway, text_of
from skypechan.errors import LinkRefusedError
from skypechan.web.control import serve_control
from skypechan.web.settings import ControlSettings
from tests.unit.web.fixed_gateway import FixedGateway

CONFIG = '[lines.skypeclient]\nbackend = "echo"\n[control]\nsocket = "here.sock"\n'
FINDINGS = [
    ok("ami", "logged in", "as x"),
    warning("version", "8 kHz only", "18.1", "use 22"),
    failed("bus one", "no bus", "refused\x1b[2J", "start it"),
    skipped("audio", "only with a bus"),
]


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    path = tmp_path / "skypechan.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
async def gateway(configuration: Path) -> AsyncIterator[FixedGateway]:
    made = FixedGateway()
    async with serve_control(made, ControlSettings("here.sock"), configuration):
        yield made


def test_evidence_and_remedy_stand_below_what_is_not_well() -> None:
    lines = text_of(FINDINGS).splitlines()
    assert lines[0] == "ok       ami      logged in (as x)"
    assert lines[4] == "FAILED   bus one  no bus"
    assert lines[5].split() == ["seen:", "refused?[2J"]
    assert lines[6].split() == ["remedy:", "start", "it"]
    assert lines[-1] == "1 ok, 1 warning, 1 failed, 1 skipped"


@pytest.mark.parametrize(
    ("findings", "passed"),
    [(FINDINGS, False), (FINDINGS[:2], True), (FINDINGS[3:], True)],
)
def test_only_a_failure_makes_the_report_fail(
    findings: list[Finding], passed: bool
) -> None:
    report = report_of(findings)
    assert report["pass"] is passed
    assert [set(one) for one in report["findings"]] == [
        {"check", "status", "finding", "evidence", "remedy"}
    ] * len(findings)


def test_each_fault_of_a_configuration_is_a_finding_and_the_status_is_2(
    configuration: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configuration.write_text(CONFIG + "[web]\nlisten = 5\n[asterisk]\nami = 7\n")
    assert main(["check", "--json", "-c", str(configuration)]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["pass"] is False
    assert [one["check"] for one in report["findings"]] == ["configuration"] * 2
    assert all("skypechan.toml:" in one["evidence"] for one in report["findings"])


def test_without_a_gateway_there_is_none_to_ask(configuration: Path) -> None:
    assert running_gateway(configuration) is None


async def test_the_running_gateway_is_asked_for_its_lines_and_a_self_test(
    gateway: FixedGateway, configuration: Path
) -> None:
    running = await asyncio.to_thread(running_gateway, configuration)
    assert running is not None
    assert running.lines["skypeclient"].state == "ready"
    verdict = await running.self_test()
    assert verdict.passed
    assert verdict.figures == {"chirps_heard": 5}


def test_a_gateway_that_does_not_let_us_ask_is_not_taken_for_none(
    configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr("socket.socket.connect", refuse)
    with pytest.raises(LinkRefusedError, match=r"may not use .*here\.sock"):
        running_gateway(configuration)
