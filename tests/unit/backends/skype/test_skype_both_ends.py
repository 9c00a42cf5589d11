"""Both ends of the API joined in memory, over a wire that mixes, doubles and delays.

Replies and notifications each keep their own order, as on a real client, but nothing
is promised between the two. Whatever happens, both ends come to the same end.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from skypechan.backends.base import LineState
from skypechan.backends.skype.backend import SkypeBackend
from skypechan.backends.skype.protocol.values import HIGHEST_LEVEL, MessageStatus
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.call.causes import HangupCause
from skypechan.call.events import LineAnswered, LineHeld, LineReleased
from skypechan.emulator.client import Client as EmulatedClient
from skypechan.emulator.client import Send
from skypechan.emulator.engine import CallEngine
from skypechan.emulator.outputs import Ending, Purpose, Signal, StartTimer
from skypechan.emulator.party import stranger
from skypechan.errors import CallError, LinkError
from tests.doubles.clock import FakeClock, settle
from tests.doubles.emulated_client import NOW, PEOPLE
from tests.doubles.line_observer import Events, RecordingObserver
from tests.doubles.scripted_client import ScriptedDesktop

APP = "app"


class Joined:
    """The emulated client as the gateway's client, and the wire between them."""

    def __init__(self, level: int = HIGHEST_LEVEL) -> None:
        self.emulated = EmulatedClient(
            "alice", PEOPLE, engine=CallEngine(), highest_level=level
        )
        self.commands: deque[str] = deque()
        self.replies: deque[str] = deque()
        self.notices: deque[str] = deque()
        self.timers: list[StartTimer] = []
        self.on_text = print
        self.gone = asyncio.Event()

    async def send(self, text: str, within_s: float) -> str:
        self.commands.append(text)
        return ""

    async def wait_gone(self) -> None:
        await self.gone.wait()

    @property
    def calls(self):
        return self.emulated.engine.calls

    def settle(self) -> None:
        for effect in self.emulated.effects():
            match effect:
                case Send(_, outgoing):
                    is_notice = outgoing.request is None
                    (self.notices if is_notice else self.replies).append(outgoing.text)
                case StartTimer():
                    self.timers.append(effect)

    def deliver(self, which: str, times: int = 1) -> None:
        """The next line of one direction arrives, so many times."""
        queue = getattr(self, which)
        if not queue:
            return
        text = queue.popleft()
        for _ in range(times):
            if which == "commands":
                self.emulated.receive(APP, text, NOW)
            else:
                self.on_text(text)
        self.settle()

    def flush(self) -> None:
        while self.commands or self.replies or self.notices:
            for which in ("commands", "notices", "replies"):
                self.deliver(which)

    def step(self) -> None:
        steps = [timer for timer in self.timers if timer.purpose is Purpose.STEP]
        for timer in steps[:1]:
            self.timers.remove(timer)
            self.emulated.expired(timer.call_id, timer.purpose, NOW)
        self.settle()

    def partner(self, signal: Signal, value: str = "") -> None:
        for call in list(self.emulated.engine.live()):
            self.emulated.partner(call, signal, value)
        self.settle()

    def ring(self) -> None:
        if not list(self.emulated.engine.live()):
            self.emulated.engine.ring(stranger("carol"), NOW)
            self.settle()


WIRE = ("deliver", "commands"), ("deliver", "replies"), ("deliver", "notices")
DOUBLED = ("double", "replies"), ("double", "notices")
WORLD = (
    ("step", ""),
    ("partner", "answer"),
    ("partner", "end"),
    ("partner", "busy"),
    ("partner", "hold"),
    ("partner", "resume"),
    ("ring", ""),
)
GATEWAY = ("place", ""), ("answer", ""), ("release", ""), ("hold", ""), ("wait", "")
_ROUND = (*WIRE, *WIRE)
_PLACED = (("place", ""), *_ROUND, *(("step", ""),) * 4, *_ROUND)
_OFFERED = (("ring", ""), *_ROUND * 6)
BEGINNINGS = (
    (),
    _PLACED,
    (*_PLACED, ("partner", "answer"), *_ROUND),
    _OFFERED,
    (*_OFFERED, ("answer", ""), *_ROUND),
)
ACTS = st.builds(
    lambda beginning, rest: [*beginning, *rest],
    st.sampled_from(BEGINNINGS),
    st.lists(
        st.one_of(
            st.sampled_from(WIRE), st.sampled_from(WIRE), st.sampled_from(DOUBLED),
            st.sampled_from(WORLD), st.sampled_from(GATEWAY),
        ),
        max_size=40,
    ),
)  # fmt: skip
_SIGNALS = {
    "answer": (Signal.ANSWER, ""),
    "end": (Signal.END, Ending.REFUSED.value),
    "busy": (Signal.END, Ending.BUSY.value),
    "hold": (Signal.HOLD, ""),
    "resume": (Signal.RESUME, ""),
}


