"""Our own programs as the system tests see them: command line, ports, JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import numpy as np

from skypechan.audio.probe import TimedSound
from skypechan.demo.parts.process import Process, Program
from skypechan.demo.parts.users import private_folder

_Found = TypeVar("_Found")

CHECKOUT = Path(__file__).parents[2]
HOST = "127.0.0.1"
CONTACT_UUID = "5f1c9a52-2f3e-4b8e-9c0e-7d3b6d3f8a10"
_POLL_S = 0.02
_ASKING_S = 30

# Beside the people who are there without a script.
SCRIPT = {"contacts": [{"handle": "silent", "voice": "silence", "answer_s": 0.3}]}
CONFIG = """\
[asterisk]
ami = "127.0.0.1:{ami_port}"
ami_secret = "{ami_secret}"
audiosocket_listen = "127.0.0.1:0"

[web]
listen = "127.0.0.1:{web_port}"
token = "tests"

[lines.skypeclient]
backend = "skype"
account = "skypet123"
transport = "dbus"
dbus_address = "{bus}"
extension = "600"

[[routes]]
caller = "to-phone*"
to = "555@from-skypechan"

[[routes]]
caller = "to-digits*"
to = "610@from-skypechan"

[contacts]
echo123 = {{ uuid = "{contact}", line = "ANY", address = "echo" }}
"""


async def ask(
    method: str, url: str, body: object = None, headers: dict[str, str] | None = None
) -> Any:
    """One HTTP request; the JSON of the answer, None for none. Raises on 4xx, 5xx."""
    timeout = aiohttp.ClientTimeout(total=_ASKING_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, url, json=body, headers=headers) as response,
    ):
        text = await response.text()
        assert response.status < 400, f"{method} {url}: {response.status} {text}"
        return json.loads(text) if text.strip() else None


async def eventually(
    look: Callable[[], Awaitable[_Found | None]],
    seconds: float,
    what: str | Callable[[], str],
) -> _Found:
    """Look again until there is something true to see; TimeoutError names ``what``."""
    deadline = time.monotonic() + seconds
    while not (found := await look()):
        if time.monotonic() > deadline:
            missing = what if isinstance(what, str) else what()
            message = f"after {seconds:g} s still no {missing}"
            raise TimeoutError(message)
        await asyncio.sleep(_POLL_S)
    return found


@dataclass(frozen=True, slots=True)
class Emulator:
    """The Skype client that is not there, by its control port."""

    process: Process
    url: str

    async def get(self, path: str) -> Any:
        """GET of the control port."""
        return await ask("GET", self.url + path)

    async def post(self, path: str, body: object = None) -> Any:
        """POST to the control port."""
        return await ask("POST", self.url + path, body or {})

    async def ring(self, handle: str, **wishes: object) -> int:
        """Somebody calls the account; the call's number."""
        return int((await self.post("/calls", {"from": handle, **wishes}))["call"])

    async def call(self, number: int, until: str, seconds: float = 5) -> dict[str, Any]:
        """A call, once it is in that status; AssertionError if it never is."""
        query = f"?until={until}&timeout_s={seconds:g}"
        call: dict[str, Any] = await self.get(f"/calls/{number}{query}")
        assert call["status"] == until, call
        return call

    async def moment_ns(self, number: int, status: str) -> int:
        """When a call came into a status, by the client's own clock."""
        timeline = (await self.get(f"/calls/{number}"))["timeline"]
        return next(int(at_ns) for at_ns, name in timeline if name == status)

    async def sound(self, number: int, which: str) -> TimedSound:
        """What a call's user has ``heard`` or ``sent``, each sample with its time."""
        path = f"{self.url}/calls/{number}/{which}"
        told = await ask("GET", path)
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{path}.pcm") as response,
        ):
            samples = np.frombuffer(await response.read(), dtype="<i2")
        stamps, starts, _ = np.array(told["pieces"], dtype=np.int64).T
        return TimedSound(samples.astype(np.int16), starts, stamps, told["rate_hz"])

    async def heard(self, number: int, samples: int, seconds: float) -> None:
        """Return once a call's user has heard so many; raises TimeoutError."""

        async def enough() -> bool:
            call = await self.get(f"/calls/{number}")
            return int(call["heard_samples"]) >= samples

        await eventually(enough, seconds, f"{samples} samples heard")

    async def live(self) -> list[dict[str, Any]]:
        """Calls that have not ended."""
        return [call for call in await self.get("/calls") if not call["ended"]]


