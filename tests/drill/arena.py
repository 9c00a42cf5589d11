"""The programs of the call drill: one Asterisk, one gateway, four lines, three phones.

Two clients are on D-Bus and two on X11, joined by the emulators' network; the AMI link
of the gateway is a cable that can be cut. Everything belongs to whoever made it.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skypechan.asterisk.ami.link import AmiLink, LinkState
from skypechan.asterisk.ami.messages import Action, Event, Ping, UserEvent
from skypechan.clock import SystemClock
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.process import Process
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import private_folder
from tests.doubles.pbx_driver import settings_for
from tests.doubles.relay import Relay
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_call import Call
from tests.doubles.sip_messages import Credentials
from tests.doubles.waiting import Changes
from tests.drill.rounds import LINES, PHONES
from tests.drill.usage import Use, use_of, watched_gateway
from tests.system import exchange
from tests.system.mortal_parts import Mortal
from tests.system.parts import CONTACT_UUID, eventually

_TOKEN = {"Authorization": "Bearer tests"}
_REGISTERED_S = 7_200
_MORE = """\
token = "tests"

[records]
folder = "records"

[contacts]
echo123 = {{ uuid = "{contact}", line = "ANY", address = "echo" }}
"""
_LINE = """
[lines.{name}]
account = "{account}"
{transport}
extension = "600"
numbers_allowed = ["+49*"]
ring_seconds = 8
"""
_ROUTES = {
    "to-sipphone": "555@from-skypechan",
    "to-desk": "desk@from-sipphone",
    "to-booth": "booth@from-sipphone",
    "to-queue": "queue-of-phones@from-sipphone",
    "to-room": "room@from-sipphone",
    "to-line": "call-ANY-low@from-sipphone",
    "to-busy": "call-ANY-busy@from-sipphone",
    "to-nowhere": "nowhere@from-sipphone",
}
# What the exchange's dialplan lacks of the forms of calling.
_DIALPLAN = """
[from-sipphone](+)
exten => _prepare-[0-9A-Za-z]!,1,Set(WANTED=${CUT(EXTEN,-,2)}/${CUT(EXTEN,-,3-)})
 same => n,Gosub(skypechan,prepare,1(${WANTED},20))
 same => n,GotoIf($["${SKYPECHAN_STATUS}" != "ANSWER"]?failed)
 same => n,Set(WHERE=${SKYPECHAN_SOCKET}/${SKYPECHAN_UUID})
 same => n,Dial(AudioSocket/${WHERE}/c(${SKYPECHAN_FORMAT}))
 same => n(failed),Hangup(${SKYPECHAN_CAUSE})
