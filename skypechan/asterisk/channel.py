"""The PBX leg: the Asterisk half of one call.

A leg begins in one of three ways: a dialplan waits in `skypechan.conf` for a line
(WAITING, see `waiting.py`), we have originated a Local channel (DIALLING, see
`originated.py`), or a contact's AudioSocket is already connected (CONNECTED). It ends
once, with one `PbxReleased`.

Who waits can hear the line before the answer (EARLY, see `early.py`). The answer goes
on with the same connection, or with another where the dialplan has a Dial of its own.

Until the AudioSocket channel exists the leg follows the channel that waits or was
originated; from then on only the AudioSocket channel, because Local channels optimise
themselves away as soon as the call is answered.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum
from uuid import UUID

from skypechan.asterisk import dialplan
from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import (
    BridgeEntered,
    Channel,
    ChannelBegan,
    ChannelEnded,
    DigitEnded,
    Event,
    Hangup,
    HoldChanged,
    PlayDtmf,
    UserEvent,
)
from skypechan.asterisk.audiosocket.server import AudioSocketServer, Connection
from skypechan.asterisk.causes import spoken, why_cancelled
from skypechan.asterisk.early import EarlyAudio
from skypechan.asterisk.hold import Hold
from skypechan.asterisk.introduction import Presence
from skypechan.asterisk.originated import OriginatedChannel
from skypechan.asterisk.waiting import WaitingChannel, ask
from skypechan.audio.audiosocket import DIGITS
from skypechan.call import events
from skypechan.call.causes import DialStatus, HangupCause, meaning
from skypechan.clock import Clock
from skypechan.errors import CallError, LinkError, LocalWireError

_log = logging.getLogger(__name__)

_CONNECT_S = 10.0
# A dialplan waits two seconds to be taken; who has gone on must not be pulled back.
_STALE_S = 1.5
_UNSAID_RING_S = 120
_DIGIT_MS = 120


class Phase(Enum):
    """Where a PBX leg stands."""

    WAITING = "waits in the dialplan"
    EARLY = "waits in the dialplan and hears the line"
    DIALLING = "is being originated"
    CONNECTED = "has its audio and waits for our answer"
    ANSWERING = "is answered and waits for its audio"
    UP = "has its audio"
    ENDED = "is over"


@dataclass(frozen=True, slots=True)
class LegDoors:
    """What a leg needs of the world; `presence` tells who we are to its dialplan."""

    presence: Callable[[], Presence]
    link: AmiLink
    server: AudioSocketServer
    clock: Clock
    spawn: Callable[[Coroutine[None, None, None]], None]


class PbxLeg:
    """One call at Asterisk.

    Methods raise LinkError when Asterisk cannot be reached and CallError when it no
    longer has the call. What happens to the leg goes to the sink of `report_to`.
    """

    def __init__(
        self,
        doors: LegDoors,
        audio_uuid: UUID,
        phase: Phase,
        channel: Channel,
        rate_hz: int | None = None,
        other_half: str = "",
    ) -> None:
        self.audio_uuid = audio_uuid
        self.phase = phase
        self.channel = channel
        self.audio_channel: Channel | None = None
        self.ring_seconds: float | None = None
        self.on_ended: Callable[[PbxLeg], None] | None = None
        self._presence = doors.presence
        self._link = doors.link
        self._server = doors.server
        self._clock = doors.clock
        self._spawn = doors.spawn
        self._began_connected = phase is Phase.CONNECTED
        self._began_s = doors.clock.monotonic_s()
        self._rate_hz = rate_hz
        self._waiting = WaitingChannel(
            doors.link,
            doors.clock,
            channel.uniqueid,
            str(audio_uuid),
            lambda: self.phase is Phase.ENDED,
            self.lose,
        )
        self._originated = OriginatedChannel(
            doors.link,
            doors.clock,
            doors.spawn,
            channel.uniqueid,
            other_half,
            lambda: self._report(events.PbxRinging()),
            self._end,
        )
        self._early = EarlyAudio(doors.link, doors.server, audio_uuid, self.connected)
        self.audio_uuids = (audio_uuid, self._early.uuid)  # the latter is heard early
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._hold = Hold()
        self._answered = False  # by us; the audio may be sooner than Asterisk's word
        self._ending: tuple[HangupCause, str] | None = None
        self._sink: events.EventSink | None = None
        self._unreported: list[events.Event] = []

    @property
    def uuid(self) -> str:
        """The UUID of the leg's audio."""
        return str(self.audio_uuid)

    @property
    def channels(self) -> tuple[str, ...]:
        """The unique ids of the leg's channels, as far as they are known."""
        known = (self.channel.uniqueid, self._originated.other_half, self._followed)
        return tuple(dict.fromkeys(one for one in known if one))

    def agree_rate(self, rate_hz: int) -> None:
        """Take note of the sample rate that the dialplan will ask for."""
        self._rate_hz = rate_hz

    def report_to(self, sink: events.EventSink) -> None:
        """Send the leg's events to a sink, beginning with those that waited."""
        self._sink = sink
        waiting, self._unreported = self._unreported, []
        for event in waiting:
            sink(event)

    # What a call asks of its leg.

    async def take(self) -> None:
        """Tell the waiting dialplan that the call is being placed."""
        async with self._lock:
            if self.phase is not Phase.WAITING:
                return
            if self._clock.monotonic_s() - self._began_s > _STALE_S:
                reason = "the dialplan waited too long"
                self._end(HangupCause.NETWORK_OUT_OF_ORDER, reason)
                raise CallError(HangupCause.NETWORK_OUT_OF_ORDER, reason)
            seconds = self.ring_seconds or _UNSAID_RING_S
            await self._waiting.take(seconds, self._presence())

    async def ring(self) -> None:
        """Let the caller hear ringing, and no longer the line."""
        async with self._lock:
            if self._waits:
                await self._ring()

    async def play_early(self) -> None:
        """Let the caller hear the line before the answer; `PbxEarlyMedia` follows.

        Where Asterisk has no means for that, the caller hears ringing.
        """
        async with self._lock:
            if self.phase is Phase.CONNECTED:  # Asterisk has answered the caller
                self._report(events.PbxEarlyMedia())
            if self.phase is not Phase.WAITING:
                return
            heard = await self._early.open(self._rate_hz)
            if self.phase is not Phase.WAITING:
                return
            if not heard:
                await self._ring()
                return
            await self._waiting.hear_early()
            if self.phase is Phase.WAITING:
                self.phase = Phase.EARLY
                self._report(events.PbxEarlyMedia())

    async def answer(self) -> None:
        """Answer the caller; `PbxAnswered` follows with the audio connection."""
        async with self._lock:
            if self.phase is Phase.CONNECTED:
                self._be_up()
            elif self._waits:
                before, self._answered = self.phase, True
                name = self._early.name if before is Phase.EARLY else ""
                self._server.expect(self.audio_uuid, _CONNECT_S, self.connected)
                await self._waiting.settle(
                    DialStatus.ANSWER, HangupCause.NORMAL_CLEARING, "answered", name
                )
                if self.phase is before:
                    self.phase = Phase.ANSWERING

    async def release(self, cause: HangupCause, reason: str = "") -> None:
        """End the leg whatever its state; harmless when it has ended.

        A waiting dialplan goes on with SKYPECHAN_STATUS and the cause set.
        """
        async with self._lock:
            if self._waits:
                await self._refuse(cause, reason)
            elif self.phase is not Phase.ENDED:
                await self._hang_up(cause, reason)

    async def send_digit(self, digit: str) -> None:
        """Let Asterisk receive a digit, as if the far end had pressed the key.

        Digits that come fast are queued and played one after another by Asterisk.
        """
        if digit not in DIGITS:
            raise LocalWireError(f"{digit!r} is no digit")
        if self.audio_channel is None:
            raise CallError(HangupCause.NORMAL_UNSPECIFIED, "the leg is not up")
        await ask(self._link, PlayDtmf(self.audio_channel.uniqueid, digit, _DIGIT_MS))

    @property
    def has_audio(self) -> bool:
        """Tell whether there is an audio connection that nobody has taken."""
        return self._connection is not None

    async def audio(self) -> Connection:
        """Hand over the audio connection of the leg; the taker closes it."""
        connection, self._connection = self._connection, None
        if connection is None:
            raise CallError(HangupCause.NORMAL_UNSPECIFIED, "the leg has no audio")
        fresh = connection.without_backlog(keep_digits=not self._began_connected)
        return dataclasses.replace(fresh, rate_hz=self._rate_hz or fresh.rate_hz)

    async def stay_alive(self) -> None:
        """Keep an originated call alive until its audio connection can tell our end."""
        await self._originated.stay_alive(
            lambda: self.phase is Phase.UP, lambda: self.phase is Phase.ENDED
        )

    async def wait_for_birth(self) -> None:
        """Return when Asterisk has begun the originated call, or soon after."""
        await self._originated.wait_for_birth()

    # What happens to the leg.

    def lose(self, reason: str) -> None:
        """End the leg here if only Asterisk's events could bring it any further."""
        if self.phase not in (Phase.UP, Phase.ENDED):
            if self._waits:
                self._spawn(self._waiting.let_go())
            self._end(HangupCause.NETWORK_OUT_OF_ORDER, reason)

    def connected(self, connection: Connection) -> None:
        """Take the audio connection."""
        if self.phase in (Phase.UP, Phase.ENDED):
            connection.socket.close()
            return
        self._drop_connection()  # one of early media that nobody came to play
        self._connection = connection
        if self._answered or self.phase is Phase.DIALLING:
            self._come_up()

    def handle(self, event: Event) -> None:
        """Take an AMI event that has to do with one of the leg's channels."""
        match event:
            case ChannelBegan(channel):
                self._channel_began(channel)
            case ChannelEnded(channel, cause):
                self._channel_ended(channel, cause)
            case BridgeEntered(channel, technology) if self._names(channel):
                self._hold_changed(self._hold.bridged(technology))
                if self._early.bridged(technology) and self._answered:
                    self._audio_bridged(channel)
            case HoldChanged(channel, held):
                self._hold_changed(self._hold.changed(channel, held))
            case DigitEnded(channel, digit, received=False) if self._is_audio(channel):
                self._report(events.PbxDigit(digit, by_ami=True))
            case UserEvent(dialplan.AUDIO_EVENT, _, fields):
                self.agree_rate(dialplan.rate_of(fields.get("format", "")))
                self._come_up()
            case UserEvent(dialplan.GIVEN_UP_EVENT) if self._waits:
                # The channel runs on in the operator's dialplan: hands off.
                self._end(HangupCause.NO_USER_RESPONSE, "the dialplan waited too long")
            case _ if self.phase is Phase.DIALLING:
                self._originated.handle(event)

    def compare(self, live: dict[str, Channel]) -> None:
        """Learn after a gap in the events which channels (by unique id) are left."""
        for channel in live.values():
            if self._names(channel) and not self._early.owns(channel):
                self.audio_channel = self.audio_channel or channel
        if self.channel.uniqueid in live:
            self._originated.began(self.channel)
        if self._connection is not None and self._rate_hz is None:
            # The event that tells the rate was missed; this one is always taken.
            self._rate_hz = dialplan.RATES_HZ[dialplan.NARROW_FORMAT]
            self._come_up()
        if self._followed not in live:
            self._end(
                HangupCause.NORMAL_UNSPECIFIED,
                "the call ended while there was no link to Asterisk",
            )
        self._hold_changed(self._hold.lost_sight())

    @property
    def _followed(self) -> str:
        """The unique id of the channel whose end is the end of the leg."""
        return (self.audio_channel or self.channel).uniqueid

    @property
    def _waits(self) -> bool:
        return self.phase in (Phase.WAITING, Phase.EARLY)

    def _names(self, channel: Channel) -> bool:
        return dialplan.audio_uuid(channel.name) in self.audio_uuids

    def _is_audio(self, channel: Channel) -> bool:
        audio = self.audio_channel
        return audio is not None and channel.uniqueid == audio.uniqueid

    def _channel_began(self, channel: Channel) -> None:
        if self._early.owns(channel):
            self._early.began(channel)
        elif self._names(channel):
            self.audio_channel = channel
        elif self.phase is Phase.DIALLING:
            self._originated.began(channel)

    def _channel_ended(self, channel: Channel, cause: int) -> None:
        is_followed = channel.uniqueid == self._followed
        if is_followed and self._ending is not None:
            self._end(*self._ending)
        elif self.phase is Phase.DIALLING and self.audio_channel is None:
            self._originated.ended(channel, cause)
        elif self._early.owns(channel) and not is_followed:
            self._early.ended()
        elif not is_followed:
            return
        elif self._waits or self.phase is Phase.ANSWERING:
            self._end(HangupCause.NORMAL_CLEARING, why_cancelled(cause))
        else:
            self._end(HangupCause.of(cause))

    def _hold_changed(self, event: events.Event | None) -> None:
        if self.phase is Phase.UP and event is not None:
            self._report(event)

    def _come_up(self) -> None:
        """Be up once there is a connection and its rate is known."""
        ready = self._connection is not None and self._rate_hz is not None
        if ready and self.phase not in (Phase.UP, Phase.ENDED):
            self._be_up()

    def _audio_bridged(self, channel: Channel) -> None:
        """Be up with the connection that was there before the answer.

        Bridge takes the channel over into one of another unique id.
        """
        if self.audio_channel is None and self.phase is not Phase.ENDED:
            self.audio_channel = channel
            self._server.forget(self.audio_uuid)
            self._be_up()

    def _be_up(self) -> None:
        self.phase = Phase.UP
        self._report(events.PbxAnswered())
        if self._hold.held:
            self._report(events.PbxHeld())

    def _end(self, cause: HangupCause, reason: str = "") -> None:
        if self.phase is Phase.ENDED:
            return
        self.phase = Phase.ENDED
        self._drop_connection()
        if self.on_ended is not None:
            self.on_ended(self)
        self._report(events.PbxReleased(cause, reason or meaning(cause).text))

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.socket.close()
            self._connection = None

    def _report(self, event: events.Event) -> None:
        if self._sink is None:
            self._unreported.append(event)
        else:
            self._sink(event)

    # Actions.

    async def _ring(self) -> None:
        self.phase = Phase.WAITING
        self._early.close()
        self._drop_connection()
        await self._waiting.ring()

    async def _refuse(self, cause: HangupCause, reason: str) -> None:
        self._ending = (cause, reason)
        try:
            await self._waiting.settle(meaning(cause).status, spoken(cause), reason)
        except CallError:
            _log.debug("= the caller of %s has gone already", self.uuid)
        finally:
            self._end(cause, reason)

    async def _hang_up(self, cause: HangupCause, reason: str) -> None:
        self._ending = (cause, reason)
        if self.phase is Phase.DIALLING:
            # A Hangup right behind the Originate finds no channel.
            await self.wait_for_birth()
        try:
            await ask(self._link, Hangup(self._followed, int(cause)))
        except CallError:
            self._end(cause, reason)
        except LinkError as error:  # its lease or its audio connection ends it
            self._end(HangupCause.NETWORK_OUT_OF_ORDER, str(error))
