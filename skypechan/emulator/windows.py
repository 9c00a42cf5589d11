"""The client's windows: what is in them, and what pressing and typing there does.

Pure. A window is a list of parts with their places, in pixels from its upper left
corner; whoever shows it tells it what the user does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from skypechan.emulator.entrance import Login

_WIDTH: Final = 380
_LINE: Final = 18
_MOST_LETTERS: Final = 64
_SHOWN_LETTERS: Final = 52


@dataclass(frozen=True, slots=True)
class Box:
    """A place in a window."""

    x: int
    y: int
    width: int
    height: int

    def has(self, x: int, y: int) -> bool:
        """True for a point inside."""
        across, down = x - self.x, y - self.y
        return 0 <= across < self.width and 0 <= down < self.height

    @property
    def middle(self) -> tuple[int, int]:
        """Where a user aims."""
        return self.x + self.width // 2, self.y + self.height // 2


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text; `y` is where its letters stand."""

    x: int
    y: int
    text: str


@dataclass(frozen=True, slots=True)
class Button:
    """Something to press."""

    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Something to turn on and off; its text can be pressed too."""

    box: Box
    text: str
    ticked: bool


@dataclass(frozen=True, slots=True)
class Field:
    """Something to type into; `text` is what is seen."""

    box: Box
    text: str
    active: bool


Part = Words | Button | Tick | Field


@dataclass(frozen=True, slots=True)
class Decision:
    """The user's word on a program."""

    allowed: bool
    remember: bool


class Window(Protocol):
    """What whoever shows a window needs of it."""

    title: str
    width: int
    height: int

    def parts(self) -> tuple[Part, ...]:
        """What is to be seen, from back to front."""

    def press(self, x: int, y: int) -> Decision | Login | None:
        """The pointer's button went down here; what the user wants by it."""

    def key(self, text: str) -> Decision | Login | None:
        """A key went down: a character, or `\\b`, `\\t`, `\\r`."""


class PermissionWindow:
    """Another program wants to use Skype: allow or deny, and remember it or not."""

    title = "Skype API Security"
    width = _WIDTH
    height = 150

    def __init__(self, program: str) -> None:
        self.program = program
        self.remember = False

    def parts(self) -> tuple[Part, ...]:
        """See `Window`."""
        return (
            Words(16, 28, "Another program wants to use Skype:"),
            Words(16, 28 + _LINE, shown(self.program)),
            Tick(_REMEMBER, "Remember this selection", self.remember),
            Button(ALLOW, "Allow"),
            Button(DENY, "Deny"),
        )

    def press(self, x: int, y: int) -> Decision | None:
        """See `Window`."""
        if _REMEMBER.has(x, y):
            self.remember = not self.remember
        elif ALLOW.has(x, y):
            return Decision(allowed=True, remember=self.remember)
        elif DENY.has(x, y):
            return Decision(allowed=False, remember=self.remember)
        return None

    def key(self, text: str) -> Decision | None:  # noqa: ARG002 - no key decides this
        """No key allows a program: whoever is typing elsewhere means another window."""
        return None


class SignInWindow:
    """Name and password; `trouble` says what was wrong with the last ones."""

    title = "Skype - Sign in"
    width = _WIDTH
    height = 200

    def __init__(self, name: str = "", trouble: str = "") -> None:
        self.name = name
        self.password = ""
        self.trouble = trouble
        self._in_password = bool(name)

    def parts(self) -> tuple[Part, ...]:
        """See `Window`."""
        hidden = "*" * len(self.password)
        return (
            Words(16, 28, "Skype Name"),
            Field(NAME, shown(self.name), active=not self._in_password),
            Words(16, 78, "Password"),
            Field(PASSWORD, shown(hidden), active=self._in_password),
            Words(16, 134, self.trouble),
            Button(SIGN_IN, "Sign in"),
        )

    def press(self, x: int, y: int) -> Login | None:
        """See `Window`."""
        if SIGN_IN.has(x, y):
            return self._login()
        if NAME.has(x, y) or PASSWORD.has(x, y):
            self._in_password = PASSWORD.has(x, y)
        return None

    def key(self, text: str) -> Login | None:
        """See `Window`."""
        match text:
            case "\t":
                self._in_password = not self._in_password
            case "\r" if self._in_password or self.password:
                return self._login()
            case "\r":
                self._in_password = True
            case "\b":
                self._write(self._written[:-1])
            case _ if text.isprintable():
                self._write((self._written + text)[:_MOST_LETTERS])
        return None

    @property
    def _written(self) -> str:
        return self.password if self._in_password else self.name

    def _write(self, text: str) -> None:
        if self._in_password:
            self.password = text
        else:
            self.name = text

    def _login(self) -> Login:
        login = Login(self.name, self.password)
        self.password = ""
        return login


ALLOW: Final = Box(160, 108, 96, 28)
DENY: Final = Box(268, 108, 96, 28)
TICK: Final = Box(16, 68, 13, 13)
_REMEMBER: Final = Box(TICK.x, TICK.y - 2, 200, 18)
NAME: Final = Box(16, 34, 348, 24)
PASSWORD: Final = Box(16, 84, 348, 24)
SIGN_IN: Final = Box(268, 156, 96, 28)


def shown(text: str) -> str:
    """As much of a text as a line has room for."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _SHOWN_LETTERS else text[: _SHOWN_LETTERS - 3] + "..."
