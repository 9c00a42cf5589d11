"""What is checked: the settings, and the gateway where one runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skypechan.asterisk.settings import AsteriskSettings
from skypechan.call.routes import Target
from skypechan.clock import Clock
from skypechan.gateway.settings import LineSettings
from skypechan.settings import Endpoint


@dataclass(frozen=True, slots=True)
class CheckedLine:
    """A configured line; `backend` are the settings that its kind of client adds.

    `programs` are those that the gateway starts for it: none where its client is
    started elsewhere.
    """

    name: str
    line: LineSettings
    backend: Any
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LineFact:
    """What the running gateway says of a line.

    `isolation_reason` says why its client is kept apart less than it could be.
    """

    state: str
    reason: str
    account: str
    isolation: str = ""
    isolation_reason: str = ""


@dataclass(frozen=True, slots=True)
class SelfTestFact:
    """What a self-test of the running gateway came to."""

    passed: bool
    reason: str
    figures: Mapping[str, float | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Running:
    """The gateway that runs: it is asked instead of competing with it."""

    lines: Mapping[str, LineFact]
    self_test: Callable[[], Awaitable[SelfTestFact]]


@dataclass(frozen=True, slots=True)
class Subject:
    """Everything that the checks look at.

    `asterisks` are those beside the first, by their names.
    `secret_files` are files that hold secrets in clear; `targets` the places of the
    dialplan that the routes name, by what names them; `records` the folder of the call
    records, None where there shall be none.
    """

    source: Path
    asterisk: AsteriskSettings
    web: Endpoint
    lines: tuple[CheckedLine, ...]
    targets: tuple[tuple[str, Target], ...]
    clock: Clock
    secret_files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()
    records: Path | None = None
    running: Running | None = None
    asterisks: Mapping[str, AsteriskSettings] = field(default_factory=dict)
