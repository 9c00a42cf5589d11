"""A gateway with many lines, each with an emulated client, beside a real Asterisk."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.process import Process, Program
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import private_folder, workspace
from skypechan.errors import DeadlineError
from tests.doubles.caller import DIALPLAN, LOGIN, MODULES, Caller

_CHECKOUT = Path(__file__).resolve().parents[2]
_SAMPLE = _CHECKOUT / "asterisk-conf"
_SCREEN = "320x240x8"
_AT_ONCE = 4  # displays that start at a time
_READY_S = 180.0
_SET_UP_S = 30.0
_LOOK_S = 0.2
_ANSWERED = re.compile(rb"skypechan_calls_total\{[^}]*\"ANSWER\"\} (\d+)")
_ENVIRONMENT = {"PYTHONPATH": str(_CHECKOUT)}
_RECORDS = """
[records]
folder = "records"
"""
_LINE = """
[lines.{name}]
account = "{name}"
{transport}
"""
_X11 = """\
transport = "x11"
display = "{display}"
xauthority = "{cookie}"
"""


@dataclass(frozen=True, slots=True)
class LinesHouse:
    """What runs."""

    asterisk: LocalAsterisk
    gateway: Gateway
    caller: Caller

    async def slices(self) -> dict[str, Any]:
        """What the gateway's loop did since the last time."""
        process = self.gateway.process
        mark = process.line_count
        process.signal(signal.SIGUSR2)
        told = await process.line(r"^slices (\{.*\})$", since=mark)
        figures: dict[str, Any] = json.loads(told[1])
        return figures

    async def talking(self, calls: int, within_s: float) -> frozenset[str]:
        """Return the calls that have audio when they are so many, or DeadlineError."""
        found: list[str] = []

        async def count() -> int:
            live = await self.gateway.calls()
            up = [one for one in live if one["state"] == "established"]
            found[:] = [one["call"] for one in up if one["media"]]
            return len(found)

        await _until(count, calls, within_s, "calls talk")
        return frozenset(found)

    async def all_set_up(self) -> None:
        """Return when each call that was rung has been answered, or DeadlineError."""

        async def answered() -> int:
            ended: bytes = await self.gateway.get("/metrics")
            return sum(map(int, _ANSWERED.findall(ended)))

        await _until(answered, self.caller.rung, _SET_UP_S, "calls were set up")

    async def all_ready(self, lines: int) -> None:
        """Return when every line is ready. Raises DeadlineError."""

        async def ready() -> int:
            told = await self.gateway.get("/api/lines")
            return sum(line["state"] == "ready" for line in told)

        await self.gateway.ready(_READY_S)
        await _until(ready, lines, _READY_S, "lines are ready")


async def _until(look: Any, wanted: int, within_s: float, what: str) -> None:
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while (seen := await look()) < wanted:
        if loop.time() > deadline_s:
            raise DeadlineError(f"{seen} {what}, not {wanted}")
        await asyncio.sleep(_LOOK_S)


@asynccontextmanager
async def lines_house(dbus: int, x11: int) -> AsyncIterator[LinesHouse]:
    """Bring everything up. Raises SkypechanError for what cannot be started."""
    with workspace() as folder:
        async with AsyncExitStack() as stack:
            files = {
                "manager.conf": (_SAMPLE / "manager.conf.in").read_text() + LOGIN,
                "extensions.conf": (_SAMPLE / "extensions.conf").read_text() + DIALPLAN,
                "modules.conf": (_SAMPLE / "modules.conf").read_text() + MODULES,
            }
            found = installation(_CHECKOUT, os.environ)
            asterisk = LocalAsterisk(found, folder / "asterisk", _SAMPLE, files=files)
            await stack.enter_async_context(asterisk)
            buses = [PrivateBus(folder / f"bus-{number}") for number in range(dbus)]
            screens = [
                PrivateScreen(folder / f"screen-{number}", screen=_SCREEN)
                for number in range(x11)
            ]
            await _start(stack, buses)
            await _start(stack, screens)
            await stack.enter_async_context(_clients(folder, buses, screens))
            web_port = free_port()
            head = config_head(asterisk.settings, web_port)
            config = head + _RECORDS + _lines(buses, screens)
            process = await stack.enter_async_context(_gateway(folder, config))
            caller = Caller(asterisk)
            await stack.enter_async_context(caller.running())
            gateway = Gateway(process, f"http://{HOST}:{web_port}")
            house = LinesHouse(asterisk, gateway, caller)
            await house.all_ready(dbus + x11)
            yield house


async def _start(
    stack: AsyncExitStack, parts: list[PrivateBus] | list[PrivateScreen]
) -> None:
    for at in range(0, len(parts), _AT_ONCE):
        async with asyncio.TaskGroup() as starting:
            for part in parts[at : at + _AT_ONCE]:
                starting.create_task(stack.enter_async_context(part))


@asynccontextmanager
async def _clients(
    folder: Path, buses: list[PrivateBus], screens: list[PrivateScreen]
) -> AsyncIterator[None]:
    """All clients, in one process; cookies of several displays fit in one file."""
    told = [("dbus", bus.address, f"dbus{n}") for n, bus in enumerate(buses)]
    told += [("x11", one.display, f"x11-{n}") for n, one in enumerate(screens)]
    cookies = private_folder(folder / "clients") / "Xauthority"
    cookies.touch(mode=0o600)
    cookies.write_bytes(b"".join(one.xauthority.read_bytes() for one in screens))
    module = (sys.executable, "-m", "benchmarks.parts.many_clients")
    program = Program(
        "clients",
        (*module, json.dumps(told)),
        folder / "clients",
        environment=_ENVIRONMENT | {"XAUTHORITY": str(cookies)},
    )
    async with await Process.start(program) as process:
        await process.line("^ready$", within_s=_READY_S)
        yield


def _lines(buses: list[PrivateBus], screens: list[PrivateScreen]) -> str:
    """Both kinds by turns: calls take the lines in their order."""
    by_bus = [
        (f"dbus{n}", f'transport = "dbus"\ndbus_address = "{bus.address}"')
        for n, bus in enumerate(buses)
    ]
    by_screen = [
        (f"x11-{n}", _X11.format(display=one.display, cookie=one.xauthority))
        for n, one in enumerate(screens)
    ]
    return "".join(
        _LINE.format(name=name, transport=transport)
        for pair in zip_longest(by_bus, by_screen)
        for name, transport in filter(None, pair)
    )


@asynccontextmanager
async def _gateway(folder: Path, config: str) -> AsyncIterator[Process]:
    path = private_folder(folder / "gateway") / "skypechan.toml"
    path.touch(mode=0o600)
    path.write_text(config)
    module = (sys.executable, "-m", "benchmarks.parts.sliced_gateway")
    program = Program(
        "gateway",
        (*module, "run", "-c", str(path)),
        folder / "gateway",
        environment=_ENVIRONMENT | {"OPENBLAS_NUM_THREADS": "1"},
    )
    async with await Process.start(program) as process:
        yield process
