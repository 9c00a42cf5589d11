"""Real programs for the system tests: Asterisk, bus, emulator, gateway."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.ports import free_range
from skypechan.demo.parts.users import workspace
from tests.doubles.loop_thread import LoopThread
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import Credentials
from tests.doubles.sipp import Sipp, SippRun, run_scenario

CHECKOUT = Path(__file__).parents[2]
HOST = "127.0.0.1"


@pytest.fixture(scope="session")
def house() -> Iterator[LoopThread]:
    """The loop that the long-lived parts run in."""
    with LoopThread() as thread:
        yield thread


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A private folder for every part's files."""
    with workspace() as path:
        yield path


@pytest.fixture(scope="session")
def asterisk(house: LoopThread, place: Path) -> LocalAsterisk:
    """A local Asterisk with our configuration and the extensions of the tests."""
    configuration = CHECKOUT / "asterisk-conf"
    sample = (configuration / "extensions.conf").read_text()
    ours = (CHECKOUT / "tests/data/extensions.conf").read_text()
    return house.enter(
        LocalAsterisk(
            installation(CHECKOUT, os.environ),
            place / "asterisk",
            configuration,
            files={"extensions.conf": f"{sample}\n{ours}"},
        )
    )


@pytest.fixture
async def phone(asterisk: LocalAsterisk) -> AsyncIterator[SipAgent]:
    """Our SIP agent, registered as the sample's phone."""
    settings = asterisk.settings
    credentials = Credentials("sipphone", settings.sip_secret)
    async with SipAgent(HOST, (HOST, settings.sip_port), credentials) as agent:
        await agent.register()
        yield agent


@pytest.fixture
def sipp(asterisk: LocalAsterisk, tmp_path: Path) -> Sipp:
    """Run sipp as the caller, with the credentials of the sample's phone."""
    settings = asterisk.settings

    async def run(scenario: str, extension: str) -> SippRun:
        server, ports = (HOST, settings.sip_port), free_range(4)
        return await run_scenario(
            scenario, extension, server, settings.sip_secret, ports, tmp_path
        )

    return run
