"""What became of a configuration that was read again, as values and in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Change(StrEnum):
    """What a new configuration means for a line."""

    KEEP = "keep"  # the line is as it was
    LIVE = "live"  # it has other settings, from now on
    ADD = "add"
    REPLACE = "replace"  # it needs another start, which waits for the end of its call
    REMOVE = "remove"  # this as well


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What became of a line, and which of its settings were others.

    `when_idle` tells that it will be, when the call has ended that is in the way.
    """

    line: str
    change: Change
    settings: tuple[str, ...] = ()
    when_idle: bool = False

    @property
    def words(self) -> str:
        """What is said of the line behind its name."""
        when = " when the call in its way has ended" if self.when_idle else ""
        settings = f" ({', '.join(self.settings)})" if self.settings else ""
        return f"{_DONE[self.change]}{when}{settings}"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of a configuration that was read again.

    `changed` names what else has, `restart` the settings that stay as they are until
    the gateway is started again.
    """

    lines: tuple[LineOutcome, ...]
    changed: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Reloaded:
        """Return what the API has answered."""
        lines = (
            LineOutcome(
                one["line"],
                Change(one["change"]),
                tuple(one["settings"]),
                one["when_idle"],
            )
            for one in values["lines"]
        )
        rest = (tuple(values[name]) for name in ("changed", "restart", "warnings"))
        return cls(tuple(lines), *rest)

    def told(self, *, kept: bool = True) -> Iterator[str]:
        """Yield it in words, a sentence each, the warnings behind the rest.

        With or without the lines that are as they were.
        """
        for one in self.lines:
            if kept or one.change is not Change.KEEP:
                yield f"line {one.line} {one.words}"
        for name in self.changed:
            yield f"{name}: as the configuration has it now"
        for name in self.restart:
            yield f"{name} stays as it is: it needs a restart of the gateway"
        for warning in self.warnings:
            yield f"warning: {warning}"


_DONE = {
    Change.KEEP: "is as it was",
    Change.LIVE: "has other settings from now on",
    Change.ADD: "is added",
    Change.REPLACE: "is replaced",
    Change.REMOVE: "is removed",
}
