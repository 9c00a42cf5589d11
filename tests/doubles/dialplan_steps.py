"""What the steps of a test's dialplan tell: `UserEvent(Seen,Step: NAME,...)`."""

from __future__ import annotations

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import Event, Ping, UserEvent
from tests.doubles.waiting import Changes


class Steps:
    """The steps that a link is told of, from its making on."""

    def __init__(self, link: AmiLink) -> None:
        self.seen: list[UserEvent] = []
        self._changes = Changes()
        self._link = link
        self._handle = link.on_event
        link.on_event = self._take

    def _take(self, event: Event) -> None:
        if isinstance(event, UserEvent) and event.name == "Seen":
            self.seen.append(event)
            self._changes.notify()
        if self._handle is not None:
            self._handle(event)

    @property
    def names(self) -> list[str]:
        """The names of the steps in the order in which they were taken."""
        return [event.fields["step"] for event in self.seen]

    async def until(self, name: str, seconds: float = 3) -> UserEvent:
        """The first step of a name; raises TimeoutError."""
        await self._changes.until(lambda: name in self.names, seconds, name)
        return next(event for event in self.seen if event.fields["step"] == name)

    async def settle(self) -> None:
        """Return when everything that has happened before is told."""
        await self._link.send(Ping())
