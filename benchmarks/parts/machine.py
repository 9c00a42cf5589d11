"""What a reader of figures must know of the machine and how busy it was."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_STAT = Path("/proc/stat")
_IDLE = slice(3, 5)  # proc(5): idle and iowait
_COUNTED = slice(0, 8)  # guest time is contained in user time


def cpu_name() -> str:
    """Return the processor's name as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


@dataclass(frozen=True, slots=True)
class Load:
    """How busy all cores have been since `start`."""

    average: float
    ticks: int
    idle_ticks: int

    @classmethod
    def start(cls) -> Load:
        """Look now."""
        fields = _STAT.read_text().splitlines()[0].split()[1:]
        ticks = [int(field) for field in fields]
        return cls(os.getloadavg()[0], sum(ticks[_COUNTED]), sum(ticks[_IDLE]))

    def since(self) -> dict[str, float]:
        """Return load averages and the busy share of all cores, ours included."""
        now = Load.start()
        passed = max(now.ticks - self.ticks, 1)
        busy = 1 - (now.idle_ticks - self.idle_ticks) / passed
        return {
            "load_average_before": round(self.average, 2),
            "load_average_after": round(now.average, 2),
            "busy_share": round(busy, 3),
        }


def machine() -> dict[str, Any]:
    """Return processor and system."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def circumstances(
    date: str, machine: Mapping[str, Any], load: Mapping[str, float]
) -> str:
    """Say in one clause where and how undisturbed figures were measured."""
    return (
        f"{date}: {machine['cpu']}, {machine['cores']} cores, {machine['system']}; "
        f"load average {load['load_average_before']} before, "
        f"{load['load_average_after']} after, cores busy {load['busy_share']:.0%}"
    )
