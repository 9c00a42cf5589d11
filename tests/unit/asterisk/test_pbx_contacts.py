"""The contacts may become others while calls go on."""

from __future__ import annotations

import asyncio
from uuid import UUID

from skypechan.asterisk.audiosocket.server import Rejection
from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.pbx import PbxState
from tests.doubles.ami_server import AmiServer
from tests.doubles.clock import FakeClock, settle
from tests.doubles.scripted_asterisk import driving

ONE, OTHER = UUID(int=1 << 64), UUID(int=2 << 64)


async def test_other_contacts_are_let_in_and_told_and_the_former_are_not(
    asterisk: AmiServer, clock: FakeClock
) -> None:
    former = {"one": Contact(ONE, "ANY", "one")}
    async with driving(asterisk, clock, former) as driver:
        await driver.state(PbxState.READY)
        endpoint = driver.server.listening
        driver.pbx.know({"other": Contact(OTHER, "ANY", "other")})
        reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
        writer.write(b"\x01\x00\x10" + ONE.bytes)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        assert driver.server.rejected == {Rejection.UNEXPECTED: 1}
        wanted = {"SKYPECHAN_CONTACT_one": "", "SKYPECHAN_CONTACT_other": str(OTHER)}
        async with asyncio.timeout(5):
            while not wanted.items() <= _globals(asterisk).items():
                await settle()
                await asyncio.sleep(0.001)
        before = len(asterisk.named("Setvar"))
        driver.pbx.know({"other": Contact(OTHER, "ANY", "other")})
        await settle()
        assert len(asterisk.named("Setvar")) == before


def _globals(asterisk: AmiServer) -> dict[str, str]:
    told = [dict(action) for action in asterisk.named("Setvar")]
    return {one["Variable"]: one["Value"] for one in told}
