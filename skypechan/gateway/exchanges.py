"""The Asterisks that the gateway serves, and which lines belong to which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from skypechan.asterisk.devices import Devices
from skypechan.asterisk.pbx import Pbx
from skypechan.gateway.line import Line


@dataclass(frozen=True, slots=True)
class Exchange:
    """One Asterisk: its calls and the lamps that it shows of its lines."""

    pbx: Pbx
    devices: Devices


class Exchanges:
    """Every Asterisk by its name; the first has lines that name none."""

    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self.first = exchanges[0]
        self._named = {one.pbx.name: one for one in exchanges}

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._named.values())

    def of(self, line: Line) -> Exchange:
        """Return the Asterisk that a line belongs to."""
        return self._named[line.settings.asterisk]