"""


@dataclass(frozen=True, slots=True)
class Stand:
    """A line: its client and what that meets the gateway at."""

    account: str
    desktop: PrivateBus | PrivateScreen
    client: Mortal[Emulator]

    @property
    def skype(self) -> Emulator:
        """The client that runs."""
        return self.client.now

    async def live(self) -> list[dict[str, Any]]:
        """Its calls that have not ended."""
        return await self.skype.live()

    async def with_gateway(self) -> list[dict[str, Any]]:
        """Those that somebody at the gateway has to do with."""
        return [x for x in await self.live() if x["status"] != "TRANSFERRING"]

    async def be_well(self) -> None:
        """Have none of the faults that a round gave it."""
        faults = dict.fromkeys(("drop_replies", "double_replies", "swap_slices"), 0)
        await self.skype.post("/faults", {**faults, "reply_delay_s": 0, "slow_s": 0})

    async def kill(self, what: str) -> None:
        """End the client, or its bus or display; a client does not outlive that."""
        process = self.desktop.process if what == "desktop" else self.skype.process
        process.kill()
        await process.wait()
        await self.skype.process.wait()

    async def revive(self, what: str) -> None:
        """Start both again."""
        if what == "desktop":
            await self.desktop.start()
        await self.client.start()


class Watch:
    """A program of the operator's at AMI: it acts, and hears what dialplans ask."""

    def __init__(self, asterisk: LocalAsterisk) -> None:
        settings = settings_for(asterisk, ami_username="operator")
        self.asked: list[tuple[str, datetime]] = []
        self._link = AmiLink(settings, SystemClock())
        self._changes = Changes()
        self._link.on_state = self._changes.notify
        self._link.on_event = self._take

    def _take(self, event: Event) -> None:
        if isinstance(event, UserEvent) and event.name == "SkypechanCall":
            self.asked.append((event.fields["uuid"], datetime.now(UTC)))

    async def do(self, action: Action) -> None:
        """Ask something of Asterisk; raises CommandError when it refuses."""
        await self._link.send(action)

    async def settle(self) -> None:
        """Return when everything that has happened before is told."""
        await self._link.send(Ping())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be there meanwhile."""
        task = asyncio.create_task(self._link.run())
        try:
            await self._changes.until(
                lambda: self._link.state is LinkState.UP, 5, "operator's AMI link"
            )
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])


@dataclass(slots=True)
class Arena:
    """Everything that takes part.

    `placed` are the phones' own calls with what they dialled, `said` is what gateways
    have said that were killed.
    """

    asterisk: LocalAsterisk
    cable: Relay
    stands: dict[str, Stand]
    gateway: Mortal[Gateway]
    phones: dict[str, SipAgent]
    watch: Watch
    records: Path
    placed: list[tuple[str, Call]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    async def kill(self, victim: str) -> None:
        """End what a round calls by this name, as a crash would."""
        what, _, name = victim.partition(" ")
        if what == "cable":
            await self.cable.cut()
        elif what == "gateway":
            self.said += self.gateway.now.process.lines
            await self.gateway.kill()
        else:
            await self.stands[name].kill(what)

    async def revive(self, victim: str) -> None:
        """Start it again."""
        what, _, name = victim.partition(" ")
        if what == "cable":
            await self.cable.mend()
        elif what == "gateway":
            await self.gateway.start()
        else:
            await self.stands[name].revive(what)

    async def operate(self, method: str, path: str, body: object = None) -> Any:
        """Ask something of the gateway that needs its token."""
        return await ask(method, f"{self.gateway.now.url}/api{path}", body, _TOKEN)

    async def channels(self) -> list[str]:
        """The names of Asterisk's channels."""
        shown = await self.asterisk.cli("core show channels concise")
        return [line.partition("!")[0] for line in shown.splitlines() if "!" in line]

    async def ready(self, within_s: float = 6.0) -> None:
        """Return once every line is ready and Asterisk is there."""
        states: list[tuple[str, str]] = []

        async def all_ready() -> bool:
            lines = await self.gateway.now.get("/api/lines")
            states[:] = [(one["name"], one["state"]) for one in lines]
            return all(state == "ready" for _, state in states)

        await self.gateway.now.ready(within_s)
        await eventually(all_ready, within_s, lambda: f"ready lines: {states}")

    async def use(self) -> Use:
        """What the gateway uses."""
        return await use_of(self.gateway.now.process)

    def log(self) -> list[str]:
        """What every gateway has said, as far as it is kept."""
        return [*self.said, *self.gateway.now.process.lines]


@asynccontextmanager
async def arena(folder: Path) -> AsyncIterator[Arena]:
    """Bring all of it up; ready when a call could be made on every line."""
    asterisk = exchange.asterisk(folder)
    async with AsyncExitStack() as stack:
        names = list(LINES)
        network = f"{HOST}:{free_port()}"
        script = private_folder(folder) / "people.json"
        script.write_text(json.dumps(_people()))
        async with asyncio.TaskGroup() as starting:
            starting.create_task(_start_asterisk(stack, asterisk))
            made = [
                starting.create_task(_stand(stack, folder, name, script, network))
                for name in names
            ]
        stands = {name: task.result() for name, task in zip(names, made, strict=True)}
        cable = await stack.enter_async_context(Relay(HOST, asterisk.settings.ami_port))
        watch = Watch(asterisk)
        await stack.enter_async_context(watch.running())
        running = Arena(
            asterisk,
            cable,
            stands,
            _gateway(folder / "gateway", asterisk, cable, stands),
            {name: await _phone(stack, asterisk, name) for name in PHONES},
            watch,
            private_folder(folder / "gateway" / "records"),
        )
        stack.push_async_callback(running.gateway.stop)
        await running.gateway.start()
        await running.ready(20)
        yield running


