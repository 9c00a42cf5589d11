"""The running emulator: the pure client with its timers, sound, hosts and network.

Whatever happens ends in `settle`, which carries out what the client wants done.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from enum import Enum, unique
from typing import Any, Final, Protocol

from skypechan.backends.skype.protocol.attachment import Outgoing
from skypechan.backends.skype.protocol.values import VOICEMAIL_STATUSES, CallStatus
from skypechan.clock import Clock
from skypechan.emulator import voices
from skypechan.emulator.calls import Call
from skypechan.emulator.chats import Text
from skypechan.emulator.client import Client, Effect, Prompt, Send
from skypechan.emulator.desk import CloseSound, OpenSound
from skypechan.emulator.faults import Faults
from skypechan.emulator.mixing import Mixer
from skypechan.emulator.outputs import (
    Ended,
    MessageToPartner,
    Signal,
    StartTimer,
    ToPartner,
)
from skypechan.emulator.party import GIVE_UP_S, Person
from skypechan.emulator.profile import remembered
from skypechan.emulator.sound import KEPT_S, CallSound
from skypechan.emulator.soundports import SoundPorts
from skypechan.emulator.voices import Voice

logger = logging.getLogger(__name__)
wire = logging.getLogger(f"{__name__}.wire")

_TRACE_LINES: Final = 2_000
_SOUNDS_KEPT: Final = 40
_ASLEEP_MOST: Final = 100_000
DIGIT_S: Final = 0.16
"""Tone and pause of one digit, so the pace of fingers."""


class Host(Protocol):
    """A way in for applications: D-Bus, or X11."""

    def send(self, key: str, outgoing: Outgoing) -> None:
        """Pass text to an application that came in here."""


class PartnerLink(Protocol):
    """The way to partners at other emulators."""

    def signal(self, call: Call, signal: Signal, value: str) -> None:
        """Tell the partner of this call."""

    def voice(self, call: Call) -> Voice:
        """What is heard from the partner, and takes what it shall hear."""

    def forget(self, call: Call) -> None:
        """The call has ended here."""

    def send_message(self, account: str, text: str) -> None:
        """A written message to an account at another emulator, if it is there."""

    def presence_may_have_changed(self) -> None:
        """Something happened; the account may have signed in or out."""


@unique
class _Speaker(Enum):
    """Who is heard in a call."""

    PARTNER = "the partner"
    NETWORK = "the telephone network's ringback"
    VOICEMAIL = "the partner's voicemail"


def _speaker(call: Call) -> _Speaker:
    if call.status in VOICEMAIL_STATUSES:
        return _Speaker.VOICEMAIL
    telephone = call.call_type.telephone and not call.call_type.incoming
    waiting = telephone and not call.answered
    return _Speaker.NETWORK if waiting else _Speaker.PARTNER


class Program:
    """Everything one emulator process holds together. Belongs to one event loop.

    `decisions` are what the user wanted remembered about programs, by their names.
    `watchers` are called whenever something may have changed, `recorders` with each
    line of the conversation.
    """

    def __init__(
        self, client: Client, clock: Clock, kept_s: float = KEPT_S, seed: int = 1
    ) -> None:
        self.client = client
        self.clock = clock
        self.ports = SoundPorts(clock, random.Random(seed))  # noqa: S311 - repeatable
        self.faults = Faults()
        self.trace: deque[str] = deque(maxlen=_TRACE_LINES)
        self.sounds: dict[int, CallSound] = {}
        self.timelines: dict[int, list[tuple[int, CallStatus]]] = {}
        self.network: PartnerLink | None = None
        self.decisions: dict[str, bool] = {}
        self.watchers: list[Callable[[], None]] = []
        self.recorders: list[Callable[[str], None]] = []
        self._kept_s = kept_s
        self._speakers: dict[int, _Speaker] = {}
        self._mixer = Mixer()
        self._hosts: dict[str, Host] = {}
        self._timers: dict[int, set[asyncio.TimerHandle]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._asleep: deque[Callable[[], None]] = deque(maxlen=_ASLEEP_MOST)
        self._waiters: set[asyncio.Future[None]] = set()

    def add_host(self, prefix: str, host: Host) -> None:
        """Applications whose keys begin with the prefix are reached there."""
        self._hosts[prefix] = host

    def receive(self, key: str, text: str) -> int:
        """A line from an application; `settle` has to follow."""
        self._trace(f"< {key} {text}")
        return self.client.receive(key, text, self.now())

    def serve(self, act: Callable[[], None]) -> None:
        """Do what an application asks: now, slowly, or when the client wakes up."""
        if self.faults.hang:
            self._asleep.append(act)
        else:
            self.later(0, self.faults.slow_s, act)

    def have_trouble(self, faults: Faults) -> None:
        """Change what goes wrong; a client that hangs no longer makes up for it."""
        self.faults = faults
        self.ports.refusing = faults.refuse_sound
        self.ports.freeze(faults.hang)
        if not faults.hang:
            waiting, self._asleep = self._asleep, deque(maxlen=_ASLEEP_MOST)
            for act in waiting:
                act()

    def announce(self, text: str) -> None:
        """Send any line to every application that is allowed."""
        for key, session in list(self.client.sessions.items()):
            if session.allowed:
                self._deliver(key, Outgoing(text))

    def forget(self, key: str) -> None:
        """An application has gone."""
        if key in self.client.sessions:
            self._trace(f"= {key} gone")
            self.client.forget(key)

    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock.wall().timestamp())

    def settle(self) -> None:
        """Carry out what the client wants done, then wake those who wait."""
        while effects := self.client.effects():
            # First: whoever is told may act at once.
            self._stamp_calls()
            for effect in effects:
                self._carry_out(effect)
        if self.network is not None:
            self.network.presence_may_have_changed()
        self._stamp_calls()
        self._follow_calls()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        for watcher in self.watchers:
            watcher()

    async def until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for a condition that `settle` can change; False after the timeout."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while not condition():
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            try:
                async with asyncio.timeout_at(deadline):
                    await waiter
            except TimeoutError:
                return condition()
            finally:
                self._waiters.discard(waiter)
        return True

    def ring(self, person: Person, give_up_s: float = GIVE_UP_S) -> Call:
        """A person calls the account."""
        call = self.client.engine.ring(person, self.now(), give_up_s=give_up_s)
        self.sound(call)
        self.settle()
        return call

    def say(self, person: Person, text: str) -> Text:
        """A person writes to the account."""
        message = self.client.chats.receive(person, text, self.now())
        self.settle()
        return message

    def place(self, target: str) -> Call | None:
        """The user at the client calls someone; None when that is not possible."""
        call = self.client.place_by_user(target, self.now())
        self.settle()
        return call

    def partner(self, call: Call, signal: Signal, value: str = "") -> bool:
        """The partner of a call acts; False when it cannot now."""
        done = self.client.partner(call, signal, value)
        self.settle()
        return done

    def press(self, call: Call, digits: str, gap_s: float = DIGIT_S) -> None:
        """The partner presses keys: a notification and a tone for each.

        Without a gap all notifications come at once; the tones still last as long.
        """
        for place, digit in enumerate(digits):
            self.later(call.call_id, place * gap_s, self._pressing(call, digit))

    def when_answered(self, call: Call, delay_s: float, digits: str) -> None:
        """Have the partner press keys some time after the answer."""

        async def wait() -> None:
            if await self.until(lambda: call.answered or call.ended, math.inf):
                self.later(call.call_id, delay_s, lambda: self.press(call, digits))

        self.start(wait())

    def later(self, call_id: int, delay_s: float, act: Callable[[], None]) -> None:
        """Do something in time, unless the call has ended by then."""
        if delay_s <= 0:
            act()
            return
        timers = self._timers.setdefault(call_id, set())

        def fire() -> None:
            timers.discard(handle)
            if not timers:
                self._timers.pop(call_id, None)
            act()

        handle = asyncio.get_running_loop().call_later(delay_s, fire)
        timers.add(handle)

    def sound(self, call: Call) -> CallSound:
        """The sound of a call; made when first asked for."""
        if call.call_id not in self.sounds:
            self._forget_old_sounds()
            self.sounds[call.call_id] = CallSound(self._voice(call), self._kept_s)
        return self.sounds[call.call_id]

    async def stop(self) -> None:
        """End timers, tasks and connections; nothing of the program stays."""
        for timers in self._timers.values():
            for handle in timers:
                handle.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.ports.stop()

    def _pressing(self, call: Call, digit: str) -> Callable[[], None]:
        def press() -> None:
            if self.partner(call, Signal.DIGIT, digit):
                self.sound(call).press(digit)

        return press

    def _trace(self, line: str) -> None:
        self.trace.append(line)
        for record in self.recorders:
            record(line)
        wire.debug("%s", line)

    def _carry_out(
        self,
        effect: Effect,
    ) -> None:
        match effect:
            case Send(key, outgoing):
                self._deliver(key, outgoing)
            case Prompt(key, friendly):
                self._trace(f"= {key} {friendly!r} waits for permission")
                known = self.decisions.get(remembered(friendly))
                if known is not None:
                    self.client.decide(key, allowed=known)
            case OpenSound():
                self.start(self._open_sound(effect))
            case CloseSound(call_id, direction):
                self.ports.close(call_id, direction)
            case StartTimer(call_id, _, delay_s):
                self.later(call_id, max(delay_s, 1e-6), self._expiring(effect))
            case Ended(call_id):
                self._end(call_id)
            case ToPartner(call_id, signal, value):
                call = self.client.engine.calls[call_id]
                if self.network is not None:
                    self.network.signal(call, signal, value)
            case MessageToPartner(account, text):
                if self.network is not None:
                    self.network.send_message(account, text)

    def _expiring(self, timer: StartTimer) -> Callable[[], None]:
        def expire() -> None:
            self.client.expired(timer.call_id, timer.purpose, self.now())
            self.settle()

        return expire

    def _deliver(self, key: str, outgoing: Outgoing) -> None:
        is_reply = outgoing.request is not None
        if self.faults.hang:
            self._asleep.append(lambda: self._deliver(key, outgoing))
        elif self._befalls("drop_replies" if is_reply else "drop_notifications"):
            self._trace(f"! {key} dropped {outgoing.text}")
        elif is_reply and self.faults.reply_delay_s > 0:
            self.later(0, self.faults.reply_delay_s, lambda: self._send(key, outgoing))
        else:
            self._send(key, outgoing)

    def _befalls(self, fault: str) -> bool:
        """True when one of so many counted faults happens now."""
        left = getattr(self.faults, fault)
        if left > 0:
            self.faults = replace(self.faults, **{fault: left - 1})
        return bool(left > 0)

    def swaps_slices(self) -> bool:
        """True when the slices of the next line change places."""
        return self._befalls("swap_slices")

    def _send(self, key: str, outgoing: Outgoing) -> None:
        prefix, _, _ = key.partition(" ")
        if host := self._hosts.get(prefix):
            self._trace(f"> {key} {outgoing.text}")
            host.send(key, outgoing)
            if outgoing.request is not None and self._befalls("double_replies"):
                # A bus takes one return value: the second one is a notification.
                self._trace(f"> {key} {outgoing.text}")
                host.send(key, Outgoing(outgoing.text))

    async def _open_sound(self, wish: OpenSound) -> None:
        call = self.client.engine.calls[wish.call_id]
        connected = await self.ports.connect(
            wish.call_id,
            wish.direction,
            wish.port,
            self.sound(call),
            lambda: self.client.directory.muted,
        )
        self.client.sound_opened(wish.request, connected=connected)
        self.settle()

    def _end(self, call_id: int) -> None:
        call = self.client.engine.calls[call_id]
        self.ports.close(call_id)
        for handle in self._timers.pop(call_id, ()):
            handle.cancel()
        if self.network is not None:
            self.network.forget(call)

    def _stamp_calls(self) -> None:
        """Note when each call came into each of its states."""
        calls = self.client.engine.calls
        for call_id in self.timelines.keys() - calls.keys():
            del self.timelines[call_id]
        for call in calls.values():
            timeline = self.timelines.setdefault(call.call_id, [])
            for status in call.history[len(timeline) :]:
                timeline.append((self.ports.now_ns(), status))

    def _follow_calls(self) -> None:
        """Held calls are silent; who takes a call takes over from the ringback."""
        for call in self.client.engine.live():
            if sound := self.sounds.get(call.call_id):
                sound.resting = not call.audible
                if self._speakers.get(call.call_id) is not _speaker(call):
                    sound.voice = self._voice(call)
        self._mixer.follow(self.client.engine.live(), self.sound)

    def _voice(self, call: Call) -> Voice:
        speaker = self._speakers[call.call_id] = _speaker(call)
        match speaker:
            case _Speaker.NETWORK:
                return voices.Loop(voices.ringback())
            case _Speaker.VOICEMAIL:
                return voices.Once(voices.voicemail_greeting())
        if call.remote and self.network is not None:
            return self.network.voice(call)
        return voices.make_voice(call.person.voice)

    def _forget_old_sounds(self) -> None:
        live = {call.call_id for call in self.client.engine.live()}
        ended = [call_id for call_id in self.sounds if call_id not in live]
        for call_id in ended[: max(0, len(self.sounds) - _SOUNDS_KEPT)]:
            del self.sounds[call_id]
            self._speakers.pop(call_id, None)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside; it ends with the program."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
