"""`skypechan check` on a healthy system, and on one with a fault in each place."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from skypechan.asterisk.settings import AsteriskSettings
from skypechan.asterisk.versions import Version
from skypechan.check.finding import Status
from skypechan.check.modules import modules
from skypechan.check.session import logged_in
from skypechan.clock import SystemClock
from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.emulated import emulator as other_emulator
from skypechan.demo.parts.ports import HOST, free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from tests.doubles.loop_thread import LoopThread
from tests.system.parts import CHECKOUT, Emulator, Gateway

MANAGER_USERS = """
[unable]
secret = unable
permit = 127.0.0.1/255.255.255.255
read = call,user,dtmf
write = call
[deaf]
secret = deaf
permit = 127.0.0.1/255.255.255.255
read = call
write = call,originate
[silent]
secret = silent
permit = 127.0.0.1/255.255.255.255
read = call,user
write = call,originate
[blind]
secret = blind
permit = 127.0.0.1/255.255.255.255
read = user
write = call,originate
[mute]
secret = mute
read = call,user
write = originate
"""

CONFIG = """\
[asterisk]
ami = "{ami}"
ami_username = "{user}"
ami_secret_file = "{secret_file}"
audiosocket_listen = "{audio}"
{more}

[web]
listen = "{web}"

[lines.skypeclient]
account = "{account}"
transport = "{transport}"
dbus_address = "{bus}"
display = "{display}"
xauthority = "{xauthority}"
extension = "{extension}"
sound_port_to_skype = {sound_port}
"""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check said."""

    status: int
    pass_: bool
    findings: list[dict[str, str]]
    err: str

    def of(self, status: str) -> list[dict[str, str]]:
        return [one for one in self.findings if one["status"] == status]

    def only_failure(self) -> dict[str, str]:
        (failure,) = self.of("failed")
        assert self.status == 1
        assert not self.pass_
        return failure


