"""What a gateway uses, told by `watched_gateway` and the kernel.

Asking `watched_gateway` is not free: it searches its memory for what has died, which
takes as long as a stall of a busy machine, and frees what it finds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from skypechan.desktop.process import Process, Program
from skypechan.desktop.users import private_folder
from tests.system.parts import CHECKOUT


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds, by the kernel; to look costs the process nothing."""

    descriptors: int
    memory_kb: int


def held_by(pid: int) -> Held:
    """Return what a process holds now."""
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    memory_kb = pages * os.sysconf("SC_PAGE_SIZE") // 1024
    return Held(len(os.listdir(proc / "fd")), memory_kb)


@dataclass(frozen=True, slots=True)
class Use:
    """What the gateway uses at a moment, after it has searched its memory."""

    pid: int
    tasks: int
    descriptors: int
    objects: int
    memory_kb: int


async def use_of(process: Process) -> Use:
    """Return what a watched gateway uses."""
    mark = process.line_count
    process.signal(signal.SIGUSR2)
    told = await process.line(r"^figures (\{.*\})", since=mark)
    figures = json.loads(told[1])
    held = held_by(process.pid)
    return Use(
        pid=process.pid,
        tasks=figures["tasks"],
        descriptors=held.descriptors,
        objects=figures["objects"],
        memory_kb=held.memory_kb,
    )


def watched_gateway(folder: Path, config: str) -> Program:
    """Return the gateway as a program that can be asked what it uses."""
    path = private_folder(folder) / "skypechan.toml"
    path.touch(mode=0o600)
    path.write_text(config)
    module = (sys.executable, "-m", "tests.drill.watched_gateway")
    return Program(
        "gateway",
        (*module, "run", "-c", str(path)),
        folder,
        environment={"PYTHONPATH": str(CHECKOUT)},
    )
