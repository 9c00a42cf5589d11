"""The gateway as the web side sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from skypechan.call.record import CallRecord
from skypechan.gateway.snapshot import GatewaySnapshot


class GatewayView(Protocol):
    """Snapshots to show, and the commands that a page may give. Nothing waits."""

    def snapshot(self) -> GatewaySnapshot:
        """Return what the gateway looks like now."""

    def records(self) -> Sequence[CallRecord]:
        """Return the records of the last calls, newest last."""

    def hangup(self, call_id: str) -> bool:
        """Ask a live call to end; False if there is no such call."""
