"""A login of the check's own at Asterisk's manager interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink, LinkState
from skypechan.asterisk.ami.messages import (
    ChannelEnded,
    Event,
    Getvar,
    Hangup,
    Originate,
    UserEvent,
)
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.call.causes import HangupCause
from skypechan.clock import Clock
from skypechan.errors import CommandError

_TEST_MS = 5_000
_END_S = 0.5


class Session:
    """A link, and every event that came by it."""

    def __init__(self, settings: AsteriskSettings, clock: Clock) -> None:
        self.link = AmiLink(settings, clock)
        self.settings = settings
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self.link.on_event = self._take
        self.link.on_state = self.wake

    @property
    def is_up(self) -> bool:
        """Whether we are logged in."""
        return self.link.state is LinkState.UP

    @property
    def is_refused(self) -> bool:
        """Whether our login was refused."""
        return self.link.state is LinkState.REFUSED

    def wake(self) -> None:
        """Let `until` look again: something else has happened."""
        self._changed.set()

    async def until(self, seen: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is to be seen; False when it is not in time."""
        try:
            async with asyncio.timeout(seconds):
                while not seen():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def value_of(self, function: str) -> str:
        """Return a variable or function. Raises CommandError, LinkError."""
        return (await self.link.send(Getvar(function))).value

    async def exists(self, context: str, extension: str) -> str:
        """Return "1" or "0"; nothing without func_dialplan."""
        return await self.value_of(f"DIALPLAN_EXISTS({context},{extension},1)")

    async def start(
        self, uuid: UUID, extension: str, *variables: tuple[str, str]
    ) -> None:
        """Run an extension of our test context beside an echo.

        Raises CommandError, LinkError.
        """
        await self.link.send(
            Originate(
                channel=f"Local/{dialplan.ECHO}",
                context=dialplan.ECHO.context,
                extension=extension,
                codecs=dialplan.NARROW_FORMAT,
                timeout_ms=_TEST_MS,
                unique_ids=channels_of(uuid),
                variables=(("__SKYPECHAN_UUID", str(uuid)), *variables),
            )
        )

    async def stop(self, uuid: UUID) -> None:
        """End a test call if it still lives, and see it end."""
        channels = channels_of(uuid)
        for channel in channels:
            with suppress(CommandError):  # it has ended
                await self.link.send(Hangup(channel, HangupCause.NORMAL_CLEARING))
        await self.until(lambda: self._ended(channels), _END_S)

    def _ended(self, channels: tuple[str, str]) -> bool:
        ended = {
            event.channel.uniqueid
            for event in self.events
            if isinstance(event, ChannelEnded)
        }
        return ended.issuperset(channels)

    def told(self, uuid: UUID) -> list[UserEvent]:
        """Return what an extension of the test context has told so far."""
        return [
            event
            for event in self.events
            if isinstance(event, UserEvent)
            and event.name == dialplan.PROBE_EVENT
            and event.fields.get("uuid") == str(uuid)
        ]

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self.wake()


def channels_of(uuid: UUID) -> tuple[str, str]:
    """Return the unique ids of the two halves of a test call."""
    return (f"skypechan-check-{uuid}-1", f"skypechan-check-{uuid}-2")


@asynccontextmanager
async def logged_in(settings: AsteriskSettings, clock: Clock) -> AsyncIterator[Session]:
    """Try to log in, once; `is_up` tells whether it worked, the link's reason why."""
    session = Session(settings, clock)
    first = session.link.reason
    running = asyncio.create_task(session.link.run(), name="AMI link of the check")
    try:
        await session.until(
            lambda: session.is_up or session.link.reason != first,
            2 * settings.action_seconds + 1,
        )
        yield session
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
