"""One call on a Skype client, as the gateway handles it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from math import isfinite
from typing import Final

from skypechan.backends.base import AudioPort, Money
from skypechan.backends.skype.causes import Ending, Parting, refusal_of
from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.deadline import first_of, within
from skypechan.backends.skype.progress import Events, Progress, Transfer
from skypechan.backends.skype.protocol import commands, devices
from skypechan.backends.skype.protocol.notifications import (
    CallProperty,
    CallStatusChanged,
    Error,
    Notification,
)
from skypechan.backends.skype.protocol.values import (
    DIGITS,
    CallStatus,
    ErrorNumber,
)
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.soundports import Loopback, SoundPorts
from skypechan.backends.skype.timing import Timing
from skypechan.call.causes import HangupCause
from skypechan.call.events import EventSink
from skypechan.clock import Clock
from skypechan.errors import (
    CallError,
    CommandError,
    DeadlineError,
    LinkError,
)

_log = logging.getLogger(__name__)

_GONE: Final = frozenset(
    {
        ErrorNumber.GET_UNKNOWN_CALL,
        ErrorNumber.SET_UNKNOWN_CALL,
        ErrorNumber.CANNOT_HANG_UP,
        ErrorNumber.CALL_INVALID_ID,
        ErrorNumber.CALL_ACTION_FAILED,
    }
)
"""ERROR numbers to a command of a call that is not in a state for it any more."""

_SENDS_ON: Final[dict[Parting, Callable[[int], commands.Command]]] = {
    Parting.VOICEMAIL: commands.end_to_voicemail,
    Parting.FORWARD: commands.end_forwarding,
}

_UNKNOWN_CALL: Final = frozenset(
    {ErrorNumber.GET_INVALID_CALL_ID, ErrorNumber.GET_UNKNOWN_CALL}
)


async def hang_up(conversation: Conversation, call_id: int, within_s: float) -> bool:
    """End a call with both verbs; False if the client refuses both.

    No single verb fits every state, and the one that does not fit is refused
    (Skype API: HANGUP, END HANGUP, ERROR 559), so both are sent and errors ignored.
    """
    replies = await asyncio.gather(
        conversation.ask(commands.hang_up(call_id), within_s),
        conversation.ask(commands.end_hang_up(call_id), within_s),
        return_exceptions=True,
    )
    return not all(isinstance(reply, Error) for reply in replies)


class SkypeLeg:
    """One call of a client; `over` fires once, when the call has ended."""

    def __init__(
        self,
        call_id: int,
        progress: Progress,
        conversation: Conversation,
        settings: SkypeSettings,
        clock: Clock,
        timing: Timing,
        on_over: Callable[[SkypeLeg], None],
        loopback: Loopback | None,
    ) -> None:
        self.call_id = call_id
        self.given_up = False
        self.sink: EventSink | None = None
        self._progress = progress
        self._conversation = conversation
        self._settings = settings
        self._clock = clock
        self._timing = timing
        self._on_over = on_over
        self._loopback = loopback
        self._over = asyncio.Event()
        self._news = asyncio.Event()
        self._digits = asyncio.Lock()

    @property
    def price(self) -> Money | None:
        """The price of a minute, for a call to a telephone; None when not told."""
        facts = self._progress.facts
        try:
            amount = Decimal(facts["RATE"]).scaleb(-int(facts["RATE_PRECISION"]))
            is_price = isfinite(amount)
        except (KeyError, ArithmeticError, ValueError):
            return None
        return Money(amount, facts.get("RATE_CURRENCY", "")) if is_price else None

    @property
    def leg_id(self) -> str:
        """The client's number of the call."""
        return str(self.call_id)

    @property
    def over(self) -> bool:
        """True when the call has ended."""
        return self._progress.over

    def take(self, notification: Notification) -> None:
        """Take what the client says of this call."""
        was_over = self.over
        self._report(self._progress.take(notification))
        self._news.set()
        if self.over and not was_over and _waits_for_redial(notification):
            self._conversation.spawn(self._hang_up_once())
        if self._progress.verdict is not None:
            self._begin_release()

    def end(self, cause: HangupCause, reason: str) -> None:
        """End the leg here, whatever the client may say; harmless when it is over."""
        self._report(self._progress.end(Ending(cause, reason)))

    async def answer(self) -> None:
        """Answer the offered call; an end in the meantime is told by the events."""
        self._progress.answer_wanted = True
        try:
            await self._order(commands.answer(self.call_id))
        except CommandError as error:
            if error.code not in _GONE:
                raise refusal_of(error) from error
            await self._answer_failed()
        except DeadlineError:
            if not (self.over or self._progress.answered):
                raise

    async def release(self, cause: HangupCause = HangupCause.NORMAL_CLEARING) -> None:
        """Have the client end the call; LineReleased follows, in any case.

        A caller who was not answered gets what the settings say for the cause.
        """
        waits = self._progress.incoming and not self._progress.answered
        self._begin_release(self._settings.parting(cause) if waits else Parting.REJECT)

    async def wait_until_over(self) -> None:
        """Return when the call has ended."""
        await self._over.wait()

    async def hold(self) -> None:
        """Put the call on local hold; that is reported to nobody."""
        progress = self._progress
        if progress.status is CallStatus.LOCAL_HOLD and progress.hold_wanted:
            return
        try:
            await self._order_rest(commands.hold(self.call_id), wanted=True)
        except CallError:
            # The user at the client may have put it there before us.
            if progress.status is not CallStatus.LOCAL_HOLD:
                raise
            progress.hold_wanted = True

    async def resume(self) -> None:
        """Take the call back from local hold."""
        progress = self._progress
        # A hold that was ordered just now may not have been told yet.
        if progress.status is CallStatus.IN_PROGRESS and not progress.hold_wanted:
            return
        await self._order_rest(commands.resume(self.call_id), wanted=False)

    async def transfer(self, *addresses: str) -> None:
        """Send the incoming call on to another account; see `Transferring`."""
        if not self._progress.incoming:
            reason = "only an incoming call can be sent on"
            raise CallError(HangupCause.INTERWORKING, reason)
        await self._check_targets(addresses)
        self._progress.transfer = Transfer.NONE
        try:
            await self._order(commands.transfer(self.call_id, *addresses))
        except CommandError as error:
            raise refusal_of(error) from error
        await self._await_transfer()

    async def join(self, other: SkypeLeg) -> None:
        """Make one conversation of this call and another; its audio is `other`'s."""
        try:
            await self._order(commands.join_conference(self.call_id, other.call_id))
        except CommandError as error:
            raise refusal_of(error) from error

    async def send_digit(self, digit: str) -> None:
        """Send one digit; several are sent one after the other, in order."""
        if digit not in DIGITS:
            raise CallError(HangupCause.INTERWORKING, f"Skype has no digit {digit!r}")
        async with self._digits:
            command = commands.send_digit(self.call_id, digit)
            try:
                await self._order(command, self._timing.digit_s)
            except CommandError as error:
                raise refusal_of(error) from error
            except DeadlineError as error:
                _log.debug("! %s: the next digit does not wait for it", error)

    async def open_audio(self) -> AudioPort:
        """Have the client connect the call's audio to two ports of ours."""
        settings = self._settings
        ports = SoundPorts.listen(
            settings.sound_port_to_skype,
            settings.sound_port_from_skype,
            self._loopback,
        )
        try:
            return await self._connect(ports)
        except CommandError as error:
            raise refusal_of(error) from error
        finally:
            ports.close()

    async def _connect(self, ports: SoundPorts) -> AudioPort:
        to_line = devices.sound_port(ports.to_line_port)
        from_line = devices.sound_port(ports.from_line_port)
        await self._order(commands.set_input(self.call_id, to_line))
        await self._order(commands.set_output(self.call_id, from_line))
        await within(
            self._clock,
            self._timing.audio_s,
            first_of(ports.connected(), self._over.wait()),
            "the client did not connect its sound",
        )
        port = None if self.over else ports.hand_over()
        if port is None:
            raise _ended_error()
        return port

    async def _order(
        self, command: commands.Command, within_s: float | None = None
    ) -> Notification:
        if self.over:
            raise _ended_error()
        return await self._conversation.order(command, within_s)

    async def _order_rest(self, command: commands.Command, *, wanted: bool) -> None:
        before, self._progress.hold_wanted = self._progress.hold_wanted, wanted
        try:
            await self._order(command)
        except CommandError as error:
            self._progress.hold_wanted = before
            raise refusal_of(error) from error

    async def _check_targets(self, addresses: tuple[str, ...]) -> None:
        """Refuse what cannot come about; old clients cannot be asked."""
        if not addresses or any("," in item or not item.strip() for item in addresses):
            reason = f"no addresses: {', '.join(addresses)!r}"
            raise CallError(HangupCause.INVALID_NUMBER, reason)
        answers = await self._conversation.attempt(
            *(
                commands.get_call(self.call_id, f"CAN_TRANSFER {item}")
                for item in addresses
            )
        )
        if all(_says_no(answer) for answer in answers):
            reason = f"the client cannot send the call to {', '.join(addresses)}"
            raise CallError(HangupCause.SUBSCRIBER_ABSENT, reason)

    async def _await_transfer(self) -> None:
        until_s = self._clock.monotonic_s() + self._timing.transfer_s
        while not self.over:
            left_s = until_s - self._clock.monotonic_s()
            if self._progress.transfer is Transfer.FAILED or left_s <= 0:
                reason = "nobody took the call that was sent on"
                raise CallError(HangupCause.NO_ANSWER, reason)
            self._news.clear()
            with suppress(DeadlineError):
                await within(self._clock, left_s, self._news.wait(), "no news")
        if self._progress.status is not CallStatus.TRANSFERRED:
            raise _ended_error()

    def _begin_release(self, parting: Parting = Parting.REJECT) -> None:
        if self.over or self._progress.releasing:
            return
        self._progress.releasing = True
        self._conversation.spawn(self._part(parting))

    async def _part(self, parting: Parting) -> None:
        """End the call, or leave its caller to the client, if that can serve him."""
        try:
            if send_on := _SENDS_ON.get(parting):
                await self._order(send_on(self.call_id))
        except (CallError, CommandError, LinkError) as error:
            _log.info("call %s is rejected, no %s: %s", self.call_id, parting, error)
            parting = Parting.REJECT
        if parting is Parting.REJECT:
            await self._insist_on_the_end()
        else:
            self.end(HangupCause.NORMAL_CLEARING, f"left to the client: {parting}")

    async def _answer_failed(self) -> None:
        """Find out why: mostly the caller is gone, but a person may have answered."""
        await self._learn_status()
        if not (self.over or self._progress.answered):
            self._conversation.spawn(self._hang_up_once())
            self.end(HangupCause.NORMAL_CLEARING, "the caller is gone")

    async def _hang_up_once(self) -> None:
        await hang_up(self._conversation, self.call_id, self._timing.release_try_s)

    async def _insist_on_the_end(self) -> None:
        """Repeat the verbs: some states refuse them, some clients lose them."""
        until_s = self._clock.monotonic_s() + self._timing.release_s
        while not self.over and self._clock.monotonic_s() < until_s:
            await self._try_to_end()
        if not self.over:
            _log.warning("! the client did not end call %s", self.call_id)
            self.given_up = True
            reason = "the client did not confirm the end of the call"
            self.end(HangupCause.TEMPORARY_FAILURE, reason)

    async def _try_to_end(self) -> None:
        """Send the verbs and wait a little for their effect."""
        try_s = self._timing.release_try_s
        until_s = self._clock.monotonic_s() + try_s
        if not await hang_up(self._conversation, self.call_id, try_s):
            await self._learn_status()
        left_s = until_s - self._clock.monotonic_s()
        if not self.over and left_s > 0:
            try:
                await within(self._clock, left_s, self._over.wait(), "no end")
            except DeadlineError as error:
                _log.debug("! call %s: %s", self.call_id, error)

    async def _learn_status(self) -> None:
        """Ask for a status that was not told; it comes in as any other does."""
        get_status = commands.get_call(self.call_id, "STATUS")
        try_s = self._timing.release_try_s
        try:
            reply = await self._conversation.ask(get_status, try_s)
        except LinkError as error:
            _log.debug("! call %s: %s", self.call_id, error)
            return
        if isinstance(reply, Error) and reply.number in _UNKNOWN_CALL:
            self.end(HangupCause.NORMAL_CLEARING, "the client has no such call")

    def _report(self, events: Events) -> None:
        for event in events:
            if self.sink is not None:
                self.sink(event)
        if self.over and not self._over.is_set():
            self._over.set()
            self._news.set()
            self._on_over(self)


def _waits_for_redial(notification: Notification) -> bool:
    """Tell whether the client keeps an ended call until somebody redials it."""
    match notification:
        case CallStatusChanged(_, CallStatus.WAITING_REDIAL_COMMAND):
            return True
    return False


def _says_no(answer: Notification | None) -> bool:
    """Tell whether this is a refusing `CALL id CAN_TRANSFER target FALSE`."""
    match answer:
        case CallProperty(_, "CAN_TRANSFER", value):
            return value.strip().upper().endswith("FALSE")
    return False


def _ended_error() -> CallError:
    return CallError(HangupCause.NORMAL_CLEARING, "the call has ended")
