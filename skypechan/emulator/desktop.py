"""The client's windows on its display: shown when needed, painted, worked.

Which window is there follows from the state of the client: who is not signed in is
asked for name and password, a program that waits for permission is asked about. A
decision that comes another way takes the window away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from skypechan.emulator.entrance import WRONG, Entrance, Login
from skypechan.emulator.profile import remembered
from skypechan.emulator.program import Program
from skypechan.emulator.windows import (
    Box,
    Button,
    Decision,
    Field,
    Part,
    PermissionWindow,
    SignInWindow,
    Tick,
    Window,
    Words,
)
from skypechan.errors import LinkError
from skypechan.links.x11.asked import Asked
from skypechan.links.x11.canvas import Canvas, Exposed, Input, Pressed, Typed
from skypechan.links.x11.link import X11Link

_GREY: Final = (222, 227, 232)
_WHITE: Final = (255, 255, 255)
_BLUE: Final = (0, 116, 176)
_BLACK: Final = (0, 0, 0)
_LETTER_WIDTH: Final = 6

logger = logging.getLogger(__name__)


class Desktop:
    """Shows one window at a time. Lives as its link does; `start` it once."""

    def __init__(self, program: Program, link: X11Link, entrance: Entrance) -> None:
        self._program = program
        self._link = link
        self._entrance = entrance
        self._shown: tuple[int, Window] | None = None
        self._colours: dict[tuple[int, int, int], int] = {}

    async def start(self) -> None:
        """Learn colours and keyboard, and show what is to be shown. LinkError."""
        for rgb in (_GREY, _WHITE, _BLUE, _BLACK):
            self._colours[rgb] = await self._link.ask(_colour(rgb))
        await self._link.ask(lambda canvas: canvas.ask_keyboard())
        self._link.on_input(self._take)
        self._program.watchers.append(self.follow)
        self.follow()

    def follow(self) -> None:
        """Have the window there that the client's state asks for."""
        if not self._link.connected:
            return
        try:
            self._follow()
        except LinkError as error:
            logger.debug("! %s", error)

    def _follow(self) -> None:
        client = self._program.client
        asking = [one for one in client.sessions.values() if one.undecided]
        window = self._shown[1] if self._shown else None
        if not client.signed_in:
            if not isinstance(window, SignInWindow):
                self._show(self._sign_in_window())
        elif asking:
            names = {one.friendly_name for one in asking}
            there = isinstance(window, PermissionWindow) and window.program in names
            if not there:
                self._show(PermissionWindow(asking[0].friendly_name))
        else:
            self._show(None)

    def _sign_in_window(self) -> SignInWindow:
        tried, self._entrance.tried = self._entrance.tried, None
        return SignInWindow(tried.name, WRONG) if tried else SignInWindow()

    def _show(self, window: Window | None) -> None:
        if self._shown:
            number, _ = self._shown
            self._shown = None
            self._link.draw(lambda canvas: canvas.close(number))
        if window is not None:
            grey = self._colours[_GREY]
            size = (window.width, window.height)
            number = self._link.draw(lambda c: c.open(window.title, *size, grey))
            self._shown = number, window
            logger.info("= shows %r", window.title)

    def _take(self, happened: Input) -> None:
        if self._shown is None or happened.window != self._shown[0]:
            return
        _, window = self._shown
        match happened:
            case Exposed():
                wish = None
            case Pressed(_, x, y):
                wish = window.press(x, y)
            case Typed(_, text):
                wish = window.key(text)
        match wish:
            case Decision():
                self._decide(wish)
            case Login() if not self._entrance.sign_in(wish):
                if isinstance(window, SignInWindow):
                    window.trouble = WRONG
        if self._shown:
            self._paint(*self._shown)

    def _decide(self, decision: Decision) -> None:
        """One word is for every application of that name that waits."""
        assert self._shown is not None  # noqa: S101 - for the types
        client, (_, window) = self._program.client, self._shown
        if not isinstance(window, PermissionWindow):
            return
        if decision.remember:
            name = remembered(window.program)
            self._program.decisions[name] = decision.allowed
        for key, session in list(client.sessions.items()):
            if session.undecided and session.friendly_name == window.program:
                client.decide(key, allowed=decision.allowed)
        self._program.settle()

    def _paint(self, number: int, window: Window) -> None:
        def paint(canvas: Canvas) -> None:
            everything = (0, 0, window.width, window.height)
            canvas.fill(number, everything, self._colours[_GREY])
            for part in window.parts():
                self._paint_part(canvas, number, part)

        self._link.draw(paint)

    def _paint_part(self, canvas: Canvas, number: int, part: Part) -> None:
        black, white = self._colours[_BLACK], self._colours[_WHITE]
        blue = self._colours[_BLUE]
        match part:
            case Words(x, y, text):
                canvas.write(number, x, y, text, black)
            case Button(box, text):
                canvas.fill(number, _corners(box), blue)
                left = box.x + (box.width - _LETTER_WIDTH * len(text)) // 2
                canvas.write(number, left, box.y + box.height // 2 + 4, text, white)
            case Tick(box, text, ticked):
                mark = (box.x, box.y + 2, 13, 13)
                canvas.fill(number, mark, white)
                canvas.frame(number, mark, black)
                if ticked:
                    canvas.tick(number, mark, black)
                canvas.write(number, box.x + 20, box.y + 13, text, black)
            case Field(box, text, active):
                canvas.fill(number, _corners(box), white)
                canvas.frame(number, _corners(box), blue if active else black)
                cursor = "_" if active else ""
                canvas.write(number, box.x + 6, box.y + 16, text + cursor, black)


def _colour(rgb: tuple[int, int, int]) -> Callable[[Canvas], Asked[int]]:
    return lambda canvas: canvas.ask_colour(*rgb)


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.x, box.y, box.width, box.height
