"""A look at a line's client before anybody relies on it: what stands in the way.

It asks for what the gateway asks for, under the same name, and leaves again; no call
is touched.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum

from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.protocol.attachment import AttachState
from skypechan.backends.skype.protocol.commands import GetProperty
from skypechan.backends.skype.protocol.notifications import Notification
from skypechan.backends.skype.protocol.values import ConnectionStatus
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.timing import Timing
from skypechan.backends.skype.transport import Client, Transport
from skypechan.backends.skype.transports import transport_factory
from skypechan.clock import Clock
from skypechan.errors import LinkError

_APPEAR_S = 1.0
_DECIDE_S = 5.0


class Hurdle(Enum):
    """What a line must get over, in this order."""

    TRANSPORT = "the bus or the display"
    CLIENT = "a client that runs"
    PERMISSION = "the permission of the client's user"
    ACCOUNT = "the right account, signed in and online"


@dataclass(frozen=True, slots=True)
class Inspection:
    """Before which hurdle we stand, None for none, and what was seen there."""

    hurdle: Hurdle | None
    seen: str


async def inspect(settings: SkypeSettings, clock: Clock) -> Inspection:
    """Go as far as a line can. Takes some seconds where nobody answers."""
    try:
        transport = await transport_factory(settings)()
    except LinkError as error:
        return Inspection(Hurdle.TRANSPORT, str(error))
    try:
        return await _inspect_client(transport, settings, clock)
    except LinkError as error:
        return Inspection(Hurdle.TRANSPORT, str(error))
    finally:
        await transport.close()


async def _inspect_client(
    transport: Transport, settings: SkypeSettings, clock: Clock
) -> Inspection:
    try:
        async with asyncio.timeout(_APPEAR_S):
            client = await transport.wait_for_client()
    except TimeoutError:
        return Inspection(Hurdle.CLIENT, "no client is there")
    return await _introduce(client, settings, clock)


async def _introduce(
    client: Client, settings: SkypeSettings, clock: Clock
) -> Inspection:
    talk = Conversation(client, clock, Timing(), _unheard)
    try:
        talk.begin()
        if await talk.undecided(_DECIDE_S):
            return Inspection(
                Hurdle.PERMISSION, "the client's user has not answered its question"
            )
        if talk.state is AttachState.REFUSED:
            return Inspection(Hurdle.PERMISSION, "the client's user refuses us")
        if talk.state is not AttachState.ATTACHED:
            return Inspection(Hurdle.ACCOUNT, "nobody is signed in on the client")
        await talk.attempt(GetProperty("CONNSTATUS"), GetProperty("CURRENTUSERHANDLE"))
        return _account(talk, settings.account)
    finally:
        await talk.close()


def _account(talk: Conversation, wanted: str) -> Inspection:
    if talk.connection is not ConnectionStatus.ONLINE:
        return Inspection(Hurdle.ACCOUNT, f"the client is {talk.connection}")
    if wanted and talk.account.lower() != wanted.lower():
        seen = f"{talk.account or 'nobody'} is signed in, not {wanted}"
        return Inspection(Hurdle.ACCOUNT, seen)
    return Inspection(None, f"{talk.account} is signed in and online")


def _unheard(_: Notification) -> None:
    """Let the client's news pass."""
