"""A connection to an X display, kept by the event loop that made it.

An `X11Link` is used once: when it is lost, make a new one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from skypechan.errors import DeadlineError, LinkDownError
from skypechan.links.x11.asked import Asked
from skypechan.links.x11.canvas import Canvas, Exposed, Input, Pressed, Typed
from skypechan.links.x11.display import DisplayName, display_of_session
from skypechan.links.x11.server import (
    MOST_UNSENT_BYTES,
    Attempt,
    Happening,
    Made,
    Message,
    PropertyChanged,
    WindowGone,
    WindowsChanged,
)
from skypechan.links.x11.viewer import Viewer

CONNECT_TIMEOUT_S: Final = 5.0
"""A server on this machine answers in milliseconds, or is not well."""

PULSE_S: Final = 5.0
"""How often the server is asked whether it lives."""

MOST_PULSES_MISSED: Final = 3

_ABANDONED_S: Final = 1.0

logger = logging.getLogger(__name__)

MessageHandler = Callable[[int, str, bytes], None]
"""Told the window that a message names as its sender's, its atom, its 20 bytes."""

Told = Callable[[int], None]

_Done = TypeVar("_Done")
_Answer = TypeVar("_Answer")


class X11Link:
    """One connection to a display. Made by `connect`, ended by `close` or by loss.

    It has one window of its own, never shown: what is sent bears its number, and what
    is sent to it is told to the message handler. Nothing but a coroutine waits for
    the server.
    """

    def __init__(self, made: Made, pulse_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._server = made.server
        self._fd = made.server.way.socket.fileno()
        self._atoms = made.atoms
        self._names = {number: name for name, number in made.atoms.items()}
        self._lost = asyncio.Event()
        self._asked: deque[tuple[Asked[Any], Callable[[Any], None]]] = deque()
        self._waiting: set[asyncio.Future[Any]] = set()
        self._windows: dict[int, Callable[[], None]] = {}
        self._properties: dict[int, Told] = {}
        self._on_message: MessageHandler = _unheard
        self._on_input: Callable[[Input], None] = _unseen
        self._on_windows: Callable[[], None] = _unwatched
        self._pulse_s = pulse_s
        self._pulses_missed = 0
        self.described = made.server.way.described
        self.reason = ""
        self.window = made.window
        self._loop.add_reader(self._fd, self._readable)
        self._pulse: asyncio.Handle = self._loop.call_soon(self._feel_pulse)

    @classmethod
    async def connect(
        cls,
        display: str = "",
        xauthority: str = "",
        atoms: tuple[str, ...] = (),
        timeout_s: float = CONNECT_TIMEOUT_S,
        pulse_s: float = PULSE_S,
    ) -> X11Link:
        """Connect to `display` (empty: $DISPLAY) with the cookie in `xauthority`.

        `atoms` are all names that will be used. Raises LinkDownError when nobody
        listens there, LinkRefusedError without the right cookie, DeadlineError when
        the server says nothing, ConfigError for what is no display's name.
        """
        name = DisplayName.parse(display) if display else display_of_session()
        attempt = Attempt(name, xauthority, atoms, timeout_s)
        running = asyncio.get_running_loop().run_in_executor(None, attempt.run)
        try:
            async with asyncio.timeout(timeout_s):
                made = await asyncio.shield(running)
        except (TimeoutError, asyncio.CancelledError) as error:
            attempt.abandon()
            running.add_done_callback(_discard)
            await asyncio.wait([running], timeout=_ABANDONED_S)
            if isinstance(error, TimeoutError):
                raise DeadlineError(f"the display {name} says nothing") from error
            raise
        link = cls(made, pulse_s)
        logger.debug("= connected to %s, window 0x%x", link.described, link.window)
        return link

    @property
    def connected(self) -> bool:
        """True until the link is closed or lost."""
        return not self._lost.is_set()

    def is_ours(self, window: int) -> bool:
        """True for a window's number that only this link can have given.

        Servers give numbers again: one that was left behind by the dead may be ours.
        """
        return self._server.is_ours(window)

    def on_message(self, handler: MessageHandler) -> None:
        """Have the messages to our window told, if their atom is one of ours."""
        self._on_message = handler

    def on_input(self, handler: Callable[[Input], None]) -> None:
        """Have what the user does in windows opened by `draw` told."""
        self._on_input = handler

    def draw(self, paint: Callable[[Canvas], _Done]) -> _Done:
        """Paint, and return what that returns. Raises LinkDownError."""
        self._check_up()
        done = paint(self._server.canvas)
        self._flush()
        return done

    async def ask(
        self,
        question: Callable[[Canvas], Asked[_Answer]],
        timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> _Answer:
        """Ask what painting needs to know. Raises LinkDownError and DeadlineError."""
        self._check_up()
        return await self._answer(question(self._server.canvas), timeout_s)

    def work(self, act: Callable[[Viewer], _Done]) -> _Done:
        """Use pointer or keys, and return what that returns. Raises LinkDownError."""
        self._check_up()
        done = act(self._server.viewer)
        self._flush()
        return done

    async def look(
        self,
        question: Callable[[Viewer], Asked[_Answer]],
        timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> _Answer:
        """Ask what is on the screen. Raises LinkDownError and DeadlineError."""
        self._check_up()
        return await self._answer(question(self._server.viewer), timeout_s)

    def watch_windows(self, changed: Callable[[], None]) -> None:
        """Call back once when a window comes to the screen or goes from it.

        Not beside `watch_root_property`: a connection has one choice of what it
        wants to be told of the root. Once, as a program may have windows come and go
        as fast as it likes.
        """
        self.work(lambda viewer: viewer.select_windows(wanted=True))
        self._on_windows = changed

    def _windows_changed(self) -> None:
        changed, self._on_windows = self._on_windows, _unwatched
        if changed is not _unwatched:
            self.work(lambda viewer: viewer.select_windows(wanted=False))
            _tell(changed)

    def send(self, target: int, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send client messages, each an atom and 20 bytes, to a window.

        Raises LinkDownError when the link is lost or the server has stopped reading.
        That the window is not there is told to who watches it.
        """
        self._check_up()
        for atom, content in messages:
            number = self._atoms[atom]
            self._server.send_message(self.window, target, number, content)
        self._flush()
        self._check_up()

    def watch_window(self, window: int, gone: Callable[[], None]) -> None:
        """Call back once when somebody's window ends or turns out to be none."""
        self._check_up()
        self._windows[window] = gone
        self._server.select_end(window, wanted=True)
        self._flush()

    def unwatch_window(self, window: int) -> None:
        """Take `watch_window` back."""
        if self._windows.pop(window, None) is not None and self.connected:
            self._server.select_end(window, wanted=False)
            self._flush()

    def watch_root_property(self, name: str, told: Told) -> None:
        """Tell the window that a property of the root holds, now and at each change.

        0 is told when there is no such property, or one that holds no window.
        """
        self._check_up()
        self._properties[self._atoms[name]] = told
        self._server.select_root_properties()
        self._ask(self._server.ask_root_property(self._atoms[name]), told)

    def set_root_property(self, name: str, window: int) -> None:
        """Let a property of the root hold a window."""
        self._check_up()
        self._server.set_root_property(self._atoms[name], window)
        self._flush()

    def delete_root_property(self, name: str) -> None:
        """Remove a property of the root."""
        self._check_up()
        self._server.delete_root_property(self._atoms[name])
        self._flush()

    def destroy_window(self) -> None:
        """Destroy our window; what is sent still bears its number."""
        self._check_up()
        self._server.destroy_window(self.window)
        self._flush()

    def create_window(self) -> None:
        """Make our window anew, with another number."""
        self._check_up()
        self.window = self._server.create_window()
        self._flush()

    async def root_property(
        self, name: str, timeout_s: float = CONNECT_TIMEOUT_S
    ) -> int:
        """Return the window that a property of the root holds, or 0.

        Raises LinkDownError and DeadlineError.
        """
        self._check_up()
        asked = self._server.ask_root_property(self._atoms[name])
        return await self._answer(asked, timeout_s)

    async def sync(self, timeout_s: float = CONNECT_TIMEOUT_S) -> None:
        """Wait until the server has done all that was asked, and told its outcome.

        Raises LinkDownError and DeadlineError.
        """
        self._check_up()
        await self._answer(self._server.ask_nothing(), timeout_s)

    async def wait_lost(self) -> None:
        """Return when the link is closed or lost; `reason` says why."""
        await self._lost.wait()

    def close(self) -> None:
        """Close the connection. What was sent may be lost: `sync` first."""
        self._lose("closed")

    def _check_up(self) -> None:
        if not self.connected:
            raise LinkDownError(f"the {self.described} is lost: {self.reason}")

    def _ask(self, asked: Asked[_Answer], told: Callable[[_Answer], None]) -> None:
        """Go on; the answer is told when it comes."""
        self._asked.append((asked, told))
        self._flush()

    async def _answer(self, asked: Asked[_Answer], timeout_s: float) -> _Answer:
        answer: asyncio.Future[_Answer] = self._loop.create_future()

        def told(value: _Answer) -> None:
            if not answer.done():
                answer.set_result(value)

        self._waiting.add(answer)
        self._ask(asked, told)
        self._check_up()
        try:
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError as error:
            raise DeadlineError(f"the {self.described} does not answer") from error
        finally:
            self._waiting.discard(answer)

    def _flush(self) -> None:
        """Send what can be sent now; the rest goes when the server reads on."""
        if not self.connected:
            return
        try:
            self._server.flush()
        except OSError as error:
            self._lose(f"{error}")
            return
        if self._server.unsent_bytes > MOST_UNSENT_BYTES:
            self._lose("the X server has stopped reading")
        elif self._server.unsent_bytes:
            self._loop.add_writer(self._fd, self._flush)
        else:
            self._loop.remove_writer(self._fd)

    def _readable(self) -> None:
        try:
            happened = self._server.receive()
        except OSError as error:
            self._lose(f"{error}")
        except Exception:
            logger.exception("! the %s cannot be understood", self.described)
            self._lose("the X server cannot be understood")
        else:
            self._take(happened)
            self._flush()

    def _take(self, happened: tuple[Happening, ...]) -> None:
        for item in happened:
            if self.connected:
                self._take_one(item)
        # A server answers in the order in which it was asked.
        while self._asked and self._asked[0][0].answered:
            asked, told = self._asked.popleft()
            _tell(told, asked.answer())

    def _take_one(self, item: Happening) -> None:
        match item:
            case Message(sender, atom, content):
                if name := self._names.get(atom):
                    _tell(self._on_message, sender, name, content)
            case PropertyChanged(atom):
                if told := self._properties.get(atom):
                    self._ask(self._server.ask_root_property(atom), told)
            case Exposed() | Pressed() | Typed():
                _tell(self._on_input, item)
            case WindowsChanged():
                self._windows_changed()
            case WindowGone(window):
                if gone := self._windows.pop(window, None):
                    _tell(gone)

    def _feel_pulse(self) -> None:
        if self._pulses_missed >= MOST_PULSES_MISSED:
            self._lose("the X server does not answer")
            return
        self._pulses_missed += 1
        self._pulse = self._loop.call_later(self._pulse_s, self._feel_pulse)
        self._ask(self._server.ask_nothing(), self._pulse_felt)

    def _pulse_felt(self, _: int) -> None:
        self._pulses_missed = 0

    def _lose(self, reason: str) -> None:
        if not self.connected:
            return
        self.reason = reason
        self._lost.set()
        logger.debug("= %s is lost: %s", self.described, reason)
        self._pulse.cancel()
        self._loop.remove_reader(self._fd)
        self._loop.remove_writer(self._fd)
        self._server.close()
        self._asked.clear()
        for answer in self._waiting:
            if not answer.done():
                words = f"the {self.described} is lost: {reason}"
                answer.set_exception(LinkDownError(words))


def _discard(running: asyncio.Future[Made]) -> None:
    """Close what a thread has opened for nobody."""
    if not running.cancelled() and running.exception() is None:
        running.result().server.close()


def _tell(told: Callable[..., None], *what: Any) -> None:
    """Call back; a fault of the one told does not end the link."""
    try:
        told(*what)
    except Exception:
        logger.exception("! news of the display not taken")


def _unheard(sender: int, atom: str, content: bytes) -> None:
    logger.debug("< 0x%x %s %r (nobody listens)", sender, atom, content)


def _unwatched() -> None:
    """Nobody wants to know."""


def _unseen(happened: Input) -> None:
    logger.debug("< %s (nobody looks)", happened)