def _people() -> dict[str, Any]:
    slow = {"handle": "slow", "voice": "echo", "answer_s": 0.9}
    return {"contacts": [*exchange.SCRIPT["contacts"], slow]}


async def _start_asterisk(stack: AsyncExitStack, asterisk: LocalAsterisk) -> None:
    await stack.enter_async_context(asterisk)
    path = asterisk.directory / "etc" / "extensions.conf"
    asterisk.replace_file("extensions.conf", path.read_text() + _DIALPLAN)
    await asterisk.cli("dialplan reload")


async def _stand(
    stack: AsyncExitStack, folder: Path, name: str, script: Path, network: str
) -> Stand:
    account = f"drill.{name}"
    desktop: PrivateBus | PrivateScreen
    if LINES[name] == "dbus":
        desktop = PrivateBus(folder / f"bus-{name}")
        await stack.enter_async_context(desktop)
        where, environment = ("--dbus", desktop.address), {}
    else:
        desktop = PrivateScreen(folder / f"screen-{name}", screen="640x480x8")
        # A number that nobody else is given while its server is dead.
        desktop._number = 6_000 + 4 * (os.getpid() % 5_000) + [*LINES].index(name)
        await stack.enter_async_context(desktop)
        where = ("--display", desktop.display)
        environment = {"XAUTHORITY": str(desktop.xauthority)}
    options = ("-c", str(script), "--account", account, "--network", network, *where)

    def client() -> AbstractAsyncContextManager[Emulator]:
        return emulator(folder / f"client-{name}", options, environment=environment)

    stand = Stand(account, desktop, Mortal(client))
    stack.push_async_callback(stand.client.stop)
    await stand.client.start()
    return stand


async def _phone(stack: AsyncExitStack, asterisk: LocalAsterisk, name: str) -> SipAgent:
    settings = asterisk.settings
    credentials = Credentials(name, settings.sip_secret)
    agent = SipAgent(HOST, (HOST, settings.sip_port), credentials)
    await stack.enter_async_context(agent)
    await agent.register(_REGISTERED_S)
    return agent


def _gateway(
    folder: Path, asterisk: LocalAsterisk, cable: Relay, stands: dict[str, Stand]
) -> Mortal[Gateway]:
    web_port = free_port()
    over_cable = replace(asterisk.settings, ami_port=cable.port)
    config = config_head(over_cable, web_port) + _MORE.format(contact=CONTACT_UUID)
    for name, stand in stands.items():
        transport = _transport(stand.desktop)
        config += _LINE.format(name=name, account=stand.account, transport=transport)
    for caller, target in _ROUTES.items():
        config += f'\n[[routes]]\ncaller = "{caller}*"\nto = "{target}"\n'
    program = watched_gateway(folder, config)

    @asynccontextmanager
    async def start() -> AsyncIterator[Gateway]:
        async with await Process.start(program) as process:
            yield Gateway(process, f"http://{HOST}:{web_port}")

    return Mortal(start)


def _transport(desktop: PrivateBus | PrivateScreen) -> str:
    if isinstance(desktop, PrivateBus):
        return f'transport = "dbus"\ndbus_address = "{desktop.address}"'
    cookie, display = desktop.xauthority, desktop.display
    return f'transport = "x11"\ndisplay = "{display}"\nxauthority = "{cookie}"'
