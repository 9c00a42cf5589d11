"""The emulator to a client that is built on another D-Bus library."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
CLIENT = Path(__file__).parents[1] / "doubles" / "dbus_python_client.py"


def has_dbus_python() -> bool:
    command = [SYSTEM_PYTHON, "-c", "import dbus.mainloop.glib, gi.repository.GLib"]
    try:
        return subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not has_dbus_python(), reason="python3-dbus, python3-gi missing")
async def test_client_on_dbus_python_attaches_calls_and_hangs_up(daemon, emulator):
    process = await asyncio.create_subprocess_exec(
        SYSTEM_PYTHON, str(CLIENT), daemon.address, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    told = json.loads(out)
    replies = dict(told["replies"])
    placed = replies["#1 CALL echo"].split()
    call = f"CALL {placed[2]}"
    assert placed == ["#1", "CALL", placed[2], "STATUS", "UNPLACED"]
    assert replies["NAME dbus-python"] == "OK"
    assert replies["PROTOCOL 5"] == "PROTOCOL 5"
    assert replies["#0 SEARCH ACTIVECALLS"] == "#0 CALLS "
    assert replies[f"#2 ALTER {call} DTMF 5"] == f"#2 ALTER {call} DTMF 5"
    assert replies[f"#3 SET {call} DTMF #"] == f"#3 SET {call} DTMF #"
    assert replies[f"#4 GET {call} PARTNER_HANDLE"] == f"#4 {call} PARTNER_HANDLE echo"
    assert replies[f"#5 ALTER {call} END HANGUP"] == f"#5 ALTER {call} END HANGUP"
    assert told["heard"][:3] == [
        "CONNSTATUS ONLINE",
        "CURRENTUSERHANDLE skypet123",
        "USERSTATUS ONLINE",
    ]
    assert told["heard"][-1] == f"{call} STATUS FINISHED"
    snapshot = await emulator.call(int(placed[2]))
    assert snapshot["digits_heard"] == "5#"
