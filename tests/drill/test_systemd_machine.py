"""The units under a real systemd, on a machine in a folder (`make machine`)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from skypechan.desktop.users import workspace

ROOT = os.environ.get("SKYPECHAN_MACHINE", "")
TRIAL = Path(__file__).parents[1] / "data/machine"
MOST_S = 270

pytestmark = pytest.mark.skipif(not ROOT, reason="boots a machine: make machine")


def booted(told: Path) -> subprocess.CompletedProcess[str]:
    """Boot it, on a network of its own, writing nothing to its folder; wait for it."""
    # A SIGTERM has it end the machine, which a killed one leaves running.
    command = ["timeout", "--kill-after=10", str(MOST_S)]
    command += ["systemd-nspawn", "--directory", ROOT, "--volatile=overlay"]
    command += ["--private-network", "--register=no", "--keep-unit", "--boot"]
    command += [f"--bind-ro={TRIAL}:/trial", f"--bind={told}:/told"]
    command += [f"--bind-ro={TRIAL}/trial.service:/etc/systemd/system/trial.service"]
    return subprocess.run(
        [*command, "systemd.wants=trial.service"],
        env={**os.environ, "UNIFIED_CGROUP_HIERARCHY": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_units_do_on_a_machine_what_is_said_of_them() -> None:
    with workspace() as told:
        ended = booted(told)
        facts = told / "facts"
        assert facts.exists(), ended.stdout
        said = "\n".join(path.read_text() for path in sorted(told.iterdir()))
        assert facts.read_text().splitlines() == [
            "client started 0",
            "gateway started 0",
            "all lines ready 0",
            "status asterisk is link_down, 3 of 3 lines ready, 0 calls",
            "client runs as skypechan skypechan-alice ",
            "configuration read by a client 1",
            "screen of a client apart 0",
            "its cookie read by others 1",
            "hung gateway started anew 0",
            "all lines ready again 0",
            "reload of a fault 1",
            "after it active",
            "restart with a fault 1",
            "after it failed",
            "exposure 1.9",
            "all lines ready with walls 0",
            "walls 0",
            "scheduled as FF and TS",
            "stopped 0",
            "left ",
        ], said
