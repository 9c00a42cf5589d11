"""Keeps one line's client running: started, watched, killed when it hangs, reaped."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from skypechan.backends.base import LineState
from skypechan.clock import Clock
from skypechan.desktop import warden
from skypechan.desktop.desktop import Desktop, Place
from skypechan.desktop.isolation import Isolation, Level, isolate
from skypechan.desktop.loopback import Loopback
from skypechan.desktop.process import Process, Program
from skypechan.desktop.restarts import Restarts
from skypechan.desktop.settings import ClientSettings
from skypechan.desktop.users import furnish, private_folder, uid_of_peer
from skypechan.desktop.view import View
from skypechan.errors import LinkDownError, LinkError
from skypechan.log import legible

_log = logging.getLogger(__name__)

_COMING = "the client was started and has not appeared yet"
_MOST_BYTES_PER_S = 1_000_000  # what it writes costs other lines' audio nothing
_MOST_CHARACTERS = 300
_RESTARTED = "restarted by the operator"


class Supervisor:
    """The desktop and the client of one line. Implements `ClientSupervisor`.

    It is also the `Loopback` on which the line's sound is exchanged.
    Display and bus outlive the client; when one of them ends, all start anew. `seeds`
    are files that a HOME has when it is new.
    """

    def __init__(
        self,
        line: str,
        settings: ClientSettings,
        folder: Path,
        clock: Clock,
        seeds: Mapping[str, str] | None = None,
    ) -> None:
        self._line = line
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._seeds = seeds or {}
        self._restarts = Restarts(settings, clock)
        self._tell: Callable[[str], None] = _untold
        self._reason = "the desktop of the client starts"
        self._place: Place | None = None
        self._isolation: Isolation | None = None
        self._loopback: Loopback | None = None
        self._client: Process | None = None
        self._degraded = asyncio.Event()
        self._answers = asyncio.Event()
        self._wanted = asyncio.Event()
        self._view = View(line, folder, clock, self._windows_changed)

    @property
    def starts_client(self) -> bool:
        """Tell that it does."""
        return True

    @property
    def screen(self) -> View | None:
        """The client's screen, if the operator may have it."""
        return self._view if self._settings.screen_in_page else None

    @property
    def windows(self) -> tuple[str, ...]:
        """The titles of the windows on the client's screen."""
        return self._view.windows

    @property
    def place(self) -> Place:
        """Where the client is found. Raises LinkDownError while there is no desktop."""
        if self._place is None:
            raise LinkDownError(self._reason)
        return self._place

    @property
    def isolation(self) -> str:
        """The level that the client is kept apart at; empty while it is not known."""
        return self._isolation.level.value if self._isolation else ""

    @property
    def isolation_reason(self) -> str:
        """Why that is less than it could be; empty where it is not."""
        why = self._isolation.why if self._isolation else ""
        return legible(why)[:_MOST_CHARACTERS]

    def new_socket(self) -> socket.socket:
        """Return a TCP socket that the client can reach. Raises OSError."""
        return self._loopback.make() if self._loopback else socket.socket()

    def is_client(self, connection: socket.socket) -> bool:
        """Tell whether the other end of a connection to such a socket is the client's.

        Its own loopback has nobody else; without one its user tells, if it has one.
        """
        found = self._isolation
        if found is None or found.level is not Level.USER or found.user is None:
            return True
        return uid_of_peer(connection) == found.user.uid

    @property
    def client(self) -> Process | None:
        """The client's process (its warden), while there is one."""
        return self._client

    @asynccontextmanager
    async def supervising(self, tell: Callable[[str], None]) -> AsyncIterator[None]:
        """Keep the client running; `tell` gets what stands between it and us."""
        self._tell = tell
        running = asyncio.create_task(self._run(), name=f"client of {self._line}")
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def restart(self) -> None:
        """Start the client anew, however often it has ended; return when it is gone."""
        self._wanted.set()
        self._report(_RESTARTED)
        if self._client is not None:
            await self._client.wait()

    def line_is(self, state: LineState) -> None:
        """Take note of what the line says of its client: one that hangs is killed."""
        if state is LineState.DEGRADED and self._settings.hung_seconds > 0:
            self._answers.clear()
            self._degraded.set()
        else:
            self._degraded.clear()
            self._answers.set()

    async def _run(self) -> None:
        while True:
            try:
                await self._live()
            except (LinkError, OSError) as error:
                await self._rest(str(error))
            except Exception:  # noqa: BLE001 - a fault of ours costs this line only
                _log.exception("! the client of line %s", self._line)
                await self._rest("a fault; the log says which")

    async def _live(self) -> None:
        """Keep a client running for as long as its desktop is there, and is as it was.

        Raises LinkError and OSError when the desktop is lost.
        """
        isolation = await self._isolated()
        screen = self._settings.screen
        async with Desktop(self._folder, screen, isolation) as desktop:
            place = self._place = desktop.place
            looking = self._view.attend(place.display, str(place.xauthority))
            viewing = asyncio.create_task(looking)
            try:
                while True:
                    how = await self._serve(desktop, isolation)
                    if not desktop.is_up:
                        raise LinkDownError(how)
                    await self._rest(how)
                    if (await self._isolated()).level is not isolation.level:
                        return
            finally:
                self._place = None
                viewing.cancel()
                await asyncio.gather(viewing, return_exceptions=True)

    async def _isolated(self) -> Isolation:
        """Find out what the machine allows, and say so.

        Again until it is the most, since what is in its way may be there for a moment.
        """
        wanted, before = self._settings, self._isolation
        most = Level.NAMESPACE if wanted.isolation == "auto" else wanted.isolation
        if before is not None and before.level == most:
            return before
        found = self._isolation = await isolate(
            wanted.isolation,
            wanted.user,
            wanted.readable,
            private_folder(self._folder),
        )
        if before is None or before.level is not found.level:
            level = logging.INFO if found.level == most else logging.WARNING
            how = found.described
            _log.log(level, "= the client of line %s runs %s", self._line, how)
        return found

    async def _serve(self, desktop: Desktop, isolation: Isolation) -> str:
        """Run one client; return how it ended. Raises LinkDownError and OSError."""
        self._wanted.clear()
        async with self._started(desktop, isolation) as client:
            self._client = client
            _log.info("= the client of line %s is started", self._line)
            self._report(_COMING)
            try:
                how: str = await _first(
                    self._ended(client),
                    desktop.wait_lost(),
                    self._killed_as_hung(client),
                    self._is_wanted_anew(),
                )
                return how
            finally:
                self._client = None

    @asynccontextmanager
    async def _started(
        self, desktop: Desktop, isolation: Isolation
    ) -> AsyncIterator[Process]:
        with closing(Loopback()) as loopback:
            program = self._program(desktop, isolation, loopback.handle)
            async with await Process.start(program, self._clock) as client:
                loopback.handed_over()
                self._loopback = loopback if isolation.is_walled else None
                try:
                    yield client
                finally:
                    self._loopback = None

    def _program(self, desktop: Desktop, isolation: Isolation, sounds: int) -> Program:
        settings = self._settings
        home = private_folder(self._folder / "home", isolation.user)
        furnish(home, self._seeds, isolation.user)
        python = (sys.executable, "-I", "-S", warden.__file__)
        limits = settings.limits
        if isolation.level is Level.USER:
            limits = (*limits, f"NPROC={settings.processes}")
        room = desktop.room.besides(_places(settings.command[0]), home)
        walls = isolation.within(room, processes=settings.processes, sounds=sounds)
        return Program(
            "client",
            (*python, str(os.getpid()), *limits, "--", *walls, *settings.command),
            home,
            logs=self._folder,
            handles=(sounds,) if isolation.is_walled else (),
            environment={**desktop.place.environment, "HOME": str(home)},
            login=settings.login,
            most_bytes_per_s=_MOST_BYTES_PER_S,
        )

    async def _ended(self, client: Process) -> str:
        await client.wait()
        # Its last words go to callers and to the log: bounded, whatever it says.
        return legible(str(client.gone()))[:_MOST_CHARACTERS]

    async def _killed_as_hung(self, client: Process) -> str:
        recovered = True
        while recovered:
            await self._degraded.wait()
            patience = self._clock.sleep(self._settings.hung_seconds)
            recovered = await _first(patience, self._answers.wait())
        client.signal(signal.SIGQUIT)
        return "the client did not answer and was killed"

    async def _is_wanted_anew(self) -> str:
        await self._wanted.wait()
        return _RESTARTED

    async def _rest(self, how: str) -> None:
        """Wait before the next start, but not for the operator."""
        if not self._wanted.is_set():
            wait_s = self._restarts.ended()
            often = ", too often" if self._restarts.is_loop else ""
            self._report(f"{how}{often}; started again in {wait_s:.1f} s")
            _log.warning("! line %s: %s", self._line, self._reason)
            await _first(self._clock.sleep(wait_s), self._wanted.wait())
        if self._wanted.is_set():
            self._wanted.clear()
            self._restarts.forget()

    def _windows_changed(self) -> None:
        self._tell(self._reason)

    def _report(self, reason: str) -> None:
        self._reason = reason
        self._tell(reason)


async def _first(*waits: Coroutine[Any, Any, Any]) -> Any:
    """Wait for the first of several; return what it returns, end the others."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task.result() for task in tasks if task.done())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _places(program: str) -> tuple[Path, ...]:
    """Return where a program is; nothing for one that whoever starts it will miss."""
    found = shutil.which(program)
    return (Path(found).absolute(),) if found else ()


def _untold(_: str) -> None:
    """Nobody listens yet."""
