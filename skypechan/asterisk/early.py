"""Early media: an audio channel that an unanswered caller hears.

AudioSocket's driver answers, so the caller cannot be connected to it directly. The
channel that is originated here speaks into a holding bridge (`skypechan-early` in
`skypechan.conf`), where the caller is moved to; nothing of the caller is heard there.
The answer joins the two in an ordinary bridge, over the same connection.
"""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import Channel, Originate
from skypechan.asterisk.audiosocket.server import AudioSocketServer, OnConnected
from skypechan.asterisk.waiting import ask
from skypechan.errors import CallError

_OPEN_S = 1.0


class EarlyAudio:
    """The early audio channel of one call; `name` is empty while it is not there.

    Its UUID is not that of the call: the answer may bring another channel, and of two
    with one name Asterisk shows none.
    """

    def __init__(
        self,
        link: AmiLink,
        server: AudioSocketServer,
        call: UUID,
        on_connected: OnConnected,
    ) -> None:
        self.name = ""
        self.uuid = uuid4()
        self._link = link
        self._server = server
        self._call = call
        self._on_connected = on_connected
        self._uniqueid = f"skypechan-{self.uuid}-early"
        self._heard: asyncio.Future[bool] | None = None

    async def open(self, rate_hz: int | None) -> bool:
        """Have it speak into the bridge; False if that does not come about.

        Raises LinkError without Asterisk.
        """
        self._server.expect(self.uuid, _OPEN_S, self._on_connected)
        audio_format = dialplan.format_of(rate_hz)
        call = Originate(
            channel=f"AudioSocket/{self._server.advertised}/{self.uuid}/c({audio_format})",
            context=dialplan.EARLY_CONTEXT,
            extension="s",
            codecs=audio_format,
            timeout_ms=round(_OPEN_S * 1000),
            unique_ids=(self._uniqueid, ""),
            variables=((dialplan.UUID_OF_CALL, str(self._call)),),
        )
        self._heard = asyncio.get_running_loop().create_future()
        try:
            await ask(self._link, call)
            async with asyncio.timeout(_OPEN_S):
                return await self._heard
        except (CallError, TimeoutError):
            return False
        finally:
            self._heard = None

    def close(self) -> None:
        """Take no connection of it any more."""
        self._server.forget(self.uuid)

    def owns(self, channel: Channel) -> bool:
        """Tell whether it is this channel."""
        return channel.uniqueid == self._uniqueid

    def began(self, channel: Channel) -> None:
        """Take note that the channel is there."""
        self.name = channel.name

    def ended(self) -> None:
        """Take note that the channel is gone."""
        self.name = ""
        self._tell(False)

    def bridged(self, technology: str) -> bool:
        """Take note of a bridge that it is in; True if that is one of two channels."""
        if technology != dialplan.HOLDING:
            return True
        self._tell(True)
        return False

    def _tell(self, heard: bool) -> None:
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(heard)
