"""A scripted Asterisk, and our half of it once it is ready."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from skypechan.asterisk.pbx import PbxState
from tests.doubles.ami_server import AmiServer
from tests.doubles.clock import FakeClock
from tests.doubles.pbx_driver import PbxDriver
from tests.doubles.scripted_asterisk import driving, knows


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def asterisk() -> AsyncIterator[AmiServer]:
    async with knows("22.10.1") as server:
        yield server


@pytest.fixture
async def ready(asterisk: AmiServer, clock: FakeClock) -> AsyncIterator[PbxDriver]:
    async with driving(asterisk, clock) as driver:
        await driver.state(PbxState.READY)
        yield driver
