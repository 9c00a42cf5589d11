"""One child process: its output as lines, its end, and nothing left of it.

Every child is started through util-linux's `setpriv`, which changes the user and
sets the parent-death signal between fork and exec: a starter that is killed outright
takes its children with it. (Python's own hook there would run Python code between
fork and exec, which is unsafe beside threads.) The kernel takes the starting thread
for the parent: start children from a thread that stays, as the main thread does.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from skypechan.clock import Clock, SystemClock
from skypechan.desktop.users import User
from skypechan.errors import DeadlineError, LinkDownError

READY_S = 20.0
"""How long a part may take to become ready on a busy machine."""

_CLOCK = SystemClock()
_STOP_S = 5.0
_LOG_BYTES = 4_000_000
_LINES_KEPT = 5_000
_CHARACTERS_KEPT = 4_096
_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Program:
    """What to start. It runs in `directory`, where its log `name`.log is, too.

    The environment is only what is named here, besides PATH, HOME and a UTF-8
    locale: no display, bus or proxy of the operator's is touched by accident.
    """

    name: str
    command: tuple[str, ...]
    directory: Path
    user: User | None = None
    within: tuple[str, ...] = ()
    """What stands before the command and starts it: the walls that it runs in."""

    logs: Path | None = None
    """Where its log is instead, if it could tamper with it in `directory`."""

    handles: tuple[int, ...] = ()
    """Descriptors that it inherits."""

    environment: Mapping[str, str] = field(default_factory=dict)
    package: str = ""
    """The Debian package that has it, for the advice when it is missing."""
    login: str = field(default="", repr=False)
    """What it gets on standard input; its words are masked in what it writes."""

    most_bytes_per_s: int = 0
    """How fast its output is read, 0 for at will: beyond it has to wait for us."""

    def masked(self, written: bytes) -> bytes:
        """Return what it wrote without the secret: any word of it but the first.

        The first is a name, which logs may have.
        """
        for word in self.login.split()[1:]:
            written = written.replace(word.encode(), b"***")
        return written


class _Log:
    """A file of bounded size: what is over half of it moves to `.1`.

    What a client writes is nobody else's business: no other user can read it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = FileIO(path, "a", opener=_private)

    def write(self, chunk: bytes) -> None:
        if self._file.tell() > _LOG_BYTES // 2:
            self._file.close()
            self._path.replace(self._path.with_suffix(".log.1"))
            self._file = FileIO(self._path, "a", opener=_private)
        self._file.write(chunk)

    def close(self) -> None:
        self._file.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@dataclass(slots=True, eq=False)
class _Waiter:
    pattern: re.Pattern[str]
    found: asyncio.Future[re.Match[str]]