class Play:
    def __init__(self, level: int = HIGHEST_LEVEL) -> None:
        self.clock = FakeClock()
        self.client = Joined(level)
        self.desktop = ScriptedDesktop()
        self.observer = RecordingObserver()
        self.backend = SkypeBackend(SkypeSettings(), self.clock, self.desktop.open)
        self.answered: set[int] = set()
        self.tasks: list[asyncio.Task] = []
        self.placed: list[tuple[asyncio.Task, Events]] = []

    async def start(self) -> asyncio.Task:
        running = asyncio.create_task(self.backend.run(self.observer))
        self.desktop.start(self.client)
        for _ in range(4):
            await settle()
            self.client.flush()
        assert self.observer.state is LineState.READY
        return running

    def legs(self):
        for task, events in self.placed:
            if task.done() and not task.exception():
                yield task.result(), events
        for offered in self.observer.offers:
            yield offered.offer.leg, offered.events

    def attempt(self, work) -> None:
        async def doing():
            with suppress(CallError, LinkError):
                await work

        self.tasks.append(asyncio.create_task(doing()))

    async def act(self, what: str, how: str) -> None:
        match what:
            case "deliver":
                self.client.deliver(how)
            case "double":
                self.client.deliver(how, times=2)
            case "step":
                self.client.step()
            case "partner":
                self.client.partner(*_SIGNALS[how])
            case "ring":
                self.client.ring()
            case "wait":
                await self.clock.advance(1.0)
            case "place" if not self.placed:
                events = Events()
                placing = self.backend.place("bob", events)
                self.placed.append((asyncio.create_task(placing), events))
            case "answer":
                for offered in self.observer.offers:
                    leg = offered.offer.leg
                    if leg.call_id not in self.answered:
                        self.answered.add(leg.call_id)
                        self.attempt(leg.answer())
            case "release" | "hold":
                for leg, _ in self.legs():
                    self.attempt(getattr(leg, what)())
        await settle()

    async def end(self) -> None:
        """The wire recovers, and the gateway lets every call go."""
        for _ in range(12):
            self.client.flush()
            await settle()
            for leg, _ in list(self.legs()):
                await leg.release()
            await self.clock.advance(1.0)
        self.client.flush()
        await settle()


async def play(acts, level: int = HIGHEST_LEVEL) -> Play:
    theatre = Play(level)
    running = await theatre.start()
    try:
        for what, how in acts:
            await theatre.act(what, how)
        await theatre.end()
    finally:
        everything = [running, *theatre.tasks, *(task for task, _ in theatre.placed)]
        for task in everything:
            task.cancel()
        await theatre.clock.advance(3.0)
        await asyncio.gather(*everything, return_exceptions=True)
    return theatre


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ACTS)
def test_both_ends_come_to_the_same_end(acts):
    theatre = asyncio.run(play(acts))
    event(f"calls {len(theatre.client.calls)}")
    assert all(call.ended for call in theatre.client.calls.values())
    for leg, events in theatre.legs():
        assert len(events.of(LineReleased)) == 1
        assert isinstance(events.all[-1], LineReleased)
        assert len(events.of(LineAnswered)) <= 1
        call = theatre.client.calls[leg.call_id]
        assert bool(events.of(LineAnswered)) <= call.answered
        event(f"{call.status.value}, answered {call.answered}")


LEVELS = range(1, HIGHEST_LEVEL + 1)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("beginning", [BEGINNINGS[2], BEGINNINGS[4]])
async def test_call_is_held_and_ends_at_every_level(level, beginning):
    acts = (*beginning, ("partner", "hold"), *_ROUND, ("partner", "end"), *_ROUND)
    theatre = await play(acts, level)
    ((_, events),) = theatre.legs()
    kinds = [type(happened) for happened in events.all if type(happened) in _KINDS]
    assert kinds == [LineAnswered, LineHeld, LineReleased]
    assert events.released.cause is HangupCause.NORMAL_CLEARING


@pytest.mark.parametrize("level", LEVELS)
async def test_message_is_read_at_every_level(level):
    theatre = Play(level)
    running = await theatre.start()
    messages = []
    theatre.backend.on_message = messages.append
    theatre.client.emulated.chats.receive(stranger("carol", "Carol"), "psst", NOW)
    theatre.client.settle()
    for _ in range(4):
        theatre.client.flush()
        await settle()
    running.cancel()
    await theatre.clock.advance(3.0)
    assert [(m.sender, m.sender_name, m.text) for m in messages] == [
        ("carol", "Carol", "psst")
    ]
    (text,) = theatre.client.emulated.chats.texts.values()
    assert text.status is MessageStatus.READ


_KINDS = {LineAnswered, LineHeld, LineReleased}
