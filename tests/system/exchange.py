"""An operator's exchange: Asterisk with more phones, queues, parking and conferences.

Beside it two Skype clients with a line each, and lines to an echo for calls in number.
"""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from skypechan.asterisk.ami.link import AmiLink, LinkState
from skypechan.asterisk.ami.messages import Action, Pairs
from skypechan.audio.probe import tone
from skypechan.clock import SystemClock
from skypechan.demo.parts import emulated
from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import private_folder
from tests.doubles.dialplan_steps import Steps
from tests.doubles.loop_thread import LoopThread
from tests.doubles.pbx_driver import settings_for
from tests.doubles.rtp import RATE_HZ, sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_messages import Credentials
from tests.doubles.waiting import Changes
from tests.system import parts
from tests.system.parts import CHECKOUT, eventually

PHONES = ("sipphone", "desk", "booth")
MUSIC_HZ = 350
ECHO_LINES = 10
SAMPLE = CHECKOUT / "asterisk-conf"
DATA = CHECKOUT / "tests/data/exchange"
_AUDIBLE_DBFS = -35.0
_LISTEN_S = 0.3

# Beside the people who are there without a script.
SCRIPT = {
    "contacts": [
        {"handle": "prompt", "voice": "echo", "answer_s": 0.2},
        {"handle": "high", "voice": "tone:900", "answer_s": 0.2},
        {"handle": "low", "voice": "tone:600", "answer_s": 0.2},
        {"handle": "+4930123456", "voice": "echo", "answer_s": 0.2},
    ]
}
LINES_AND_ROUTES = """\
token = "tests"

[lines.one]
account = "skypet123"
dbus_address = "{first}"
extension = "555"
numbers_allowed = ["+49*"]

[lines.two]
account = "skypet456"
dbus_address = "{second}"
extension = "555"
numbers_allowed = ["+49*"]

[[routes]]
caller = "to-room*"
to = "room@from-sipphone"

[[routes]]
caller = "to-queue*"
to = "queue-of-phones@from-sipphone"

[[routes]]
caller = "to-other*"
to = "call-two-low@from-sipphone"

[[routes]]
caller = "to-busy*"
to = "call-two-busy@from-sipphone"
"""
ECHO_LINE = """
[lines.echo{number}]
backend = "echo"
extension = "600"
"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """The long-lived parts; the gateway comes and goes with a module of tests."""

    asterisk: LocalAsterisk
    buses: list[PrivateBus]
    one: Emulator
    two: Emulator

    async def channels(self) -> list[str]:
        """The names of Asterisk's channels."""
        shown = await self.asterisk.cli("core show channels concise")
        return [line.partition("!")[0] for line in shown.splitlines() if line]

    async def channel(self, beginning: str) -> str:
        """The only channel with such a name; raises ValueError."""
        (name,) = [x for x in await self.channels() if x.startswith(beginning)]
        return name

    async def hang_up_all(self) -> None:
        """Let every Skype user hang up."""
        for client in (self.one, self.two):
            for call in await client.live():
                await client.hang_up(call["call"])

    async def is_empty(self) -> None:
        """Return once Asterisk has no channel; raises TimeoutError."""
        left: list[str] = []

        async def none() -> bool:
            left[:] = await self.channels()
            return not left

        await eventually(none, 5, lambda: f"empty exchange: {left}")


@contextmanager
def exchange(house: LoopThread, folder: Path) -> Iterator[Exchange]:
    """Start Asterisk and both clients."""
    private_folder(folder)
    with house.sub() as stack:
        buses = [
            stack.enter(PrivateBus(folder / f"bus-{name}")) for name in ("one", "two")
        ]
        script = folder / "people.json"
        script.write_text(json.dumps(SCRIPT))
        clients = [
            stack.enter(
                emulated.emulator(
                    folder / f"client-{account}",
                    ("-c", str(script), "--account", account, "--dbus", bus.address),
                )
            )
            for account, bus in zip(("skypet123", "skypet456"), buses, strict=True)
        ]
        yield Exchange(stack.enter(asterisk(folder)), buses, *clients)


