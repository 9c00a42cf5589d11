"""The emulator as a double for other programs' tests: nothing of the gateway runs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from skypechan.emulator.testing import running
from skypechan.emulator.trace import Replay, Side
from tests.doubles.emulated import application_at

CHECKOUT = Path(__file__).parents[2]

OTHERS = """\
pytest_plugins = ["skypechan.emulator.testing"]
"""

OTHERS_TEST = """\
import os
import subprocess


def invoke(text):
    said = subprocess.run(
        ["dbus-send", "--session", "--print-reply", "--dest=com.Skype.API",
         "/com/Skype", "com.Skype.API.Invoke", f"string:{text}"],
        capture_output=True, text=True, check=True,
    ).stdout
    return said.split('"')[1]


def test_a_program_of_any_kind(skype):
    assert os.environ["DBUS_SESSION_BUS_ADDRESS"] == skype.dbus
    assert invoke("NAME dialer") == "OK"
    skype.ask("POST", "/faults", drop_replies=0)


def test_on_a_display(skype_on_display):
    assert os.environ["DISPLAY"] == skype_on_display.display
    number = skype_on_display.ring("echo")
    assert skype_on_display.wait_for(number, "RINGING")["status"] == "RINGING"
"""


def test_the_fixtures_serve_the_tests_of_others(tmp_path):
    (tmp_path / "conftest.py").write_text(OTHERS)
    (tmp_path / "test_others.py").write_text(OTHERS_TEST)
    outcome = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "2 passed" in outcome.stdout


async def converse(address):
    """A call out, some sound verbs refused, the end."""
    async with application_at(address) as application:
        await application.attach()
        number = await application.place("echo")
        await application.hears(f"CALL {number} STATUS INPROGRESS")
        await application.say(f"ALTER CALL {number} HANGUP")
        await application.hears(f"CALL {number} STATUS FINISHED")


async def replay_at(address, events, until):
    """Play the application's part until something of the replay is true."""
    replay = Replay(events, Side.APPLICATION)
    async with application_at(address) as application:
        texts, place = list(replay.start()), 0
        deadline = time.monotonic() + 10
        while not until(replay) and time.monotonic() < deadline:
            if texts:
                texts += replay.hear(await application.say(texts.pop(0)))
            elif place < len(application.heard):
                texts += replay.hear(application.heard[place])
                place += 1
            else:
                await asyncio.sleep(0.01)
    return replay


async def test_a_recorded_trace_is_replayed_to_another_client():
    with running() as client:
        await converse(client.dbus)
        events = client.trace()
    assert {event.mark for event in events} >= {"<", ">"}
    with running() as another:
        another.ring("echo")  # its numbers will be others
        another.ask("POST", f"/calls/{another.newest_call()}/hang_up")
        replay = await replay_at(another.dbus, events, lambda replay: replay.done)
    assert replay.done, (replay.missing, replay.strange)


async def test_a_client_that_behaves_otherwise_is_found_out():
    with running() as client:
        await converse(client.dbus)
        events = client.trace()
    with running() as another:
        await asyncio.to_thread(another.ask, "PUT", "/contacts/echo", manner="busy")
        replay = await replay_at(another.dbus, events, lambda replay: replay.strange)
    assert any("BUSY" in line for line in replay.strange)


def test_a_client_that_cannot_start_says_why():
    with pytest.raises(Exception, match="did not start"), running(dbus="unix:path=/x"):
        pass
