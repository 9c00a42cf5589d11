"""Has Asterisk make calls in number, by its own means, and hears of their ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

from skypechan.asterisk.ami.link import AmiLink, LinkState
from skypechan.asterisk.ami.messages import ChannelEnded, Event, Hangup, Originate
from skypechan.clock import SystemClock
from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.errors import CommandError
from tests.doubles.pbx_driver import settings_for
from tests.doubles.waiting import Changes

LOGIN = """
[operator]
secret = @AMI_SECRET@
read = call
write = call,originate
"""
"""What manager.conf needs beside the sample."""

DIALPLAN = """
[soak]
exten => talk,1,Answer()
 same => n,Milliwatt()
exten => brief,1,Hangup(16)
exten => line,1,Gosub(skypechan,dial,1(RR/echo,30))
 same => n,Hangup(${SKYPECHAN_CAUSE})
"""
"""What extensions.conf needs beside the sample."""

MODULES = "load = app_milliwatt.so\n"
"""What modules.conf needs beside the sample."""


class Caller:
    """Calls `echo` on the lines by turns. Channels are named by their unique ids.

    `rung` calls were made to be hung up when there is an answer.
    """

    def __init__(self, asterisk: LocalAsterisk) -> None:
        settings = settings_for(asterisk, ami_username="operator")
        self._link = AmiLink(settings, SystemClock())
        self._changes = Changes()
        self._numbers = count(1)
        self._live: set[str] = set()
        self.rung = 0
        self._link.on_state = self._changes.notify
        self._link.on_event = self._take

    def _take(self, event: Event) -> None:
        if isinstance(event, ChannelEnded):
            self._live.discard(event.channel.uniqueid)
            self._changes.notify()

    async def talk(self) -> str:
        """Call, and talk when there is an answer, a tone each way."""
        return await self._call("talk")

    async def ring(self) -> str:
        """Call, and hang up when there is an answer."""
        channel = await self._call("brief")
        self.rung += 1
        return channel

    async def _call(self, extension: str) -> str:
        number = next(self._numbers)
        ids = (f"caller-{number}-1", f"caller-{number}-2")
        self._live.update(ids)
        line = "Local/line@soak"
        await self._link.send(Originate(line, "soak", extension, "slin16", 30_000, ids))
        return ids[0]

    async def hang_up(self, channel: str) -> None:
        """End a call; harmless when it has ended."""
        try:
            await self._link.send(Hangup(channel, 16))
        except CommandError:
            return

    async def all_ended(self, within_s: float) -> None:
        """Return when no channel of our calls is left; raises TimeoutError."""
        await self._changes.until(lambda: not self._live, within_s, "end of all calls")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Be there meanwhile."""
        task = asyncio.create_task(self._link.run())
        try:
            await self._changes.until(
                lambda: self._link.state is LinkState.UP, 10, "operator's AMI link"
            )
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
