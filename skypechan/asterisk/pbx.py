"""The dispatcher between Asterisk and the calls.

It keeps AMI and AudioSocket alive, tells Asterisk where we are each time the link
comes up, turns dialplan events into requests for a line, originates calls, and brings
every AMI event to the legs it concerns.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from skypechan.asterisk import dialplan, introduction
from skypechan.asterisk.ami.link import BRIEF_S, AmiLink, LinkState
from skypechan.asterisk.ami.messages import (
    BridgeEntered,
    Channel,
    ChannelBegan,
    ChannelEnded,
    ChannelLeaving,
    DialEnded,
    DialProgress,
    DigitEnded,
    Event,
    Getvar,
    HoldChanged,
    Originate,
    Originated,
    Status,
    UserEvent,
    parse_channel,
)
from skypechan.asterisk.audiosocket.server import AudioSocketServer
from skypechan.asterisk.cdr import CallDetails
from skypechan.asterisk.channel import LegDoors, PbxLeg, Phase
from skypechan.asterisk.click import ClickToCall
from skypechan.asterisk.contacts import Contact, ContactCall, ContactDoor, Contacts
from skypechan.asterisk.dialplan import Origination
from skypechan.asterisk.introduction import Presence
from skypechan.asterisk.leaving import Leaving
from skypechan.asterisk.register import LegRegister
from skypechan.asterisk.versions import Version
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.clock import Backoff, Clock
from skypechan.errors import (
    CallError,
    CommandError,
    LinkError,
    RemoteWireError,
    SkypechanError,
)

_log = logging.getLogger(__name__)

_SET_UP_AGAIN_S = 1.0
# The gateway's own ring timer comes first; this one ends a call that it forgot.
_ORIGINATE_GRACE_S = 5.0


class PbxState(StrEnum):
    """Whether calls can go through Asterisk, and if not, why."""

    LINK_DOWN = "link_down"
    LINK_REFUSED = "link_refused"
    NOT_READY = "not_ready"  # the link is up, but the dialplan or a right is missing
    READY = "ready"


@dataclass(frozen=True, slots=True)
class PbxRequest:
    """Somebody at the PBX wants a line.

    `line` is a name or ANY, RR, LRU; several `addresses` are a conference. `caller` and
    `caller_name` are as the phone says: text of any content. `contact` is true for the
    plain form, where Asterisk has answered the caller already.
    """

    leg: PbxLeg
    line: str
    addresses: tuple[str, ...]
    ring_seconds: float | None
    caller: str
    caller_name: str
    uniqueid: str
    linkedid: str
    sip_call_id: str
    contact: bool

    @property
    def uuid(self) -> str:
        """The UUID of the leg's audio."""
        return self.leg.uuid

    @property
    def address(self) -> str:
        """What is called, in one text."""
        return ", ".join(self.addresses)


