"""The gateway as a process, watched through its API."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skypechan.demo.parts.asterisk import AsteriskSettings
from skypechan.demo.parts.http import ask
from skypechan.demo.parts.ports import HOST
from skypechan.desktop.process import READY_S, Process, Program
from skypechan.desktop.users import User, give, private_folder
from skypechan.errors import CommandError, DeadlineError, LinkDownError

_POLL_S = 0.02
_HEAD = """\
[asterisk]
ami = "{host}:{ami_port}"
ami_secret = "{ami_secret}"
audiosocket_listen = "{host}:{audio_port}"

[web]
listen = "{host}:{web_port}"
"""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    process: Process
    url: str

    async def get(self, path: str) -> Any:
        """Return what the API answers to GET."""
        return await ask("GET", self.url + path)

    async def ready(self, within_s: float = READY_S) -> None:
        """Return once a call could be made. Raises DeadlineError with the reasons."""
        reasons: object = "no answer"
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if self.process.returncode is not None:
                await self.process.line("$^")  # raises, with its last words
            try:
                await self.get("/readyz")
            except (CommandError, LinkDownError) as error:
                reasons = error
            else:
                return
            await asyncio.sleep(_POLL_S)
        raise DeadlineError(f"the gateway is not ready: {reasons}")

    async def calls(self) -> list[dict[str, Any]]:
        """Return the live calls."""
        return list(await self.get("/api/calls"))

    async def idle(self, within_s: float = 5) -> None:
        """Return once no call lives. Raises DeadlineError."""
        deadline = time.monotonic() + within_s
        while calls := await self.calls():
            if time.monotonic() > deadline:
                raise DeadlineError(f"calls that never ended: {calls}")
            await asyncio.sleep(_POLL_S)

    async def record(self, within_s: float = 5, **wanted: object) -> Any:
        """Return the newest record (JSON) with these values. Raises DeadlineError."""
        deadline = time.monotonic() + within_s
        records: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            records = await self.get("/api/records")
            for record in reversed(records):
                if all(record[name] == value for name, value in wanted.items()):
                    return record
            await asyncio.sleep(_POLL_S)
        last = records[-1] if records else None
        raise DeadlineError(f"no record with {wanted}; the last one is {last}")


def config_head(
    asterisk: AsteriskSettings, web_port: int, *, audio_port: int = 0
) -> str:
    """Return how a configuration begins: where Asterisk is, where we listen.

    It ends within the table `[web]`; an `audio_port` of 0 is any that is free.
    """
    return _HEAD.format(
        host=HOST,
        ami_port=asterisk.ami_port,
        ami_secret=asterisk.ami_secret,
        audio_port=audio_port,
        web_port=web_port,
    )


@asynccontextmanager
async def gateway(
    config: str, web_port: int, folder: Path, *, user: User | None = None
) -> AsyncIterator[Gateway]:
    """Run the gateway with a configuration. It may not be ready yet."""
    path = private_folder(folder, user) / "skypechan.toml"
    path.touch(mode=0o600)
    path.write_text(config)
    give(path, user)
    command = (sys.executable, "-m", "skypechan.cli", "run", "-c", str(path))
    async with await Process.start(
        Program("gateway", command, folder, user)
    ) as process:
        yield Gateway(process, f"http://{HOST}:{web_port}")
