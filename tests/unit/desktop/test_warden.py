"""The warden's program ends with its starter, and leaves nothing behind."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skypechan.desktop import warden

SHELL_SAYS = "trap '' TERM; setsid sleep 1000 & echo $!; "


def command(starter: int, *limits: str, script: str) -> list[str]:
    program = ("--", "sh", "-c", script)
    path = str(warden.__file__)
    return [sys.executable, "-I", "-S", path, str(starter), *limits, *program]


def shell_with_warden(first: str, *limits: str, script: str) -> list[str]:
    """A shell that does something first and then is the starter of a warden."""
    python, *options, path, _ = command(0, script=script)[:5]
    start = f'{first} "$@" $$ {" ".join(limits)} -- sh -c "$0"; true'
    return ["/bin/sh", "-c", start, script, python, *options, path]


@contextmanager
def warden_of(
    script: str, *limits: str, home: Path = Path()
) -> Iterator[subprocess.Popen[str]]:
    args = command(os.getpid(), *limits, script=script)
    environment = {**os.environ, "HOME": str(home)}
    with subprocess.Popen(
        args,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def handle_told_by(process: subprocess.Popen[str]) -> int:
    """A handle of the process whose number the program prints."""
    assert process.stdout is not None
    return os.pidfd_open(int(process.stdout.readline()))


def ends(handle: int) -> bool:
    try:
        # A handle of a process is readable once that process has ended.
        return select.select([handle], [], [], 10)[0] == [handle]
    finally:
        os.close(handle)


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 3", 3), ("kill -9 $$", -signal.SIGKILL), ("kill -15 $$", -signal.SIGTERM)],
)
def test_its_end_is_that_of_the_program(script: str, status: int) -> None:
    with warden_of(script) as process:
        assert process.wait(10) == status


def test_program_that_is_missing_is_named() -> None:
    args = [*command(os.getpid(), script="")[:-3], "no-such-program"]
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    assert done.returncode == 127
    assert "no-such-program: [Errno" in done.stderr


def test_limits_are_set_and_never_raised() -> None:
    with warden_of("ulimit -n; ulimit -c", "NOFILE=77", "CORE=0") as process:
        assert process.communicate(timeout=10)[0].split() == ["77", "0"]
    lower = shell_with_warden("ulimit -n 88;", "NOFILE=99", script="ulimit -n")
    done = subprocess.run(lower, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "88"


def test_program_that_fills_the_disk_is_killed(tmp_path: Path) -> None:
    script = f"cd {tmp_path}; mkdir in; head -c 2000000 /dev/zero > in/it; sleep 1000"
    with warden_of(script, "HOME=1000000", home=tmp_path) as process:
        assert process.wait(20) == -signal.SIGKILL


@pytest.mark.parametrize("last", ["exit 0", "kill -9 $$"])
def test_who_left_the_programs_group_is_ended_with_it(last: str) -> None:
    with warden_of(f"{SHELL_SAYS} read -r go; {last}") as process:
        handle = handle_told_by(process)
        assert process.stdin is not None
        process.stdin.close()
        assert ends(handle)


def test_quit_ends_at_once_what_does_not_want_to_end() -> None:
    with warden_of(f"{SHELL_SAYS} while :; do sleep 1000; done") as process:
        handle = handle_told_by(process)
        process.send_signal(signal.SIGQUIT)
        assert process.wait(10) == -signal.SIGKILL
        assert ends(handle)


def test_program_that_is_asked_to_end_may_end_in_its_own_way() -> None:
    script = "trap 'exit 5' TERM; echo $$; while :; do sleep 0.05; done"
    with warden_of(script) as process:
        handle = handle_told_by(process)
        process.terminate()
        assert process.wait(10) == 5
        assert ends(handle)


@pytest.mark.parametrize("killed", ["guard", "keeper", "guard's group"])
@pytest.mark.parametrize("who", ["echo $$; exec sleep 1000", f"{SHELL_SAYS} read go"])
def test_all_die_with_a_warden_that_is_killed(who: str, killed: str) -> None:
    with warden_of(who) as process:
        handle = handle_told_by(process)
        if killed == "guard":
            process.kill()
        elif killed == "keeper":
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
            os.kill(int(children.read_text()), signal.SIGKILL)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        assert ends(handle)
        assert process.wait(10) == -signal.SIGKILL


def test_all_end_with_a_starter_that_is_killed() -> None:
    script = f"{SHELL_SAYS} exec sleep 1000"
    starting = shell_with_warden("", script=script)
    with subprocess.Popen(starting, stdout=subprocess.PIPE, text=True) as starter:
        handle = handle_told_by(starter)
        starter.kill()
        assert ends(handle)


def test_nothing_is_started_for_a_starter_that_is_gone() -> None:
    args = command(1, script="echo started")
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    assert done.stdout == ""
