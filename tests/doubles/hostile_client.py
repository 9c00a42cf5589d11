"""A client that means harm: tries to get at everybody else, and tells what it reached.

`hostile_client.py MARK` waits for `targets.json` in its HOME, a table of what is where,
and then writes one line, `reached [NAME...]`, to its standard output. Where it can
write it leaves an empty file called MARK, for it may be mistaken about where that is.
It knows the standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17
CLONE_NEWUSER, MS_BIND = 0x1000_0000, 0x1000
MANY_PROCESSES = 300
MUCH_DISK = 200 << 20

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = (ctypes.c_long,) * 4


def checked(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(1)


def write(path: str) -> None:
    with open(f"{path}/{sys.argv[1]}", "xb"):
        pass


def see(folder: str, entry: str) -> None:
    if entry not in os.listdir(folder):
        raise OSError("another folder")


def connect(address: Any) -> None:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as plug:
        plug.settimeout(2)
        plug.connect(address if isinstance(address, str) else tuple(address))


def datagram(address: list[Any]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plug:
        plug.settimeout(2)
        plug.connect(tuple(address))  # where nobody listens, it is told at once
        plug.send(b"?")
        plug.recv(1)


def memory(pid: int) -> None:
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as file:
        file.seek(int(maps.readline().partition("-")[0], 16))
        file.read(1)


def trace(pid: int) -> None:
    checked(_libc.ptrace(PTRACE_SEIZE, pid, 0, 0))
    with suppress(OSError):
        os.kill(pid, signal.SIGCONT)
        checked(_libc.ptrace(PTRACE_DETACH, pid, 0, 0))


def fork_often() -> None:
    children = []
    try:
        for _ in range(MANY_PROCESSES):
            child = os.fork()
            if child == 0:
                signal.pause()
            children.append(child)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def fill(folder: str) -> None:
    """A file for each step, since the size of one may be limited."""
    names = [f"{folder}/fill-{os.getpid()}-{number}" for number in range(20)]
    try:
        for name in names:
            with open(name, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, MUCH_DISK // len(names))
    finally:
        for name in names:
            with suppress(OSError):
                os.unlink(name)


def become_root() -> None:
    os.setuid(0)
    os.seteuid(0)


def inherited() -> None:
    """A descriptor that somebody has left open for it."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # that of this very look is closed again
            if int(name) > 2 and os.readlink(f"/proc/self/fd/{name}"):
                return
    raise OSError("none")


def strangers() -> None:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"skypechan.cli" in path.read_bytes():
                return
    raise OSError("none")


def attempts(targets: dict[str, Any]) -> dict[str, Callable[[], object]]:
    """What it tries, by the name that it reports."""
    pid = targets["gateway"]
    tries: dict[str, Callable[[], object]] = {
        "see the gateway": strangers,
        "read its environment": lambda: read(f"/proc/{pid}/environ"),
        "read its memory": lambda: memory(pid),
        "use its descriptors": lambda: os.listdir(f"/proc/{pid}/fd"),
        "see its files": lambda: os.listdir(f"/proc/{pid}/root/"),
        "trace it": lambda: trace(pid),
        "signal it": lambda: os.kill(pid, 0),
        "fork too often": fork_often,
        "become root": become_root,
        "make namespaces": lambda: checked(_libc.unshare(CLONE_NEWUSER)),
        "mount": lambda: checked(_libc.mount(b"/", b"/mnt", b"", MS_BIND, b"")),
        "read packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
        "inherit a descriptor": inherited,
    }
    for name, path in targets["files"].items():
        tries[f"read {name}"] = partial(read, path)
    for name, (path, entry) in targets["folders"].items():
        tries[f"list {name}"] = partial(see, path, entry)
        tries[f"write to {name}"] = partial(write, path)
    for path in targets["disks"]:
        tries[f"fill {path}"] = partial(fill, path)
    for name, address in targets["sockets"].items():
        tries[f"connect to {name}"] = partial(connect, address)
    for name, address in targets["datagrams"].items():
        tries[f"ask {name}"] = partial(datagram, address)
    return tries


def succeeds(act: Callable[[], object]) -> bool:
    """Try it in a process of its own, which it may spoil."""
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(OSError, ValueError):
            act()
            status = 0
        os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    place = Path(os.environ["HOME"]) / "targets.json"
    while not place.exists():
        time.sleep(0.02)
    tries = attempts(json.loads(place.read_text()))
    reached = [name for name, act in tries.items() if succeeds(act)]
    sys.stdout.write(f"reached {json.dumps(reached)}\n")
    sys.stdout.flush()
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