class Pbx:
    """An Asterisk, as the gateway sees it; `name` tells it from others, if there are.

    `on_request` gets each request for a line; `on_state` is told of each change of
    state. Both must return at once. Where the gateway is not `alone` at this Asterisk,
    `has_line` tells the requests that it hears of from those that are for others.
    """

    def __init__(
        self,
        link: AmiLink,
        server: AudioSocketServer,
        clock: Clock,
        contacts: Mapping[str, Contact] | None = None,
        *,
        name: str = "",
        alone: bool = True,
    ) -> None:
        self.name = name
        self.state = PbxState.LINK_DOWN
        self.reason = link.reason
        self.since: datetime = clock.wall()
        self.version = Version("")
        self.on_request: Callable[[PbxRequest], None] | None = None
        self.on_state: Callable[[], None] | None = None
        self.has_line: Callable[[str], bool] = lambda _: True
        self._alone = alone
        self._link = link
        self._server = server
        self._clock = clock
        self._process = uuid4().hex
        self._doors = LegDoors(self._presence, link, server, clock, self._spawn)
        self._contact_door = ContactDoor(self._contact_called)
        self._contacts = Contacts(server, self._contact_door.connected)
        self._contacts.set(contacts or {})
        self.clicks = ClickToCall(link, clock)
        self.details = CallDetails(link, self._spawn)
        self._register = LegRegister()
        self._leaving = Leaving(link, clock)
        self._link_changed = asyncio.Event()
        self._set_ups = 0
        self._tasks: asyncio.TaskGroup | None = None
        link.on_event = self.handle
        link.on_state = self._link_state_changed

    @property
    def legs(self) -> frozenset[PbxLeg]:
        """The legs that live."""
        return self._register.all

    @property
    def refused_sockets(self) -> Mapping[str, int]:
        """How many audio connections were closed without a call, by reason."""
        return {why.value: times for why, times in self._server.rejected.items()}

    async def run(self) -> None:
        """Keep everything towards Asterisk alive until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._server.run(), name="AudioSocket server")
            tasks.create_task(self._set_up_for_ever(), name="Asterisk set-up")
            tasks.create_task(self.clicks.run(), name="click-to-call")
            tasks.create_task(self._link.run(), name="AMI link")

    async def originate(self, origination: Origination, sink: EventSink) -> PbxLeg:
        """Let Asterisk start its leg of a call from a line.

        Raises LinkError without Asterisk, CallError when it refuses.
        """
        uuid = uuid4()
        wait_s = origination.ring_seconds + _ORIGINATE_GRACE_S
        ids = (f"skypechan-{uuid}-1", f"skypechan-{uuid}-2")
        leg = self._begin(
            uuid, Phase.DIALLING, Channel("", ids[0], ids[0]), other_half=ids[1]
        )
        leg.report_to(sink)
        self._server.expect(uuid, wait_s, leg.connected)
        try:
            await self._link.send(
                Originate(
                    channel=dialplan.INBOUND,
                    context=dialplan.AUDIO_CONTEXT,
                    extension="s",
                    codecs=self._best_format,
                    timeout_ms=round(wait_s * 1000),
                    unique_ids=ids,
                    variables=dialplan.variables_of(
                        origination, uuid, str(self._server.advertised)
                    ),
                )
            )
        except CommandError as error:
            self._drop(leg)
            raise CallError(HangupCause.TEMPORARY_FAILURE, str(error)) from error
        except LinkError:
            self._drop(leg)
            raise
        self._spawn(leg.stay_alive())
        return leg

    @property
    def _best_format(self) -> str:
        wide = self.version.has_wideband
        return dialplan.WIDE_FORMAT if wide else dialplan.NARROW_FORMAT

    # Legs and the events that concern them.

    def _begin(
        self,
        uuid: UUID,
        phase: Phase,
        channel: Channel,
        rate_hz: int | None = None,
        other_half: str = "",
    ) -> PbxLeg:
        leg = PbxLeg(self._doors, uuid, phase, channel, rate_hz, other_half)
        leg.on_ended = self._drop
        self._register.add(
            leg, channel.uniqueid, channel.linkedid, *map(str, leg.audio_uuids)
        )
        return leg

    def _drop(self, leg: PbxLeg) -> None:
        self._register.drop(leg)
        for uuid in leg.audio_uuids:
            if self._contacts.of(uuid) is None:
                self._server.forget(uuid)

    def handle(self, event: Event) -> None:
        """Take an AMI event."""
        match event:
            case UserEvent(dialplan.CALL_EVENT):
                self._line_wanted(event)
            case UserEvent(name, _, fields) if name in dialplan.LEG_EVENTS:
                self._tell(event, fields.get("uuid", ""))
            case ChannelBegan(channel):
                self._contact_door.channel_seen(channel)
                self._channel_began(event, channel)
            case ChannelEnded(channel):
                self._leaving.ended(channel)
                self._contact_door.channel_ended(channel)
                self._tell(event, channel.uniqueid, channel.linkedid)
            case ChannelLeaving(channel):
                self._channel_leaving(channel)
            case DigitEnded(channel) if not self.version.has_digits:
                self._tell(event, channel.uniqueid)
            case DialProgress(channel) | DialEnded(channel) | HoldChanged(channel):
                self._tell(event, channel.uniqueid, channel.linkedid)
            case BridgeEntered(channel):
                self._bridge_entered(event, channel)
            case Originated(uniqueid):
                self._spawn(self.clicks.handle(event))
                self._tell(event, uniqueid)

    def _tell(self, event: Event, *keys: str) -> None:
        for leg in self._register.of(*keys):
            leg.handle(event)

    def _channel_began(self, event: ChannelBegan, channel: Channel) -> None:
        uuid = dialplan.audio_uuid(channel.name)
        contact = self._contacts.of(uuid)
        if contact is not None:
            if self._may_have_dialled_us(channel):
                self._contact_door.channel_began(contact, channel)
            return
        self._tell(event, channel.linkedid, str(uuid))
        self._audio_seen(channel, uuid)

    def _audio_seen(self, channel: Channel, uuid: UUID | None) -> None:
        for leg in self._register.of(str(uuid)):
            self._register.add(leg, channel.uniqueid)

    def _bridge_entered(self, event: BridgeEntered, channel: Channel) -> None:
        """Follow an audio channel that another bridge has taken over."""
        uuid = dialplan.audio_uuid(channel.name)
        if uuid is not None and self._contacts.of(uuid) is None:
            self._audio_seen(channel, uuid)
            self._tell(event, channel.uniqueid)

    def _channel_leaving(self, channel: Channel) -> None:
        if self._register.of(channel.uniqueid):
            self._leaving.began(channel)
            self._spawn(self._leaving.make_sure_of_end(channel))

    def _line_wanted(self, event: UserEvent) -> None:
        channel = event.channel
        try:
            uuid = dialplan.parse_uuid(event.fields.get("uuid", ""))
        except RemoteWireError as error:
            _log.warning("! %s from %s: %s", event.name, channel.name, error)
            return
        try:
            wanted = dialplan.parse_wanted(event)
        except RemoteWireError as error:
            _log.warning("! %s from %s: %s", event.name, channel.name, error)
            if self._alone:
                leg = self._begin(uuid, Phase.WAITING, channel)
                self._refuse(leg, HangupCause.INVALID_NUMBER, str(error))
            return
        if not self._is_meant(wanted):
            return
        leg = self._begin(uuid, Phase.WAITING, channel)
        leg.agree_rate(wanted.rate_hz)
        leg.ring_seconds = wanted.ring_seconds
        self._request(
            PbxRequest(
                leg=leg,
                line=wanted.line,
                addresses=wanted.addresses,
                ring_seconds=wanted.ring_seconds,
                caller=channel.caller,
                caller_name=channel.caller_name,
                uniqueid=channel.uniqueid,
                linkedid=channel.linkedid,
                sip_call_id=wanted.sip_call_id,
                contact=False,
            )
        )

    def _is_meant(self, wanted: dialplan.Wanted) -> bool:
        if wanted.login:
            return wanted.login == self._link.username
        return self._alone or self.has_line(wanted.line)

    def _request(self, request: PbxRequest) -> None:
        if self.on_request is None:
            self._refuse(
                request.leg, HangupCause.NETWORK_OUT_OF_ORDER, "no gateway is running"
            )
            return
        self.on_request(request)

    def _refuse(self, leg: PbxLeg, cause: HangupCause, reason: str) -> None:
        self._spawn(leg.release(cause, reason))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        if self._tasks is None:
            work.close()  # no events come before `run`
        else:
            task = self._tasks.create_task(_guarded(work))
            # A task that is cancelled before its first step never gets to its work.
            task.add_done_callback(lambda _: work.close())

    # Contacts: the plain form.

    def know(self, contacts: Mapping[str, Contact]) -> None:
        """Have other contacts from now on; calls that live go on."""
        if contacts != self._contacts.named:
            self._contacts.set(contacts)
            variables = self._contacts.variables(self._link.username)
            self._spawn(introduction.tell(self._link, variables))

    def _may_have_dialled_us(self, channel: Channel) -> bool:
        """Tell whether the audio of a channel with a contact's UUID may be for us.

        Another gateway may have a contact of the same UUID. A dialplan may write our
        address by name and the name by address: then only the ports tell.
        """
        place = dialplan.audio_place(channel.name)
        return self._alone or place is None or place.may_be(self._server.advertised)

    def _contact_called(self, call: ContactCall) -> None:
        channel, contact, caller = call.channel, call.contact, call.caller
        rate_hz = dialplan.RATES_HZ[self._best_format]
        leg = self._begin(contact.uuid, Phase.CONNECTED, channel, rate_hz)
        leg.audio_channel = channel
        leg.connected(call.connection)
        self._request(
            PbxRequest(
                leg=leg,
                line=contact.line,
                addresses=(contact.address,),
                ring_seconds=None,
                caller=caller.caller,
                caller_name=caller.caller_name,
                uniqueid=channel.uniqueid,
                linkedid=channel.linkedid,
                sip_call_id="",
                contact=True,
            )
        )

    # The link.

    def _link_state_changed(self) -> None:
        if self._link.state is LinkState.DOWN:
            self._set_state(PbxState.LINK_DOWN, self._link.reason)
        elif self._link.state is LinkState.REFUSED:
            self._set_state(PbxState.LINK_REFUSED, self._link.reason)
        self._contact_door.clear()
        self.clicks.clear()
        self.details.clear()
        self._leaving.clear()
        self._link_changed.set()

    async def _lose_legs(self) -> None:
        """End what cannot go on without AMI, unless it soon comes back.

        When Asterisk has died, nothing else tells a call that has no audio yet.
        """
        set_ups = self._set_ups
        await self._clock.sleep(BRIEF_S)
        if self._link.state is LinkState.UP or set_ups != self._set_ups:
            return
        for leg in self.legs:
            leg.lose(f"the link to Asterisk was lost: {self._link.reason}")

    async def _set_up_for_ever(self) -> None:
        """Tell Asterisk where we are whenever the link comes up."""
        while True:
            await self._link_changed.wait()
            self._link_changed.clear()
            if self._link.state is not LinkState.UP:
                self._spawn(self._lose_legs())
            # AMI answers before Asterisk has read its dialplan.
            backoff = Backoff(most_s=_SET_UP_AGAIN_S)
            while self._link.state is LinkState.UP and not await self._set_up():
                await self._clock.sleep(backoff.next_s())

    async def _set_up(self) -> bool:
        """Tell whether Asterisk knows all it must."""
        try:
            self.version = await introduction.learn_version(self._link)
            self.version.require()
            await introduction.check_dialplan(self._link)
            await introduction.tell(self._link, self._globals())
            await self._compare_legs()
        except (CommandError, LinkError) as error:
            if self._link.state is LinkState.UP:
                self._set_state(PbxState.NOT_READY, str(error))
            return False
        self._set_state(PbxState.READY, self.version.limits)
        self._set_ups += 1
        return True

    def _globals(self) -> dict[str, str]:
        """Return what every dialplan must know of us."""
        contacts = self._contacts.variables(self._link.username)
        best = {dialplan.WIDEBAND: self._best_format}
        return contacts | self._presence().of_all() | best

    def _presence(self) -> Presence:
        socket = str(self._server.advertised)
        return Presence(self._process, self._link.username, socket)

    async def _compare_legs(self) -> None:
        """End the legs whose channels went away while we could not see it."""
        known = self.legs
        status = await self._link.send(Status())
        channels = [
            parse_channel(item)
            for item in status.items
            if item.get("event") == "Status"
        ]
        live = {channel.uniqueid: channel for channel in channels}
        for leg in known & self.legs:
            leg.compare(live)
            if leg.audio_channel is not None and leg in self.legs:
                self._register.add(leg, leg.audio_channel.uniqueid)
            if leg.phase in (Phase.WAITING, Phase.EARLY):
                await self._compare_waiting(leg)

    async def _compare_waiting(self, leg: PbxLeg) -> None:
        """Let go of a caller whose dialplan has given us up in the meantime."""
        with suppress(CommandError):  # it has just ended: that is told
            taken_by = Getvar(dialplan.TAKEN_BY, leg.channel.uniqueid)
            if (await self._link.send(taken_by)).value != self._process:
                leg.lose("the dialplan went on while there was no link to Asterisk")

    def _set_state(self, state: PbxState, reason: str) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        if state is not self.state:
            self.since = self._clock.wall()
        self.state, self.reason = state, reason
        name = f"Asterisk {self.name}".strip()
        _log.info("= %s %s%s", name, state.value, reason and f": {reason}")
        if self.on_state is not None:
            self.on_state()


async def _guarded(work: Coroutine[None, None, None]) -> None:
    """Let nothing that goes wrong with one call end the others."""
    try:
        await work
    except SkypechanError as error:
        # Mostly a channel that ended in the meantime.
        _log.debug("! a call could not be settled: %s", error)
    except Exception:  # noqa: BLE001 - a fault of ours in one call
        _log.exception("! a call could not be settled")
