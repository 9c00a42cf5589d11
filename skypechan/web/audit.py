"""What is done is noted, in the log and in the event feed: by whom, to what."""

from __future__ import annotations

import logging

from skypechan.gateway.feed import Feed, Kind
from skypechan.log import legible
from skypechan.web.operations import Asked

_log = logging.getLogger(__name__)

_MOST_LOGGED = 200  # characters of an act


def note(
    feed: Feed, asked: Asked, what: str, *, line: str = "", call: str = ""
) -> None:
    """Note what somebody has done, to a line or a call if it was done to one."""
    by = asked.by
    about = f" {call or line}" if call or line else ""
    _log.info("= %s %s%s", by, legible(what[:_MOST_LOGGED]), about)
    feed.note(Kind.OPERATOR, f"{by} {what}", line=line, call=call, by=by)
