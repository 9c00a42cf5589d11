"""A client that means harm gets nowhere: what each level of isolation keeps from it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from skypechan.demo.parts.gateway import Gateway, gateway
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.isolation import refusal
from skypechan.desktop.users import unprivileged_user, workspace
from tests.doubles import hostile_client
from tests.system.parts import eventually

SKYPE = str(Path(sys.executable).with_name("skype"))
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable
IS_ROOT = os.geteuid() == 0
STRANGER, OTHER = "games", "bin"  # users of every machine, whom nothing belongs to
DEADLINE_S = 20.0

CONFIG = """\
[asterisk]
ami = "{host}:{ami}"
ami_secret = "sesame"
audiosocket_listen = "{host}:{audio}"
[web]
listen = "{host}:{web}"
[control]
socket = "control.sock"
[lines.bob]
account = "bob"
[lines.bob.client]
command = ["{skype}", "--pipelogin"]
login = "bob sesame"
"""
VICTIM = """
[lines.carol]
account = "carol"
[lines.carol.client]
command = ["sleep", "infinity"]
isolation = "user"
user = "{user}"
"""
HOSTILE = """
[lines.{level}]
account = "{level}"
[lines.{level}.client]
command = ["{python}", "-I", "-S", "{program}", "{mark}-{level}"]
isolation = "{level}"
user = "{user}"
readable = ["{program}"]
processes = 64
"""

TMP = Path("/tmp")  # noqa: S108
DISKS = (str(TMP), "/dev/shm", "/var/tmp")  # noqa: S108
LEVELS = ("namespace", "user", "none") if IS_ROOT else ("namespace", "none")
NETWORK = {
    *("connect to AMI", "connect to the page", "connect to AudioSocket"),
    *("connect to a sound port", "connect to an abstract socket", "ask by datagram"),
}
OPEN_TO_USERS = {
    *NETWORK,
    *("see the gateway", "make namespaces", "list /tmp", "write to /tmp", "list /etc"),
    *("fill /tmp", "fill /dev/shm", "fill /var/tmp"),
}
"""What the level `user` does not keep from a client."""

OPEN_TO_ALL = {
    *NETWORK,
    *("see the gateway", "read its environment", "use its descriptors", "signal it"),
    *("read the configuration", "read another's cookie", "read another's log"),
    *("list another's HOME", "write to another's HOME", "list /tmp", "write to /tmp"),
    *("connect to another's bus", "connect to another's display"),
    *("connect to the control socket", "list /etc"),
}
"""What any client gets at that is not isolated; a disk too, that has the room."""


class Echo(asyncio.DatagramProtocol):
    """Answers whoever asks."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


@contextmanager
def listening(family: socket.AddressFamily, address: Any) -> Iterator[Any]:
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        yield listener.getsockname()


@asynccontextmanager
async def echo() -> AsyncIterator[tuple[str, int]]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HOST, 0))
    try:
        yield transport.get_extra_info("sockname")
    finally:
        transport.close()


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway with innocent lines and a hostile one for each level.

    Bob is within namespaces; carol, who is there where root is, at the level `user`.
    """

    running: Gateway
    folder: Path
    mark: str

    def client(self, line: str) -> Path:
        return self.folder / "clients" / line

    async def ready(self) -> None:
        """Wait until bob's line is ready, and each other client has its HOME."""

        async def are_there() -> bool:
            lines = {
                x["name"]: x["state"] for x in await self.running.get("/api/lines")
            }
            others = (*LEVELS, "carol") if IS_ROOT else LEVELS
            homes = (self.client(line) / "home" for line in others)
            return lines["bob"] == "ready" and all(home.exists() for home in homes)

        await self.running.process.line("is ready")
        await eventually(are_there, DEADLINE_S, "ready line and clients")

    def targets(self) -> dict[str, Any]:
        bob, pid = self.client("bob"), self.running.process.pid
        (display,) = (bob / "sockets").iterdir()
        return {
            "gateway": pid,
            "files": {
                "the configuration": str(self.folder / "skypechan.toml"),
                "another's cookie": str(bob / "screen/Xauthority"),
                "another's log": str(bob / "client.log"),
                "/etc/shadow": "/etc/shadow",
                **self.files_of_a_user(),
            },
            "folders": {
                "the gateway's folder": (str(self.folder), "skypechan.toml"),
                "another's HOME": (str(bob / "home"), "diary"),
                str(TMP): (str(TMP), self.mark),
                "/etc": ("/etc", "shadow"),
                "/usr": ("/usr", "no such thing"),
            },
            "disks": DISKS,
            "sockets": {
                "the control socket": str(self.folder / "control.sock"),
                "another's bus": str(bob / "bus/bus"),
                "another's display": f"/tmp/.X11-unix/{display.name}",  # noqa: S108
                "its abstract name": f"\0/tmp/.X11-unix/{display.name}",
            },
        }

    def files_of_a_user(self) -> dict[str, str]:
        carol = self.client("carol")
        names = ("client.log", "Xvfb.log", "dbus-daemon.log", "screen/Xauthority")
        return {f"{name} of a user": str(carol / name) for name in names * IS_ROOT}

    async def reached(self, level: str) -> set[str]:
        """What the hostile client of a level reports, less where it was mistaken."""
        log = self.client(level) / "client.log"

        async def report() -> set[str] | None:
            words = log.read_text().split(None, 1) if log.exists() else []
            assert words[:1] in ([], ["reached"]), words
            return set(json.loads(words[1])) if words else None

        reached = await eventually(report, DEADLINE_S, f"report at {level}")
        for name, (path, _) in self.targets()["folders"].items():
            left = Path(path) / f"{self.mark}-{level}"
            if left.exists():
                left.unlink()
            else:
                reached.discard(f"write to {name}")
        return reached


