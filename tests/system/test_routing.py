"""Where a call goes, and which callers do not come in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from tests.doubles.loop_thread import LoopThread
from tests.system import parts

LINE_AND_ROUTES = """
[lines.skypeclient]
account = "skypet123"
dbus_address = "{bus}"
extension = "600"
callers_allowed = ["friend*", "+49*", "often"]
calls_per_minute = 2

[[routes]]
type = "pstn"
account = "skypet1*"
to = "610@from-skypechan"

[[routes]]
line = "skype*"
caller = "*.to-nowhere"
to = "nobody@from-skypechan"
"""


@pytest.fixture(scope="module")
def gateway(
    house: LoopThread,
    place: Path,
    asterisk: LocalAsterisk,
    bus: PrivateBus,
    emulator: Emulator,
) -> Iterator[Gateway]:
    web_port = free_port()
    config = config_head(asterisk.settings, web_port)
    config += LINE_AND_ROUTES.format(bus=bus.address)
    with house.sub() as running:
        yield running.enter(parts.gateway(config, web_port, place / "routes"))


pytestmark = pytest.mark.usefixtures("every_call_ends")


@pytest.mark.parametrize(
    ("caller", "extension"),
    [
        ("friend.anna", "600"),
        ("+4930123456", "610"),
    ],
)
async def test_a_call_goes_where_its_route_says(
    gateway: Gateway, emulator: Emulator, caller: str, extension: str
) -> None:
    number = await emulator.ring(caller)
    await emulator.call(number, "INPROGRESS")
    (live,) = await gateway.calls()
    assert live["address"] == f"{extension}@from-skypechan"
    await emulator.hang_up(number)


async def test_a_route_to_nowhere_is_told_in_the_record(
    gateway: Gateway, emulator: Emulator
) -> None:
    number = await emulator.ring("friend.to-nowhere")
    await emulator.call(number, "REFUSED")
    record = await gateway.record(skype_call=str(number))
    assert record["address"] == "nobody@from-skypechan"
    assert record["cause"] == 1


async def test_a_caller_who_is_not_listed_is_refused_and_no_phone_rings(
    gateway: Gateway, emulator: Emulator
) -> None:
    number = await emulator.ring("stranger")
    await emulator.call(number, "REFUSED")
    record = await gateway.record(skype_call=str(number))
    assert (record["cause"], record["released_by"]) == (21, "gateway")
    assert "callers_allowed" in record["reason"]
    assert record["uuid"] == ""  # Asterisk has heard nothing of it


async def test_a_caller_who_calls_too_often_is_refused_and_others_are_not(
    gateway: Gateway, emulator: Emulator
) -> None:
    for _ in range(2):
        number = await emulator.ring("often")
        await emulator.call(number, "INPROGRESS")
        await emulator.hang_up(number)
        await gateway.record(skype_call=str(number))
    number = await emulator.ring("often")
    await emulator.call(number, "REFUSED")
    record = await gateway.record(skype_call=str(number))
    assert record["cause"] == 21
    assert record["reason"] == "more than 2 calls a minute from this caller"
    number = await emulator.ring("friend")
    await emulator.call(number, "INPROGRESS")
    await emulator.hang_up(number)
