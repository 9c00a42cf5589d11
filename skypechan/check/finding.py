"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How it stands. A warning is no failure: calls can be made."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of one check.

    `check` is the check's name, with the line's where it is of one line; `evidence` is
    what was seen, in the words of whoever said it; `remedy` what the operator can do.
    """

    check: str
    status: Status
    finding: str
    evidence: str = ""
    remedy: str = ""


def ok(check: str, finding: str, evidence: str = "") -> Finding:
    """Return a finding with which all is well."""
    return Finding(check, Status.OK, finding, evidence)


def failed(check: str, finding: str, evidence: str, remedy: str) -> Finding:
    """Return a finding that stands against calls."""
    return Finding(check, Status.FAILED, finding, evidence, remedy)


def warning(check: str, finding: str, evidence: str, remedy: str) -> Finding:
    """Return a finding that the operator should know."""
    return Finding(check, Status.WARNING, finding, evidence, remedy)


def skipped(check: str, why: str) -> Finding:
    """Return that something could not be looked at."""
    return Finding(check, Status.SKIPPED, why)
