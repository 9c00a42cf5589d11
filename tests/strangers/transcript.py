"""Lines in the order of their arrival, and waiting for one with a deadline."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.doubles.waiting import Changes


class Transcript:
    """What one end has heard. Every wait has a deadline and shows what came instead."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changes = Changes()

    @property
    def mark(self) -> int:
        """The place after the last line, for ``since``."""
        return len(self.lines)

    def add(self, line: str) -> None:
        """Take a line that came."""
        self.lines.append(line)
        self.changed()

    def changed(self) -> None:
        """Let everybody who waits look again."""
        self._changes.notify()

    def found(self, pattern: str, since: int = 0) -> list[re.Match[str]]:
        """Whole lines of that pattern."""
        matches = (re.fullmatch(pattern, line) for line in self.lines[since:])
        return [match for match in matches if match]

    async def line(
        self, pattern: str, *, since: int = 0, seconds: float = 5, times: int = 1
    ) -> re.Match[str]:
        """The ``times``-th line of that pattern; raises AssertionError."""
        await self.until(
            lambda: len(self.found(pattern, since)) >= times,
            f"{times} x {pattern!r}",
            seconds,
            since,
        )
        return self.found(pattern, since)[times - 1]

    async def until(
        self,
        condition: Callable[[], object],
        what: str,
        seconds: float = 5,
        since: int = 0,
    ) -> None:
        """Return once the condition holds; raises AssertionError that shows the lines.

        It is looked at when a line comes and when `changed` is called.
        """
        try:
            await self._changes.until(condition, seconds, what)
        except TimeoutError as error:
            heard = "\n  ".join(self.lines[since:][-40:])
            message = f"{error}; heard:\n  {heard}"
            raise AssertionError(message) from None
