"""A private D-Bus daemon for each test that asks for one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from skypechan.desktop.bus import PrivateBus
from tests.doubles.emulated import (
    Application,
    Emulator,
    application_at,
    emulator_at,
)


@pytest.fixture
async def daemon(tmp_path) -> AsyncIterator[PrivateBus]:
    async with PrivateBus(tmp_path) as bus:
        yield bus


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
