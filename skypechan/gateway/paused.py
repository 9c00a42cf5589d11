"""Which lines the operator has paused, kept for the next start of the gateway.

The file is written beside the events, in a thread: a slow disk delays no call.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from skypechan.clock import Backoff, Clock
from skypechan.settings import setting

_log = logging.getLogger(__name__)

_FILE = "paused.json"
_OURS = "skypechan"
_FOLDER_MODE, _FILE_MODE = 0o700, 0o640
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Where that is kept which outlives a restart of the gateway."""

    folder: str = setting(
        "",
        "folder of what outlives a restart: which lines are paused; each gateway has"
        " its own. Empty: the one that systemd gives (StateDirectory=), else skypechan"
        " below $XDG_STATE_HOME; where that is not set either, nothing is kept",
    )

    def path_from(self, base: Path, environment: Mapping[str, str]) -> Path | None:
        """Return the folder, below `base` if it is relative; None without one."""
        if self.folder:
            return base / self.folder
        # systemd.exec(5): several folders are separated by colons.
        if given := environment.get("STATE_DIRECTORY", "").split(":")[0]:
            return Path(given)
        # The XDG specification: a path that is not absolute is ignored.
        home = Path(environment.get("XDG_STATE_HOME", ""))
        return home / _OURS if home.is_absolute() else None


class PausedLines:
    """The names of the paused lines in a file, or nowhere without a `folder`."""

    def __init__(self, folder: Path | None, clock: Clock) -> None:
        self._path = folder / _FILE if folder else None
        self._clock = clock
        self._names: frozenset[str] = frozenset()
        self._written: frozenset[str] = frozenset()
        self._news = asyncio.Event()
        self._writing = threading.Lock()

    def read(self) -> frozenset[str]:
        """Return the names that were kept; none where the file is broken."""
        if self._path is None:
            return frozenset()
        try:
            self._names = self._written = _read(self._path)
        except FileNotFoundError:
            pass
        except (OSError, ValueError, RecursionError) as error:
            text = "! %s tells nothing, so no line is paused: %s"
            _log.warning(text, self._path, error)
        return self._names

    def keep(self, names: Iterable[str]) -> None:
        """Let these be the names."""
        if (wanted := frozenset(names)) != self._names:
            self._names = wanted
            self._news.set()

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Keep the file up to date; what is left at the end is written then."""
        writing = asyncio.create_task(self._write_for_ever(), name="paused lines")
        try:
            yield
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            self._write(self._names)

    async def _write_for_ever(self) -> None:
        backoff = Backoff()
        while True:
            await self._news.wait()
            self._news.clear()
            if await asyncio.to_thread(self._write, self._names):
                backoff.reset()
            else:
                self._news.set()
                await self._clock.sleep(backoff.next_s())

    def _write(self, names: frozenset[str]) -> bool:
        """Write the names if they are others; tell whether they are kept now."""
        with self._writing:
            if names == self._written:
                return True
            try:
                if self._path is not None:
                    _write(self._path, names)
                else:
                    _log.info("= a pause ends with the gateway: no [state] folder")
            except OSError as error:
                _log.warning("! %s cannot be written: %s", self._path, error)
                return False
            self._written = names
            return True


def _read(path: Path) -> frozenset[str]:
    """Return the names in a file. Raises OSError and ValueError."""
    with path.open("rb") as file:
        kept = json.loads(file.read(_MOST_BYTES))
    names = kept.get("paused") if isinstance(kept, dict) else None
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise ValueError("it names no lines")
    return frozenset(names)


def _write(path: Path, names: Iterable[str]) -> None:
    """Replace a file whole, also when the power fails. Raises OSError."""
    path.parent.mkdir(_FOLDER_MODE, parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    with os.fdopen(file, "w", encoding="utf-8") as text:
        json.dump({"paused": sorted(names)}, text)
        text.flush()
        os.fsync(text.fileno())
    new.replace(path)
