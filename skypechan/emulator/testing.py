"""A Skype client for the tests of any program that speaks its API.

With pytest: put `pytest_plugins = ["skypechan.emulator.testing"]` into `conftest.py`
and ask for `skype` (on a bus of its own, whose address is in the environment during
the test) or for `skype_on_display` (on a display of its own). Without: `running`.
Nothing here needs the program under test to be written in Python.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib import request

from skypechan.emulator.trace import Event, read_trace
from skypechan.errors import LinkDownError

if TYPE_CHECKING:
    import pytest

_STOP_S: Final = 5.0
_WAIT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class SkypeClient:
    """A running client. `dbus` and `display` are where it is, "" where it is not."""

    control: int
    dbus: str
    display: str
    trace_file: Path

    def ask(self, method: str, path: str, **body: Any) -> Any:
        """One request to the control port (`GET /` lists them); its JSON.

        Raises OSError (urllib's HTTPError) when it is refused.
        """
        content = json.dumps(body).encode() if body else None
        url = f"http://127.0.0.1:{self.control}{path}"
        asked = request.Request(url, content, method=method)
        with _opener.open(asked, timeout=600) as answer:
            return json.loads(answer.read())

    def ring(self, handle: str, **wishes: Any) -> int:
        """Somebody calls the account; the call's number."""
        return int(self.ask("POST", "/calls", **{"from": handle, **wishes})["call"])

    def wait_for(
        self, number: int, status: str, timeout_s: float = _WAIT_S
    ) -> dict[str, Any]:
        """What is known of a call, once it has that status or has ended."""
        path = f"/calls/{number}?until={status}&timeout_s={timeout_s:g}"
        return dict(self.ask("GET", path))

    def newest_call(self, timeout_s: float = _WAIT_S) -> int:
        """The number of the newest call, once there is one; 0 if none comes."""
        calls = self.ask("GET", f"/calls?until=1&timeout_s={timeout_s:g}")
        return max((int(call["call"]) for call in calls), default=0)

    def trace(self) -> tuple[Event, ...]:
        """All that was said up to now."""
        return read_trace(self.trace_file)


_opener: Final = request.build_opener(request.ProxyHandler({}))


@contextmanager
def running(*options: str, dbus: str = "", display: str = "") -> Iterator[SkypeClient]:
    """A client at these places, or on a bus of its own if none is named.

    `options` are those of `skypechan emulator`. Raises LinkDownError.
    """
    with ExitStack() as stack:
        if not dbus and not display:
            dbus = stack.enter_context(private_bus())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory("-skype")))
        trace = folder / "trace"
        where = [*(("--dbus", dbus) if dbus else ())]
        where += ("--display", display) if display else ()
        command = (sys.executable, "-m", "skypechan.emulator", "--control", "0")
        line = stack.enter_context(
            _first_line((*command, *where, "--trace", str(trace), *options))
        )
        if not line.startswith("{"):
            raise LinkDownError(f"the emulator did not start: {line!r}")
        ready = json.loads(line)
        yield SkypeClient(int(ready["control"]), dbus, display, trace)


@contextmanager
def private_bus() -> Iterator[str]:
    """A message bus for one test; its address. Raises LinkDownError."""
    command = ("dbus-daemon", "--session", "--nofork", "--print-address")
    with _first_line(command) as line:
        if not line:
            raise LinkDownError("the message bus did not start")
        yield line


@contextmanager
def private_display(screen: str = "640x480x24") -> Iterator[str]:
    """An X display for one test, for every program of this machine; its name.

    Raises LinkDownError.
    """
    options = ("-screen", "0", screen, "-ac", "-nolisten", "tcp", "-displayfd", "1")
    with _first_line(("Xvfb", *options)) as line:
        if not line:
            raise LinkDownError("the X server did not start")
        yield f":{line}"


@contextmanager
def _first_line(command: Sequence[str]) -> Iterator[str]:
    """Run a program; its first line of output, which says that it is ready."""
    if shutil.which(command[0]) is None:
        raise LinkDownError(f"{command[0]} is not installed")
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - for the types
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _skype(monkeypatch: pytest.MonkeyPatch) -> Iterator[SkypeClient]:
    """A Skype client on a message bus of its own, the session's during the test."""
    with running() as client:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", client.dbus)
        yield client


def _skype_on_display(monkeypatch: pytest.MonkeyPatch) -> Iterator[SkypeClient]:
    """A Skype client on an X display of its own, which is $DISPLAY during the test."""
    with private_display() as display:
        monkeypatch.setenv("DISPLAY", display)
        monkeypatch.delenv("XAUTHORITY", raising=False)
        with running(display=display) as client:
            yield client


if "pytest" in sys.modules:
    import pytest

    skype = pytest.fixture(_skype, name="skype")
    skype_on_display = pytest.fixture(_skype_on_display, name="skype_on_display")
