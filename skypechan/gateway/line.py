"""A line: its client, its published state, and whether a call has it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from skypechan.backends.base import Backend, LineState, Offer
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.clock import Backoff, Clock
from skypechan.errors import CallError
from skypechan.gateway.screens import Screen
from skypechan.gateway.settings import LineSettings
from skypechan.media.holdaudio import hold_audio

_log = logging.getLogger(__name__)

_BEHIND = "waits until another line has let go of its client"
_ABSENT = (LineState.STARTING, LineState.WAITING_FOR_CLIENT)


class Due(StrEnum):
    """What the operator wants done to a line as soon as no call has it."""

    PAUSE = "pause"
    RESTART = "restart"
    REPLACE = "be replaced"
    REMOVE = "be removed"


_LEFT = {
    Due.REPLACE: "replaced, its settings have changed",
    Due.REMOVE: "removed from the configuration",
}


class ClientSupervisor(Protocol):
    """Who looks after a line's client, where that is the gateway.

    It starts it and keeps it running, or has only its screen.
    """

    @property
    def starts_client(self) -> bool:
        """Tell whether the client is started here."""

    @property
    def screen(self) -> Screen | None:
        """The client's screen, if the operator may have it."""

    @property
    def windows(self) -> tuple[str, ...]:
        """The titles of the windows on the client's screen."""

    @property
    def isolation(self) -> str:
        """The level that the client is kept apart at; empty while it is not known."""

    @property
    def isolation_reason(self) -> str:
        """Why that is less than it could be; empty where it is not."""

    def supervising(
        self, tell: Callable[[str], None], /
    ) -> AbstractAsyncContextManager[None]:
        """Keep the client running; `tell` gets what keeps it from being there."""

    async def restart(self) -> None:
        """Start the client anew; return when the old one is gone."""

    def line_is(self, state: LineState, /) -> None:
        """Take note of what the line's backend says of the client."""


