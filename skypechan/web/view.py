"""The gateway as the web side sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from skypechan.asterisk.click import Clicked
from skypechan.call.record import CallRecord
from skypechan.call.routes import Target
from skypechan.gateway.selftest import Verdict
from skypechan.gateway.snapshot import GatewaySnapshot


class GatewayView(Protocol):
    """Snapshots to show, and the commands that a page may give."""

    def snapshot(self) -> GatewaySnapshot:
        """Return what the gateway looks like now."""

    def records(self) -> Sequence[CallRecord]:
        """Return the records of the last calls, newest last."""

    def hangup(self, call_id: str) -> bool:
        """Ask a live call to end; False if there is no such call."""

    async def click(self, selector: str, address: str, phone: Target | None) -> Clicked:
        """Ring `phone` (None: the line's own) and let it call an address on a line.

        Raises CallError when no line can take the call, LinkError without Asterisk,
        CommandError when it refuses.
        """

    async def self_test(self) -> Verdict:
        """Make a test call of some seconds. Raises CommandError while one runs."""

    @property
    def last_self_test(self) -> Verdict | None:
        """The verdict of the last self-test, if there was one."""