async def attack(folder: Path) -> dict[str, set[str]]:
    """Let a hostile client loose at each level; return what they reached."""
    program = folder / "hostile_client.py"
    shutil.copy(hostile_client.__file__, program)
    web, audio, mark = free_port(), free_port(), secrets.token_hex(8)
    async with AsyncExitStack() as stack:
        ami = stack.enter_context(listening(socket.AF_INET, (HOST, 0)))
        sound = stack.enter_context(listening(socket.AF_INET, (HOST, 0)))
        abstract = f"\0{mark}"
        stack.enter_context(listening(socket.AF_UNIX, abstract))
        echoing = await stack.enter_async_context(echo())
        config = CONFIG.format(host=HOST, ami=ami[1], audio=audio, web=web, skype=SKYPE)
        config += VICTIM.format(user=OTHER) * IS_ROOT
        for level in LEVELS:
            user = STRANGER if level == "user" else ""
            config += HOSTILE.format(
                level=level, user=user, python=PYTHON, program=program, mark=mark
            )
        place = folder / "gateway"
        # Other users have to get as far as their HOME.
        (place / "clients").mkdir(mode=0o711, parents=True)
        running = await stack.enter_async_context(gateway(config, web, place))
        for path in (folder, place):
            path.chmod(0o711)
        scene = Scene(running, place, mark)
        await scene.ready()
        (scene.client("bob") / "home" / "diary").touch()
        (TMP / mark).touch()
        stack.callback((TMP / mark).unlink)
        targets = scene.targets()
        targets["datagrams"] = {"by datagram": echoing}
        targets["sockets"] |= {
            "AMI": ami,
            "the page": (HOST, web),
            "AudioSocket": (HOST, audio),
            "a sound port": sound,
            "an abstract socket": abstract,
        }
        for level in LEVELS:
            file = scene.client(level) / "home" / "part"
            file.write_text(json.dumps(targets))
            file.chmod(0o644)
            file.rename(file.with_name("targets.json"))
        found = {level: await scene.reached(level) for level in LEVELS}
        print(*running.process.lines, sep="\n")  # noqa: T201 - shown when it fails
        return found


@pytest.fixture(scope="module")
def what_was_reached() -> Iterator[dict[str, set[str]]]:
    with workspace() as folder:
        if refused := asyncio.run(refusal(unprivileged_user(), folder)):
            pytest.skip(f"this machine allows no namespaces: {refused}")
        yield asyncio.run(attack(folder))


def test_client_within_namespaces_reaches_nothing(
    what_was_reached: dict[str, set[str]],
) -> None:
    assert what_was_reached["namespace"] == set()


@pytest.mark.skipif(not IS_ROOT, reason="only root can start it as another user")
def test_client_of_another_user_reaches_what_is_open_to_all_users(
    what_was_reached: dict[str, set[str]],
) -> None:
    assert what_was_reached["user"] - OPEN_TO_USERS == set()
    assert what_was_reached["user"] >= NETWORK


def test_client_without_isolation_reaches_what_the_gateway_can(
    what_was_reached: dict[str, set[str]],
) -> None:
    # In a container /dev/shm may be smaller than what the client wants.
    roomy = {
        f"fill {path}"
        for path in DISKS
        if shutil.disk_usage(path).free > 2 * hostile_client.MUCH_DISK
    }
    assert (OPEN_TO_ALL | roomy) - what_was_reached["none"] == set()