class Line:
    """One configured client: what state it is in and whether a call has it.

    The state is the client's, as its backend tells it, unless the operator has
    paused the line. `on_change` is told of every change of state or use. Without a
    `supervisor` the client is no business of ours but for what its backend asks it.
    """

    def __init__(
        self,
        name: str,
        settings: LineSettings,
        backend: Backend,
        clock: Clock,
        supervisor: ClientSupervisor | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.backend = backend
        # Read before there are calls: a long file would hold up their audio.
        self.hold_audio = hold_audio(settings.hold_audio)
        self.state = LineState.STARTING
        self.reason = ""
        self.account = ""
        self.since: datetime = clock.wall()
        self.call_id: str | None = None
        self.calls_total = 0
        self.playback_db = settings.playback_boost_db
        self.capture_db = settings.capture_boost_db
        self.on_offer: Callable[[Line, Offer], EventSink] | None = None
        self.on_change: Callable[[Line], None] | None = None
        self._clock = clock
        self._supervisor = supervisor
        self._absence = ""
        self._last_used_s = 0.0
        self._client = (LineState.STARTING, "")
        self._paused = False
        self._stopped = ""
        self._due: set[Due] = set()
        self._left = False
        self._parted = asyncio.Event()
        self._interrupt = asyncio.Event()

    @property
    def client_is_ours(self) -> bool:
        """Tell whether the gateway itself starts the line's client."""
        return self._supervisor is not None and self._supervisor.starts_client

    @property
    def isolation(self) -> str:
        """The level that a client of ours is kept apart at, else empty."""
        return self._supervisor.isolation if self._supervisor else ""

    @property
    def isolation_reason(self) -> str:
        """Why that is less than it could be; empty where it is not."""
        return self._supervisor.isolation_reason if self._supervisor else ""

    @property
    def is_paused(self) -> bool:
        """Tell whether the operator has paused the line, be it yet in use."""
        return self._paused or Due.PAUSE in self._due

    @property
    def screen(self) -> Screen | None:
        """The client's screen, if there is one that the operator may have."""
        return self._supervisor.screen if self._supervisor else None

    @property
    def wants_calls(self) -> bool:
        """Tell whether the operator lets calls on the line; its client may not."""
        return not (self._paused or self._due or self._stopped)

    @property
    def is_open(self) -> bool:
        """Tell whether calls can be placed on the line, be it in use or not."""
        return self.state is LineState.READY and self.wants_calls

    @property
    def is_idle(self) -> bool:
        """Tell whether the line can take a call now."""
        return self.is_open and self.call_id is None

    @property
    def last_used_s(self) -> float:
        """When the line last took a call, by the monotonic clock; 0 for never."""
        return self._last_used_s

    def rest(self, call_id: str) -> None:
        """Be in use by a call that another line of the same account has taken.

        Its client rings as well: it cannot take another call meanwhile.
        """
        self.call_id = call_id
        self._changed()

    def seize(self, call_id: str) -> None:
        """Give the line to a call."""
        self.call_id = call_id
        self.calls_total += 1
        self._last_used_s = self._clock.monotonic_s()
        self._changed()

    def free(self, call_id: str) -> None:
        """Take the line from a call that has it."""
        if self.call_id == call_id:
            self.call_id = None
            self._do_what_is_due()
            self._changed()

    # What the operator wants.

    def pause(self) -> None:
        """Take no more calls, and be paused as soon as no call has the line."""
        self._want(Due.PAUSE)

    def resume(self) -> None:
        """Take calls again."""
        self._paused = False
        self._due.discard(Due.PAUSE)
        self._publish()

    def restart(self) -> None:
        """Attach to the client anew as soon as no call has the line."""
        self._want(Due.RESTART)

    def stop(self, reason: str) -> None:
        """Take no more calls for good: the gateway is going down."""
        self._stopped = reason
        self._publish()

    def leave(self, due: Due) -> None:
        """Take no more calls, and let go of the client as soon as no call has the line.

        `serve` returns then. `due` is REMOVE, or REPLACE where another line follows.
        """
        self._due.difference_update(_LEFT)
        self._want(due)

    def take_settings(self, new: Line) -> None:
        """Have the settings of a new line from the next call on.

        The client, its kind and the Asterisk stay. A gain that the operator has set
        stays, too, unless the configuration has another one now.
        """
        self._take_gains(self, new)
        kept = self.settings
        self.settings = replace(
            new.settings, backend=kept.backend, asterisk=kept.asterisk
        )
        self.hold_audio = new.hold_audio
        self._changed()

    def follow(self, old: Line) -> None:
        """Take the place of a line that has left, with what the operator made of it."""
        self._take_gains(old, self)
        self.calls_total, self._last_used_s = old.calls_total, old.last_used_s
        if old.is_paused:
            self.pause()

    def _take_gains(self, old: Line, new: Line) -> None:
        was, is_now = old.settings, new.settings
        self.playback_db, self.capture_db = (
            old.playback_db
            if was.playback_boost_db == is_now.playback_boost_db
            else is_now.playback_boost_db,
            old.capture_db
            if was.capture_boost_db == is_now.capture_boost_db
            else is_now.capture_boost_db,
        )

    def _want(self, due: Due) -> None:
        self._due.add(due)
        self._do_what_is_due()
        self._publish()

    def _do_what_is_due(self) -> None:
        if self.call_id is not None or not self._due:
            return
        if Due.PAUSE in self._due:
            self._paused = True
        for leaving in self._due & _LEFT.keys():
            self._left, self._stopped = True, _LEFT[leaving]
        if self._left or Due.RESTART in self._due:
            self._interrupt.set()
        self._due.clear()
        self._publish()

    # The client.

    async def serve(self, behind: Collection[Line] = ()) -> None:
        """Keep the client, where it is ours, and the backend running.

        Until cancelled, or until the line has left. It begins when all of `behind` have
        let go of what they have: the line needs it. A fault of ours in the backend
        costs this line only.
        """
        await self._come_behind(behind)
        if not self._left:
            keeper = self._supervisor
            async with keeper.supervising(self._absent) if keeper else nullcontext():
                await self._keep_attached()
        self._parted.set()

    @property
    def has_parted(self) -> bool:
        """Tell whether the line has left and let go of its client."""
        return self._parted.is_set()

    async def parted(self) -> None:
        """Return when the line has left and let go of its client."""
        await self._parted.wait()

    async def _come_behind(self, others: Collection[Line]) -> None:
        while not self._left and not all(one.has_parted for one in others):
            self._interrupt.clear()
            self.line_changed(LineState.STARTING, _BEHIND, "")
            await self._beside_interrupt(_all_parted(others))

    async def _keep_attached(self) -> None:
        backoff = Backoff()
        while not self._left:
            self._interrupt.clear()
            failed = await self._beside_interrupt(self.backend.run(self))
            if not self._interrupt.is_set():
                _log.error("! line %s failed", self.name, exc_info=failed)
                self.line_changed(LineState.DEGRADED, "a fault; the log says which", "")
                await self._beside_interrupt(self._clock.sleep(backoff.next_s()))
            if self._interrupt.is_set() and not self._left:
                backoff.reset()
                self.line_changed(LineState.STARTING, "restarted by the operator", "")
                if self._supervisor is not None:
                    await self._supervisor.restart()

    async def _beside_interrupt(
        self, work: Coroutine[Any, Any, None]
    ) -> BaseException | None:
        """Do something until a restart or the line's end; return what it failed by."""
        working = asyncio.create_task(work, name=self.name)
        interrupted = asyncio.create_task(self._interrupt.wait(), name=self.name)
        both = (working, interrupted)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            failed, _ = await asyncio.gather(*both, return_exceptions=True)
        return failed

    def line_changed(self, state: LineState, reason: str, account: str) -> None:
        """Take note of what the backend says of its client."""
        self.account = account or self.account
        self._client = (state, reason)
        if self._supervisor is not None:
            self._supervisor.line_is(state)
        self._publish()

    def _absent(self, reason: str) -> None:
        """Take note of what keeps the client from being there, or of its windows."""
        self._absence = reason
        self._publish()

    def offered(self, offer: Offer) -> EventSink:
        """Hand an incoming call to the gateway."""
        if self.on_offer is None:
            raise CallError(HangupCause.TEMPORARY_FAILURE, "the gateway is not running")
        return self.on_offer(self, offer)

    # What is published.

    def _publish(self) -> None:
        state, reason = self._judge()
        if (state, reason) == (self.state, self.reason):
            return
        if state is not self.state:
            self.since = self._clock.wall()
        self.state, self.reason = state, reason
        _log.info("= line %s is %s%s", self.name, state, reason and f": {reason}")
        self._changed()

    def _judge(self) -> tuple[LineState, str]:
        state, reason = self._client
        if self._stopped:
            return LineState.STOPPED, self._stopped
        if self._paused:
            client = "" if state is LineState.READY else f"; its client is {state}"
            return LineState.PAUSED, f"by the operator{client}"
        if self._due:
            wanted = " and ".join(sorted(self._due))
            return state, f"will {wanted} when its call has ended"
        if state in _ABSENT and self._absence:
            reason = self._absence
        return state, f"{reason}{self._shown(state)}"

    def _shown(self, state: LineState) -> str:
        """Return what a client that is not ready shows: it may wait for a person."""
        if state is LineState.READY or not (keeper := self._supervisor):
            return ""
        titles = ", ".join(map(repr, keeper.windows))
        return titles and f"; its screen shows {titles}"

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change(self)


async def _all_parted(lines: Collection[Line]) -> None:
    for line in lines:
        await line.parted()
