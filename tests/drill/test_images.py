"""The images, started as docker/compose.yaml says, make a call (`make images`).

No container engine takes part. buildah gives each service the file system of its
image, its user and no capability; a network of the kernel's stands for that of the
services, private folders for what is in memory. That the root cannot be written to, and
that an engine obeys the file, is not shown; that nothing of the root is written is.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from skypechan.desktop.users import workspace
from tests.drill.composed import DOCKER, Service, composed

pytestmark = pytest.mark.skipif(
    "SKYPECHAN_IMAGES" not in os.environ, reason="takes the images: make images"
)

DEADLINE_S = 60.0
OURS = 10001
SECRETS = {name: secrets.token_hex(8) for name in ("AMI_SECRET", "SIP_SECRET")}
TOKEN = secrets.token_hex(8)
_ASK = """\
import sys, urllib.request
method, url, body, token = sys.argv[1:]
request = urllib.request.Request(url, body.encode() or None, method=method)
request.add_header("Content-Type", "application/json")
request.add_header("Authorization", "Bearer " + token)
sys.stdout.buffer.write(urllib.request.urlopen(request, timeout=20).read())
"""


def output(*command: str) -> str:
    """What a command prints. Raises CalledProcessError."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass(slots=True)
class Container:
    """A service in the file system of its image."""

    service: Service
    name: str
    config: dict[str, Any]
    options: list[str]
    network: list[str]
    root: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self, log: Path) -> None:
        """Run what the image and the compose file say."""
        command = [*self.config["Entrypoint"], *self.service.command]
        with log.open("wb") as written:
            self.process = subprocess.Popen(
                [*self._run(), *command], stdout=written, stderr=subprocess.STDOUT
            )

    def is_healthy(self) -> bool:
        """Run the health check of the image."""
        kind, *test = self.config["Healthcheck"]["Test"]
        command = ["/bin/sh", "-c", *test] if kind == "CMD-SHELL" else test
        return subprocess.run([*self._run(), *command], check=False).returncode == 0

    def _run(self) -> list[str]:
        return [*self.network, "buildah", "run", *self.options, self.name, "--"]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait for a condition. Fails with its name."""
    end_s = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < end_s, f"not {what} in {DEADLINE_S:g} s"
        time.sleep(0.2)


class Network:
    """A network of its own with a loopback, and nothing else."""

    def __init__(self) -> None:
        hold = "ip link set lo up && echo up && exec cat"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c", hold],  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"
        self.within = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "--"]

    def ask(self, method: str, url: str, body: object = None) -> Any:
        """Ask over HTTP from within."""
        return json.loads(self.fetch(method, url, body))

    def fetch(self, method: str, url: str, body: object = None) -> bytes:
        """Return what is answered."""
        words = json.dumps(body) if body is not None else ""
        python = ("python3", "-c", _ASK, method, url, words, TOKEN)
        return subprocess.check_output([*self.within, *python])

    def close(self) -> None:
        self._holder.communicate()


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network()
    yield network
    network.close()


@pytest.fixture
def folder() -> Iterator[Path]:
    with workspace() as path:
        path.chmod(0o711)
        yield path


def created(service: Service, folder: Path, network: Network) -> Container:
    """A container of a service, its folders in memory made below `folder`."""
    name = output("buildah", "from", service.image)
    inspected = json.loads(output("buildah", "inspect", name))
    config = inspected["Docker"]["config"]
    assert config["User"] == service.told["user"]
    options = ["--isolation", "chroot", "--user", str(service.told["user"])]
    options += ["--cap-drop", "ALL"]
    for key, value in service.environment.items():
        options += ["--env", f"{key}={value}"]
    for target, told in service.tmpfs:
        source = folder / f"{service.name}{target.replace('/', '-')}"
        source.mkdir()
        source.chmod(int(told.get("mode", "755"), 8))
        os.chown(source, int(told.get("uid", "0")), int(told.get("gid", "0")))
        options += ["--volume", f"{source}:{target}:rw"]
    for source_name, target, mode in service.mounts:
        named = "/" not in source_name
        source = folder / source_name if named else DOCKER / source_name
        if named and not source.exists():
            source.mkdir(mode=0o700)
            os.chown(source, OURS, OURS)  # as an engine does: it is so in the image
        options += ["--volume", f"{source}:{target}:{mode}"]
    root = Path(output("buildah", "mount", name))
    return Container(service, name, config, options, network.within, root)


@pytest.fixture(params=["demo", "beside"])
def containers(
    request: pytest.FixtureRequest, folder: Path, network: Network
) -> Iterator[dict[str, Container]]:
    """The services of a profile, running and healthy.

    The Asterisk that `beside` joins on the machine, on whose network it is, is that of
    the demonstration.
    """
    services = composed({**SECRETS, "WEB_TOKEN": TOKEN})
    assert services is not None, "apt-get install python3-yaml"
    found = {}
    with ExitStack() as stack:
        for name, service in services.items():
            if request.param not in service.told["profiles"] and name != "asterisk":
                continue
            one = found[name] = created(service, folder, network)
            stack.callback(output, "buildah", "rm", one.name)
            (folder / f"{name}.stamp").touch()
            one.start(folder / f"{name}.log")
            stack.callback(one.stop)
        for name, one in found.items():
            until(f"{name} healthy", one.is_healthy)
        yield found


def written_since(stamp: Path, root: Path) -> list[str]:
    """Files of ours in a root that are newer than a stamp; it has none to begin with.

    What is somebody else's our user, without a capability, cannot change.
    """
    of_ours = ("-uid", str(OURS), "-newer", str(stamp), "-type", "f")
    return output("find", str(root), "-xdev", *of_ours).split()


def test_services_as_composed_make_a_call(
    containers: dict[str, Container], network: Network, folder: Path
) -> None:
    emulator, gateway = "http://127.0.0.1:8090", "http://127.0.0.1:8087"
    rung = network.ask("POST", f"{emulator}/calls", {"from": "echo123"})["call"]
    call = network.ask("GET", f"{emulator}/calls/{rung}?until=INPROGRESS&timeout_s=20")
    assert call["status"] == "INPROGRESS"

    def heard() -> bool:
        told = network.ask("GET", f"{emulator}/calls/{rung}")
        return int(told["heard_samples"]) > 16_000

    until("a second of Asterisk's echo heard", heard)
    network.ask("POST", f"{emulator}/calls/{rung}/hang_up", {})
    until("filed", lambda: bool(network.ask("GET", f"{gateway}/api/records")))
    record = network.ask("GET", f"{gateway}/api/records")[0]
    told = (record["line"], record["address"])
    assert told == ("skypeclient", "600@from-skypechan")
    assert record["answered"]
    (line,) = network.ask("GET", f"{gateway}/api/lines")
    assert (line["screen"], line["client_is_ours"]) == (True, False)
    picture = network.fetch("GET", f"{gateway}/api/lines/skypeclient/screen")
    assert picture.startswith(b"\x89PNG")
    network.ask("POST", f"{gateway}/api/lines/skypeclient/click", {"x": 1, "y": 1})
    for name, one in containers.items():
        assert written_since(folder / f"{name}.stamp", one.root) == []


def test_nobody_in_the_containers_has_a_privilege(
    containers: dict[str, Container],
) -> None:
    for name, one in containers.items():
        told = statuses_below(one.process.pid)
        ours = [status for status in told if status["Uid"].split()[0] == str(OURS)]
        assert ours, name
        assert {status["CapEff"] for status in ours} == {"0" * 16}, name


def statuses_below(pid: int) -> list[dict[str, str]]:
    """/proc/PID/status of a process and of all that descend from it."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = [dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)]
    tasks = Path(f"/proc/{pid}/task").glob("*/children")  # whichever thread has them
    children = [child for task in tasks for child in task.read_text().split()]
    return found + [one for child in children for one in statuses_below(int(child))]
