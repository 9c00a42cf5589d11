"""The parts are ready when they say so, do their work, and leave nothing behind."""

from __future__ import annotations

import array
import asyncio
import math
import os
import re
import select
import signal
import socket
import struct
import sys
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from Xlib.display import Display

from skypechan.demo.parts.asterisk import (
    AsteriskSettings,
    Installation,
    LocalAsterisk,
    installation,
    unpacked_installation,
)
from skypechan.demo.parts.baresip import Baresip, EventType, Incoming, SipAccount
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.process import Process, Program
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import User, unprivileged_user, workspace
from skypechan.errors import ConfigError, DeadlineError, LinkDownError, LinkRefusedError

CHECKOUT = Path(__file__).parents[2]
CONFIGURATION = CHECKOUT / "tests" / "data" / "asterisk-minimal"
TONE_HZ = 850


@pytest.fixture(scope="module")
def asterisk_installation() -> Installation:
    return installation(CHECKOUT, os.environ)


@pytest.fixture
def user(asterisk_installation: Installation) -> User | None:
    return unprivileged_user(asterisk_installation.modules)


@pytest.fixture
def folder(user: User | None) -> Iterator[Path]:
    """A folder for the parts of one test, which must all be gone after it."""
    with workspace(user) as path:
        yield path
        assert processes_naming(path) == []


@pytest.fixture
async def asterisk(
    asterisk_installation: Installation, folder: Path, user: User | None
) -> AsyncIterator[LocalAsterisk]:
    part = LocalAsterisk(
        asterisk_installation, folder / "asterisk", CONFIGURATION, user=user
    )
    async with part:
        yield part


@pytest.fixture
async def phone(
    asterisk: LocalAsterisk, folder: Path, user: User | None
) -> AsyncIterator[Baresip]:
    tone = write_tone(folder / "tone.wav")
    async with Baresip(
        folder / "phone", account_at(asterisk), plays=tone, user=user
    ) as part:
        yield part


def account_at(asterisk: LocalAsterisk, password: str | None = None) -> SipAccount:
    settings = asterisk.settings
    secret = settings.sip_secret if password is None else password
    return SipAccount("sipphone", secret, settings.sip_port)


def processes_naming(path: Path) -> list[str]:
    """Processes with the path in their command line, this one aside."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(path) in command and entry.parent.name != str(os.getpid()):
            found.append(f"{entry.parent.name}: {command}")
    return found


def write_tone(path: Path, rate_hz: int = 8000) -> Path:
    """One second of a tone."""
    step = 2 * math.pi * TONE_HZ / rate_hz
    wanted = (round(8000 * math.sin(step * i)) for i in range(rate_hz))
    samples = array.array("h", wanted)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def tone_hz(path: Path) -> float:
    """Frequency of the recording's second half, by its crossings of zero."""
    with wave.open(str(path), "rb") as file:
        samples = array.array("h", file.readframes(file.getnframes()))
        rate_hz = file.getframerate()
    half = samples[len(samples) // 2 :]
    rising = sum(1 for a, b in pairwise(half) if a < 0 <= b)
    return rising * rate_hz / len(half)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or waits only for its parent to take note."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return True
    return re.sub(r".*\) ", "", status).startswith("Z")


def log_sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.glob("*.log*")]


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


async def shell(folder: Path, script: str, user: User | None = None) -> Process:
    return await Process.start(Program("sh", ("sh", "-c", script), folder, user))


async def test_program_that_is_missing_is_named_with_its_package(folder: Path) -> None:
    program = Program("none", ("no-such-program",), folder, package="some-package")
    with pytest.raises(LinkDownError, match="apt-get install some-package"):
        await Process.start(program)


async def test_line_is_found_before_and_after_it_is_written(folder: Path) -> None:
    async with await shell(folder, "echo one; echo two; exec sleep 30") as process:
        assert (await process.line("^t(w)o")).group(1) == "w"
        assert (await process.line("one")).group() == "one"


async def test_line_before_the_mark_does_not_count(folder: Path) -> None:
    async with await shell(folder, "echo one; exec sleep 30") as process:
        await process.line("one")
        with pytest.raises(DeadlineError, match="one"):
            await process.line("one", since=process.line_count, within_s=0.05)


