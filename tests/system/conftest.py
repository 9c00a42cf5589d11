"""Real programs for the system tests: Asterisk, bus, emulator, gateway."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.ports import HOST, free_port, free_range
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import workspace
from tests.doubles.loop_thread import LoopThread
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import Credentials
from tests.doubles.sipp import Sipp, SippRun, run_scenario
from tests.doubles.skype_transcript import SkypeTranscript
from tests.system import exchange as exchanges
from tests.system import parts
from tests.system.parts import CHECKOUT, Starter


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


@pytest.fixture(scope="session")
def bus(house: LoopThread, place: Path) -> PrivateBus:
    """A D-Bus daemon for the Skype client and the gateway."""
    return house.enter(PrivateBus(place / "bus"))


@pytest.fixture(scope="session")
def emulator(house: LoopThread, place: Path, bus: PrivateBus) -> Emulator:
    """The Skype client, signed in as skypet123."""
    return house.enter(parts.emulator(bus.address, place / "emulator"))


@contextmanager
def _gateways(
    house: LoopThread,
    place: Path,
    asterisk: LocalAsterisk,
    bus: PrivateBus,
    line: str = "",
) -> Iterator[Starter]:
    web_port = free_port()
    config = parts.config(asterisk, bus.address, web_port, line=line)
    with house.sub() as running:
        yield lambda: running.enter(parts.gateway(config, web_port, place / "gateway"))


@pytest.fixture(scope="module")
def line_settings() -> str:
    """What a module's gateway has in the table of its line beside the usual."""
    return ""


@pytest.fixture(scope="module")
def gateway(
    house: LoopThread,
    place: Path,
    asterisk: LocalAsterisk,
    bus: PrivateBus,
    emulator: Emulator,
    line_settings: str,
) -> Iterator[Gateway]:
    """The gateway between that client and that Asterisk; gone after the module."""
    with _gateways(house, place, asterisk, bus, line_settings) as start:
        yield start()


@pytest.fixture
def start_gateway(
    house: LoopThread,
    place: Path,
    asterisk: LocalAsterisk,
    bus: PrivateBus,
    emulator: Emulator,
) -> Iterator[Starter]:
    """For tests that end the gateway, or start another."""
    with _gateways(house, place, asterisk, bus) as start:
        yield start


@pytest.fixture(scope="session")
def exchange(house: LoopThread, place: Path) -> Iterator[exchanges.Exchange]:
    """An operator's exchange, with two Skype clients beside it."""
    with exchanges.exchange(house, place / "exchange") as running:
        yield running


@pytest.fixture(scope="module")
def exchange_gateway(
    house: LoopThread, place: Path, exchange: exchanges.Exchange
) -> Iterator[Gateway]:
    """The gateway of the exchange; gone after the module."""
    with exchanges.gateway(house, place / "exchange", exchange) as running:
        yield running


@pytest.fixture
async def every_exchange_call_ends(
    exchange: exchanges.Exchange, exchange_gateway: Gateway
) -> AsyncIterator[None]:
    """After the test, and the phones' leaving, no call and no channel is left."""
    yield
    try:
        await exchange_gateway.idle()
        await exchange.is_empty()
        assert await exchange.one.live() == await exchange.two.live() == []
    finally:
        await exchange.hang_up_all()  # a test that failed must not spoil the next


@pytest.fixture
async def sipphone(
    exchange: exchanges.Exchange, every_exchange_call_ends: None
) -> AsyncIterator[SipAgent]:
    """The first phone of the exchange, which 555 rings."""
    async with exchanges.phone(exchange, "sipphone") as agent:
        yield agent


@pytest.fixture
async def desk(
    exchange: exchanges.Exchange, every_exchange_call_ends: None
) -> AsyncIterator[SipAgent]:
    """The second phone of the exchange."""
    async with exchanges.phone(exchange, "desk") as agent:
        yield agent


@pytest.fixture
async def operator(
    exchange: exchanges.Exchange,
) -> AsyncIterator[exchanges.Operator]:
    """The operator's own program at the manager interface of the exchange."""
    async with exchanges.operator(exchange) as program:
        yield program


@pytest.fixture
async def skype(bus: PrivateBus) -> AsyncIterator[SkypeTranscript]:
    """What the client and the gateway say to each other during the test."""
    async with SkypeTranscript(bus.address) as transcript:
        yield transcript


@pytest.fixture
async def every_call_ends(gateway: Gateway, emulator: Emulator) -> AsyncIterator[None]:
    """After the test, and the phone's leaving, no call is left on either side."""
    yield
    await gateway.idle()
    assert await emulator.live() == []
