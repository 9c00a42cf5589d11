"""The emulated client as a process, worked by its control port."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skypechan.audio.pcm import from_bytes
from skypechan.audio.probe import TimedSound
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import HOST
from skypechan.desktop.process import Process, Program
from skypechan.desktop.users import User, private_folder
from skypechan.errors import CommandError, DeadlineError

ACCOUNT = "skypet123"

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator. Calls are named by the client's own numbers.

    `ready` is what it said when it was: its control port, bus and display.
    """

    process: Process
    ready: Mapping[str, Any]

    @property
    def url(self) -> str:
        """Where its control port listens."""
        return f"http://{HOST}:{self.ready['control']}"

    async def get(self, path: str) -> Any:
        """Return what the control port answers to GET."""
        return await ask("GET", self.url + path)

    async def post(self, path: str, body: object = None) -> Any:
        """Return what the control port answers to POST."""
        return await ask("POST", self.url + path, body or {})

    async def put(self, path: str, body: object) -> Any:
        """Return what the control port answers to PUT."""
        return await ask("PUT", self.url + path, body)

    async def ring(self, handle: str, **wishes: object) -> int:
        """Let somebody call the account; return the call's number."""
        return int((await self.post("/calls", {"from": handle, **wishes}))["call"])

    async def call(
        self, number: int, until: str, within_s: float = 5
    ) -> dict[str, Any]:
        """Return a call once it is in a status. Raises DeadlineError."""
        query = f"?until={until}&timeout_s={within_s:g}"
        call: dict[str, Any] = await self.get(f"/calls/{number}{query}")
        if call["status"] != until:
            raise DeadlineError(f"the call is {call['status']}, not {until}")
        return call

    async def moment_ns(self, number: int, status: str) -> int:
        """Return when a call first had a status, by the client's monotonic clock.

        Raises DeadlineError if it never had.
        """
        timeline = (await self.get(f"/calls/{number}"))["timeline"]
        for stamp_ns, name in timeline:
            if name == status:
                return int(stamp_ns)
        raise DeadlineError(f"the call never was {status}: {timeline}")

    async def heard(self, number: int, samples: int, within_s: float = 5) -> None:
        """Return once a call's far end has heard so many. Raises DeadlineError."""
        deadline = time.monotonic() + within_s
        heard = 0
        while heard < samples:
            if time.monotonic() > deadline:
                raise DeadlineError(f"{heard} samples were heard, not {samples}")
            await asyncio.sleep(_POLL_S)
            heard = int((await self.get(f"/calls/{number}"))["heard_samples"])

    async def newest(self) -> int:
        """Return the number of the newest call, 0 if there was none."""
        return max((call["call"] for call in await self.get("/calls")), default=0)

    async def live(self) -> list[dict[str, Any]]:
        """Return the calls that have not ended."""
        return [call for call in await self.get("/calls") if not call["ended"]]

    async def hang_up(self, number: int) -> None:
        """Let the far end hang up; harmless when the call has ended."""
        try:
            await self.post(f"/calls/{number}/hang_up")
        except CommandError as error:
            if error.code != 409:  # not while it has ended
                raise

    async def sound(self, number: int, which: str) -> TimedSound:
        """Return what was "heard" from the gateway or "sent" to it, with its times."""
        told = await self.get(f"/calls/{number}/{which}")
        content = await self.get(f"/calls/{number}/{which}.pcm") or b""
        starts = np.array([first for _, first, _ in told["pieces"]], np.int64)
        stamps = np.array([stamp for stamp, _, _ in told["pieces"]], np.int64)
        return TimedSound(from_bytes(content), starts, stamps, int(told["rate_hz"]))


@asynccontextmanager
async def emulator(
    folder: Path,
    options: Sequence[str],
    *,
    user: User | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Emulator]:
    """Run the emulator with these options; it is ready when it has said so.

    `environment` is what it needs of DISPLAY, XAUTHORITY and the like.
    """
    private_folder(folder, user)
    command = (sys.executable, "-m", "skypechan.cli", "emulator", "--control", "0")
    program = Program(
        "emulator", (*command, *options), folder, user, environment=environment or {}
    )
    async with await Process.start(program) as process:
        ready = json.loads((await process.line(r"^\{.*\}$")).group())
        yield Emulator(process, ready)
