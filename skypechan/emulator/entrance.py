"""Signing in by name and password, and what each account's user had remembered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skypechan.emulator.directory import HANDLE
from skypechan.emulator.profile import Profile
from skypechan.emulator.program import Program

WRONG: Final = "The Skype Name or the password is not right."
"""Guess: the words."""


@dataclass(frozen=True, slots=True)
class Login:
    """Who wants to sign in, and the password given."""

    name: str
    password: str

    def succeeds(self, password: str) -> bool:
        """True with a possible name and the right password; "" takes any."""
        right = self.password == password if password else bool(self.password)
        return right and HANDLE.fullmatch(self.name) is not None


class Entrance:
    """The way in for the client's user.

    `profile` is where decisions about programs are kept; None keeps them as long as
    the process lives. `tried` is who was turned away before any window could ask.
    """

    def __init__(
        self, program: Program, password: str, profile: Profile | None
    ) -> None:
        self._program = program
        self._password = password
        self._profile = profile
        self.tried: Login | None = None

    def recall(self) -> None:
        """Know what the account's user has decided."""
        if self._profile is not None:
            self._program.decisions = self._profile.decisions(
                self._program.client.account
            )

    def keep(self) -> None:
        """Write down what has been decided; the real client did so when it was quit."""
        if self._profile is not None and self._program.decisions:
            self._profile.save(self._program.client.account, self._program.decisions)

    def sign_in(self, login: Login) -> bool:
        """Sign somebody in; False for a wrong name or password."""
        if not login.succeeds(self._password):
            return False
        client = self._program.client
        if login.name != client.account:
            self.keep()
            client.account = login.name
            self.recall()
        client.sign_in()
        self._program.settle()
        return True
