"""Device states of our lines, `Custom:skypechan-LINE`: for hints, lamps and queues."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from enum import StrEnum

from skypechan.asterisk.ami.link import AmiLink
from skypechan.asterisk.ami.messages import Setvar
from skypechan.clock import Clock
from skypechan.errors import CommandError, LinkError

_log = logging.getLogger(__name__)

_RETRY_S = 1.0


class DeviceState(StrEnum):
    """The states of Asterisk's devices (devicestate.h) that a line can be in."""

    NOT_INUSE = "NOT_INUSE"
    INUSE = "INUSE"
    RINGING = "RINGING"
    ONHOLD = "ONHOLD"
    BUSY = "BUSY"
    UNAVAILABLE = "UNAVAILABLE"


class Devices:
    """Tells Asterisk the device state of each line whenever it is another."""

    def __init__(self, link: AmiLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._wanted: dict[str, DeviceState] = {}
        self._told: dict[str, DeviceState] = {}
        self._news = asyncio.Event()
        self._all_told = asyncio.Event()
        self._refused = ""

    def show(self, line: str, state: DeviceState) -> None:
        """Let a line have a state from now on."""
        self._wanted[line] = state
        self._wake()

    def show_again(self) -> None:
        """Tell every state anew: it is another Asterisk, or it was away."""
        self._told.clear()
        self._wake()

    async def all_told(self, within_s: float) -> None:
        """Return when Asterisk knows every state, or when the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._all_told.wait()

    async def run(self) -> None:
        """Tell what is to be told, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._tell()
            except LinkError as error:
                _log.debug("! device states are not told: %s", error)
                await self._clock.sleep(_RETRY_S)
                self._news.set()

    def _wake(self) -> None:
        self._all_told.clear()
        self._news.set()

    async def _tell(self) -> None:
        while changed := self._wanted.items() - self._told.items():
            for line, state in sorted(changed):
                device = f"DEVICE_STATE(Custom:skypechan-{line})"
                try:
                    await self._link.send(Setvar("", device, state))
                except CommandError as error:
                    self._complain(str(error))
                self._told[line] = state
        self._all_told.set()

    def _complain(self, reason: str) -> None:
        """Say once that hints will not work, and what to do about it."""
        if reason != self._refused:
            self._refused = reason
            text = "! Asterisk takes no device states, load func_devstate.so: %s"
            _log.warning(text, reason)
