"""Attachment, start and end of the emulator over a real bus."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys

import pytest

from skypechan.errors import DeadlineError, LinkDownError
from tests.doubles.emulated import SKYPE, application_at, emulator_at


async def test_ready_line_comes_within_two_seconds(emulator, daemon):
    assert emulator.ready_after_s < 2
    assert emulator.ready["dbus"] == daemon.address
    assert emulator.ready["display"] is None


async def test_allowed_application_is_told_who_is_signed_in(application):
    assert application.heard[:3] == [
        "CONNSTATUS ONLINE",
        "CURRENTUSERHANDLE skypet123",
        "USERSTATUS ONLINE",
    ]


async def test_refused_application_gets_error_68(daemon):
    async with (
        emulator_at(daemon.address, "--authorise", "no"),
        application_at(daemon.address) as application,
    ):
        assert await application.say("#0 NAME test") == "#0 ERROR 68"
        assert await application.say("#1 CALL echo") == "#1 ERROR 68"
        assert application.heard == []


async def test_application_waits_until_the_user_has_decided(daemon):
    async with (
        emulator_at(daemon.address, "--authorise", "ask") as emulator,
        application_at(daemon.address) as application,
    ):
        with pytest.raises(DeadlineError):
            await application.say("NAME impatient", timeout_s=0.2)
        assert await application.say("PROTOCOL 8") == "ERROR 68"
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(application.say("NAME test"))
            account = await emulator.get("/account")
            assert account["applications"][0]["undecided"]
            await emulator.post("/applications", allowed=True)
        assert asking.result() == "OK"
        assert await application.say("PROTOCOL 8") == "PROTOCOL 8"


async def test_permission_can_be_taken_away(application, emulator):
    account = await emulator.get("/account")
    key = account["applications"][0]["application"]
    await emulator.post("/applications", allowed=False, application=key)
    assert await application.say("PING") == "ERROR 68"


async def test_nobody_signed_in_then_somebody(daemon, emulator):
    await emulator.post("/account", signed_in=False)
    async with application_at(daemon.address) as application:
        assert await application.say("NAME test") == "CONNSTATUS OFFLINE"
        await emulator.post("/account", signed_in=True, account="carol")
        assert await application.say("NAME test") == "OK"
        await application.say("PROTOCOL 8")
        await application.hears("CURRENTUSERHANDLE carol")


async def test_signing_out_is_told(application, emulator):
    await emulator.post("/account", signed_in=False)
    await application.hears("USERSTATUS LOGGEDOUT", "CONNSTATUS LOGGEDOUT")
    assert await application.say("CALL echo") == "ERROR 36 Not online"


async def test_account_of_the_command_line(daemon):
    async with (
        emulator_at(daemon.address, "--account", "dora"),
        application_at(daemon.address) as application,
    ):
        await application.say("NAME test")
        assert await application.say("GET CURRENTUSERHANDLE") == (
            "CURRENTUSERHANDLE dora"
        )


async def test_every_application_has_its_own_permission_and_level(daemon, application):
    async with application_at(daemon.address) as other:
        assert await other.say("PROTOCOL 5") == "ERROR 68"
        assert await other.say("NAME other") == "OK"
        assert await other.say("PROTOCOL 5") == "PROTOCOL 5"


async def test_application_that_leaves_is_forgotten(daemon, emulator, application):
    async with application_at(daemon.address) as other:
        await other.attach()
        assert len((await emulator.get("/account"))["applications"]) == 2
    assert await application.say("PING") == "PONG"
    assert len((await emulator.get("/account"))["applications"]) == 1


async def test_invoke_without_an_interface_is_served(daemon, emulator):
    """As Skype4Py calls."""
    process = await asyncio.create_subprocess_exec(
        "busctl",
        f"--address={daemon.address}",
        "call",
        *SKYPE,
        "Invoke",
        "s",
        "NAME busctl",
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert out == b's "OK"\n'
    process = await asyncio.create_subprocess_exec(
        "dbus-send",
        f"--bus={daemon.address}",
        "--print-reply=literal",
        f"--dest={SKYPE[0]}",
        SKYPE[1],
        "org.freedesktop.DBus.Introspectable.Introspect",
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert b'<method name="Invoke">' in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_ends_the_process_and_leaves_nothing(daemon, number):
    async with (
        emulator_at(daemon.address) as emulator,
        application_at(daemon.address) as application,
    ):
        await application.attach()
        await application.place("noanswer")
        assert await emulator.terminate(number) == 0
        with pytest.raises(LinkDownError):
            await application.say("PING")


async def test_second_emulator_on_a_bus_is_refused(daemon, emulator):
    with pytest.raises(LinkDownError, match="status 2"):
        async with emulator_at(daemon.address):
            pass


async def test_lost_bus_ends_the_process_with_status_1(daemon, emulator):
    await daemon.stop()
    assert await asyncio.wait_for(emulator.process.wait(), 10) == 1


async def test_death_is_seen_as_a_departure(daemon, emulator, application):
    owners = asyncio.Queue()
    await application._link.watch_name_owner(SKYPE[0], owners.put_nowait)
    with contextlib.suppress(LinkDownError):
        await emulator.post("/die")
    assert await asyncio.wait_for(owners.get(), 5) == ""


async def test_faults_lose_and_delay_replies(application, emulator):
    await emulator.post("/faults", drop_replies=1)
    with pytest.raises(DeadlineError):
        await application.say("PING", timeout_s=0.3)
    assert await application.say("PING") == "PONG"
    await emulator.post("/faults", reply_delay_s=0.3)
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert await application.say("PING") == "PONG"
    assert loop.time() - before > 0.25


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--network", "nowhere"), "HOST:PORT"),
        (("--account", "two words"), "no Skype name"),
        (("-c", "/nonexistent/script.json"), "script.json"),
        (("--dbus", "unix:path=/nonexistent"), "no bus"),
    ],
)
async def test_misuse_is_explained_with_status_2(tmp_path, options, said):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "skypechan.emulator",
        *options,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 2
    assert out == b""
    assert said in err.decode()