class Part(Protocol):
    """Something that runs from `start` to `stop`, and within `async with`."""

    async def start(self) -> None:
        """Start it."""

    async def stop(self) -> None:
        """Stop it; harmless when it does not run."""

    async def __aenter__(self) -> Self:
        """Start it; what has begun is stopped when it cannot start."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        await self.stop()


class Process:
    """A running child. Made by `start`; ended by `stop`, or by leaving `async with`."""

    def __init__(
        self, program: Program, child: asyncio.subprocess.Process, clock: Clock
    ) -> None:
        self.program = program
        self._clock = clock
        self.log_path = (program.logs or program.directory) / f"{program.name}.log"
        self._child = child
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._waiters: list[_Waiter] = []
        self._line_count = 0
        self._log = _Log(self.log_path)
        self._ended = asyncio.Event()
        self._watch_end()
        self._reader = asyncio.create_task(self._read(), name=f"{program.name} output")

    @classmethod
    async def start(cls, program: Program, clock: Clock = _CLOCK) -> Self:
        """Start it. Raises LinkDownError if the program or its folder is missing."""
        first = program.command[0]
        found = shutil.which(first)
        if found is None:
            advice = f": apt-get install {program.package}" if program.package else ""
            message = f"{first} is not installed{advice}"
            raise LinkDownError(message)
        switch = program.user.switch() if program.user else ()
        with _standard_input(program.login) as stdin:
            child = await asyncio.create_subprocess_exec(
                "setpriv",
                "--pdeathsig=KILL",
                *switch,
                "--",
                *program.within,
                found,
                *program.command[1:],
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd=program.directory,
                env=_environment(program),
                pass_fds=program.handles,
                start_new_session=True,
            )
        return cls(program, child, clock)

    @property
    def pid(self) -> int:
        """The process id, and that of its process group."""
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; else its exit status, negative for a signal."""
        return self._child.returncode

    @property
    def lines(self) -> tuple[str, ...]:
        """The last lines that it wrote, the oldest first."""
        return tuple(self._lines)

    @property
    def line_count(self) -> int:
        """How many lines it has written so far: a mark for `line`."""
        return self._line_count

    async def line(
        self, pattern: str, *, within_s: float = READY_S, since: int = 0
    ) -> re.Match[str]:
        """Wait for a line that `pattern` is found in, after the mark `since`.

        Raises LinkDownError if the program ends first, DeadlineError if it is late.
        """
        expression = re.compile(pattern)
        for match in map(expression.search, self._written_since(since)):
            if match:
                return match
        if self._reader.done():
            raise self.gone()
        future = asyncio.get_running_loop().create_future()
        waiter = _Waiter(expression, future)
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(within_s):
                return await waiter.found
        except TimeoutError:
            message = f"{self.program.name} did not say {pattern!r} within {within_s} s"
            raise DeadlineError(f"{message}{self._last_words()}") from None
        finally:
            self._waiters.remove(waiter)

    async def wait(self) -> int:
        """Wait for its end and its last line; return the exit status.

        Negative for a signal, as `returncode`.
        """
        await asyncio.wait([self._reader])
        return await self._child.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, if it still runs."""
        with suppress(ProcessLookupError):
            self._child.send_signal(number)

    def kill(self) -> None:
        """End it and its own children at once, as a crash would."""
        # Its group, not only itself; also once it is gone and they are not.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, within_s: float = _STOP_S) -> None:
        """End it in an orderly way; kill it when that takes too long."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await self._ended.wait()
        except TimeoutError:
            pass
        finally:
            self.kill()
            await self.wait()

    async def __aenter__(self) -> Self:
        """Return itself: it already runs."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        await self.stop()

    def _watch_end(self) -> None:
        """Notice the end of the program itself, whoever still holds its output.

        What it started and left behind ends with it.
        """
        loop = asyncio.get_running_loop()
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:  # ended and already reaped
            self._ended.set()
            return

        def ended() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            self.kill()
            self._ended.set()

        loop.add_reader(handle, ended)

    async def _read(self) -> None:
        stdout = self._child.stdout
        if stdout is None:
            return
        rest = b""
        try:
            while chunk := await stdout.read(_CHUNK):
                whole, newline, rest = (rest + chunk).rpartition(b"\n")
                if len(rest) > _CHUNK:
                    # A line without an end must not fill the memory.
                    whole, newline, rest = whole + newline + rest, b"", b""
                self._take(whole + newline)
                most = self.program.most_bytes_per_s
                if most and not self._ended.is_set():
                    await self._clock.sleep(len(chunk) / most)
            self._take(rest)
            await self._child.wait()
        finally:
            self._log.close()
            self._fail_waiters()

    def _take(self, written: bytes) -> None:
        """Take note of whole lines: no secret is cut in two where it would show."""
        if not written:
            return
        written = self.program.masked(written)
        self._log.write(written)
        for line in written.removesuffix(b"\n").split(b"\n"):
            self._take_line(line.decode("utf-8", "replace").rstrip("\r"))

    def _take_line(self, line: str) -> None:
        self._lines.append(line[:_CHARACTERS_KEPT])
        self._line_count += 1
        for waiter in self._waiters:
            match = waiter.pattern.search(line)
            if match and not waiter.found.done():
                waiter.found.set_result(match)

    def _written_since(self, mark: int) -> list[str]:
        new = min(self._line_count - mark, len(self._lines))
        return list(self._lines)[len(self._lines) - new :] if new > 0 else []

    def _fail_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.found.done():
                waiter.found.set_exception(self.gone())

    def gone(self) -> LinkDownError:
        """Return how it ended and what it said last, to be raised or told."""
        status = self._child.returncode
        message = f"{self.program.name} ended with status {status}"
        return LinkDownError(f"{message}{self._last_words()}")

    def _last_words(self) -> str:
        said = [line for line in self._lines if line.strip()][-3:]
        return f" (log {self.log_path}): {' / '.join(said)}" if said else ""


@contextmanager
def _standard_input(login: str) -> Iterator[int]:
    """Yield a descriptor to read the login from, and then the end of the file.

    A pipe takes at least a page without a reader (pipe(7)).
    """
    if not login:
        yield asyncio.subprocess.DEVNULL
        return
    reading, writing = os.pipe()
    try:
        os.write(writing, f"{login}\n".encode())
        os.close(writing)
        yield reading
    finally:
        os.close(reading)


def _environment(program: Program) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(program.directory),
        "LANG": "C.UTF-8",
        **program.environment,
    }
