"""The gateways that the capacity benchmark compares, each a process of its own."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from benchmarks.parts.load import Order, Outcome
from skypechan.errors import SkypechanError

_ROOT = Path(__file__).resolve().parents[2]
_RELAY_SOURCE = _ROOT / "benchmarks" / "relay.c"
_COMPILER_OPTIONS = ("-O3", "-march=native")
_REAL_TIME_PRIORITY = 10
_SOCKETS_A_CALL, _OTHER_FILES = 3, 32
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_ENVIRONMENT = os.environ | dict.fromkeys(_THREADS, "1")


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that joins calls. Started with calls and rate, and then `options`."""

    name: str
    command: Sequence[str]
    options: Sequence[str] = ()
    gain_db: float = 0.0


FLOOR = "C relay"
OURS = "skypechan"
_GAIN_DB = 1.0  # with 0 dB the engine would leave out what has nothing to do


def contenders(folder: Path) -> tuple[list[Contender], list[str]]:
    """Return what can be measured here, and a note for each that cannot.

    Compiles the relay into `folder`. Raises SkypechanError if that fails.
    """
    found, notes = [], []
    compiler = shutil.which("cc")
    if compiler is None:
        notes.append(f"{FLOOR}: left out, there is no cc")
    else:
        found.append(Contender(FLOOR, [str(compiled(compiler, folder))]))
    engine = [sys.executable, "-m", "benchmarks.parts.engine_gateway"]
    found.append(Contender(OURS, engine, (str(_GAIN_DB),), _GAIN_DB))
    streams = [sys.executable, "-m", "benchmarks.parts.streams_gateway"]
    found.append(Contender("asyncio streams", streams))
    return found, notes


def compiled(compiler: str, folder: Path) -> Path:
    """Return the relay, compiled. Raises SkypechanError with what the compiler says."""
    relay = folder / "relay"
    command = [
        compiler,
        *_COMPILER_OPTIONS,
        str(_RELAY_SOURCE),
        "-o",
        str(relay),
        "-lm",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SkypechanError(f"relay.c does not compile: {done.stderr.strip()}")
    return relay


def make_room(calls: int) -> None:
    """Let programs that are started from now on have the sockets of so many calls.

    Raises SkypechanError where that is forbidden.
    """
    needed = _SOCKETS_A_CALL * calls + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed), hard))
    except ValueError:
        raise SkypechanError(
            f"{calls} calls need {needed} open files, {hard} are allowed (ulimit -n)"
        ) from None


@dataclass(frozen=True, slots=True)
class Placing:
    """Where the two processes run: a core each where there are two."""

    real_time: bool
    cores: Sequence[int] = field(
        default_factory=lambda: sorted(os.sched_getaffinity(0))
    )

    def place(self, process: subprocess.Popen[str], which: int) -> None:
        """Put the gateway (0) or the load (1) into its place. Raises SkypechanError."""
        if len(self.cores) > 1:
            os.sched_setaffinity(process.pid, {self.cores[which]})
        if self.real_time:
            priority = os.sched_param(_REAL_TIME_PRIORITY)
            try:
                os.sched_setscheduler(process.pid, os.SCHED_FIFO, priority)
            except PermissionError:
                raise SkypechanError("real-time priority needs CAP_SYS_NICE") from None


@contextmanager
def started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a program for as long as the block lasts, and never longer."""
    with ExitStack() as stack:
        with _interrupts_held():  # one amid the start would leave the program behind
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=_ROOT,
                env=_ENVIRONMENT,
                start_new_session=True,  # the terminal's interrupts are for us
            )
            stack.enter_context(process)
            stack.callback(_end, process)
        yield process


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Raise KeyboardInterrupt only behind the block."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def measure(
    contender: Contender, wanted: Mapping[str, Any], placing: Placing
) -> Outcome:
    """Put one load on one gateway.

    `wanted` are fields of `Order`; the rest of it is known here. Raises SkypechanError
    if one of the two programs ends too soon.
    """
    size = (str(wanted["calls"]), str(wanted["pbx_rate_hz"]))
    with started([*contender.command, *size, *contender.options]) as gateway:
        placing.place(gateway, 0)
        first, second, third = (int(port) for port in _line_of(gateway).split())
        order = Order(
            **wanted,
            gain_db=contender.gain_db,
            ports=(first, second, third),
            pid=gateway.pid,
        )
        load = [
            sys.executable,
            "-m",
            "benchmarks.parts.load",
            json.dumps(asdict(order)),
        ]
        with started(load) as generator:
            placing.place(generator, 1)
            _line_of(gateway, generator)  # it is ready
            outcome = Outcome.from_json(_told(generator, "\n"))
            told = _told(gateway)
    return replace(outcome, engine=json.loads(told or "{}"))


def _told(process: subprocess.Popen[str], said: str = "") -> str:
    """Return what a program prints up to its end, once its standard input has ended."""
    told, _ = process.communicate(said)
    if process.returncode:
        raise SkypechanError(f"{process.args!r} ended with {process.returncode}")
    return told


def _line_of(process: subprocess.Popen[str], *silent: subprocess.Popen[str]) -> str:
    """Return the next line of a program; others have nothing to say but their end.

    Raises SkypechanError when one of them has ended.
    """
    outputs = {_output(one): one for one in (process, *silent)}
    ready, _, _ = select.select(list(outputs), [], [])
    line: str = ready[0].readline()
    if not line:
        raise SkypechanError(f"{outputs[ready[0]].args!r} has ended too soon")
    return line


def _output(process: subprocess.Popen[str]) -> IO[str]:
    if process.stdout is None:
        raise TypeError("standard output is no pipe")
    return process.stdout
