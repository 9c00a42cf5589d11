"""Lines: their published state, and which one takes a call."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from skypechan.backends.base import Backend, LineState, Offer
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.call.routes import Target, plain_word
from skypechan.clock import Backoff, Clock
from skypechan.errors import CallError
from skypechan.settings import setting

_log = logging.getLogger(__name__)

ANY, ROUND_ROBIN, LEAST_RECENT = "ANY", "RR", "LRU"
SELECTORS = (ANY, ROUND_ROBIN, LEAST_RECENT)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """What the gateway must know of a line, whatever its backend."""

    backend: str = setting("skype", "the kind of client", choices=("skype", "echo"))
    context: str = setting(
        "from-skypechan", "where incoming calls go: the context", form=plain_word
    )
    extension: str = setting(
        "s", "where incoming calls go: the extension", form=plain_word
    )
    language: str = setting(
        "en", "language of Asterisk's prompts on the line", form=plain_word
    )
    playback_boost_db: float = setting(
        0.0, "gain towards the line, dB", least=-40, most=40
    )
    capture_boost_db: float = setting(0.0, "gain from the line, dB", least=-40, most=40)
    ring_seconds: float = setting(
        60.0, "how long a call may ring, seconds", least=1, most=600
    )
    max_call_seconds: float = setting(
        0.0, "longest call, seconds; 0 is without limit", least=0
    )

    @property
    def target(self) -> Target:
        """Where an incoming call goes when no route speaks about it."""
        return Target(self.extension, self.context)


class Due(StrEnum):
    """What the operator wants done to a line as soon as no call has it."""

    PAUSE = "pause"
    RESTART = "restart"


class Line:
    """One configured client: what state it is in and whether a call has it.

    The state is the client's, as its backend tells it, unless the operator has
    paused the line. `on_change` is told of every change of state or use.
    """

    def __init__(
        self, name: str, settings: LineSettings, backend: Backend, clock: Clock
    ) -> None:
        self.name = name
        self.settings = settings
        self.backend = backend
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
        self._last_used_s = 0.0
        self._client = (LineState.STARTING, "")
        self._paused = False
        self._due: set[Due] = set()
        self._restarting = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Tell whether the line takes calls, be it in use or not."""
        return self.state is LineState.READY and not self._due

    @property
    def is_idle(self) -> bool:
        """Tell whether the line can take a call now."""
        return self.is_open and self.call_id is None

    @property
    def last_used_s(self) -> float:
        """When the line last took a call, by the monotonic clock; 0 for never."""
        return self._last_used_s

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

    def _want(self, due: Due) -> None:
        self._due.add(due)
        self._do_what_is_due()
        self._publish()

    def _do_what_is_due(self) -> None:
        if self.call_id is not None or not self._due:
            return
        if Due.PAUSE in self._due:
            self._paused = True
        if Due.RESTART in self._due:
            self._restarting.set()
        self._due.clear()
        self._publish()

    # The client.

    async def serve(self) -> None:
        """Keep the backend running until cancelled.

        A fault of ours in it costs this line only.
        """
        backoff = Backoff()
        while True:
            self._restarting.clear()
            running = asyncio.create_task(self.backend.run(self), name=self.name)
            restarting = asyncio.create_task(self._restarting.wait(), name=self.name)
            both = (running, restarting)
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in both:
                    task.cancel()
                failed, _ = await asyncio.gather(*both, return_exceptions=True)
            if self._restarting.is_set():
                backoff.reset()
                self.line_changed(LineState.STARTING, "restarted by the operator", "")
                continue
            _log.error("! line %s failed", self.name, exc_info=failed)
            self.line_changed(LineState.DEGRADED, "a fault; the log says which", "")
            await self._clock.sleep(backoff.next_s())

    def line_changed(self, state: LineState, reason: str, account: str) -> None:
        """Take note of what the backend says of its client."""
        self.account = account or self.account
        self._client = (state, reason)
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
        if self._paused:
            client = "" if state is LineState.READY else f"; its client is {state}"
            return LineState.PAUSED, f"paused by the operator{client}"
        if self._due:
            wanted = " and ".join(sorted(self._due))
            return state, f"will {wanted} when its call has ended"
        return state, reason

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change(self)


class Lines:
    """All lines, in the order of the configuration."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._lines = {line.name: line for line in lines}
        self._turn = 0

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines.values())

    def __getitem__(self, name: str) -> Line:
        return self._lines[name]

    def get(self, name: str) -> Line | None:
        """Return the line of a name, if there is one."""
        return self._lines.get(name)

    def select(self, selector: str) -> Line:
        """Return the idle line that a selector means.

        The selector is a name, ANY (first idle), RR (in turn) or LRU (longest
        unused). Raises CallError with the cause why there is none.
        """
        if selector in SELECTORS:
            return self._select_idle(selector)
        line = self._lines.get(selector)
        if line is None:
            raise CallError(HangupCause.NO_ROUTE, f"there is no line {selector!r}")
        if not line.is_open:
            raise CallError(
                HangupCause.REQUESTED_CHANNEL_UNAVAILABLE,
                f"line {selector} is {line.state}: {line.reason}",
            )
        if not line.is_idle:
            raise CallError(HangupCause.CONGESTION, f"line {selector} is in use")
        return line

    def _select_idle(self, selector: str) -> Line:
        lines = list(self._lines.values())
        idle = [line for line in lines if line.is_idle]
        if not idle:
            if any(line.is_open for line in lines):
                raise CallError(HangupCause.CONGESTION, "all lines are in use")
            raise CallError(
                HangupCause.REQUESTED_CHANNEL_UNAVAILABLE, "no line is ready"
            )
        if selector == LEAST_RECENT:
            return min(idle, key=lambda line: line.last_used_s)
        if selector == ROUND_ROBIN:
            return self._next_in_turn(lines, idle)
        return idle[0]

    def _next_in_turn(self, lines: list[Line], idle: list[Line]) -> Line:
        in_turn = lines[self._turn :] + lines[: self._turn]
        return next(line for line in in_turn if line in idle)

    def took(self, line: Line) -> None:
        """Take note that a call went to a line: the next in turn is another."""
        lines = list(self._lines.values())
        self._turn = (lines.index(line) + 1) % len(lines)