async def test_end_of_the_program_ends_the_waiting(folder: Path) -> None:
    async with await shell(folder, "echo no luck >&2; exit 3") as process:
        with pytest.raises(LinkDownError, match=r"status 3.*no luck"):
            await process.line("ready")


async def test_program_that_ignores_the_request_to_stop_is_killed(folder: Path) -> None:
    process = await shell(folder, "trap '' TERM; echo up; while :; do sleep 30; done")
    await process.line("up")
    await process.stop(within_s=0.1)
    assert process.returncode == -signal.SIGKILL


async def test_children_of_the_program_are_ended_with_it(folder: Path) -> None:
    process = await shell(folder, "sleep 300 & echo child $!; exec sleep 300")
    child = int((await process.line(r"child (\d+)")).group(1))
    await process.stop()
    for _ in range(200):  # the kernel carries the signal out in its own time
        if has_ended(child):
            break
        await asyncio.sleep(0.01)
    assert has_ended(child)


async def test_log_is_kept_and_bounded(folder: Path) -> None:
    script = "yes 0123456789012345678901234567890123456789 | head -c 9020000; echo end"
    async with await shell(folder, script) as process:
        await process.line("^end")
        await process.wait()
    sizes = log_sizes(folder)
    assert len(sizes) == 2
    assert sum(sizes) < 5_000_000


