"""An Asterisk that other gateways serve too: which requests are ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.pbx import PbxState
from tests.doubles.ami_server import AmiServer
from tests.doubles.clock import FakeClock
from tests.doubles.pbx_driver import PbxDriver
from tests.doubles.scripted_asterisk import (
    CALL,
    driving,
    knows,
    requested,
    wants_line,
)

CONTACTS = {"echo": Contact(CALL, "ANY", "echo")}


@pytest.fixture
async def shared() -> AsyncIterator[AmiServer]:
    async with knows("22.10.1") as server:
        yield server


@pytest.fixture
async def one_of_two(shared: AmiServer) -> AsyncIterator[PbxDriver]:
    """A gateway with the line `mine`, beside another."""
    async with driving(shared, FakeClock(), alone=False) as driver:
        driver.pbx.has_line = lambda name: name == "mine"
        await driver.state(PbxState.READY)
        yield driver


@pytest.mark.parametrize("wanted", ["mine/bob", "skypechan:mine/bob"])
async def test_a_request_for_a_line_of_ours_is_taken(
    shared: AmiServer, one_of_two: PbxDriver, wanted: str
) -> None:
    request, _ = await requested(one_of_two, shared, To=wanted)
    assert (request.line, request.address) == ("mine", "bob")


async def test_a_selector_is_asked_of_one_gateway_by_its_login(
    shared: AmiServer, one_of_two: PbxDriver
) -> None:
    request, _ = await requested(one_of_two, shared, To="skypechan:ANY/bob")
    assert request.line == "ANY"


@pytest.mark.parametrize(
    "wanted", ["theirs/bob", "ANY/bob", "other:mine/bob", "other:ANY/bob", "nonsense"]
)
async def test_what_is_not_for_us_is_left_to_others(
    shared: AmiServer, one_of_two: PbxDriver, wanted: str
) -> None:
    wants_line(shared, To=wanted)
    await one_of_two.originate()  # its response comes behind the event
    assert not one_of_two.has_request
    assert not shared.named("Redirect")


async def test_who_takes_a_call_tells_its_channel_where_the_audio_goes(
    shared: AmiServer, one_of_two: PbxDriver
) -> None:
    request, _ = await requested(one_of_two, shared, To="mine/bob")
    await request.leg.take()
    set_there = {
        (action["Variable"], action["Value"])
        for action in map(dict, shared.named("Setvar"))
        if action.get("Channel") == request.leg.channel.uniqueid
    }
    socket = str(one_of_two.server.advertised)
    assert {
        ("SKYPECHAN_SOCKET", socket),
        ("SKYPECHAN_AMI_USER", "skypechan"),
    } <= set_there


@pytest.mark.parametrize("host", ["127.0.0.1", "gateway.example"])
async def test_audio_of_a_contact_is_not_that_of_another_gateways_call(
    shared: AmiServer, host: str
) -> None:
    async with driving(shared, FakeClock(), CONTACTS, alone=False) as driver:
        await driver.state(PbxState.READY)
        ours = driver.server.listening
        _contact_dialled(shared, f"{ours.host}:{ours.port - 1}", "theirs")
        _contact_dialled(shared, f"192.0.2.1:{ours.port}", "theirs too")
        _contact_dialled(shared, f"{host}:{ours.port}", "ours")
        await driver.originate()  # its response comes behind the events
        _, writer = await asyncio.open_connection(ours.host, ours.port)
        writer.write(b"\x01\x00\x10" + CALL.bytes)
        request, _ = await driver.request()
        assert request.uniqueid == "ours"
        (await request.leg.audio()).socket.close()
        writer.close()
        await writer.wait_closed()


def _contact_dialled(server: AmiServer, place: str, uniqueid: str) -> None:
    name = f"AudioSocket/{place}-{CALL}"
    server.event("Newchannel", Channel=name, Uniqueid=uniqueid, Linkedid=uniqueid)
