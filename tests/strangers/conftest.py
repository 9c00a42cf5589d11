"""The programs that the strangers meet, and the strangers' connections to them."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head, gateway
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import workspace
from tests.doubles.loop_thread import LoopThread
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import Credentials
from tests.strangers.application import Application
from tests.strangers.dbus_host import DbusHost
from tests.strangers.dbus_wire import Bus, DbusWire
from tests.strangers.standin import Standin
from tests.strangers.standin_values import Quirks
from tests.strangers.x11_host import X11Host
from tests.strangers.x11_wire import Screen, X11Wire

ACCOUNT = "alice"
TROUBLE = re.compile(r"Traceback|\d (ERROR|CRITICAL) ")
CHECKOUT = Path(__file__).resolve().parents[2]

# Added to the sample dialplan: any line and any address.
EXTENSIONS = """
[from-sipphone](+)
exten => _call-.,1,Set(LINE=${CUT(EXTEN,-,2)})
 same => n,Gosub(skypechan,dial,1(${LINE}/${CUT(EXTEN,-,3-)},20))
 same => n,Hangup(${SKYPECHAN_CAUSE})
; One after another, as a caller who hunts for somebody.
exten => hunt-dbus,1,Set(TURN=0)
 same => n(next),Gosub(skypechan,dial,1(dbus/nobody,20))
 same => n,Set(TURN=$[${TURN} + 1])
 same => n,GotoIf($[${TURN} < 30]?next)
 same => n,Gosub(skypechan,dial,1(dbus/good,20))
 same => n,Hangup(${SKYPECHAN_CAUSE})
"""
LINES = """
[lines.dbus]
account = "alice"
transport = "dbus"
dbus_address = "{bus}"
extension = "555"

[lines.x11]
account = "alicia"
transport = "x11"
display = "{display}"
xauthority = "{xauthority}"
extension = "555"
"""
Join = Callable[[], Awaitable[Application]]


@pytest.fixture(scope="session")
def stranger_house() -> Iterator[LoopThread]:
    """The loop that the long-lived programs run in."""
    with LoopThread() as thread:
        yield thread


@pytest.fixture(scope="session")
def stranger_place() -> Iterator[Path]:
    """A private folder for every program's files."""
    with workspace() as path:
        yield path


@pytest.fixture(scope="session")
def skype_bus(stranger_house: LoopThread, stranger_place: Path) -> PrivateBus:
    """The session bus of the emulated client."""
    return stranger_house.enter(PrivateBus(stranger_place / "bus"))


@pytest.fixture(scope="session")
def skype_screen(stranger_house: LoopThread, stranger_place: Path) -> PrivateScreen:
    """The X server of the emulated client."""
    return stranger_house.enter(PrivateScreen(stranger_place / "screen"))


@pytest.fixture(scope="session")
def emulated(
    stranger_house: LoopThread,
    stranger_place: Path,
    skype_bus: PrivateBus,
    skype_screen: PrivateScreen,
) -> Emulator:
    """The client emulator on both transports, signed in."""
    options = ["--dbus", skype_bus.address, "--display", skype_screen.display]
    environment = {"XAUTHORITY": str(skype_screen.xauthority)}
    return stranger_house.enter(
        emulator(
            stranger_place / "emulator",
            [*options, "--account", ACCOUNT],
            environment=environment,
        )
    )


@pytest.fixture
async def skype(emulated: Emulator) -> AsyncIterator[Emulator]:
    """The emulator; as it was at first, and without a call, afterwards."""
    yield emulated
    for call in await emulated.live():
        await emulated.hang_up(call["call"])
    await emulated.post("/authorise", {"mode": "yes"})
    assert await emulated.live() == []


@pytest.fixture
async def over_dbus(
    skype: Emulator, skype_bus: PrivateBus
) -> AsyncIterator[Callable[..., Awaitable[Application]]]:
    """Join the bus as an application, each time on a connection of its own."""
    async with AsyncExitStack() as open_ones:

        async def join(*, named: bool = True, answers: bool = True) -> Application:
            bus = await Bus.open(skype_bus.address)
            wire = DbusWire(bus, named=named, answers=answers)
            return await open_ones.enter_async_context(Application(wire))

        yield join


@pytest.fixture
async def over_x11(skype: Emulator, skype_screen: PrivateScreen) -> AsyncIterator[Join]:
    """Join the X server as an application, each time on a connection of its own."""
    async with AsyncExitStack() as open_ones:

        async def join() -> Application:
            screen = Screen(skype_screen.display, skype_screen.xauthority)
            return await open_ones.enter_async_context(Application(X11Wire(screen)))

        yield join