@asynccontextmanager
async def emulator(bus_address: str, folder: Path) -> AsyncIterator[Emulator]:
    """Run the emulator on a bus; ready when it has said so."""
    script = private_folder(folder) / "people.json"
    script.write_text(json.dumps(SCRIPT))
    command = (sys.executable, "-m", "skypechan.cli", "emulator")
    options = ("-c", str(script), "--dbus", bus_address, "--control", "0")
    environment = {"PYTHONPATH": str(CHECKOUT)}
    program = Program("emulator", command + options, folder, environment=environment)
    async with await Process.start(program) as process:
        ready = json.loads((await process.line(r"^\{.*\}$")).group())
        yield Emulator(process, control_url(ready["control"]))


def control_url(control: object) -> str:
    """The control port as a URL, whichever way it is told."""
    text = str(control)
    if text.isdigit():
        text = f"{HOST}:{text}"
    return text.rstrip("/") if text.startswith("http") else f"http://{text}"


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway, by its API."""

    process: Process
    url: str

    async def get(self, path: str) -> Any:
        """GET of the API."""
        return await ask("GET", self.url + path)

    async def ready(self, seconds: float) -> None:
        """Return once a call could be made; raises TimeoutError with the reasons."""
        reasons: object = "no answer"

        async def is_ready() -> bool:
            nonlocal reasons
            assert self.process.returncode is None, self.process.lines
            try:
                await self.get("/readyz")
            except (aiohttp.ClientError, AssertionError) as error:
                reasons = error
                return False
            return True

        await eventually(is_ready, seconds, lambda: f"readiness: {reasons}")

    async def idle(self, seconds: float = 5) -> None:
        """Return once no call lives; raises TimeoutError."""
        calls: list[dict[str, Any]] = []

        async def none_lives() -> bool:
            nonlocal calls
            calls = await self.calls()
            return not calls

        await eventually(none_lives, seconds, lambda: f"end of {calls}")

    async def calls(self) -> list[dict[str, Any]]:
        """The live calls."""
        return list(await self.get("/api/calls"))

    async def record(self, seconds: float = 5, **wanted: object) -> dict[str, Any]:
        """The newest record with these values; raises TimeoutError."""
        records: list[dict[str, Any]] = []

        async def filed() -> dict[str, Any] | None:
            nonlocal records
            records = await self.get("/api/records")
            return next(
                (r for r in reversed(records) if wanted.items() <= r.items()), None
            )

        return await eventually(
            filed, seconds, lambda: f"record with {wanted}: {records[-3:]}"
        )


Starter = Callable[[], Gateway]
"""Starts a gateway that ends with the test, if it lives so long."""


@asynccontextmanager
async def gateway(config: str, web_port: int, folder: Path) -> AsyncIterator[Gateway]:
    """Run the gateway with a configuration; ready when calls can be made."""
    path = private_folder(folder) / "skypechan.toml"
    path.write_text(config)
    command = (sys.executable, "-m", "skypechan.cli", "run", "-c", str(path))
    environment = {"PYTHONPATH": str(CHECKOUT)}
    program = Program("gateway", command, folder, environment=environment)
    async with await Process.start(program) as process:
        running = Gateway(process, f"http://{HOST}:{web_port}")
        await running.ready(20)
        yield running
