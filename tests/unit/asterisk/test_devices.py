"""Device states are told once each, in order, and again when Asterisk has been away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.devices import Devices, DeviceState
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.clock import SystemClock
from tests.doubles.ami_server import AmiServer, refuse


@asynccontextmanager
async def telling(server: AmiServer) -> AsyncIterator[Devices]:
    settings = AsteriskSettings(ami=f"127.0.0.1:{server.port}", ami_secret="s3cret")
    link = AmiLink(settings, SystemClock())
    devices = Devices(link, SystemClock())
    tasks = [asyncio.create_task(devices.run()), asyncio.create_task(link.run())]
    try:
        yield devices
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def told(server: AmiServer) -> list[tuple[str, str]]:
    return [
        (dict(action)["Variable"], dict(action)["Value"])
        for action in server.named("Setvar")
    ]


ONE, TWO = "DEVICE_STATE(Custom:skypechan-one)", "DEVICE_STATE(Custom:skypechan-two)"


async def test_each_state_is_told_once_and_the_last_one_counts() -> None:
    async with AmiServer() as server, telling(server) as devices:
        devices.show("one", DeviceState.RINGING)
        devices.show("one", DeviceState.INUSE)  # before there is a link
        devices.show("two", DeviceState.NOT_INUSE)
        await devices.all_told(3)
        assert told(server) == [(ONE, "INUSE"), (TWO, "NOT_INUSE")]
        devices.show("one", DeviceState.INUSE)
        devices.show("two", DeviceState.ONHOLD)
        await devices.all_told(3)
        assert told(server)[2:] == [(TWO, "ONHOLD")]


async def test_every_state_is_told_again_to_an_asterisk_that_was_away() -> None:
    async with AmiServer() as server, telling(server) as devices:
        devices.show("one", DeviceState.INUSE)
        await devices.all_told(3)
        server.drop()
        devices.show_again()
        await devices.all_told(3)
        assert told(server) == [(ONE, "INUSE"), (ONE, "INUSE")]


async def test_an_asterisk_that_takes_no_states_is_complained_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with AmiServer() as server, telling(server) as devices:
        server.answers["Setvar"] = refuse("Variable not set")
        with caplog.at_level(logging.WARNING, "skypechan.asterisk.devices"):
            devices.show("one", DeviceState.INUSE)
            devices.show("two", DeviceState.INUSE)
            await devices.all_told(3)
        (said,) = caplog.messages
        assert "load func_devstate.so: Variable not set" in said