def asterisk(folder: Path) -> LocalAsterisk:
    """The sample's configuration, and that of the exchange behind it."""
    music = private_folder(folder / "music")
    with wave.open(str(music / "tone.wav"), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        file.writeframes(tone(MUSIC_HZ, 10.0).tobytes())
    files = {
        path.name: path.read_text().replace("@MUSIC@", str(music))
        for path in sorted(DATA.glob("*.conf"))
    }
    for name in ("extensions.conf", "modules.conf"):
        files[name] = (SAMPLE / name).read_text() + files[name]
    for name in ("pjsip.conf", "manager.conf"):
        files[name] = (SAMPLE / f"{name}.in").read_text() + files[name]
    # As an operator of FreePBX has it: skypechan.conf is included in his own file.
    custom = SAMPLE / "freepbx/extensions_custom.conf"
    files["extensions_custom.conf"] = custom.read_text()
    files["extensions.conf"] = files["extensions.conf"].replace(
        "#include skypechan.conf", "#include extensions_custom.conf"
    )
    return LocalAsterisk(
        installation(CHECKOUT, environ), folder / "asterisk", SAMPLE, files=files
    )


@contextmanager
def gateway(house: LoopThread, folder: Path, exchange: Exchange) -> Iterator[Gateway]:
    """The gateway between the two clients, the echo and the exchange."""
    web_port = free_port()
    config = config_head(exchange.asterisk.settings, web_port)
    config += LINES_AND_ROUTES.format(
        first=exchange.buses[0].address, second=exchange.buses[1].address
    )
    for number in range(ECHO_LINES):
        config += ECHO_LINE.format(number=number)
    with house.sub() as stack:
        running = stack.enter(parts.gateway(config, web_port, folder / "gateway"))
        house.run(_every_line_is_ready(running))
        yield running


async def _every_line_is_ready(gateway: Gateway) -> None:
    async def ready() -> bool:
        return all(x["state"] == "ready" for x in await gateway.get("/api/lines"))

    await eventually(ready, 5, "readiness of every line")


@asynccontextmanager
async def phone(exchange: Exchange, name: str) -> AsyncIterator[SipAgent]:
    """One of the PHONES, registered."""
    settings = exchange.asterisk.settings
    credentials = Credentials(name, settings.sip_secret)
    async with SipAgent(HOST, (HOST, settings.sip_port), credentials) as agent:
        await agent.register()
        yield agent


@dataclass(frozen=True, slots=True)
class BlindTransfer:
    """Send on whoever the channel talks with."""

    channel: str
    context: str
    extension: str
    name: ClassVar[str] = "BlindTransfer"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        return [
            ("Channel", self.channel),
            ("Context", self.context),
            ("Exten", self.extension),
        ]


@dataclass(frozen=True, slots=True)
class RedirectBoth:
    """Move two channels that talk with each other to one extension."""

    channel: str
    other: str
    context: str
    extension: str
    name: ClassVar[str] = "Redirect"
    right: ClassVar[str] = "call"

    def headers(self) -> Pairs:
        """Return the headers."""
        return [
            ("Channel", self.channel),
            ("Context", self.context),
            ("Exten", self.extension),
            ("Priority", "1"),
            ("ExtraChannel", self.other),
            ("ExtraContext", self.context),
            ("ExtraExten", self.extension),
            ("ExtraPriority", "1"),
        ]


class Operator:
    """A program of the operator's at the manager interface."""

    def __init__(self, exchange: Exchange) -> None:
        settings = settings_for(exchange.asterisk, ami_username="operator")
        self._link = AmiLink(settings, SystemClock())
        self._steps = Steps(self._link)
        self._changes = Changes()
        self._link.on_state = self._changes.notify

    async def run(self) -> None:
        """Be there until cancelled."""
        await self._link.run()

    async def ready(self) -> None:
        """Return once it is signed in; raises TimeoutError."""
        await self._changes.until(
            lambda: self._link.state is LinkState.UP, 5, "operator's AMI link"
        )

    async def do(self, action: Action) -> None:
        """Ask something of Asterisk; raises CommandError when it refuses."""
        await self._link.send(action)

    async def steps(self) -> list[str]:
        """The names of the steps that the dialplan has told so far."""
        await self._steps.settle()
        return self._steps.names


@asynccontextmanager
async def operator(exchange: Exchange) -> AsyncIterator[Operator]:
    """Run the operator's program."""
    program = Operator(exchange)
    task = asyncio.create_task(program.run())
    try:
        await program.ready()
        yield program
    finally:
        task.cancel()
        await asyncio.wait([task])


def level_dbfs(samples: NDArray[np.int16], rate_hz: int, frequency_hz: float) -> float:
    """How loud one frequency is in a sound that may hold others."""
    if len(samples) < rate_hz * _LISTEN_S:
        return -200.0
    window = np.hanning(len(samples))
    turns = np.exp(-2j * np.pi * frequency_hz / rate_hz * np.arange(len(samples)))
    amplitude = abs(np.sum(samples * window * turns)) * 2 / np.sum(window) / 32768
    return float(20 * np.log10(max(amplitude, 1e-10)))


async def phone_hears(call: Call, *frequencies_hz: float, seconds: float = 5) -> None:
    """Return once all of them are heard at the same time; raises TimeoutError."""
    begun = len(call.rtp.received)
    packets = round(_LISTEN_S * 50) + 1

    def heard() -> bool:
        latest = call.rtp.received[begun:][-packets:]
        samples = sound_of(latest).samples if latest else np.zeros(0, np.int16)
        levels = [level_dbfs(samples, RATE_HZ, f) for f in frequencies_hz]
        return min(levels) > _AUDIBLE_DBFS

    await call.rtp.changes.until(heard, seconds, f"{frequencies_hz} Hz at the phone")


async def skype_hears(
    client: Emulator, number: int, *frequencies_hz: float, seconds: float = 5
) -> None:
    """The same at the far end of a Skype call."""
    begun = int((await client.get(f"/calls/{number}"))["heard_samples"])
    levels: list[float] = []

    async def heard() -> bool:
        sound = await client.sound(number, "heard")
        latest = sound.samples[begun:][-round(sound.rate_hz * _LISTEN_S) - 1 :]
        levels[:] = [level_dbfs(latest, sound.rate_hz, f) for f in frequencies_hz]
        return min(levels) > _AUDIBLE_DBFS

    await eventually(heard, seconds, lambda: f"{frequencies_hz} Hz at Skype: {levels}")
