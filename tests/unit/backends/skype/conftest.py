"""A Skype backend whose client and clock obey the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from skypechan.backends.base import LineState
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.settings import SkypeSettings
from tests.doubles.clock import FakeClock, settle
from tests.doubles.line_observer import Events, RecordingObserver
from tests.doubles.scripted_client import ScriptedClient, ScriptedDesktop


class Bench:
    """One line on the bench."""

    def __init__(self, settings: SkypeSettings) -> None:
        self.clock = FakeClock()
        self.desktop = ScriptedDesktop()
        self.observer = RecordingObserver()
        self.backend = SkypeBackend(settings, self.clock, self.desktop.open)
        self._task = asyncio.create_task(self.backend.run(self.observer))

    async def stop(self) -> None:
        """Stop the line; it has to be running still, or to be stopped already."""
        assert self._task.cancelled() or not self._task.done()
        self._task.cancel()
        # The client may leave the last words of the gateway unanswered.
        await self.clock.advance(2)
        assert self._task.cancelled()

    async def start(self, client: ScriptedClient) -> ScriptedClient:
        self.desktop.start(client)
        await settle()
        return client

    async def say(self, client: ScriptedClient, *lines: str) -> None:
        client.say(*lines)
        await settle()

    async def ready(self) -> ScriptedClient:
        client = await self.start(ScriptedClient())
        assert self.observer.state is LineState.READY
        return client

    async def place(self, client: ScriptedClient, address: str = "bob"):
        """A call that the client has numbered 178."""
        events = Events()
        client.answers[f"CALL {address}"] = "CALL 178 STATUS UNPLACED"
        leg = await self.backend.place(address, events)
        return leg, events

    async def offer(self, client: ScriptedClient, call_id: int = 212):
        """A call from bob that the gateway has been offered."""
        client.answers |= {
            f"GET CALL {call_id} PARTNER_HANDLE": f"CALL {call_id} PARTNER_HANDLE bob",
            f"GET CALL {call_id} PARTNER_DISPNAME": (
                f"CALL {call_id} PARTNER_DISPNAME Bob B."
            ),
            f"GET CALL {call_id} TYPE": f"CALL {call_id} TYPE INCOMING_P2P",
        }
        await self.say(
            client, f"CALL {call_id} CONF_ID 0", f"CALL {call_id} STATUS RINGING"
        )
        (offered,) = self.observer.offers
        return offered.offer, offered.events


@asynccontextmanager
async def running(settings: SkypeSettings) -> AsyncIterator[Bench]:
    bench = Bench(settings)
    await settle()
    yield bench
    await bench.stop()


@pytest.fixture
def run_line() -> Callable[[SkypeSettings], object]:
    return running


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with running(SkypeSettings()) as bench:
        yield bench
