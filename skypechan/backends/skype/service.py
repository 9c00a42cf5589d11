"""Everything that we do with one client, as long as it lives."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Final

from skypechan.backends.base import (
    ContactAnsweredSink,
    ContactRequestSink,
    MessageSink,
    Money,
)
from skypechan.backends.skype.calls import Calls, OfferSink
from skypechan.backends.skype.contacts import ContactBook
from skypechan.backends.skype.conversation import Conversation
from skypechan.backends.skype.house_rules import HouseRules
from skypechan.backends.skype.messages import Mailbox
from skypechan.backends.skype.protocol.commands import GetProperty
from skypechan.backends.skype.protocol.notifications import (
    Notification,
    ProfileProperty,
    format_notification,
)
from skypechan.backends.skype.raw import checked_command
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.soundports import Loopback
from skypechan.backends.skype.timing import Timing
from skypechan.backends.skype.transport import Client
from skypechan.clock import Clock
from skypechan.errors import CommandError, WireError

_CENTS: Final = Decimal(100)
"""Guess: PSTN_BALANCE counts hundredths of the currency."""


class Service:
    """One client's calls, messages, contacts and settings."""

    def __init__(
        self,
        client: Client,
        settings: SkypeSettings,
        clock: Clock,
        timing: Timing,
        on_offer: OfferSink,
        on_message: MessageSink,
        on_contact_request: ContactRequestSink,
        on_contact_answered: ContactAnsweredSink,
        wire: logging.Logger,
        loopback: Loopback | None = None,
    ) -> None:
        self._settings = settings
        self.talk = Conversation(client, clock, timing, self._take, wire)
        self.calls = Calls(settings, clock, timing, on_offer, loopback)
        self.calls.join(self.talk)
        self.mailbox = Mailbox(self.talk, settings, on_message)
        self.contacts = ContactBook(
            self.talk, settings, on_contact_request, on_contact_answered
        )
        self.rules = HouseRules(self.talk, settings, clock, timing)
        self._swept = False

    @property
    def on_duty(self) -> bool:
        """True when the account that is signed in is known to be this line's."""
        wanted = self._settings.account.lower()
        return not wanted or self.talk.account.lower() == wanted

    async def settle_in(self) -> None:
        """See what a former gateway left behind; the rest is done besides."""
        if not self._swept:
            self._swept = True
            await self.calls.sweep()
        self.talk.spawn(self._make_at_home())

    async def balance(self) -> Money:
        """The account's credit. Raises CommandError and LinkError."""
        reply = await self.talk.order(GetProperty("PROFILE", name="PSTN_BALANCE"))
        (currency,) = await self.talk.attempt(
            GetProperty("PROFILE", name="PSTN_BALANCE_CURRENCY")
        )
        match reply:
            case ProfileProperty("PSTN_BALANCE", value) if _is_number(value):
                word = currency.value if isinstance(currency, ProfileProperty) else ""
                return Money(Decimal(value.strip()) / _CENTS, word.strip())
        raise CommandError(f"the client does not tell its balance: {reply}")

    async def send_raw(self, text: str) -> str:
        """Send an operator's command; returns the reply. Raises as `Raw` says."""
        command = checked_command(text, self._settings.raw_commands)
        try:
            return format_notification(await self.talk.ask(command))
        except WireError as error:
            raise CommandError(f"not possible: {error}") from error

    async def _make_at_home(self) -> None:
        """Say what we like, then see what was waiting for us."""
        await self.rules.lay_down()
        await self.contacts.catch_up()
        await self.mailbox.catch_up()

    def _take(self, notification: Notification) -> None:
        self.calls.take(notification)
        if self.on_duty:  # what is written to somebody else is not ours to read
            self.mailbox.take(notification)
            self.contacts.take(notification)
            self.rules.take(notification)


def _is_number(text: str) -> bool:
    digits = text.strip().removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18
