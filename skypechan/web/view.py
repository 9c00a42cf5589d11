"""The gateway as the web side sees it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol

from skypechan.asterisk.click import Clicked
from skypechan.call.record import CallRecord
from skypechan.call.routes import Target
from skypechan.gateway.feed import Feed
from skypechan.gateway.people import People
from skypechan.gateway.reloaded import Reloaded
from skypechan.gateway.screens import Screen
from skypechan.gateway.selftest import Verdict
from skypechan.gateway.snapshot import GatewaySnapshot


class GatewayView(Protocol):
    """What is to be shown, and the commands that an operator may give.

    A command returns False when there is no such line, or no such call that could.
    """

    feed: Feed
    people: People

    async def snapshot(self) -> GatewaySnapshot:
        """Return what the gateway looks like now."""

    def records(
        self, since: datetime | None = None, call: str = ""
    ) -> Sequence[CallRecord]:
        """Return records, newest last: of calls that ended since then, or of one."""

    def pause(self, name: str, *, when_idle: bool = True) -> bool:
        """Let a line take no more calls; without `when_idle` end the one it has."""

    def resume(self, name: str) -> bool:
        """Let a paused line take calls again."""

    def restart(self, name: str, *, when_idle: bool = True) -> bool:
        """Attach a line to its client anew; without `when_idle` end its call first."""

    def set_gain(
        self,
        name: str,
        *,
        playback_db: float | None = None,
        capture_db: float | None = None,
    ) -> bool:
        """Set gains of a line, also of its live call. Raises CommandError."""

    def screen(self, name: str) -> Screen:
        """Return the screen of a line's client.

        Raises CallError for a line that there is not, CommandError where it is kept.
        """

    def hangup(self, call_id: str) -> bool:
        """Ask a live call to end."""

    def hold_call(self, call_id: str) -> bool:
        """Ask the line leg of a call to rest."""

    def resume_call(self, call_id: str) -> bool:
        """Ask the line leg of a call to go on."""

    def audio_text(self, call_id: str) -> str | None:
        """Describe the audio chain of a live call; None if there is no such call."""

    def tap(self, call_id: str, path: Path | None, seconds: float = 600) -> bool:
        """Record a live call to a new WAV file; None ends it.

        Raises OSError for the file, CallError before the audio is joined.
        """

    async def click(self, selector: str, address: str, phone: Target | None) -> Clicked:
        """Ring `phone` (None: the line's own) and let it call an address on a line.

        Raises CallError when no line can take the call, LinkError without Asterisk,
        CommandError when it refuses.
        """

    async def drain(self, within_s: float) -> int:
        """Let no new call in, and stop when the last has ended or the time is up.

        Returns how many calls the stop has to end.
        """

    async def reload(self) -> Reloaded:
        """Read the configuration again and be as it says, without touching calls.

        Raises ConfigError, and then nothing has changed; CommandError when it stops.
        """

    async def self_test(self) -> Verdict:
        """Make a test call of some seconds. Raises CommandError while one runs."""

    @property
    def last_self_test(self) -> Verdict | None:
        """The verdict of the last self-test, if there was one."""