async def test_children_get_no_environment_of_the_operator(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere")
    async with await shell(folder, "env; echo end") as process:
        await process.line("^end")
        assert not any("DBUS" in line for line in process.lines)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
async def test_child_runs_as_the_user_that_was_asked_for(
    folder: Path, user: User | None
) -> None:
    if user is None:
        pytest.skip("this checkout is closed to other users")
    async with await shell(folder, "id -u; id -G; exec sleep 30", user) as process:
        await process.line(f"^{user.uid}$")
        await process.line(f"^{user.gid}$")
        assert owner_of(process.pid) == user.uid


async def test_bus_carries_calls_and_is_back_at_its_address_after_a_restart(
    folder: Path, user: User | None
) -> None:
    async with PrivateBus(folder / "bus", user=user) as part:
        assert await bus_names(part.address, folder) == {"org.freedesktop.DBus"}
        part.process.kill()
        await part.process.wait()
        await part.start()
        assert await bus_names(part.address, folder) == {"org.freedesktop.DBus"}


async def bus_names(address: str, folder: Path) -> set[str]:
    """Every service that the bus could start."""
    target = ("--dest=org.freedesktop.DBus", "--print-reply", "/org/freedesktop/DBus")
    method = "org.freedesktop.DBus.ListActivatableNames"
    command = ("dbus-send", f"--bus={address}", *target, method)
    async with await Process.start(Program("dbus-send", command, folder)) as client:
        assert await client.wait() == 0, client.lines
    return set(re.findall(r'string "(.*)"', "\n".join(client.lines)))


def x11_setup_status(display_number: int) -> int:
    """First byte of the answer to a client without a cookie: 0 failed, 1 success."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/tmp/.X11-unix/X{display_number}")  # noqa: S108
        client.sendall(struct.pack("<BxHHHHxx", ord("l"), 11, 0, 0, 0))
        return client.recv(1)[0]


async def test_screen_lets_in_who_has_the_cookie_and_nobody_else(
    folder: Path, user: User | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with PrivateScreen(folder / "x", screen="320x200x8", user=user) as part:
        monkeypatch.setenv("XAUTHORITY", str(part.xauthority))
        display = Display(part.display)
        assert display.screen().width_in_pixels == 320
        assert display.screen().root_depth == 8
        display.close()
        assert x11_setup_status(part.number) == 0


async def test_screen_comes_back_with_its_number(
    folder: Path, user: User | None
) -> None:
    async with PrivateScreen(folder / "x", user=user) as part:
        before = part.display
        part.process.kill()
        await part.process.wait()
        await part.start()
        assert part.display == before


async def test_screen_can_be_reached_over_tcp_when_asked(
    folder: Path, user: User | None
) -> None:
    async with PrivateScreen(folder / "x", listen_tcp=True, user=user) as part:
        _, writer = await asyncio.open_connection("127.0.0.1", 6000 + part.number)
        writer.close()
        await writer.wait_closed()


async def test_asterisk_answers_on_its_console_as_an_unprivileged_user(
    asterisk: LocalAsterisk, user: User | None
) -> None:
    version = asterisk.installation.version
    assert version in await asterisk.cli("core show version")
    expected = os.geteuid() if user is None else user.uid
    assert owner_of(asterisk.process.pid) == expected


async def test_two_asterisks_live_beside_each_other(
    asterisk: LocalAsterisk,
    asterisk_installation: Installation,
    folder: Path,
    user: User | None,
) -> None:
    other = LocalAsterisk(
        asterisk_installation, folder / "other", CONFIGURATION, user=user
    )
    async with other:
        assert other.settings.sip_port != asterisk.settings.sip_port
        answer = await other.cli("pjsip show transports")
        assert f"127.0.0.1:{other.settings.sip_port}" in answer


async def test_asterisk_comes_back_on_its_ports_after_a_crash(
    asterisk: LocalAsterisk,
) -> None:
    asterisk.kill()
    assert await asterisk.process.wait() == -signal.SIGKILL
    await asterisk.start()
    assert "sipphone" in await asterisk.cli("pjsip show endpoints")


async def test_asterisk_with_a_file_replaced_obeys_it(asterisk: LocalAsterisk) -> None:
    asterisk.replace_file("extensions.conf", "[other]\nexten => 7,1,NoOp(@SIP_PORT@)\n")
    await asterisk.cli("dialplan reload")
    answer = await asterisk.cli("dialplan show other")
    assert str(asterisk.settings.sip_port) in answer


async def test_asterisk_whose_manager_port_is_taken_is_no_success(
    asterisk: LocalAsterisk,
    asterisk_installation: Installation,
    folder: Path,
    user: User | None,
) -> None:
    free = AsteriskSettings.anywhere()
    silent = LocalAsterisk(
        asterisk_installation,
        folder / "silent",
        CONFIGURATION,
        settings=free,
        files={"manager.conf": "[general]\nenabled = no\n"},
        user=user,
    )
    with pytest.raises(LinkDownError, match=f"manager port {free.ami_port}"):
        await silent.start()
    await silent.stop()


def test_missing_asterisk_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LinkDownError, match=r"build\.sh"):
        unpacked_installation(tmp_path)


async def test_phone_hears_its_own_tone_from_the_echo(phone: Baresip) -> None:
    await phone.dial("600")
    await phone.event(EventType.MEDIA)
    await asyncio.sleep(1)  # the length of the recording, not a wait for luck
    await phone.hang_up()
    await phone.event(EventType.CLOSED)
    assert tone_hz(phone.said()) == pytest.approx(TONE_HZ, abs=15)
    assert tone_hz(phone.heard()) == pytest.approx(TONE_HZ, abs=15)


async def test_phone_is_told_why_a_call_failed(phone: Baresip) -> None:
    await phone.dial("603")
    closed = await phone.event(EventType.CLOSED)
    assert closed.text == "486 Busy Here"
    assert await phone.active_calls() == 0


async def test_digits_arrive_once_and_in_order(
    phone: Baresip, asterisk: LocalAsterisk
) -> None:
    await asterisk.cli("core set verbose 3")
    await phone.dial("602")
    await phone.event(EventType.ESTABLISHED)
    await phone.send_digits("1234*0")
    match = await asterisk.process.line(r"digits were (\S*)")
    assert match[1] == "1234*0"
    await phone.event(EventType.CLOSED)


async def test_phone_answers_after_the_delay_it_was_given(
    phone: Baresip, asterisk: LocalAsterisk
) -> None:
    phone.answer_after_s = 0.4
    await asterisk.cli("channel originate PJSIP/sipphone application Echo")
    offered = await phone.event(EventType.INCOMING)
    answered = await phone.event(EventType.ESTABLISHED)
    assert 0.4 <= answered.time_s - offered.time_s < 2
    await phone.hang_up()
    await phone.event(EventType.CLOSED)


async def test_phone_that_rejects_is_busy(
    phone: Baresip, asterisk: LocalAsterisk
) -> None:
    phone.incoming = Incoming.REJECT
    await asterisk.cli("channel originate PJSIP/sipphone application Echo")
    await phone.event(EventType.CLOSED)
    await phone.process.line("486")


async def test_phone_that_rings_rings_until_told(
    phone: Baresip, asterisk: LocalAsterisk
) -> None:
    phone.incoming = Incoming.RING
    await asterisk.cli("channel originate PJSIP/sipphone application Echo")
    await phone.event(EventType.INCOMING)
    assert await phone.active_calls() == 1
    await phone.answer()
    await phone.event(EventType.ESTABLISHED)
    await phone.hang_up()


async def test_phone_with_nothing_to_play_is_an_echo(
    asterisk: LocalAsterisk, folder: Path, user: User | None
) -> None:
    async with Baresip(folder / "echo", account_at(asterisk), user=user) as part:
        await part.dial("601")
        await part.event(EventType.MEDIA)
        await asyncio.sleep(1)  # the length of the recording, not a wait for luck
        await part.hang_up()
        await part.event(EventType.CLOSED)
        assert tone_hz(part.said()) == pytest.approx(1004, abs=20)


async def test_phone_speaks_wideband(
    asterisk: LocalAsterisk, folder: Path, user: User | None
) -> None:
    account = replace(account_at(asterisk), codecs=("g722/16000",))
    tone = write_tone(folder / "tone.wav", 16000)
    async with Baresip(folder / "wide", account, plays=tone, user=user) as part:
        await part.dial("600")
        await part.event(EventType.MEDIA)
        await asyncio.sleep(1)  # the length of the recording, not a wait for luck
        await part.hang_up()
        await part.event(EventType.CLOSED)
        assert tone_hz(part.heard()) == pytest.approx(TONE_HZ, abs=15)


async def test_phone_refuses_a_file_that_it_could_not_play(
    asterisk: LocalAsterisk, folder: Path, user: User | None
) -> None:
    tone = write_tone(folder / "tone.wav", 16000)
    with pytest.raises(ConfigError, match="8000 Hz"):
        await Baresip(folder / "no", account_at(asterisk), plays=tone).start()


async def test_phone_with_a_wrong_password_is_refused(
    asterisk: LocalAsterisk, folder: Path, user: User | None
) -> None:
    account = account_at(asterisk, password="wrong")
    with pytest.raises(LinkRefusedError, match="sipphone"):
        async with Baresip(folder / "phone", account, user=user):
            pytest.fail("it was registered")


async def test_phone_that_died_is_told_to_who_waits_and_can_start_again(
    phone: Baresip,
) -> None:
    waiting = asyncio.create_task(phone.event(EventType.INCOMING))
    phone.process.kill()
    with pytest.raises(LinkDownError):
        await waiting
    with pytest.raises(LinkDownError):
        await phone.dial("600")
    await phone.start()
    await phone.dial("603")
    assert (await phone.event(EventType.CLOSED)).text == "486 Busy Here"


STARTER = """
import asyncio, sys
from pathlib import Path
from tests.integration.test_parts import *

async def main():
    folder = Path(sys.argv[1])
    found = installation(CHECKOUT, os.environ)
    user = unprivileged_user(found.modules)
    async with (
        PrivateBus(folder / "bus", user=user) as bus,
        PrivateScreen(folder / "x", user=user) as screen,
        LocalAsterisk(found, folder / "a", CONFIGURATION, user=user) as asterisk,
        Baresip(folder / "p", account_at(asterisk), user=user) as phone,
    ):
        parts = (bus, screen, asterisk, phone)
        print("pids", *(part.process.pid for part in parts), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_nothing_stays_when_the_starter_is_killed_outright(folder: Path) -> None:
    command = (sys.executable, "-c", STARTER, str(folder))
    program = Program(
        "starter", command, folder, environment={"PYTHONPATH": str(CHECKOUT)}
    )
    async with await Process.start(program) as starter:
        match = await starter.line(r"pids (\d+) (\d+) (\d+) (\d+)")
        handles = [os.pidfd_open(int(pid)) for pid in match.groups()]
        os.kill(starter.pid, signal.SIGKILL)
        await starter.wait()
    for handle in handles:
        # A handle of a process is readable once that process has ended.
        assert select.select([handle], [], [], 5)[0] == [handle]
        os.close(handle)
