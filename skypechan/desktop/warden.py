"""`warden.py STARTER LIMIT=N... -- COMMAND...`: one program, and nothing left of it.

A client may start others, which leave its process group or outlive it. The warden is
their subreaper (prctl(2)): whoever loses its parent becomes the warden's child. It
ends them all when the program has ended, when it is told to, and when STARTER, the
process that started it, is gone, in whatever way.

It is two processes, each of which ends everybody when the other is killed: the guard,
which STARTER knows, and below it the keeper of the program. The keeper's process group
is its own, so that who kills the guard's does not kill both.

SIGTERM asks the program to end and kills after some seconds; SIGQUIT kills at once.
LIMIT=N are resource limits by their names in setrlimit(2), such as NOFILE=1024, and
HOME=N, bytes: a program that keeps more below its HOME, or very many files, is killed.
The exit status is the program's.

It is a process of its own, so it imports little and nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

ORDERLY_S = 4
"""How long the program may take to end when it is asked to."""

_LOOK_S = 2.0
_RESTS = 20  # so many times the CPU time of a look at the HOME, which may be full
_MOST_FILES = 100_000
_BLOCK = 512  # stat(2)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_HEEDED = {signal.SIGTERM, signal.SIGQUIT, signal.SIGALRM, signal.SIGCHLD}
_NOT_STARTED = 127


def main(arguments: list[str]) -> int:
    """Run the command until it has ended; return its status as `os.waitpid` does."""
    split = arguments.index("--")
    starter, *words = arguments[:split]
    limits = {name: int(most) for name, most in (word.split("=") for word in words)}
    home = limits.pop("HOME", 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, _HEEDED)
    if not _takes_charge(int(starter)):
        return 0
    guard = os.getpid()
    keeper = os.fork()
    if keeper == 0:
        os.setpgid(0, 0)
        if _takes_charge(guard):
            _end_as(_keep(arguments[split + 1 :], limits, home))
        os._exit(0)
    return _see_to_its_end(keeper)


def _takes_charge(parent: int) -> bool:
    """Be whose children all orphans below become; end with `parent`.

    False if that is gone already, before the kernel could tell us.
    """
    _control(_PR_SET_CHILD_SUBREAPER, 1)
    _control(_PR_SET_PDEATHSIG, signal.SIGQUIT)
    return os.getppid() == parent


def _keep(command: list[str], limits: dict[str, int], home: int) -> int:
    """Run the command in a child until it has ended; return its status."""
    keeper = os.getpid()
    program = os.fork()
    if program == 0:
        _become(command, limits, keeper)
    return _see_to_its_end(program, home)


def _see_to_its_end(child: int, home: int = 0) -> int:
    """Wait until a child has ended, and end everybody else; return its status."""
    # A program that reads no more shall be seen to end by who writes.
    os.close(0)
    try:
        return _attend(child, home)
    finally:
        _end_everybody()


def _control(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _become(command: list[str], limits: dict[str, int], keeper: int) -> NoReturn:
    """Be the program, in the child."""
    try:
        for name, most in limits.items():
            _limit(name, most)
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEEDED)
        if os.getppid() == keeper:
            os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    except (OSError, ValueError) as error:
        _say(f"{command[0]}: {error}")
    os._exit(_NOT_STARTED)


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


def _limit(name: str, wanted: int) -> None:
    """Set a limit, or leave it where it is lower."""
    number = getattr(resource, f"RLIMIT_{name}")
    hard = resource.getrlimit(number)[1]
    if hard == resource.RLIM_INFINITY or wanted <= hard:
        resource.setrlimit(number, (wanted, wanted))


def _attend(program: int, home: int) -> int:
    """Wait for the program's end, or bring it about."""
    pause_s = _LOOK_S
    while True:
        caught = signal.sigtimedwait(_HEEDED, pause_s)
        before_s = time.process_time()
        match caught.si_signo if caught else None:
            case signal.SIGTERM:
                os.kill(program, signal.SIGTERM)
                signal.alarm(ORDERLY_S)
            case signal.SIGQUIT | signal.SIGALRM:
                os.kill(program, signal.SIGKILL)
            case None if home and _is_over(os.environ["HOME"], home):
                _say(
                    f"killed: its HOME has more than {home >> 20} MB, or too many files"
                )
                os.kill(program, signal.SIGKILL)
        pause_s = max(_LOOK_S, _RESTS * (time.process_time() - before_s))
        for pid, status in _ended():
            if pid == program:
                return status


def _is_over(folder: str, most: int) -> bool:
    """Tell whether the files below a folder take more of the disk, in bytes."""
    files = taken = 0
    try:
        for place, folders, names in os.walk(folder, onerror=_closed):
            for name in (*folders, *names):
                with suppress(FileNotFoundError):  # meanwhile
                    taken += os.lstat(os.path.join(place, name)).st_blocks * _BLOCK
                files += 1
                if taken > most or files > _MOST_FILES:
                    return True
    except PermissionError:  # who closes a folder to us may hide much in it
        return True
    return False


def _closed(error: OSError) -> None:
    if isinstance(error, PermissionError):
        raise error


def _ended() -> Iterator[tuple[int, int]]:
    """Reap whoever has ended."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            yield found


def _end_everybody() -> None:
    """Kill and reap until no child is left: the children of the dead become ours."""
    with suppress(ChildProcessError):
        while True:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]


def _end_as(status: int) -> NoReturn:
    """End in the way that the program has ended."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(OSError, ValueError):  # KILL has no other way
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    _end_as(main(sys.argv[1:]))
