"""A phone's subscription to an extension's state: the lamp beside a key (RFC 4235)."""

from __future__ import annotations

import asyncio
import re

from tests.doubles.sip_messages import Message

EVENT = "dialog"
ACCEPT = "application/dialog-info+xml"

_STATE = re.compile(r"<state>(\w+)</state>")
_HELD = '"+sip.rendering" pvalue="no"'


class Lamp:
    """What a lamp has shown so far: terminated, early, confirmed, and held."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.shown: list[str] = []
        self._news = asyncio.Event()

    def take(self, notify: Message) -> None:
        """Take a NOTIFY; one that ends the subscription shows nothing."""
        body = notify.body.decode("utf-8")
        found = _STATE.search(body)
        if found is not None:
            word = found[1]
            self.shown.append("held" if _HELD in body.replace("'", '"') else word)
        self._news.set()

    async def shows(self, word: str, seconds: float = 3) -> None:
        """Return once the lamp shows this; raises TimeoutError."""
        try:
            async with asyncio.timeout(seconds):
                while self.shown[-1:] != [word]:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            message = f"the lamp shows {self.shown}, and not {word} at last"
            raise TimeoutError(message) from None