@pytest.fixture(params=["dbus", "x11"])
def join(request: pytest.FixtureRequest, emulated: Emulator) -> Join:
    """Attach over each transport in turn."""
    chosen: Join = request.getfixturevalue(f"over_{request.param}")
    return chosen


@pytest.fixture(scope="session")
def pbx(stranger_house: LoopThread, stranger_place: Path) -> LocalAsterisk:
    """A local Asterisk with the sample configuration."""
    configuration = CHECKOUT / "asterisk-conf"
    sample = (configuration / "extensions.conf").read_text()
    return stranger_house.enter(
        LocalAsterisk(
            installation(CHECKOUT, os.environ),
            stranger_place / "asterisk",
            configuration,
            files={"extensions.conf": f"{sample}\n{EXTENSIONS}"},
        )
    )


@pytest.fixture(scope="session")
def standin_bus(stranger_house: LoopThread, stranger_place: Path) -> PrivateBus:
    """The session bus of the stand-in, another than the emulator's."""
    return stranger_house.enter(PrivateBus(stranger_place / "standin-bus"))


@pytest.fixture(scope="session")
def standin_screen(stranger_house: LoopThread, stranger_place: Path) -> PrivateScreen:
    """The X server of the stand-in, another than the emulator's."""
    return stranger_house.enter(PrivateScreen(stranger_place / "standin-screen"))


@pytest.fixture(scope="session")
def running_gateway(
    stranger_house: LoopThread,
    stranger_place: Path,
    pbx: LocalAsterisk,
    standin_bus: PrivateBus,
    standin_screen: PrivateScreen,
) -> Gateway:
    """The gateway, from the first test that needs it to the last."""
    web_port = free_port()
    config = config_head(pbx.settings, web_port) + LINES.format(
        bus=standin_bus.address,
        display=standin_screen.display,
        xauthority=standin_screen.xauthority,
    )
    return stranger_house.enter(gateway(config, web_port, stranger_place / "gateway"))


@pytest.fixture
async def phone(pbx: LocalAsterisk) -> AsyncIterator[SipAgent]:
    """A SIP phone, registered."""
    credentials = Credentials("sipphone", pbx.settings.sip_secret)
    async with SipAgent(HOST, (HOST, pbx.settings.sip_port), credentials) as agent:
        await agent.register()
        yield agent


@pytest.fixture
async def appear(
    request: pytest.FixtureRequest,
    running_gateway: Gateway,
    standin_bus: PrivateBus,
    standin_screen: PrivateScreen,
) -> AsyncIterator[Callable[..., Awaitable[Standin]]]:
    """Let the stand-in appear on a transport; returns it with the gateway attached.

    At the end no call is left at either end and the gateway has logged no error.
    """
    mark = running_gateway.process.line_count
    async with AsyncExitStack() as stack:

        async def standin(
            transport: str,
            quirks: Quirks,
            *,
            wait: bool = True,
            left_over: bool = False,
        ) -> Standin:
            skype = Standin(quirks, transport)
            if transport == "dbus":
                bus = await Bus.open(standin_bus.address)
                host: DbusHost | X11Host = DbusHost(bus, skype)
            else:
                screen = Screen(standin_screen.display, standin_screen.xauthority)
                host = X11Host(screen, skype)
            stack.push_async_callback(host.vanish)
            await stack.enter_async_context(skype)
            if left_over:
                skype.left_over("bob")
            await host.appear()
            if wait:
                await skype.attached()
                await line_ready(running_gateway, transport)
            return skype

        yield standin
        written = running_gateway.process.line_count - mark
        log = running_gateway.process.lines[-written:] if written else ()
        request.node.add_report_section("call", "gateway's log", "\n".join(log))
        await running_gateway.idle()
    assert [line for line in log if TROUBLE.search(line)] == []


async def line_ready(running: Gateway, name: str, seconds: float = 10) -> None:
    """Return once a line of the gateway is ready; raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while await line_state(running, name) != "ready":  # noqa: ASYNC110 - polled
            await asyncio.sleep(0.02)


async def line_state(running: Gateway, name: str) -> str:
    """What the gateway says of a line."""
    states = {line["name"]: line["state"] for line in await running.get("/api/lines")}
    return str(states[name])
