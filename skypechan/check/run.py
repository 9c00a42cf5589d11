"""All checks, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from skypechan.check import files
from skypechan.check.asterisk import asterisk
from skypechan.check.finding import Finding, Status, failed
from skypechan.check.lines import lines
from skypechan.check.subject import Subject
from skypechan.errors import SkypechanError

_SLOW_S = 2.0

Check = Callable[[Subject], AsyncIterator[Finding]]

CHECKS: dict[str, Check] = {
    "the configuration": files.configuration,
    "the secrets": files.secrets,
    "the folder of the call records": files.records,
    "the lines and their clients": lines,
    "the sound ports": files.sound_ports,
    "Asterisk": asterisk,
    "the port of the page": files.web,
}


async def run(subject: Subject, tell: Callable[[str], None]) -> list[Finding]:
    """Make every check; `tell` gets a word on each that takes more than 2 s."""
    findings = []
    for name, check in CHECKS.items():
        timer = asyncio.get_running_loop().call_later(
            _SLOW_S, tell, f"still looking at {name} ..."
        )
        try:
            findings += [finding async for finding in check(subject)]
        except SkypechanError as error:
            findings.append(
                failed(name, "could not be looked at", str(error), "try again")
            )
        finally:
            timer.cancel()
    return findings


def passed(findings: list[Finding]) -> bool:
    """Tell whether nothing stands against calls."""
    return not any(finding.status is Status.FAILED for finding in findings)
