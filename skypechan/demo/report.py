"""The report of the demonstration: for people line by line, for programs as JSON."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

Figures = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class StepResult:
    """How one step went; `transport` is empty where no messenger is in it."""

    name: str
    transport: str
    passed: bool
    figures: Figures
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the step as the report holds it."""
        return {
            "name": self.name,
            "transport": self.transport or None,
            "pass": self.passed,
            "figures": dict(self.figures),
            "reason": self.reason,
        }

    def __str__(self) -> str:
        verdict = "ok    " if self.passed else "FAILED"
        figures = ", ".join(f"{name} {value}" for name, value in self.figures.items())
        tail = self.reason if not self.passed else figures
        return f"{verdict} {self.transport or '-':5}{self.name:16}{tail}"


@dataclass(slots=True)
class Report:
    """Every step and what it was done with."""

    versions: dict[str, str]
    steps: list[StepResult] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Tell whether there were steps and every one passed."""
        return bool(self.steps) and all(step.passed for step in self.steps)

    def add(self, step: StepResult) -> None:
        """Take a step and show it on standard error at once."""
        self.steps.append(step)
        tell(str(step))

    def as_json(self) -> str:
        """Return the report as one JSON document."""
        content = {
            "pass": self.passed,
            "steps": [step.as_json() for step in self.steps],
            "versions": self.versions,
        }
        return json.dumps(content, indent=2)


def versions(asterisk: str) -> dict[str, str]:
    """Return what a reader of figures must know about the programs."""
    packages = (
        "skypechan",
        "numpy",
        "aiohttp",
        "dbus-next",
        "python-xlib",
        "panoramisk",
    )
    return {
        "asterisk": asterisk,
        "python": platform.python_version(),
        "system": platform.platform(),
        **{name: version(name) for name in packages},
    }


def tell(text: str) -> None:
    """Say on standard error how far things are."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress for a person
