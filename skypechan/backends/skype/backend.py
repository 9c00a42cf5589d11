"""The Skype backend: keeps one client attached and publishes its line's state."""

from __future__ import annotations

import asyncio
import logging

from skypechan.backends.base import (
    Capabilities,
    ContactAnsweredSink,
    ContactRequest,
    ContactRequestSink,
    LineLeg,
    LineObserver,
    LineState,
    Message,
    MessageSink,
    Money,
    Offer,
    Presence,
)
from skypechan.backends.skype.calls import Calls
from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.deadline import within
from skypechan.backends.skype.leg import SkypeLeg
from skypechan.backends.skype.protocol.attachment import AttachState
from skypechan.backends.skype.protocol.commands import GetProperty
from skypechan.backends.skype.protocol.values import ConnectionStatus
from skypechan.backends.skype.service import Service
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.soundports import Loopback
from skypechan.backends.skype.timing import Timing
from skypechan.backends.skype.transport import (
    Client,
    Transport,
    TransportFactory,
)
from skypechan.backends.skype.transports import transport_factory
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.clock import Backoff, Clock
from skypechan.errors import CallError, DeadlineError, LinkDownError, LinkError

_log = logging.getLogger(__name__)

_WHO_AND_WHERE = (GetProperty("CONNSTATUS"), GetProperty("CURRENTUSERHANDLE"))
_PINGS_TO_DEGRADE = 2
_SIGNED_OUT = frozenset({ConnectionStatus.OFFLINE, ConnectionStatus.LOGGED_OUT})


