"""Click-to-call: an extension is rung first; when it answers, it calls on a line.

From then on it is a call like any that a dialplan asks a line for.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import (
    AbsoluteTimeout,
    Getvar,
    Hangup,
    Originate,
    Originated,
)
from skypechan.call import address as addresses
from skypechan.call.causes import HangupCause
from skypechan.call.routes import Target
from skypechan.clock import Clock
from skypechan.errors import CommandError, LinkError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Click:
    """Who is to be rung, and whom it then calls.

    `line` is a name or ANY, RR, LRU; `ring_seconds` is for each of the two.
    """

    phone: Target
    line: str
    address: str
    ring_seconds: float


@dataclass(frozen=True, slots=True)
class Clicked:
    """A click that rings; `uniqueid` will be that of the call's record."""

    click: Click
    uniqueid: str


class ClickToCall:
    """Starts such calls, and tells in the log which extensions did not answer."""

    def __init__(self, link: AmiLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._ringing: dict[str, Click] = {}

    async def run(self) -> None:
        """Renew each second the leases of what rings, until cancelled.

        Without a gateway nobody could be called for whoever answers: the lease ends.
        """
        while True:
            await self._clock.sleep(dialplan.RENEW_S)
            for channel in list(self._ringing):
                await self._lease(channel, dialplan.LEASE_S)

    async def end_all(self) -> None:
        """Let nothing ring on."""
        for channel in list(self._ringing):
            with suppress(CommandError, LinkError):
                await self._link.send(Hangup(channel, int(HangupCause.NORMAL_CLEARING)))

    async def _lease(self, channel: str, seconds: int) -> None:
        with suppress(CommandError, LinkError):
            await self._link.send(AbsoluteTimeout(channel, seconds))

    async def ring(self, click: Click) -> Clicked:
        """Ring the extension.

        Raises LinkError without Asterisk, CommandError when there is no such
        extension or Asterisk refuses.
        """
        phone = click.phone
        place = f"DIALPLAN_EXISTS({phone.context},{phone.extension},1)"
        if (await self._link.send(Getvar(place))).value != "1":
            raise CommandError(f"Asterisk has no extension {phone}")
        line = f"{self._link.username}{dialplan.OF_LOGIN}{click.line}"
        ids = (f"skypechan-{uuid4()}-1", f"skypechan-{uuid4()}-2")
        originate = Originate(
            channel=f"Local/{phone}",
            context=dialplan.CLICK_CONTEXT,
            extension="s",
            codecs=dialplan.WIDE_FORMAT,
            timeout_ms=round(click.ring_seconds * 1000),
            unique_ids=ids,
            variables=(
                (dialplan.LEASE, str(dialplan.LEASE_S)),
                ("SKYPECHAN_CLICK", f"{line}/{addresses.encode(click.address)}"),
                ("SKYPECHAN_CLICK_FROM", dialplan.encode(phone.extension)),
                ("SKYPECHAN_CLICK_SECONDS", str(round(click.ring_seconds))),
            ),
            caller_id=f"<{dialplan.encode(click.address)}>",
        )
        self._ringing[ids[0]] = click
        try:
            await self._link.send(originate)
        except BaseException:
            self._ringing.pop(ids[0], None)
            raise
        return Clicked(click, ids[0])

    async def handle(self, event: Originated) -> None:
        """Learn whether the extension answered; an answered call needs no lease."""
        click = self._ringing.pop(event.uniqueid, None)
        if click is not None and event.success:
            await self._lease(event.uniqueid, dialplan.FOR_EVER_S)
        if click is not None and not event.success:
            _log.warning(
                "! %s did not answer: %s was not called", click.phone, click.address
            )

    def clear(self) -> None:
        """Forget what rings: the link is gone, nobody will tell how it ended."""
        self._ringing.clear()
