"""An emulator's place in a network of emulators.

The first emulator on an address hosts the hub, the others join it; when the host
goes away one of the others takes over. Calls do not survive that.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import logging
import uuid
from dataclasses import replace
from typing import Any, Final

from skypechan.audio.pcm import Int16, from_bytes
from skypechan.backends.skype.protocol.values import FailureReason, UserStatus
from skypechan.clock import Backoff, Clock
from skypechan.emulator.calls import Call
from skypechan.emulator.directory import HANDLE, one_line
from skypechan.emulator.hub import LONGEST_LINE, Hub, read_line, write_line
from skypechan.emulator.outputs import Ending, Signal
from skypechan.emulator.party import Manner, Person, stranger
from skypechan.emulator.program import Program
from skypechan.emulator.voices import Echo, Voice, make_voice
from skypechan.errors import ConfigError

_CONNECT_TIMEOUT_S: Final = 2.0
_LEAD_MS: Final = 40

logger = logging.getLogger(__name__)


class _DistantVoice:
    """The mouth and ear of a partner who sits at another emulator."""

    def __init__(self, network: Network, token: str) -> None:
        self._network = network
        self._token = token
        self._arrived = Echo(_LEAD_MS)

    def hear(self, samples: Int16) -> None:
        self._network.send_sound(self._token, samples)

    def arrive(self, samples: Int16) -> None:
        self._arrived.hear(samples)

    def speak(self, count: int) -> Int16:
        return self._arrived.speak(count)


class Network:
    """Keeps one program joined to the network at `host`:`port`; see `run`."""

    def __init__(self, program: Program, clock: Clock, host: str, port: int) -> None:
        self._program = program
        self._clock = clock
        self._address = (host, port)
        self._hub = Hub()
        self._hosting = False
        self._writer: asyncio.StreamWriter | None = None
        self._said = ""
        self._tokens: dict[int, str] = {}
        self._calls: dict[str, Call] = {}
        self._voices: dict[str, _DistantVoice] = {}

    async def run(self) -> None:
        """Host or join, again and again, until cancelled."""
        backoff = Backoff(0.1, 2.0)
        try:
            while True:
                await self._try_to_host()
                if await self._take_part():
                    backoff.reset()
                await self._clock.sleep(backoff.next_s())
        finally:
            await self._hub.stop()

    def signal(self, call: Call, signal: Signal, value: str) -> None:
        """Tell the partner; a partner who cannot be reached is lost."""
        known = call.call_id in self._tokens
        if signal is Signal.INVITE or (signal is Signal.TRANSFER and not known):
            self._remember(call, uuid.uuid4().hex)
        token = self._tokens.get(call.call_id)
        if token is None:
            return
        if self._writer is None:
            self._lose(call)
            return
        message = {"type": "signal", "call": token, "signal": signal, "value": value}
        if signal is Signal.TRANSFER and not call.remote:
            person = _as_message(call.person)
            moved = {"person": person, "from": call.person.handle}
            write_line(self._writer, message | moved)
            return
        write_line(self._writer, message)

    def send_message(self, account: str, text: str) -> None:
        """A written message to an account, if it is there."""
        here = account.lower() in self._program.client.network_accounts
        if self._writer is not None and here:
            message = {"type": "message", "to": account, "text": text}
            write_line(self._writer, message)

    def voice(self, call: Call) -> Voice:
        """What comes from the partner's emulator."""
        token = self._tokens.get(call.call_id, "")
        return self._voices.setdefault(token, _DistantVoice(self, token))

    def forget(self, call: Call) -> None:
        """The call has ended here; its last signal has yet to leave."""
        loop = asyncio.get_running_loop()
        loop.call_soon(self._drop, call.call_id)

    def presence_may_have_changed(self) -> None:
        """Say who is signed in, when that is news."""
        account = self._program.client.presence.account
        if self._writer is not None and account != self._said:
            self._said = account
            write_line(self._writer, {"type": "hello", "account": account})

    def send_sound(self, token: str, samples: Int16) -> None:
        """Samples for the partner's ear."""
        if self._writer is not None:
            content = samples.astype("<i2", copy=False).tobytes()
            pcm = base64.b64encode(content).decode("ascii")
            write_line(self._writer, {"type": "sound", "call": token, "pcm": pcm})

    async def _try_to_host(self) -> None:
        if self._hosting:
            return
        with contextlib.suppress(OSError):
            await self._hub.start(*self._address)
            self._hosting = True
            logger.info("= hosting the network at %s:%d", *self._address)

    async def _take_part(self) -> bool:
        """Join and stay until the connection ends; False when nobody is there."""
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(
                    *self._address, limit=LONGEST_LINE
                )
        except OSError as error:
            logger.info("! network at %s:%d: %s", *self._address, error)
            return False
        self._writer, self._said = writer, ""
        try:
            self.presence_may_have_changed()
            while message := await read_line(reader):
                self._receive(message)
        finally:
            self._writer = None
            writer.close()
            self._leave()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return True

    def _receive(self, message: dict[str, Any]) -> None:
        token = str(message.get("call", ""))
        match message.get("type"):
            case "accounts":
                self._meet(message.get("accounts"))
            case "signal":
                value = one_line(str(message.get("value", "")))
                if message.get("signal") == Signal.INVITE:
                    self._ring(token, value, message)
                elif call := self._calls.get(token):
                    self._partner(call, str(message.get("signal")), value)
            case "sound":
                self._hear(token, str(message.get("pcm", "")))
            case "message":
                self._read(str(message.get("from")), str(message.get("text", "")))

    def _meet(self, accounts: object) -> None:
        """Who is there now; whoever has left is offline from now on."""
        names = accounts if isinstance(accounts, list) else []
        client = self._program.client
        gone = client.network_accounts
        client.network_accounts = {
            name.lower(): self._person(name)
            for name in names
            if isinstance(name, str) and HANDLE.fullmatch(name)
        }
        client.network_accounts.pop(client.account.lower(), None)
        for key, person in (gone | client.network_accounts).items():
            here = key in client.network_accounts
            client.directory.put(person if here else _offline(person))
        self._program.settle()

    def _person(self, handle: str) -> Person:
        known = self._program.client.directory.find(handle)
        person = known or Person(handle=handle, full_name=handle)
        return replace(person, online=UserStatus.ONLINE, manner=Manner.MANUAL)

    def _read(self, sender: str, text: str) -> None:
        """A member of the network has written to the account."""
        person = self._program.client.directory.find(sender)
        if person is not None and self._program.client.signed_in:
            self._program.say(person, one_line(text))

    def _ring(self, token: str, caller: str, message: dict[str, Any]) -> None:
        """Guess: a user who does not want to be disturbed is busy.

        A person who comes with the message is only data, wherever it was before:
        from now on it lives here.
        """
        client = self._program.client
        ending = None
        if not client.signed_in:
            ending = Ending.LOST
        elif client.user_status is UserStatus.DO_NOT_DISTURB:
            ending = Ending.BUSY
        try:
            moved = message.get("person")
            person = client.directory.find(caller) or client.directory.put(
                stranger(caller)
            )
            if isinstance(moved, dict):
                person = client.directory.put(_from_message(person, moved))
        except ConfigError:
            return
        if ending is None:
            remote = not isinstance(moved, dict)
            call = client.engine.ring(person, self._program.now(), remote=remote)
            call.properties["TRANSFERRED_BY"] = one_line(str(message.get("by", "")))
            self._remember(call, token)
            self._program.settle()
        elif self._writer is not None:
            answer = {"type": "signal", "call": token, "signal": Signal.END}
            write_line(self._writer, answer | {"value": ending})

    def _partner(self, call: Call, word: str, value: str) -> None:
        if word not in Signal.__members__.values():
            return
        signal = Signal(word)
        if self._program.partner(call, signal, value) and signal is Signal.DIGIT:
            # The client of the one who sent the digit puts its tone on the line.
            self._program.sound(call).press(value)

    def _hear(self, token: str, pcm: str) -> None:
        voice = self._voices.get(token)
        try:
            content = base64.b64decode(pcm, validate=True)
        except (ValueError, binascii.Error):
            return
        if voice is not None and content and len(content) % 2 == 0:
            voice.arrive(from_bytes(content))

    def _remember(self, call: Call, token: str) -> None:
        self._tokens[call.call_id] = token
        self._calls[token] = call

    def _drop(self, call_id: int) -> None:
        token = self._tokens.pop(call_id, "")
        self._calls.pop(token, None)
        self._voices.pop(token, None)

    def _lose(self, call: Call) -> None:
        def lose() -> None:
            self._part(call)

        asyncio.get_running_loop().call_soon(lose)

    def _leave(self) -> None:
        """Everyone is out of reach."""
        for call in list(self._calls.values()):
            self._part(call)
        self._meet([])

    def _part(self, call: Call) -> None:
        """The network is lost to a call; a partner who is only data stays."""
        if call.remote:
            self._program.partner(call, Signal.END, Ending.LOST.value)
        else:
            self._program.partner(call, Signal.TRANSFER_FAILED)


def _as_message(person: Person) -> dict[str, str]:
    """What another emulator needs in order to play this person."""
    return {
        "display_name": person.display_name,
        "full_name": person.full_name,
        "voice": person.voice,
    }


def _from_message(person: Person, fields: dict[str, Any]) -> Person:
    """The person as another emulator played it; raises ConfigError."""
    voice = str(fields.get("voice", "silence"))
    make_voice(voice)
    return replace(
        person,
        display_name=str(fields.get("display_name", "")),
        full_name=str(fields.get("full_name", "")),
        voice=voice,
    )


def _offline(person: Person) -> Person:
    return replace(
        person,
        online=UserStatus.OFFLINE,
        manner=Manner.FAIL,
        failure=FailureReason.USER_OFFLINE,
    )
