"""The Local channel that we originate, and how nobody comes to answer it.

Its other half runs the operator's dialplan, which dials whom it likes. All of that is
followed until the call is answered; from then on there is only the audio channel.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import (
    AbsoluteTimeout,
    Channel,
    DialEnded,
    DialProgress,
    Event,
    Originated,
    UserEvent,
)
from skypechan.asterisk.causes import DialledCauses
from skypechan.call.causes import HangupCause
from skypechan.clock import Clock
from skypechan.errors import CommandError, LinkError

_log = logging.getLogger(__name__)

_BIRTH_S = 3.0
_STRAGGLERS_S = 0.5


class OriginatedChannel:
    """One originated channel and its `other_half`, both by their unique ids.

    `on_ringing` is told once that somebody is rung, `on_failed` why nobody answered.
    """

    def __init__(
        self,
        link: AmiLink,
        clock: Clock,
        spawn: Callable[[Coroutine[None, None, None]], None],
        uniqueid: str,
        other_half: str,
        on_ringing: Callable[[], None],
        on_failed: Callable[[HangupCause], None],
    ) -> None:
        self.other_half = other_half
        self._link = link
        self._clock = clock
        self._spawn = spawn
        self._uniqueid = uniqueid
        self._on_ringing = on_ringing
        self._on_failed = on_failed
        self._born = asyncio.Event()
        self._rang = False
        self._causes = DialledCauses()
        self._own_cause: int | None = None
        self._other_half_ended = False

    async def wait_for_birth(self) -> None:
        """Return when Asterisk has begun it, or soon after.

        Asterisk starts an originated call in a thread of its own.
        """
        try:
            async with asyncio.timeout(_BIRTH_S):
                await self._born.wait()
        except TimeoutError:
            _log.warning("! %s: Asterisk has not begun the call yet", self._uniqueid)

    async def stay_alive(
        self, is_up: Callable[[], bool], is_over: Callable[[], bool]
    ) -> None:
        """Renew its lease until the call is up, then let it live for ever."""
        await self.wait_for_birth()
        while not is_over():
            lives_on = is_up()
            seconds = dialplan.FOR_EVER_S if lives_on else dialplan.LEASE_S
            with suppress(LinkError):
                with suppress(CommandError):  # it ended, or went its way as the audio
                    await self._link.send(AbsoluteTimeout(self._uniqueid, seconds))
                if lives_on:
                    return
            await self._clock.sleep(dialplan.RENEW_S)

    def began(self, channel: Channel) -> None:
        """Take note of it, or of a channel that its dialplan has dialled."""
        if channel.uniqueid == self._uniqueid:
            self._born.set()
        elif channel.uniqueid != self.other_half:
            self._causes.leg_began(channel.uniqueid)

    def ended(self, channel: Channel, cause: int) -> None:
        """Take the end of one of these channels, none of which was answered."""
        if channel.uniqueid == self.other_half:
            self._other_half_ended = True
        elif channel.uniqueid == self._uniqueid:
            self._own_cause = cause
        else:
            self._causes.leg_ended(channel.uniqueid, cause)
        if self._own_cause is None:
            return
        if self._other_half_ended and self._causes.complete:
            self._on_failed(self._causes.of_call(self._own_cause))
        elif channel.uniqueid == self._uniqueid:
            self._spawn(self._fail_soon(self._own_cause))

    def handle(self, event: Event) -> None:
        """Take what else an AMI event tells of the dialling."""
        match event:
            case DialProgress(status="RINGING"):
                if not self._rang:
                    self._on_ringing()
                self._rang = True
            case DialEnded(channel, status) if channel.uniqueid != self._uniqueid:
                self._causes.dial_ended(status)
            case Originated(_, success=False) if not self._born.is_set():
                self._spawn(self._fail_soon(HangupCause.NO_ROUTE))
            case UserEvent(dialplan.MISSED_EVENT, _, fields):
                self._causes.missed(fields.get("status", ""), fields.get("cause", ""))

    async def _fail_soon(self, own_cause: int) -> None:
        """Wait for the dialled legs and the half that ran the dialplan: they know why.

        Events of different channels come in any order; and an `h` extension may keep
        that half for long.
        """
        await self._clock.sleep(_STRAGGLERS_S)
        self._on_failed(self._causes.of_call(own_cause))
