"""What AudioSocket can do in each release of Asterisk. Pure.

| since | 20 | 21 | 22 | 23 |
|---|---|---|---|---|
| AudioSocket channels with a codec | 18.0 | | | |
| digits, kind 0x03 | 20.14 | 21.9 | 22.4 | 23.0 |
| other rates than 8 kHz, kinds 0x11-0x18 | 20.17 | 21.12 | 22.7 | 23.1 |

Before the first row there is nothing to join; before the second a phone's digits come
by AMI alone; before the third every sample is taken for one of 8 kHz, whatever the
channel's codec (Asterisk: change logs, res_audiosocket.c of each release).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from skypechan.errors import CommandError

OLDEST = 18
ADVISED = "20.20, 22.10 or 23.4, or newer"

# The first release of each branch. Branches before and after have it never and always.
_DIGITS_SINCE = {20: (20, 14), 21: (21, 9), 22: (22, 4), 23: (23, 0)}
_WIDE_SINCE = {20: (20, 17), 21: (21, 12), 22: (22, 7), 23: (23, 1)}


@dataclass(frozen=True, slots=True)
class Version:
    """A release as Asterisk names it, such as 22.10.1 or 20.6.0~dfsg+~cs6.

    Of one that is not known, `text` empty or strange, only what every release can do
    is expected.
    """

    text: str

    @property
    def number(self) -> tuple[int, int] | None:
        """Branch and release, None for one that is not known."""
        found = re.search(r"(\d+)\.(\d+)", self.text)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def is_too_old(self) -> bool:
        """Tell whether its AudioSocket is of no use to us."""
        return self.number is not None and self.number[0] < OLDEST

    @property
    def has_digits(self) -> bool:
        """Tell whether AudioSocket carries digits; else AMI tells them."""
        return self._is_since(_DIGITS_SINCE)

    @property
    def has_wideband(self) -> bool:
        """Tell whether AudioSocket carries more than 8 kHz rightly."""
        return self._is_since(_WIDE_SINCE)

    @property
    def limits(self) -> str:
        """What it cannot do, in a sentence; empty where it can do everything."""
        return " and ".join(self._lacks())

    def require(self) -> None:
        """Raise CommandError, with the remedy, for a release that is of no use."""
        if self.is_too_old:
            raise CommandError(f"{self.limits}: use Asterisk {OLDEST} or newer")

    def _lacks(self) -> Iterator[str]:
        if self.is_too_old:
            yield f"Asterisk {self.text} has no AudioSocket with a choice of codec"
            return
        if self.number is None:
            yield "its release is not known"
        if not self.has_digits:
            yield "a phone's digits come by AMI only"
        if not self.has_wideband:
            yield "audio is 8 kHz only"

    def _is_since(self, releases: dict[int, tuple[int, int]]) -> bool:
        if self.number is None:
            return False
        branch, _ = self.number
        if branch in releases:
            return self.number >= releases[branch]
        return branch > max(releases)
