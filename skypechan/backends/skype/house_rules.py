"""What we ask of a client when we come: how it shall behave as a telephone line.

A client that knows no such setting refuses it, which does no harm: old Linux clients
answer SILENT_MODE with ERROR 18. Clients are known to leave SILENT_MODE by
themselves; then it is said again, but no faster than the timing allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.protocol.commands import SetProperty
from skypechan.backends.skype.protocol.notifications import Notification, Setting
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.timing import Timing
from skypechan.clock import Clock

_ALWAYS: Final = (
    # Away is for people; and a telephone line has nothing to cancel or level.
    SetProperty("AUTOAWAY", value="OFF"),
    SetProperty("AGC", value="OFF"),
    SetProperty("AEC", value="OFF"),
)
_SILENT: Final = SetProperty("SILENT_MODE", value="ON")


class HouseRules:
    """Lays the rules down, and one of them again."""

    def __init__(
        self, talk: Conversation, settings: SkypeSettings, clock: Clock, timing: Timing
    ) -> None:
        self._talk = talk
        self._settings = settings
        self._clock = clock
        self._timing = timing
        self._due = False

    async def lay_down(self) -> None:
        """Say them all."""
        await self._talk.attempt(*self._rules())

    def take(self, notification: Notification) -> None:
        """Notice when the client leaves silent mode."""
        match notification:
            case Setting("SILENT_MODE", value) if value.strip().upper() == "OFF":
                if self._settings.silent_mode and not self._due:
                    self._due = True
                    self._talk.spawn(self._silence())

    def _rules(self) -> Iterator[SetProperty]:
        yield from _ALWAYS
        if self._settings.hide_window:
            yield SetProperty("WINDOWSTATE", value="HIDDEN")
        if self._settings.user_status != "keep":
            yield SetProperty("USERSTATUS", value=self._settings.user_status)
        if self._settings.silent_mode:
            yield _SILENT

    async def _silence(self) -> None:
        await self._clock.sleep(self._timing.house_rules_s)
        self._due = False
        await self._talk.attempt(_SILENT)
