"""The configuration, read again: the gateway becomes what the file says.

No call is touched: what would need its end waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from skypechan import log
from skypechan.config.changes import (
    clash,
    line_changes,
    needing_restart,
    other_changes,
    with_sections_of,
)
from skypechan.config.reader import Config, LineConfig, load
from skypechan.errors import ConfigError
from skypechan.gateway.gateway import Gateway
from skypechan.gateway.line import Line
from skypechan.gateway.reloaded import Change, LineOutcome, Reloaded

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Read:
    """A configuration that can be served, and the lines that it makes new."""

    config: Config
    changes: tuple[LineOutcome, ...]
    made: Mapping[str, Line]


class Reload:
    """Reads the file that the gateway runs with, once more each time.

    `make_line` raises ConfigError for a line that cannot be served.
    """

    def __init__(
        self,
        config: Config,
        gateway: Gateway,
        make_line: Callable[[LineConfig], Line],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = config
        self._gateway = gateway
        self._make_line = make_line
        self._environment = environment
        self._one_at_a_time = asyncio.Lock()
        self._leaving: list[tuple[LineConfig, Line]] = []

    async def reload(self) -> Reloaded:
        """Read the file and let the gateway be as it says.

        Raises ConfigError, and then all is as it was. The disk is read in a thread: it
        delays no call.
        """
        async with self._one_at_a_time:
            try:
                read = await asyncio.to_thread(self._read)
            except ConfigError as error:
                for fault in error.faults:
                    _log.error("! not reloaded: %s", fault)
                raise
            done = self._apply(read)
        _log.info("= %s is read again", self._config.source)
        for text in done.told(kept=False):
            _log.info("= reloaded: %s", text)
        return done

    def _read(self) -> _Read:
        new = load(self._config.source, self._environment)
        changes = line_changes(self._config.lines, new.lines)
        wanted = {line.name: line for line in new.lines}
        made, faults = {}, list(_unknown_asterisks(self._config, new))
        for one in changes:
            if one.change in (Change.KEEP, Change.REMOVE):
                continue
            try:
                made[one.line] = self._make_line(wanted[one.line])
            except ConfigError as error:
                faults += [f"[lines.{one.line}] {fault}" for fault in error.faults]
        if faults:
            raise ConfigError(*faults)
        return _Read(new, changes, made)

    def _apply(self, read: _Read) -> Reloaded:
        old, new = self._config, read.config
        self._note_leaving(read)
        wanted = {line.name: line for line in new.lines}
        outcomes = tuple(
            self._change(one, wanted.get(one.line), read.made.get(one.line))
            for one in read.changes
        )
        changed = other_changes(old, new)
        self._gateway.set_places([*wanted], new.routes, new.contacts)
        if "log" in changed:
            log.set_up(new.log)
        self._config = with_sections_of(new, old)
        return Reloaded(outcomes, changed, needing_restart(old, new), new.warnings)

    def _note_leaving(self, read: _Read) -> None:
        """Take note of the lines that have to let go of what others may need."""
        self._leaving = [one for one in self._leaving if not one[1].has_parted]
        before = {line.name: line for line in self._config.lines}
        for one in read.changes:
            if one.change in (Change.REMOVE, Change.REPLACE):
                line = self._gateway.turnover.served(one.line)
                self._leaving.append((before[one.line], line))

    def _change(
        self, one: LineOutcome, wanted: LineConfig | None, made: Line | None
    ) -> LineOutcome:
        if one.change is Change.LIVE and made is not None:
            self._gateway.set_line(made)
        elif one.change is not Change.KEEP:
            behind = self._in_the_way_of(wanted) if wanted else ()
            waits = self._gateway.turnover.turn(one.line, made, behind)
            return replace(one, when_idle=waits)
        return one

    def _in_the_way_of(self, new: LineConfig) -> list[Line]:
        """Return the lines that leave and have what a new one needs."""
        return [
            line
            for old, line in self._leaving
            if line.name != new.name and clash(old, new)
        ]


def _unknown_asterisks(old: Config, new: Config) -> Iterator[str]:
    for line in new.lines:
        name = line.line.asterisk
        if name and name not in old.asterisks:
            yield (
                f"[lines.{line.name}] asterisk: [asterisks.{name}] is new: it needs a"
                " restart of the gateway"
            )
