"""The gateway's Asterisk half against a scripted AMI, with a clock moved by hand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from uuid import UUID

from skypechan.asterisk.contacts import Contact
from skypechan.asterisk.pbx import PbxRequest
from skypechan.asterisk.settings import AsteriskSettings
from tests.doubles.ami_server import AmiServer, Answer
from tests.doubles.clock import FakeClock
from tests.doubles.pbx_driver import LegLog, PbxDriver

CALL = UUID("12345678-9abc-def0-1234-56789abcdef0")
CALLER = {"Channel": "PJSIP/x-1", "Uniqueid": "1.1", "Linkedid": "1.1"}


def knows(version: str, dialplan: str = "1") -> AmiServer:
    """An Asterisk of a release that has our dialplan, or not."""

    def getvar(server: AmiServer, action: Mapping[str, str]) -> None:
        told = {"VERSION()": version, **variables_of(server, action.get("Channel", ""))}
        server.respond(action, Value=told.get(action["Variable"], dialplan))

    server = AmiServer()
    server.answers |= {"Getvar": getvar, "Status": lists()}
    return server


@contextlib.asynccontextmanager
async def driving(
    server: AmiServer,
    clock: FakeClock,
    contacts: dict[str, Contact] | None = None,
    *,
    alone: bool = True,
) -> AsyncIterator[PbxDriver]:
    settings = AsteriskSettings(
        ami=f"127.0.0.1:{server.port}",
        audiosocket_listen="127.0.0.1:0",
        action_seconds=1.0,
        alone=alone,
    )
    driver = PbxDriver(settings, contacts, clock)
    task = asyncio.create_task(driver.pbx.run())
    try:
        yield driver
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def wants_line(server: AmiServer, **changes: str) -> None:
    fields = {
        "UserEvent": "SkypechanCall",
        **CALLER,
        "Uuid": str(CALL),
        "To": "skypeclient%2Fecho123",
        "Seconds": "20",
        "Format": "slin16",
    }
    server.event("UserEvent", **(fields | changes))


async def requested(
    driver: PbxDriver, server: AmiServer, **changes: str
) -> tuple[PbxRequest, LegLog]:
    wants_line(server, **changes)
    return await driver.request()


def audio_channel(driver: PbxDriver, uuid: str, linkedid: str) -> dict[str, str]:
    name = f"AudioSocket/{driver.server.listening}-{uuid}"
    return {"Channel": name, "Uniqueid": "1.2", "Linkedid": linkedid}


def lists(*channels: dict[str, str]) -> Answer:
    """Answer Status with these channels."""

    def answer(server: AmiServer, action: Mapping[str, str]) -> None:
        server.respond(action, EventList="start", Message="Channel status will follow")
        for channel in channels:
            server.event("Status", ActionID=action["ActionID"], **channel)
        server.event("StatusComplete", ActionID=action["ActionID"])

    return answer


def variables_of(server: AmiServer, channel: str) -> dict[str, str]:
    """What was set for a channel, or globally for none."""
    actions = [dict(action) for action in server.named("Setvar")]
    return {
        a["Variable"]: a["Value"] for a in actions if a.get("Channel", "") == channel
    }


def globals_of(server: AmiServer) -> dict[str, str]:
    return variables_of(server, "")
