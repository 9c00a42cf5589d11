"""The check of the way that audio takes: from Asterisk to our AudioSocket port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from uuid import uuid4

from skypechan.asterisk.audiosocket.server import (
    AudioSocketServer,
    Connection,
    Rejection,
)
from skypechan.asterisk.dialplan import SOCKET
from skypechan.check.finding import Finding, failed, ok
from skypechan.check.modules import no_module
from skypechan.check.session import Session
from skypechan.check.subject import Running, Subject
from skypechan.errors import CommandError, ConfigError, LinkError

_CONNECT_S = 5.0
# Asterisk: a Dial to a technology that no module has registered.
_NO_TECHNOLOGY = "66"


async def audio(subject: Subject, session: Session) -> Finding:
    """Find out whether Asterisk reaches us, by a call of its own or a self-test."""
    if subject.running is not None:
        return await _by_self_test(subject.running)
    server = AudioSocketServer(subject.asterisk, subject.clock)
    try:
        server.open()
    except ConfigError as error:
        return failed(
            "audio",
            "the gateway could not take audio",
            str(error),
            "stop the program that has the port, or correct audiosocket_listen and"
            " audiosocket_advertise",
        )
    async with _taking(server):
        return await _by_call(server, session)


@asynccontextmanager
async def _taking(server: AudioSocketServer) -> AsyncIterator[None]:
    running = asyncio.create_task(server.run(), name="AudioSocket of the check")
    try:
        yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()


async def _by_self_test(running: Running) -> Finding:
    try:
        verdict = await running.self_test()
    except (CommandError, LinkError) as error:
        remedy = "try again, or read the gateway's log"
        return failed("audio", "there was no self-test", str(error), remedy)
    figures = ", ".join(f"{name} {value:g}" for name, value in verdict.figures.items())
    if verdict.passed:
        return ok("audio", "a self-test of the running gateway passed", figures)
    return failed(
        "audio",
        "a self-test of the running gateway failed",
        verdict.reason,
        "let Asterisk reach audiosocket_advertise (firewall, address) from an address"
        " of audiosocket_allow; the logs of both tell more",
    )


async def _by_call(server: AudioSocketServer, session: Session) -> Finding:
    place = str(server.advertised)
    uuid, connected = uuid4(), asyncio.Event()

    def take(connection: Connection) -> None:
        connection.socket.close()
        connected.set()
        session.wake()

    server.expect(uuid, _CONNECT_S, take)
    await session.start(uuid, "dial", (SOCKET, place))
    await session.until(
        lambda: connected.is_set() or bool(session.told(uuid)), _CONNECT_S
    )
    await session.stop(uuid)
    if connected.is_set():
        return ok("audio", f"Asterisk reaches {place} for audio")
    return _unreached(server, place, [event.fields for event in session.told(uuid)])


def _unreached(
    server: AudioSocketServer, place: str, told: list[Mapping[str, str]]
) -> Finding:
    if server.rejected[Rejection.SOURCE]:
        return failed(
            "audio",
            "Asterisk's address is not among those from which audio is taken",
            f"a connection to {place} came from elsewhere",
            "add Asterisk's address to audiosocket_allow",
        )
    status, cause = ("", "") if not told else (told[0]["status"], told[0]["cause"])
    if cause == _NO_TECHNOLOGY:
        return no_module("chan_audiosocket", f"Dial: {status}, cause {cause}")
    seen = f"{status}, cause {cause}" if told else "no answer of any kind"
    return failed(
        "audio",
        f"Asterisk does not reach {place} for audio",
        f"a test call to it ended with {seen}",
        "set audiosocket_advertise to an address of this machine that Asterisk"
        " reaches, and open its port in the firewall",
    )
