"""`skypechan check`: the settings and the running gateway, brought to the checks."""

from __future__ import annotations

import asyncio
import logging
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skypechan.check import run as checks
from skypechan.check.finding import Finding, Status, failed
from skypechan.check.subject import (
    CheckedLine,
    LineFact,
    Running,
    SelfTestFact,
    Subject,
)
from skypechan.clock import SystemClock
from skypechan.config import reader
from skypechan.config.reader import Config
from skypechan.console.client import ControlClient, places_of
from skypechan.errors import ConfigError, LinkDownError
from skypechan.log import legible

_SELF_TEST_S = 30.0


def findings_of(path: Path) -> list[Finding]:
    """Check everything about a configuration. Raises ConfigError when it is bad."""
    # What the parts would log is in the findings, with the remedy.
    logging.getLogger("skypechan").addHandler(logging.NullHandler())
    subject = _subject(reader.load(path), running_gateway(path))
    return asyncio.run(checks.run(subject, _tell))


def faults_of(error: ConfigError) -> list[Finding]:
    """Return what is wrong with a configuration that cannot be read."""
    remedy = "correct the file; `skypechan describe config` shows every setting"
    return [
        failed("configuration", "the configuration cannot be used", fault, remedy)
        for fault in error.faults
    ]


def running_gateway(path: Path) -> Running | None:
    """Return the gateway of a configuration, if it runs.

    Raises LinkError for one that runs and does not let us ask, or says nothing.
    """
    client = ControlClient(places_of(path))
    try:
        status = client.ask("GET", "/api/status")
    except LinkDownError:
        return None

    async def self_test() -> SelfTestFact:
        answer = await asyncio.to_thread(
            client.ask, "POST", "/api/self-test", timeout_s=_SELF_TEST_S
        )
        return SelfTestFact(answer["passed"], answer["reason"], answer["figures"])

    lines = {
        line["name"]: LineFact(
            line["state"],
            line["reason"],
            line["account"],
            line["isolation"],
            line["isolation_reason"],
        )
        for line in status["lines"]
    }
    return Running(lines, self_test)


def _subject(config: Config, running: Running | None) -> Subject:
    return Subject(
        source=config.source,
        asterisk=config.asterisk,
        web=config.web.listen,
        lines=tuple(
            CheckedLine(
                line.name,
                line.line,
                line.backend,
                line.client.programs,
            )
            for line in config.lines
        ),
        targets=tuple(
            (f"route {number}", route.to)
            for number, route in enumerate(config.routes, 1)
        ),
        clock=SystemClock(),
        secret_files=tuple(_secret_files(config.source)),
        warnings=config.warnings,
        records=config.records.path_from(config.source.parent),
        running=running,
        asterisks=config.asterisks,
    )


def _secret_files(source: Path) -> Iterator[Path]:
    """Yield the files that hold a secret in clear."""
    beside = source.parent / reader.DEFAULT_FILES[0]
    for path in dict.fromkeys((source, beside)):
        if path.is_file() and _has_secret(path):
            yield path


def _has_secret(path: Path) -> bool:
    try:
        tables: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    clients = (line.get("client", {}) for line in tables.get("lines", {}).values())
    return (
        "ami_secret" in tables.get("asterisk", {})
        or "token" in tables.get("web", {})
        or any("login" in client for client in clients)
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201


def report_of(findings: list[Finding]) -> dict[str, Any]:
    """Return findings for JSON."""
    return {
        "pass": checks.passed(findings),
        "findings": [
            {
                "check": one.check,
                "status": one.status.value,
                "finding": one.finding,
                "evidence": one.evidence,
                "remedy": one.remedy,
            }
            for one in findings
        ],
    }


def text_of(findings: list[Finding]) -> str:
    """Return findings for a terminal, with evidence and remedy where it is not well."""
    width = max(len(one.check) for one in findings)
    lines = []
    for one in findings:
        word = one.status.value if one.status is not Status.FAILED else "FAILED"
        seen = f" ({one.evidence})" if one.evidence and not one.remedy else ""
        lines.append(legible(f"{word:8} {one.check:{width}}  {one.finding}{seen}"))
        if one.remedy:
            indent = " " * (width + 11)
            lines.append(legible(f"{indent}seen:   {one.evidence}"))
            lines.append(legible(f"{indent}remedy: {one.remedy}"))
    counts = [
        f"{sum(one.status is status for one in findings)} {status.value}"
        for status in Status
    ]
    return "\n".join([*lines, "", ", ".join(counts)])
