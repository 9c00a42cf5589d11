"""Channels that Asterisk forgets to hang up.

A hangup that meets a Redirect is lost (seen with Asterisk 22): the channel, whose far
end has gone, would wait in our dialplan until its time is over.
"""

from __future__ import annotations

import logging

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import Channel, Getvar, Hangup
from skypechan.call.causes import HangupCause
from skypechan.clock import Clock

_log = logging.getLogger(__name__)

_LEAVING_S = 0.3


class Leaving:
    """The channels whose far end has gone and which have not ended yet."""

    def __init__(self, link: AmiLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._channels: set[str] = set()

    def began(self, channel: Channel) -> None:
        """Take note that the far end of a channel has gone."""
        self._channels.add(channel.uniqueid)

    def ended(self, channel: Channel) -> None:
        """Take note that a channel has ended."""
        self._channels.discard(channel.uniqueid)

    def clear(self) -> None:
        """Forget them: the link is gone, nobody will tell of their ends."""
        self._channels.clear()

    async def make_sure_of_end(self, channel: Channel) -> None:
        """Hang up a channel that waits all the same.

        One that is elsewhere, in an `h` for instance, is left in peace. Raises
        CommandError for one that has ended, LinkError without Asterisk.
        """
        await self._clock.sleep(_LEAVING_S)
        if channel.uniqueid not in self._channels:
            return
        self._channels.discard(channel.uniqueid)
        place = [
            (await self._link.send(Getvar(name, channel.uniqueid))).value
            for name in ("CONTEXT", "EXTEN")
        ]
        if tuple(place) in dialplan.WAITING_PLACES:
            _log.info("! %s is still there after its hangup", channel.name)
            cause = int(HangupCause.NORMAL_CLEARING)
            await self._link.send(Hangup(channel.uniqueid, cause))