async def check(config: Path) -> Checked:
    command = (sys.executable, "-m", "skypechan.cli", "check", "--json")
    child = await asyncio.create_subprocess_exec(
        *command,
        "-c",
        str(config),
        cwd=CHECKOUT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await child.communicate()
    assert out, err.decode()
    report = json.loads(out)
    return Checked(
        child.returncode or 0, report["pass"], report["findings"], err.decode()
    )


@pytest.fixture(scope="module")
def pbx(house: LoopThread, place: Path) -> Iterator[LocalAsterisk]:
    """An Asterisk whose manager knows users of little right, too."""
    manager = (CHECKOUT / "asterisk-conf/manager.conf.in").read_text()
    with house.sub() as running:
        yield running.enter(
            LocalAsterisk(
                installation(CHECKOUT, os.environ),
                place / "checked-asterisk",
                CHECKOUT / "asterisk-conf",
                files={"manager.conf": manager + MANAGER_USERS},
            )
        )


Writer = Callable[..., Path]


@pytest.fixture
def write(
    tmp_path: Path, pbx: LocalAsterisk, bus: PrivateBus, emulator: Emulator
) -> Writer:
    """Writes a healthy configuration, but for what is asked for."""

    def write(**changes: object) -> Path:
        secret = tmp_path / "secret"
        secret.write_text(str(changes.pop("secret", pbx.settings.ami_secret)))
        secret.chmod(0o600)
        values: dict[str, object] = {
            "ami": f"{HOST}:{pbx.settings.ami_port}",
            "user": "skypechan",
            "secret_file": secret,
            "audio": f"{HOST}:0",
            "web": f"{HOST}:{free_port()}",
            "account": "skypet123",
            "transport": "dbus",
            "bus": bus.address,
            "display": "",
            "xauthority": "",
            "extension": "600",
            "sound_port": 0,
            "more": "",
        }
        path = tmp_path / "skypechan.toml"
        path.write_text(CONFIG.format(**(values | changes)))
        return path

    return write


async def test_a_healthy_system_has_nothing_to_find(write: Writer) -> None:
    checked = await check(write())
    assert [one for one in checked.findings if one["status"] != "ok"] == []
    assert (checked.status, checked.pass_) == (0, True)
    assert checked.err == ""
    names = {one["check"] for one in checked.findings}
    assert {"ami", "ami-rights", "version", "dialplan", "modules", "audio"} <= names


async def test_the_running_gateway_is_asked_and_found_healthy(
    gateway: Gateway, place: Path
) -> None:
    before = gateway.process.returncode
    checked = await check(place / "gateway" / "skypechan.toml")
    assert [one for one in checked.findings if one["status"] != "ok"] == []
    said = {one["check"]: one for one in checked.findings}
    assert said["line skypeclient"]["evidence"] == (
        "skypet123 is signed in, says the gateway"
    )
    assert "self-test of the running gateway passed" in said["audio"]["finding"]
    assert before is gateway.process.returncode is None


@pytest.mark.parametrize(
    ("changes", "name", "remedy"),
    [
        ({"bus": "unix:path=/nowhere/bus"}, "bus skypeclient", "dbus_address"),
        (
            {"transport": "x11", "display": ":4711"},
            "display skypeclient",
            "start the client's X server",
        ),
        ({"account": "somebody"}, "account skypeclient", "sign in on the client"),
        ({"extension": "4711"}, "extension 4711@from-skypechan", "[from-skypechan]"),
        ({"secret": "wrong"}, "ami", "ami_secret"),
        ({"user": "unable", "secret": "unable"}, "ami-rights", "add originate"),
        ({"user": "mute", "secret": "mute"}, "ami-rights", "add call to write"),
        ({"user": "deaf", "secret": "deaf"}, "ami-events", "add user to read"),
        ({"user": "blind", "secret": "blind"}, "ami-events", "add call to read"),
        (
            {"more": 'audiosocket_allow = ["10.9.8.0/24"]'},
            "audio",
            "audiosocket_allow",
        ),
        (
            {"more": 'audiosocket_advertise = "127.0.0.1:9"'},
            "audio",
            "audiosocket_advertise",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_fault_of_the_settings_is_named_with_its_remedy(
    write: Writer, changes: dict[str, object], name: str, remedy: str
) -> None:
    failure = (await check(write(**changes))).only_failure()
    assert failure["check"] == name
    assert remedy in failure["remedy"]
    assert failure["evidence"]


async def test_an_asterisk_that_is_not_there_is_named(write: Writer) -> None:
    failure = (await check(write(ami=f"{HOST}:{free_port()}"))).only_failure()
    assert failure["check"] == "ami"
    assert "start Asterisk" in failure["remedy"]


@pytest.mark.parametrize(
    ("setting", "name"),
    [("web", "web"), ("audio", "audio"), ("sound_port", "sound-ports skypeclient")],
)
async def test_a_taken_port_is_named(write: Writer, setting: str, name: str) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        value = port if setting == "sound_port" else f"{HOST}:{port}"
        failure = (await check(write(**{setting: value}))).only_failure()
    assert failure["check"] == name
    assert "stop the program" in failure["remedy"]


async def test_a_client_that_is_absent_is_named(write: Writer, tmp_path: Path) -> None:
    async with PrivateBus(tmp_path / "bus") as empty:
        failure = (await check(write(bus=empty.address))).only_failure()
    assert failure["check"] == "client skypeclient"
    assert failure["remedy"] == "start the client on this bus"


async def test_a_client_on_a_display_is_found_with_the_cookie_only(
    write: Writer, tmp_path: Path
) -> None:
    async with PrivateScreen(tmp_path / "screen") as screen:
        place = {"transport": "x11", "display": screen.display}
        cookie = str(screen.xauthority)
        empty = (await check(write(**place, xauthority=cookie))).only_failure()
        async with other_emulator(
            tmp_path / "client",
            ("--display", screen.display, "--account", "skypet123"),
            environment={"XAUTHORITY": cookie},
        ):
            healthy = await check(write(**place, xauthority=cookie))
            (tmp_path / "no-cookie").touch()
            config = write(**place, xauthority=str(tmp_path / "no-cookie"))
            refused = (await check(config)).only_failure()
    assert empty["check"] == "client skypeclient"
    assert empty["remedy"] == "start the client on this display"
    assert healthy.status == 0, healthy
    assert refused["check"] == "display skypeclient"
    assert "xauthority" in refused["remedy"]


@pytest.mark.parametrize("authorise", ["no", "ask"])
async def test_a_permission_that_is_not_given_is_named(
    write: Writer, tmp_path: Path, authorise: str
) -> None:
    async with (
        PrivateBus(tmp_path / "bus") as bus,
        other_emulator(
            tmp_path / "client", ("--dbus", bus.address, "--authorise", authorise)
        ),
    ):
        checked = await check(write(bus=bus.address))
    failure = checked.only_failure()
    assert failure["check"] == "permission skypeclient"
    assert "Allow" in failure["remedy"]
    if authorise == "ask":
        assert "still looking at the lines" in checked.err


async def test_secrets_that_everybody_can_read_are_named(
    write: Writer, pbx: LocalAsterisk
) -> None:
    config = write()
    secret = f'ami_secret = "{pbx.settings.ami_secret}"'
    lines = [
        secret if line.startswith("ami_secret_file") else line
        for line in config.read_text().splitlines()
    ]
    config.write_text("\n".join(lines))
    config.chmod(0o644)
    failure = (await check(config)).only_failure()
    assert failure["check"] == "secrets"
    assert f"chmod 640 {config}" in failure["remedy"]
    config.chmod(0o640)
    assert (await check(config)).status == 0


async def test_a_configuration_that_cannot_be_used_ends_with_status_2(
    write: Writer,
) -> None:
    checked = await check(write(more="ami_secrets = 5"))
    assert checked.status == 2
    assert [one["check"] for one in checked.findings] == ["configuration"]
    assert "did you mean" in checked.findings[0]["evidence"]


@asynccontextmanager
async def without(asterisk: LocalAsterisk, module: str) -> AsyncIterator[None]:
    """An Asterisk that lacks a module meanwhile."""
    said = await asterisk.cli(f"module unload {module}.so")
    assert "Unloaded" in said, said
    try:
        yield
    finally:
        await asterisk.cli(f"module load {module}.so")


@pytest.mark.parametrize(
    "module",
    [
        "chan_audiosocket",
        "app_senddtmf",
        "app_exec",
        "func_cut",
        "func_dialplan",
        "app_stack",
        "func_callerid",
        "func_logic",
        "func_strings",
        "func_timeout",
        "func_uri",
        "func_uuid",
    ],
)
async def test_a_module_that_is_not_loaded_is_named(
    write: Writer, pbx: LocalAsterisk, module: str
) -> None:
    async with without(pbx, module):
        checked = await check(write())
    named: Any = [one for one in checked.of("failed") if one["check"] == "modules"]
    assert any(one["finding"].startswith(f"{module} ") for one in named), checked
    assert any(f"module load {module}.so" in one["remedy"] for one in named)


async def test_an_asterisk_that_cannot_tell_events_is_named(
    write: Writer, pbx: LocalAsterisk
) -> None:
    async with without(pbx, "app_userevent"):
        checked = await check(write())
    remedies = [one["remedy"] for one in checked.of("failed")]
    assert any("load app_userevent.so" in remedy for remedy in remedies)


async def test_a_release_that_is_not_known_is_a_warning(
    write: Writer, pbx: LocalAsterisk
) -> None:
    async with without(pbx, "func_version"):
        checked = await check(write())
    assert checked.status == 0
    (warning,) = checked.of("warning")
    assert (warning["check"], warning["remedy"]) == ("version", "load func_version.so")


async def test_lamps_without_their_module_are_a_warning(
    write: Writer, pbx: LocalAsterisk
) -> None:
    async with without(pbx, "func_devstate"):
        checked = await check(write())
    assert checked.status == 0
    (warning,) = checked.of("warning")
    assert "load func_devstate.so" in warning["remedy"]


async def test_a_context_from_which_trunks_are_in_reach_is_a_warning(
    write: Writer, pbx: LocalAsterisk
) -> None:
    sample = (CHECKOUT / "asterisk-conf/extensions.conf").read_text()
    trunks = "[trunks]\nexten => _0X.,1,Dial(PJSIP/${EXTEN}@provider)\n"
    included = "[from-skypechan](+)\ninclude => trunks\n"
    pbx.replace_file("extensions.conf", f"{sample}\n{trunks}{included}")
    await pbx.cli("dialplan reload")
    try:
        checked = await check(write())
    finally:
        pbx.replace_file("extensions.conf", sample)
        await pbx.cli("dialplan reload")
    assert checked.status == 0
    (warning,) = checked.of("warning")
    assert warning["check"] == "context from-skypechan"
    assert "02079460123" in warning["evidence"]


@pytest.mark.parametrize(
    ("ours", "remedy"),
    [
        ("", "write #include"),
        ("[skypechan]\nexten => prepare,1,Return()\n", "install this release's"),
    ],
)
async def test_a_dialplan_without_ours_is_named(
    write: Writer, pbx: LocalAsterisk, ours: str, remedy: str
) -> None:
    sample = (CHECKOUT / "asterisk-conf/extensions.conf").read_text()
    extension = "[from-skypechan]\nexten => 600,1,Answer()\n"
    pbx.replace_file("extensions.conf", ours + extension)
    await pbx.cli("dialplan reload")
    try:
        failure = (await check(write())).only_failure()
    finally:
        pbx.replace_file("extensions.conf", sample)
        await pbx.cli("dialplan reload")
    assert failure["check"] == "dialplan"
    assert remedy in failure["remedy"]


@pytest.mark.parametrize(
    ("user", "remedies"),
    [("skypechan", []), ("deaf", ["add user to read"]), ("silent", ["add dtmf"])],
)
async def test_digits_are_missed_only_where_asterisk_tells_them_by_ami(
    pbx: LocalAsterisk, user: str, remedies: list[str]
) -> None:
    secret = pbx.settings.ami_secret if user == "skypechan" else user
    settings = AsteriskSettings(
        ami=f"{HOST}:{pbx.settings.ami_port}", ami_username=user, ami_secret=secret
    )
    async with logged_in(settings, SystemClock()) as session:
        found = await modules(session, Version("20.5.0"))
        now = await modules(session, Version("22.10.1"))
    failures = [one.remedy for one in found if one.status is Status.FAILED]
    assert [one for one in failures if remedies and remedies[0] in one] == failures
    assert len(failures) == len(remedies)
    assert not any("dtmf" in one.remedy for one in now)


async def test_a_global_that_somebody_else_sets_spoils_no_call_of_the_gateway(
    gateway: Gateway, asterisk: LocalAsterisk, place: Path
) -> None:
    config = place / "gateway" / "skypechan.toml"
    before = await asterisk.cli("dialplan show globals")
    (ours,) = re.findall(r"SKYPECHAN_SOCKET=(\S+)", before)
    await asterisk.cli("dialplan set global SKYPECHAN_SOCKET 127.0.0.1:9")
    try:
        checked = await check(config)
    finally:
        await asterisk.cli(f"dialplan set global SKYPECHAN_SOCKET {ours}")
    # A channel has its own, of the gateway that takes it.
    assert checked.of("failed") == []
    assert (await check(config)).status == 0
