"""What is said between us and one client."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.protocol.commands import PlaceCall
from skypechan.backends.skype.protocol.notifications import Notification
from skypechan.backends.skype.timing import Timing
from skypechan.errors import DeadlineError
from tests.doubles.clock import FakeClock
from tests.doubles.scripted_client import ScriptedClient


class Ear:
    """Takes a late reply."""

    def take(self, reply: Notification) -> None:
        self.heard = reply


async def ask_in_vain(talk: Conversation, ear: Ear) -> None:
    with pytest.raises(DeadlineError):
        await talk.ask(PlaceCall(("bob",)), too_late=ear.take)


async def test_only_the_latest_of_endless_late_replies_are_waited_for():
    clock, client = FakeClock(), ScriptedClient()
    talk = Conversation(client, clock, Timing(), [].append)
    ears = [Ear() for _ in range(300)]
    async with asyncio.TaskGroup() as asking:
        for ear in ears:
            asking.create_task(ask_in_vain(talk, ear))
        await clock.advance(6)
    client.answer("CALL bob", "CALL 178 STATUS ROUTING")
    assert ear.heard
    kept = weakref.WeakSet(ears)
    del ear
    ears.clear()
    gc.collect()
    assert len(kept) == 255
    await talk.close()