class SkypeBackend:
    """One Skype client. Raises ConfigError for settings that it cannot serve."""

    def __init__(
        self,
        settings: SkypeSettings,
        clock: Clock,
        open_transport: TransportFactory | None = None,
        timing: Timing | None = None,
        wire: logging.Logger = _log,
        loopback: Loopback | None = None,
    ) -> None:
        self.wire = wire
        self._settings = settings
        self._clock = clock
        self._open_transport = open_transport or transport_factory(settings)
        self._timing = timing or Timing()
        self._loopback = loopback
        self.on_message: MessageSink = _log_message
        self.on_contact_request: ContactRequestSink = _log_contact_request
        self.on_contact_answered: ContactAnsweredSink = _log_contact_answered
        self._service: Service | None = None
        self._observer: LineObserver | None = None
        self._state = LineState.STARTING
        self._reason = ""
        self._account = ""

    @property
    def capabilities(self) -> Capabilities:
        """What a Skype client can do."""
        return Capabilities(
            early_media=True,
            hold=True,
            transfer=True,
            conference=True,
            messages=True,
            contacts=True,
            presence=True,
            balance=True,
            raw=bool(self._settings.raw_commands),
        )

    async def run(self, observer: LineObserver) -> None:
        """Keep the client attached until cancelled."""
        self._observer = observer
        timing = self._timing
        backoff = Backoff(timing.connect_first_s, timing.connect_most_s)
        while True:
            try:
                transport = await self._open_transport()
                backoff.reset()
                await self._serve(transport)
            except LinkError as error:
                self._publish(LineState.WAITING_FOR_CLIENT, str(error))
            await self._clock.sleep(backoff.next_s())

    async def place(self, address: str, sink: EventSink) -> SkypeLeg:
        """Start a call. Raises CallError (refused) or LinkError (no client)."""
        return await self._usable().calls.place(address, sink)

    async def place_conference(
        self, addresses: tuple[str, ...], sink: EventSink
    ) -> SkypeLeg:
        """Call several into one conversation; see `Conferencing`."""
        return await self._usable().calls.place_conference(addresses, sink)

    async def join(self, leg: LineLeg, other: LineLeg) -> None:
        """Make one conversation of two of our calls; see `Conferencing`."""
        if not isinstance(leg, SkypeLeg) or not isinstance(other, SkypeLeg):
            reason = "these calls are not of the same kind of client"
            raise CallError(HangupCause.INTERWORKING, reason)
        await leg.join(other)

    async def send_message(self, address: str, text: str) -> str:
        """Send a written message; see `Messaging`."""
        return await self._usable().mailbox.send(address, text)

    async def decide_contact(self, who: str, *, accept: bool) -> None:
        """Accept or refuse a contact; see `Contacts`."""
        await self._usable().contacts.decide(who, accept=accept)

    async def find(self, words: str) -> tuple[str, ...]:
        """Search the directory; see `Contacts`."""
        return await self._usable().contacts.find(words)

    async def presence(self, address: str) -> Presence:
        """How reachable somebody is; see `Contacts`."""
        return await self._usable().contacts.presence(address)

    async def balance(self) -> Money:
        """The account's credit; see `Charging`."""
        return await self._usable().balance()

    async def send_raw(self, text: str) -> str:
        """Send one of the client's own commands; see `Raw`."""
        return await self._usable().send_raw(text)

    def _usable(self) -> Service:
        if self._state not in {LineState.READY, LineState.DEGRADED}:
            raise LinkDownError(f"the line is {self._state}: {self._reason}")
        if self._service is None:
            raise LinkDownError("the client is just going away")
        return self._service

    async def _serve(self, transport: Transport) -> None:
        """Attend to one client after the other until the bus is lost."""
        try:
            while True:
                reason = "the client does not run"
                self._publish(LineState.WAITING_FOR_CLIENT, reason)
                client = await transport.wait_for_client()
                await self._attend(client)
        finally:
            await transport.close()

    async def _attend(self, client: Client) -> None:
        """Keep attached to one client until it goes."""
        service = Service(
            client,
            self._settings,
            self._clock,
            self._timing,
            self._offered,
            self._deliver_message,
            self._deliver_contact_request,
            lambda who: self.on_contact_answered(who),
            self.wire,
            self._loopback,
        )
        self._service = service
        attached = asyncio.create_task(self._keep_attached(service))
        gone = asyncio.create_task(client.wait_gone())
        cause, reason = HangupCause.DESTINATION_OUT_OF_ORDER, "the client went away"
        try:
            await asyncio.wait({attached, gone}, return_when=asyncio.FIRST_COMPLETED)
            if attached.done():
                attached.result()
        except asyncio.CancelledError:
            cause, reason = HangupCause.NORMAL_CLEARING, "the gateway stops"
            await self._say_goodbye(service.calls)
            raise
        finally:
            self._service = None
            service.calls.lost(cause, reason)
            attached.cancel()
            gone.cancel()
            await asyncio.gather(attached, gone, return_exceptions=True)
            await service.talk.close()

    async def _say_goodbye(self, calls: Calls) -> None:
        """Leave no call behind that nobody would end."""
        goodbye = calls.hang_up_all()
        try:
            await within(self._clock, self._timing.goodbye_s, goodbye, "no goodbye")
        except DeadlineError as error:
            _log.warning("! %s", error)

    async def _keep_attached(self, service: Service) -> None:
        timing, talk = self._timing, service.talk
        refusals = Backoff(timing.refused_first_s, timing.refused_most_s)
        while True:
            state = await self._attach(talk)
            if state is AttachState.ATTACHED:
                refusals.reset()
                await self._learn(talk)
                await self._stay(service)
                continue
            wait_s = timing.signed_out_s
            if state is AttachState.REFUSED:
                wait_s = refusals.next_s()
            await self._idle(talk, state, wait_s)

    async def _attach(self, talk: Conversation) -> AttachState:
        """Introduce ourselves and return how the client took it."""
        talk.begin()
        if await talk.undecided(self._timing.permission_shown_s):
            self._show_undecided(talk.state)
            await self._await_permission(talk)
            if await talk.undecided(self._timing.command_s):
                talk.start_over()
        match talk.state:
            case AttachState.SIGNED_OUT:
                reason = "nobody is signed in on the client"
                self._publish(LineState.SIGNED_OUT, reason)
            case AttachState.REFUSED:
                reason = "the client's user refuses us; allow skypechan in its options"
                self._publish(LineState.REFUSED, reason)
        return talk.state

    async def _await_permission(self, talk: Conversation) -> None:
        """Wait while a person may think; a PONG tells of an OK that was lost."""
        until_s = self._clock.monotonic_s() + self._timing.permission_s
        while talk.state is AttachState.ASKING and self._clock.monotonic_s() < until_s:
            if await talk.undecided(self._timing.ping_s):
                talk.spawn(talk.ping())

    def _show_undecided(self, state: AttachState) -> None:
        if state is AttachState.ASKING:
            reason = "the client's user must allow skypechan"
            self._publish(LineState.WAITING_FOR_PERMISSION, reason)
        else:
            self._publish(LineState.CONNECTING, "the client does not say its protocol")

    async def _idle(
        self, talk: Conversation, state: AttachState, wait_s: float
    ) -> None:
        """Wait before the next try, but not when the client's user acts."""
        until_s = self._clock.monotonic_s() + wait_s
        while talk.state is state:
            left_s = until_s - self._clock.monotonic_s()
            if left_s <= 0 or not await talk.news(left_s):
                return

    async def _learn(self, talk: Conversation) -> None:
        """Ask what the client should tell by itself, but not all clients do."""
        if talk.connection is None or not talk.account:
            await talk.attempt(*_WHO_AND_WHERE)

    async def _stay(self, service: Service) -> None:
        """Publish what the client says of itself until it is no longer attached."""
        talk = service.talk
        settled: str | None = None  # the account that we have settled in for
        ping_due_s = self._clock.monotonic_s() + self._timing.ping_s
        unanswered = 0
        while talk.state is AttachState.ATTACHED:
            state, reason = self._judge(service, unanswered)
            signed_out = talk.connection in _SIGNED_OUT
            if service.on_duty and not signed_out and talk.account != settled:
                settled = talk.account
                await service.settle_in()
                continue
            self._publish(state, reason, talk.account)
            if signed_out:
                # No notification comes when somebody signs in: ask again and again.
                await self._clock.sleep(self._timing.signed_out_s)
                talk.start_over()
                return
            left_s = ping_due_s - self._clock.monotonic_s()
            news = left_s > 0 and await talk.news(left_s)
            if news and state is not LineState.DEGRADED:
                continue  # a degraded one may have come round: it is asked at once
            unanswered = 0 if await talk.ping() else unanswered + 1
            if not unanswered:
                # What it tells by itself may be lost, like every line.
                talk.spawn(talk.attempt(*_WHO_AND_WHERE))
            ping_due_s = self._clock.monotonic_s() + self._timing.ping_s

    def _judge(self, service: Service, unanswered: int) -> tuple[LineState, str]:
        """Return the state of a line whose client is attached, and why."""
        talk = service.talk
        if talk.connection in _SIGNED_OUT:
            return LineState.SIGNED_OUT, f"the client is {talk.connection}"
        if talk.account and not service.on_duty:
            wanted = self._settings.account
            reason = f"{talk.account} is signed in on the client, not {wanted}"
            return LineState.SIGNED_OUT, reason
        if talk.connection is not ConnectionStatus.ONLINE:
            return LineState.CONNECTING, f"the client is {talk.connection or 'silent'}"
        if not service.on_duty:
            return LineState.CONNECTING, "the client does not say who is signed in"
        if unanswered >= _PINGS_TO_DEGRADE:
            return LineState.DEGRADED, "the client does not answer"
        return LineState.READY, ""

    def _offered(self, offer: Offer) -> EventSink:
        ours = self._service is not None and self._service.on_duty
        if self._observer is None or not ours:
            raise LinkDownError(f"the line is {self._state}: {self._reason}")
        return self._observer.offered(offer)

    def _deliver_message(self, message: Message) -> None:
        self.on_message(message)

    def _deliver_contact_request(self, request: ContactRequest) -> None:
        self.on_contact_request(request)

    def _publish(self, state: LineState, reason: str, account: str = "") -> None:
        if (state, reason, account) == (self._state, self._reason, self._account):
            return
        self._state, self._reason, self._account = state, reason, account
        if self._observer is not None:
            self._observer.line_changed(state, reason, account)


def _log_message(message: Message) -> None:
    _log.info("a message from %s, %d characters", message.sender, len(message.text))


def _log_contact_answered(who: str) -> None:
    _log.debug("= the contact request of %s is answered", who)


def _log_contact_request(request: ContactRequest) -> None:
    _log.info("%s waits for an answer to the contact request", request.who)
