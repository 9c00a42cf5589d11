"""A sandboxed program: what it sees, how it ends, whom its sound ports let in."""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from skypechan.desktop import sandbox
from skypechan.desktop.loopback import Loopback
from skypechan.desktop.users import unprivileged_user, workspace

NOBODY = unprivileged_user()
WHOM = NOBODY.uid if NOBODY else os.geteuid()
GROUP = NOBODY.gid if NOBODY else os.getegid()
DEADLINE_S = 10
# What anybody can start: ours may be in a home that is closed to others.
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable


@pytest.fixture(scope="module", autouse=True)
def _allowed() -> None:
    done = run("true")
    if done.returncode:
        pytest.skip(f"this machine allows no namespaces: {done.stderr}")


def command(*words: str, script: str) -> list[str]:
    walls = (sys.executable, "-I", "-S", str(sandbox.__file__), f"{WHOM}:{GROUP}")
    return [*walls, *words, "--", "sh", "-c", script]


def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    args = command(*words, script=script)
    return subprocess.run(
        args, capture_output=True, text=True, check=False, timeout=DEADLINE_S
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    with workspace(NOBODY) as path:
        yield path


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 3", 3), ("kill -9 $$", -signal.SIGKILL), ("kill -15 $$", -signal.SIGTERM)],
)
def test_its_end_is_that_of_the_program(script: str, status: int) -> None:
    assert run(script).returncode == status


def test_program_that_is_missing_is_named() -> None:
    done = run("exec no-such-program")
    assert done.returncode == 127
    assert "no-such-program" in done.stderr


def test_it_sees_what_is_named_and_writes_only_where_it_may(folder: Path) -> None:
    for name in ("open", "closed", "hidden"):
        (folder / name).mkdir()
        (folder / name / "file").write_text(name)
        if NOBODY:
            os.chown(folder / name, WHOM, GROUP)
    done = run(
        f"cd {folder}; cat */file; touch open/new; touch closed/new; ls /root",
        f"read={folder}/closed",
        f"write={folder}/open",
    )
    assert done.stdout == "closedopen"
    assert (folder / "open/new").exists()
    assert not (folder / "closed/new").exists()
    assert "Read-only file system" in done.stderr
    assert "/root" in done.stderr


@pytest.fixture
def linked(folder: Path) -> Path:
    """A folder that an absolute link leads to."""
    place = folder / "truth" / "place"
    place.mkdir(parents=True)
    (place / "file").write_text("there")
    (folder / "link").symlink_to(folder / "truth")
    if NOBODY:
        os.chown(place, WHOM, GROUP)
    return folder / "link" / "place"


def test_what_links_lead_to_is_seen_where_it_is_named_and_in_truth(
    linked: Path,
) -> None:
    done = run(
        f"cd {linked}; cat file {linked.resolve()}/file; touch new; ls ../..",
        f"write={linked}",
    )
    assert done.stdout == "theretherelink\ntruth\n"
    assert (linked / "new").exists()


def test_links_in_what_is_seen_lead_to_what_is_seen(linked: Path) -> None:
    seen = linked.parent.parent / "seen"
    seen.mkdir()
    (seen / "away").symlink_to(linked.resolve())
    (seen / "file").symlink_to(linked / "file")
    script = f"cat {seen}/away/file; cat {seen}/file; touch {seen}/away/new"
    done = run(script, f"read={seen}", f"read={seen}/file", f"write={seen}/away")
    assert done.stdout == "therethere"
    assert (linked / "new").exists()
    done = run(f"cat {seen}/file; readlink {seen}/file", f"read={seen}/file")
    assert done.stdout == f"there{linked.resolve()}/file\n"


@pytest.mark.parametrize(("word", "status"), [("read", 127), ("maybe", 0)])
def test_what_is_not_there_is_named(word: str, status: int, folder: Path) -> None:
    done = run("true", f"{word}={folder}/missing")
    assert done.returncode == status
    assert (f"{folder}/missing" in done.stderr) == bool(status)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_another_user_closed_is_named(folder: Path) -> None:
    closed = folder / "closed"
    (closed / "inner").mkdir(parents=True)
    closed.chmod(0o700)
    os.chown(closed, WHOM + 1 & 0xFFFF, GROUP)
    done = run("true", f"write={closed}/inner")
    assert done.returncode == 127
    assert f"{closed}/inner" in done.stderr


@pytest.mark.parametrize("name", ["localtime", "resolv.conf"])
def test_what_programs_look_up_is_seen_through_links(name: str) -> None:
    path = Path("/etc", name)
    if not path.is_file():
        pytest.skip(f"this machine has no {path}")
    assert run(f"wc -c < {path}").stdout == f"{path.stat().st_size}\n"


