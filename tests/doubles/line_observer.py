"""The gateway as a backend sees it: takes note of everything, and can be awaited."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from skypechan.backends.base import LineState, Offer
from skypechan.call.events import Event, LineReleased
from tests.doubles.waiting import Changes

T = TypeVar("T")

DEADLINE_S = 10.0


class Events(Changes):
    """The events of one leg, in order; call it as an `EventSink`."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.all.append(event)
        self.notify()

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.all if isinstance(event, kind)]

    async def first(self, kind: type[T], seconds: float = DEADLINE_S) -> T:
        await self.until(lambda: self.of(kind), seconds, f"{kind.__name__}: {self}")
        return self.of(kind)[0]

    @property
    def released(self) -> LineReleased:
        """The one LineReleased, which is the last event."""
        (released,) = self.of(LineReleased)
        assert self.all[-1] is released
        return released

    def __repr__(self) -> str:
        return f"{self.all}"


@dataclass
class Offered:
    offer: Offer
    events: Events


@dataclass
class RecordingObserver(Changes):
    """States as (state, reason, account), and offers with their events."""

    states: list[tuple[LineState, str, str]] = field(default_factory=list)
    offers: list[Offered] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @property
    def state(self) -> LineState:
        return self.states[-1][0] if self.states else LineState.STARTING

    @property
    def reason(self) -> str:
        return self.states[-1][1]

    @property
    def account(self) -> str:
        return self.states[-1][2]

    def line_changed(self, state: LineState, reason: str, account: str) -> None:
        self.states.append((state, reason, account))
        self.notify()

    def offered(self, offer: Offer) -> Events:
        events = Events()
        self.offers.append(Offered(offer, events))
        self.notify()
        return events

    async def reach(self, state: LineState, seconds: float = DEADLINE_S) -> None:
        await self.until(
            lambda: self.state is state, seconds, f"{state}, it is {self.states[-3:]}"
        )

    async def next_offer(self, seconds: float = DEADLINE_S) -> Offered:
        await self.until(lambda: self.offers, seconds, "offer")
        return self.offers.pop(0)
