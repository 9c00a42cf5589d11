"""A conversation with one Skype client: commands with deadlines, and its news."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

from skypechan.backends.skype.deadline import within
from skypechan.backends.skype.protocol.attachment import (
    AttachChanged,
    AttachState,
    ControlSession,
    LateReply,
    Notified,
    Replied,
)
from skypechan.backends.skype.protocol.commands import Command, Ping
from skypechan.backends.skype.protocol.notifications import (
    CallStatusChanged,
    Error,
    Notification,
)
from skypechan.backends.skype.protocol.values import ConnectionStatus
from skypechan.backends.skype.timing import Timing
from skypechan.backends.skype.transport import Client
from skypechan.clock import Clock
from skypechan.errors import (
    CommandError,
    DeadlineError,
    LinkDownError,
    LinkError,
    SkypechanError,
)
from skypechan.log import legible

_log = logging.getLogger(__name__)

FRIENDLY_NAME: Final = "skypechan"
"""What the client shows its user when it asks whether we are allowed."""

NotificationSink = Callable[[Notification], None]

_GONE: Final = "the client went away"
_MOST_SHOWN: Final = 1_000  # characters of a line
_MOST_AWAITED_LATE: Final = 256  # replies
_UNDECIDED: Final = frozenset({AttachState.ASKING, AttachState.NEGOTIATING})
_BEGUN: Final = frozenset({AttachState.NEGOTIATING, AttachState.ATTACHED})


class Conversation:
    """What is said between us and one client, as long as that client lives.

    `on_notification` gets every notification, and every reply that tells a call's
    status: a client need not tell it twice. `wire` logs every line.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        timing: Timing,
        on_notification: NotificationSink,
        wire: logging.Logger = _log,
    ) -> None:
        self._client = client
        self._wire = wire
        self._clock = clock
        self._timing = timing
        self._on_notification = on_notification
        self._session = ControlSession(FRIENDLY_NAME)
        self._waiting: dict[str, asyncio.Future[Notification]] = {}
        self._too_late: dict[str, NotificationSink] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._news = asyncio.Event()
        self._closed = False
        client.on_text = self._receive

    @property
    def state(self) -> AttachState:
        """How far the attachment has come."""
        return self._session.state

    @property
    def account(self) -> str:
        """Who is signed in; empty when not told yet."""
        return self._session.account

    @property
    def connection(self) -> ConnectionStatus | None:
        """The client's connection to its network; None when not told yet."""
        return self._session.connection

    def begin(self) -> None:
        """Say who we are, unless the client is about to let us in already."""
        if self.state not in _BEGUN:
            self._say(self._session.begin(), self._timing.permission_s)

    def start_over(self) -> None:
        """Forget the attachment; `begin` makes a new one."""
        self._session.lost()
        self._settle()

    async def undecided(self, within_s: float) -> bool:
        """Wait for the outcome of `begin`; True when there is none in time."""
        until = self._clock.monotonic_s() + within_s
        while self.state in _UNDECIDED:
            left_s = until - self._clock.monotonic_s()
            if left_s <= 0 or not await self.news(left_s):
                return True
        return False

    async def news(self, within_s: float) -> bool:
        """Wait for anything that the client says; False when it says nothing."""
        self._news.clear()
        try:
            await within(self._clock, within_s, self._news.wait(), "no news")
        except DeadlineError:
            return False
        return True

    async def ask(
        self,
        command: Command,
        within_s: float | None = None,
        too_late: NotificationSink | None = None,
    ) -> Notification:
        """Send a command and return its reply, an Error too.

        `too_late` gets a reply that comes when nobody waits for it any more.
        Raises LinkError and LocalWireError.
        """
        if self._closed:
            raise LinkDownError(_GONE)
        token, text = self._session.send(command)
        reply = asyncio.get_running_loop().create_future()
        self._waiting[token] = reply
        if too_late is not None:
            self._too_late[token] = too_late
            while len(self._too_late) > _MOST_AWAITED_LATE:
                del self._too_late[next(iter(self._too_late))]
        self._say(text, self._timing.late_s, token)
        seconds = self._timing.command_s if within_s is None else within_s
        try:
            return await within(self._clock, seconds, reply, f"no reply to {text!r}")
        finally:
            self._session.abandon(token)
            del self._waiting[token]
            if reply.done() and not reply.cancelled():
                self._too_late.pop(token, None)

    async def order(
        self,
        command: Command,
        within_s: float | None = None,
        too_late: NotificationSink | None = None,
    ) -> Notification:
        """Send a command and return its reply; an Error raises CommandError."""
        reply = await self.ask(command, within_s, too_late)
        if isinstance(reply, Error):
            raise CommandError(f"ERROR {reply.number} {reply.text}", reply.number)
        return reply

    async def attempt(self, *commands: Command) -> tuple[Notification | None, ...]:
        """Send commands at once; a reply that is no help is None."""
        return tuple(await asyncio.gather(*map(self._attempt, commands)))

    async def ping(self) -> bool:
        """Tell whether the client answers; any answer will do."""
        try:
            await self.ask(Ping(), self._timing.ping_answer_s)
        except LinkError as error:
            self._show("!", str(error))
            return False
        return True

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something besides, until the conversation is closed."""
        if self._closed:
            work.close()
            return
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End everything that is under way; who waits gets LinkDownError."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(LinkDownError(_GONE))

    async def _attempt(self, command: Command) -> Notification | None:
        try:
            return await self.order(command)
        except SkypechanError as error:
            self._show("!", str(error))
            return None

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("! a task of the client failed", exc_info=error)

    def _say(self, text: str, patience_s: float, token: str = "") -> None:
        self.spawn(self._deliver(text, patience_s, token))

    async def _deliver(self, text: str, patience_s: float, token: str) -> None:
        self._show(">", text)
        try:
            reply = await self._client.send(text, patience_s)
        except SkypechanError as error:
            self._show("!", f"{text}: {error}")
            self._undelivered(token, error)
        else:
            if reply:
                self._receive(reply)

    def _undelivered(self, token: str, error: SkypechanError) -> None:
        waiting = self._waiting.get(token)
        if waiting is not None and not waiting.done():
            waiting.set_exception(_as_link_error(error))
        elif not token and self.state in _UNDECIDED:
            self.start_over()  # a line of the handshake did not get through

    def _receive(self, text: str) -> None:
        self._show("<", text)
        self._session.receive(text)
        self._settle()

    def _settle(self) -> None:
        for text in self._session.texts_to_send():
            self._say(text, self._timing.late_s)
        for event in self._session.events():
            match event:
                case Notified(notification):
                    self._on_notification(notification)
                case Replied(token, notification) | LateReply(token, notification):
                    self._replied(token, notification)
                case AttachChanged(state):
                    self._show("=", f"attachment is {state.value}")
        self._news.set()

    def _show(self, mark: str, text: str) -> None:
        if self._wire.isEnabledFor(logging.DEBUG):
            self._wire.debug("%s %s", mark, legible(text[:_MOST_SHOWN]))

    def _replied(self, token: str, notification: Notification) -> None:
        if isinstance(notification, CallStatusChanged):
            self._on_notification(notification)
        waiting = self._waiting.get(token)
        if waiting is not None and not waiting.done():
            waiting.set_result(notification)
        elif too_late := self._too_late.pop(token, None):
            too_late(notification)


def _as_link_error(error: SkypechanError) -> SkypechanError:
    """A transport that refuses a line is a link that does not work."""
    return error if isinstance(error, LinkError) else LinkError(str(error))
