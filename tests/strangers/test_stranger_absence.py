"""Skype that is not there, appears, and dies: what a client on the bus can see.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.users import workspace
from tests.strangers.application import Application
from tests.strangers.conftest import ACCOUNT, Join
from tests.strangers.dbus_wire import SKYPE_NAME, Bus, BusError, DbusWire


async def test_a_client_sees_skype_come_and_go_by_the_owner_of_its_name() -> None:
    owners: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue()
    async with AsyncExitStack() as stack:
        place = stack.enter_context(workspace())
        bus = await stack.enter_async_context(PrivateBus(place / "bus"))
        connection = await Bus.open(bus.address)
        connection.on_owner = lambda *change: owners.put_nowait(change)
        wire = DbusWire(connection)
        app = await stack.enter_async_context(Application(wire))
        await connection.watch_owner(SKYPE_NAME)
        with pytest.raises(BusError) as error:
            await wire.invoke("NAME early")
        assert error.value.name.rpartition(".")[2] in (
            "ServiceUnknown",
            "NameHasNoOwner",
        )

        options = ["--dbus", bus.address, "--account", ACCOUNT]
        async with emulator(place / "emulator", options) as skype:
            async with asyncio.timeout(5):
                name, old, owner = await owners.get()
            assert (name, old) == (SKYPE_NAME, "")
            assert owner.startswith(":")
            await app.attach("witness")
            number = await skype.ring("bob")
            await app.status(number, "RINGING")
            skype.process.kill()
            async with asyncio.timeout(5):
                assert await owners.get() == (SKYPE_NAME, owner, "")
        with pytest.raises(BusError):
            await wire.invoke("PING")

        async with emulator(place / "emulator", options):
            assert await app.ask("PING") == "ERROR 68"  # it does not know us any more
            await app.attach("witness")
            assert (await app.ask("SEARCH ACTIVECALLS")).rstrip() == "CALLS"


async def test_an_application_that_died_harms_nobody_and_its_call_goes_on(
    skype: Emulator, skype_bus: PrivateBus, over_dbus: Join
) -> None:
    other = await over_dbus()
    await other.attach("survivor")
    bus = await Bus.open(skype_bus.address)
    app = Application(DbusWire(bus))
    await app.attach("mortal")
    number = await app.call("echo")
    await app.status(number, "INPROGRESS")
    await bus.close()
    await other.heard.line(f"CALL {number} DURATION 1")
    assert other.statuses(number)[-1] == "INPROGRESS"
    await other.ask(f"ALTER CALL {number} HANGUP")
    await other.status(number, "FINISHED")
