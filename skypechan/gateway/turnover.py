"""Lines that come, change and go while others have calls.

Each name has one place. A line leaves it when no call has the line, whatever takes that
long; only then the next one of that name comes, and a line that needs what another
one has not let go of waits behind that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass

from skypechan.gateway.line import Due, Line
from skypechan.gateway.lines import Lines


@dataclass(frozen=True, slots=True)
class _Next:
    """Who comes next, and what has to be let go of before."""

    line: Line
    behind: Collection[Line]


class Turnover:
    """Serves every line in its place, and whoever takes that next.

    `take_in` is told of each line before it is served, `on_gone` of one that has left
    and whom none follows.
    """

    def __init__(
        self,
        lines: Lines,
        take_in: Callable[[Line], None],
        on_gone: Callable[[Line], None],
    ) -> None:
        self._lines = lines
        self._take_in = take_in
        self._on_gone = on_gone
        self._tasks: asyncio.TaskGroup | None = None
        self._next: dict[str, _Next] = {}

    @property
    def runs(self) -> bool:
        """Tell whether lines are served and can come and go."""
        return self._tasks is not None

    def run_in(self, tasks: asyncio.TaskGroup) -> None:
        """Serve the lines in this group from now on."""
        self._tasks = tasks
        for line in self._lines:
            self._begin(tasks, _Next(line, ()))

    def served(self, name: str) -> Line:
        """Return the line that has the place of this name."""
        return self._lines[name]

    def turn(self, name: str, new: Line | None, behind: Collection[Line] = ()) -> bool:
        """Let a new line, or none, take a place; tell whether that waits for a call.

        It comes behind others that have to let go of what it needs.
        """
        old = self._lines.get(name)
        follower = _Next(new, behind) if new is not None else None
        if old is not None:
            self._next.pop(name, None)
            if follower is not None:
                self._next[name] = follower
            old.leave(Due.REPLACE if follower else Due.REMOVE)
        elif follower is not None and self._tasks is not None:
            self._begin(self._tasks, follower)
        in_the_way = (*behind, *((old,) if old is not None else ()))
        return any(line.call_id is not None for line in in_the_way)

    def set(self, new: Line) -> None:
        """Give a line, and whoever waits for its place, the settings of a new one."""
        self._lines[new.name].take_settings(new)
        if waiting := self._next.get(new.name):
            self._next[new.name] = _Next(new, waiting.behind)

    def _begin(self, tasks: asyncio.TaskGroup, first: _Next) -> None:
        self._enter(first.line)
        serving = self._serve(first)
        try:
            tasks.create_task(serving, name=f"line {first.line.name}")
        except RuntimeError:  # the gateway goes down, and every line with it
            serving.close()

    def _enter(self, line: Line) -> None:
        self._lines.put(line)
        self._take_in(line)

    async def _serve(self, first: _Next) -> None:
        served: _Next | None = first
        while served is not None:
            line = served.line
            await line.serve(served.behind)
            served = self._next.pop(line.name, None)
            if served is not None:
                served.line.follow(line)
                self._enter(served.line)
        self._lines.drop(line)
        self._on_gone(line)
