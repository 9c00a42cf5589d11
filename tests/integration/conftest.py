"""A private D-Bus daemon for each test that asks for one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.doubles.emulated import (
    Application,
    Emulator,
    application_at,
    emulator_at,
)


@dataclass(frozen=True, slots=True)
class Daemon:
    address: str
    process: asyncio.subprocess.Process

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


async def start_daemon(directory) -> Daemon:
    program = shutil.which("dbus-daemon")
    assert program, "these tests need dbus-daemon"
    process = await asyncio.create_subprocess_exec(
        program,
        "--session",
        "--nofork",
        "--nopidfile",
        "--print-address=1",
        f"--address=unix:dir={directory}",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 10)
    return Daemon(line.decode().strip(), process)


async def stop_daemon(daemon: Daemon) -> None:
    await daemon.kill()
    # The loop closes the child's pipe one turn after its death.
    transport = daemon.process._transport
    transport.close()
    await asyncio.sleep(0)


@pytest.fixture
async def daemon(tmp_path) -> AsyncIterator[Daemon]:
    daemon = await start_daemon(tmp_path)
    yield daemon
    await stop_daemon(daemon)


@pytest.fixture
async def emulator(daemon) -> AsyncIterator[Emulator]:
    async with emulator_at(daemon.address) as emulator:
        yield emulator


@pytest.fixture
async def application(daemon, emulator) -> AsyncIterator[Application]:
    """An application attached to the emulator."""
    async with application_at(daemon.address) as application:
        await application.attach()
        yield application