def test_it_makes_no_sockets_where_it_may_only_find_some(folder: Path) -> None:
    (folder / "X").mkdir()
    script = "touch /tmp/.X11-unix/X1"
    assert run(script, f"sockets={folder}/X").returncode != 0
    if NOBODY:
        os.chown(folder / "X", WHOM, GROUP)
    assert run(script, f"sockets={folder}/X").returncode != 0
    assert run(script, f"write={folder}/X", f"sockets={folder}/X").returncode == 0
    assert (folder / "X" / "X1").exists()


def test_it_is_alone_with_its_processes_and_may_have_so_many() -> None:
    done = run("ls -d /proc/[0-9]*; for i in $(seq 30); do sleep 9 & done", "limit=20")
    assert len(done.stdout.splitlines()) <= 3
    assert re.search(r"[Cc]annot fork|fork: ", done.stderr)


def test_it_has_no_privilege_and_no_way_to_one() -> None:
    script = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status; unshare -Ur true"
    done = run(script)
    values = dict(line.split(":\t") for line in done.stdout.splitlines())
    assert values.pop("NoNewPrivs") == "1"
    assert {int(value, 16) for value in values.values()} == {0}
    assert done.returncode != 0


def test_sigterm_reaches_the_program() -> None:
    script = "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"
    args = command(script=script)
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        process.terminate()
        assert process.wait(DEADLINE_S) == 5


def test_nobody_in_it_outlives_it() -> None:
    args = command(script="setsid sleep 1000 & echo up; wait")
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        (init,) = map(int, children.read_text().split())
        children = Path(f"/proc/{init}/task/{init}/children")
        (shell,) = map(int, children.read_text().split())
        handles = [os.pidfd_open(pid) for pid in (init, shell)]
        process.kill()
        process.wait(DEADLINE_S)
        # A handle of a process is readable once that process has ended. The pipe is
        # at its end when the sleeper has, which nobody knows but the kernel.
        for handle in handles:
            assert select.select([handle], [], [], DEADLINE_S)[0]
            os.close(handle)
        assert process.stdout.read() == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="it runs without root anyway")
def test_it_takes_no_privilege(folder: Path) -> None:
    assert NOBODY is not None
    script = shutil.copy(str(sandbox.__file__), folder)
    (folder / "home").mkdir()
    os.chown(folder / "home", WHOM, GROUP)
    args = (PYTHON, "-I", "-S", script, f"{WHOM}:{GROUP}", f"write={folder}/home")
    inside = f"id -u; touch {folder}/home/new; ls /root /proc/1/fd; kill -9 1"
    done = subprocess.run(
        ["/usr/bin/setpriv", *NOBODY.switch(), "--", *args, "--", "sh", "-c", inside],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
    )
    assert done.stdout == f"{WHOM}\n", done.stderr
    assert (folder / "home/new").exists()
    assert "/proc/1/fd" in done.stderr


def test_its_sockets_are_reached_by_it_and_by_nobody_else() -> None:
    address = "('127.0.0.1', int(sys.argv[1]))"
    speak = f"import socket, sys; socket.create_connection({address}).send(b'inside')"
    with closing(Loopback()) as loopback:
        args = command(
            f"sounds={loopback.handle}",
            script=f'read port; exec {PYTHON} -I -S -c "{speak}" $port',
        )
        with subprocess.Popen(
            args, stdin=subprocess.PIPE, text=True, pass_fds=(loopback.handle,)
        ) as process:
            loopback.handed_over()
            with closing(made(loopback)) as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen()
                port = listener.getsockname()[1]
                with pytest.raises(ConnectionRefusedError):
                    socket.create_connection(("127.0.0.1", port), 1)
                process.communicate(f"{port}\n", DEADLINE_S)
                listener.settimeout(DEADLINE_S)
                connection, _ = listener.accept()
                with connection:
                    assert connection.recv(100) == b"inside"


def test_sockets_are_handed_out_for_as_long_as_it_lives() -> None:
    with closing(Loopback()) as loopback:
        args = command(f"sounds={loopback.handle}", script="read end")
        with subprocess.Popen(
            args, stdin=subprocess.PIPE, text=True, pass_fds=(loopback.handle,)
        ) as process:
            loopback.handed_over()
            for _ in range(5 * sandbox.SOUND_SOCKETS):
                made(loopback).close()
            process.communicate("\n", DEADLINE_S)
        with pytest.raises(ConnectionResetError):
            emptied(loopback)


def emptied(loopback: Loopback) -> None:
    while True:
        loopback.make().close()


def made(loopback: Loopback) -> socket.socket:
    """A socket, once there is one."""
    assert select.select([loopback], [], [], DEADLINE_S)[0]
    return loopback.make()
