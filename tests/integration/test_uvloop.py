"""A gateway with uvloop, where that is installed: `pip install skypechan[uvloop]`."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
import socket
import struct
from pathlib import Path
from uuid import UUID

import pytest

from skypechan.console.client import ControlClient
from skypechan.demo.parts.gateway import gateway
from skypechan.demo.parts.ports import HOST, free_port
from tests.doubles.pcm_peers import PbxPeer, message
from tests.doubles.scripted_asterisk import knows

CONTACT = UUID("5f1c9a52-2f3e-4b8e-9c0e-7d3b6d3f8a10")
VOICE = message(0x12, struct.pack("<320h", *(range(0, 9_600, 30))))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed"
)


async def test_gateway_with_uvloop_takes_a_call_is_operated_and_stops(
    tmp_path: Path,
) -> None:
    web, audio = free_port(), free_port()
    async with knows("22.8.0") as asterisk:
        text = f"""
[asterisk]
ami = "{HOST}:{asterisk.port}"
ami_secret = "sesame"
audiosocket_listen = "{HOST}:{audio}"
[web]
listen = "{HOST}:{web}"
[control]
socket = "control.sock"
[lines.first]
backend = "echo"
[contacts]
one = {{ uuid = "{CONTACT}", line = "first", address = "echo" }}
"""
        async with gateway(text, web, tmp_path) as started:
            await started.process.line("event loop of uvloop")
            await started.ready()
            channel = {
                "Channel": f"AudioSocket/{HOST}:{audio}-{CONTACT}",
                "Uniqueid": "1.1",
                "Linkedid": "1.1",
            }
            asterisk.event("Newchannel", **channel)
            caller = PbxPeer(socket.create_connection((HOST, audio)))
            speaking = asyncio.create_task(speak(caller))
            try:
                assert any(await caller.audio())
                control = ControlClient([tmp_path / "control.sock"])
                calls = await asyncio.to_thread(control.ask, "GET", "/api/calls")
                assert len(calls) == len(await started.calls()) == 1
            finally:
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)
                caller.close()
            asterisk.event("Hangup", **channel, Cause="16")
            await started.idle()
            started.process.signal(signal.SIGTERM)
            assert await started.process.wait() == 0


async def speak(caller: PbxPeer) -> None:
    """Say who it is, and then one thing for ever."""
    await caller.send(message(0x01, CONTACT.bytes))
    while True:
        await caller.send(VOICE)
        await asyncio.sleep(0.02)
