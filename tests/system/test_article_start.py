"""The script of 2009 that starts the client, and the next call that comes in.

It runs as it was, less what a machine without a sound card and init.d does not have;
`skype` is the one that the package installs. Only the display's number is this
machine's, and the commands are found by PATH.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from skypechan.audio.probe import measured_tone
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.desktop.users import private_folder
from tests.doubles.loop_thread import LoopThread
from tests.system.article import article_gateway
from tests.system.parts import eventually

SCRIPT = """\
#!/bin/sh
# start the fake X server, then the client on it
Xvfb :{number} -ac -nolisten tcp -screen 0 640x480x8 &
sleep 3
echo "skypet123 secret" | DISPLAY=:{number} skype --pipelogin &
"""


def free_display() -> int:
    """A display's number that nobody has, like the article's 11."""
    return next(
        number
        for number in range(111, 999)
        if not Path(f"/tmp/.X11-unix/X{number}").exists()  # noqa: S108 - the servers'
        and not Path(f"/tmp/.X{number}-lock").exists()  # noqa: S108
    )


class StartedScript:
    """What the script leaves running: the X server and the client, without a parent."""

    def __init__(self, folder: Path) -> None:
        self.folder = private_folder(folder)
        self.number = free_display()
        self.output = folder / "output"
        self._group = 0

    def start(self) -> None:
        script = self.folder / "skypestart.sh"
        script.write_text(SCRIPT.format(number=self.number))
        environment = {
            "PATH": f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}",
            "HOME": str(self.folder),
        }
        with self.output.open("wb") as output:
            shell = subprocess.Popen(
                ["/bin/sh", str(script)],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._group = shell.pid
        assert shell.wait(15) == 0

    async def client(self) -> dict[str, Any]:
        """What the client says when it is ready."""

        async def ready() -> dict[str, Any] | None:
            for line in self.output.read_text().splitlines():
                if line.startswith("{"):
                    return dict(json.loads(line))
            return None

        return await eventually(ready, 15, self.output.read_text)

    async def stop(self) -> None:
        """As logging out does: everything of the session ends."""
        os.killpg(self._group, signal.SIGTERM)

        async def is_over() -> bool:
            try:
                os.killpg(self._group, 0)
            except ProcessLookupError:
                return True
            return False

        await eventually(is_over, 10, "end of what the script started")


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[tuple[StartedScript, Emulator]]:
    script = StartedScript(folder)
    await asyncio.to_thread(script.start)
    try:
        ready = await script.client()
        # Nobody's child: it is known by what it says alone.
        yield script, Emulator(None, ready)  # type: ignore[arg-type]
    finally:
        await script.stop()


@pytest.fixture(scope="module")
def client(house: LoopThread, place: Path) -> Iterator[tuple[StartedScript, Emulator]]:
    with house.sub() as running:
        yield running.enter(started(place / "article"))


@pytest.fixture(scope="module")
def gateway(
    house: LoopThread,
    place: Path,
    asterisk: LocalAsterisk,
    client: tuple[StartedScript, Emulator],
) -> Iterator[Gateway]:
    script, _ = client
    here = {
        "localhost:11.0": f"localhost:{script.number}.0",
        "context=default": "context=from-skypechan",
    }
    with house.sub() as running:
        yield running.enter(article_gateway(asterisk, place / "article-gateway", here))


async def test_the_script_signs_its_user_in_on_the_eight_bit_screen(
    client: tuple[StartedScript, Emulator],
) -> None:
    script, emulator = client
    account = await emulator.get("/account")
    assert (account["account"], account["signed_in"]) == ("skypet123", True)
    assert emulator.ready["display"] == f":{script.number}"


async def test_the_next_call_comes_in_and_is_heard(
    client: tuple[StartedScript, Emulator], gateway: Gateway
) -> None:
    _, emulator = client
    number = await emulator.ring("somebody", voice="tone:500")
    await emulator.call(number, "INPROGRESS")
    await emulator.heard(number, 16_000 * 2, 10)
    heard = await emulator.sound(number, "heard")
    await emulator.hang_up(number)
    loud = measured_tone(heard.samples[-8000:], heard.rate_hz)
    assert loud.frequency_hz == pytest.approx(500, abs=1)
    record = await gateway.record(skype_call=str(number))
    assert (record["line"], record["status"]) == ("skypeclient", "ANSWER")
