"""A real SIP phone: baresip, with a file as microphone and a recording as ear.

It is worked through its control port (module ctrl_tcp): netstrings of JSON, commands
there, answers and events back. Measured with baresip 1.0.0 of Debian 12 and 1.1.0 of
Debian 13:

* the end of the file that it plays ends the call, so the file is made long enough;
* a player is needed for the recording to run: `aubridge` is one that plays nowhere;
* rejecting an incoming call is always 486;
* a digit goes on until the control port says that the key is up again.
"""

from __future__ import annotations

import asyncio
import enum
import json
import logging
import wave
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from skypechan.demo.parts.netstrings import Decoder, encode
from skypechan.demo.parts.ports import HOST, free_port, free_range
from skypechan.desktop.process import READY_S, Part, Process, Program
from skypechan.desktop.users import User, give, private_folder
from skypechan.errors import (
    CommandError,
    ConfigError,
    DeadlineError,
    LinkDownError,
    LinkRefusedError,
    RemoteWireError,
)

_log = logging.getLogger(__name__)

_ANSWER_S = 5.0
_CHUNK = 65_536
_KEY_UP = "\x04"
# What it says when it has registered, and (with "(prio 0)" since 1.1) when it has not.
_REGISTRATION = r"\{0/UDP/v4\} 2\d\d |reg: sip:\S+(?: \(prio \d+\))?: (?P<trouble>.*)"
_CONFIGURATION = """\
sip_listen {host}:{sip_port}
net_interface {host}
rtp_ports {rtp_first}-{rtp_last}
audio_source {source}
audio_player aubridge,ear
snd_path {recordings}
ctrl_tcp_listen {host}:{control_port}
statmode_default off
ringback_disabled yes
module_path {module_path}
module g711.so
module g722.so
module aufile.so
module aubridge.so
module sndfile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""


@dataclass(frozen=True, slots=True)
class SipAccount:
    """Where the phone registers, and as whom.

    `codecs` in order of preference, with their sampling rate where it is not 8000:
    "pcmu", "pcma", "g722/16000".
    """

    username: str
    password: str
    port: int
    host: str = HOST
    codecs: tuple[str, ...] = ("pcmu",)

    def address(self, extension: str) -> str:
        """Return the SIP address of an extension there."""
        return f"sip:{extension}@{self.host}:{self.port}"

    @property
    def rate_hz(self) -> int:
        """The sampling rate of the preferred codec."""
        return int(self.codecs[0].partition("/")[2] or 8000)


class Incoming(enum.Enum):
    """What the phone does when it is called."""

    ANSWER = "answer"
    REJECT = "reject"
    RING = "ring"


class EventType(enum.StrEnum):
    """The events that a caller of this module waits for; baresip has more."""

    INCOMING = "CALL_INCOMING"
    RINGING = "CALL_RINGING"
    PROGRESS = "CALL_PROGRESS"
    ESTABLISHED = "CALL_ESTABLISHED"
    MEDIA = "CALL_RTPESTAB"
    CLOSED = "CALL_CLOSED"
    DIGIT = "CALL_DTMF_START"


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """One event of the phone. `time_s` is the event loop's clock at its arrival.

    `text` says why a call closed ("486 Busy Here") or which digit was heard.
    """

    type: str
    text: str
    call_id: str
    peer: str
    peer_name: str
    time_s: float


class Baresip(Part):
    """One phone with one account below `directory`.

    `plays` is a WAV file (mono, 16 bit, at the account's `rate_hz`), repeated up to
    `longest_call_s`; None plays back what is heard. `incoming` and `answer_after_s`
    may be changed at any time.
    """

    def __init__(
        self,
        directory: Path,
        account: SipAccount,
        *,
        plays: Path | None = None,
        longest_call_s: int = 300,
        incoming: Incoming = Incoming.ANSWER,
        answer_after_s: float = 0.0,
        user: User | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.account = account
        self.incoming = incoming
        self.answer_after_s = answer_after_s
        self.sip_port = free_port()
        self._control_port = free_port()
        self._rtp_ports = free_range(20)
        self._plays = plays
        self._longest_call_s = longest_call_s
        self._user = user
        self._process: Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._tokens = count(1)
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._events: list[PhoneEvent] = []
        self._news = asyncio.Event()
        self._lost = False

    @property
    def process(self) -> Process:
        """The running program; only while it runs."""
        if self._process is None:
            message = "the phone was not started"
            raise RuntimeError(message)
        return self._process

    @property
    def events(self) -> tuple[PhoneEvent, ...]:
        """Every event so far; their number is a mark for `event`."""
        return tuple(self._events)

    async def start(self) -> None:
        """Start it and wait until it is registered.

        Raises LinkRefusedError if the registrar refuses, DeadlineError or
        LinkDownError if it or the phone does not answer, ConfigError if the file to
        play has another form than the phone can play.
        """
        self._lost = False
        self._write_configuration()
        command = ("baresip", "-f", str(self.directory))
        program = Program(
            "baresip", command, self.directory, self._user, package="baresip-core"
        )
        self._process = await Process.start(program)
        await self._process.line("^baresip is ready")
        reader, self._writer = await asyncio.open_connection(HOST, self._control_port)
        self._begin(self._read(reader))
        await self._registered()

    async def stop(self) -> None:
        """Hang up, unregister and end it."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None
        if self._process is not None:
            await self._process.stop()

    async def dial(self, target: str) -> None:
        """Call an extension of the account's registrar, or a whole SIP address."""
        known = target.startswith("sip:")
        await self.command("dial", target if known else self.account.address(target))

    async def answer(self) -> None:
        """Answer the incoming call."""
        await self.command("accept")

    async def hang_up(self) -> None:
        """End the call; one that waits for an answer is rejected with 486."""
        await self.command("hangup")

    async def send_digits(
        self, digits: str, *, key_s: float = 0.1, gap_s: float = 0.08
    ) -> None:
        """Press keys one after another, each for `key_s` (RFC 4733 events)."""
        for digit in digits:
            await self.command("sndcode", digit)
            await asyncio.sleep(key_s)
            await self.command("sndcode", _KEY_UP)
            await asyncio.sleep(gap_s)

    async def active_calls(self) -> int:
        """Return how many calls the phone has, ringing ones included."""
        return (await self.command("listcalls")).count("[line ")

    async def command(self, name: str, parameters: str = "") -> str:
        """Send one command of baresip's menu; return the text of its answer.

        Raises CommandError if it is refused, DeadlineError if nothing comes back,
        LinkDownError if the phone is gone.
        """
        if self._writer is None or self._writer.is_closing():
            message = "the phone's control port is closed"
            raise LinkDownError(message)
        token = str(next(self._tokens))
        request = {"command": name, "params": parameters, "token": token}
        _log.debug("> %s %r", name, parameters)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._answers[token] = answer
        self._writer.write(encode(json.dumps(request).encode()))
        try:
            async with asyncio.timeout(_ANSWER_S):
                return await answer
        except TimeoutError:
            message = f"the phone did not answer to {name!r} in {_ANSWER_S} s"
            raise DeadlineError(message) from None
        finally:
            del self._answers[token]

    async def event(
        self, event_type: EventType, *, since: int = 0, within_s: float = READY_S
    ) -> PhoneEvent:
        """Wait for the first event of a type from the mark `since` on.

        Raises DeadlineError if it does not come, LinkDownError if the phone ends.
        """
        seen = since
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for event in self._events[seen:]:
                        if event.type == event_type:
                            return event
                    seen = max(since, len(self._events))
                    await self._more_events()
        except TimeoutError:
            names = [event.type for event in self._events[since:]]
            message = f"no {event_type} of the phone in {within_s} s, only {names}"
            raise DeadlineError(message) from None

    def heard(self) -> Path:
        """Return the recording of what was heard in the last call.

        It is whole once the call has closed. baresip names it by the second in
        which the call began. Raises LinkDownError if there was no call with audio.
        """
        return self._recording("decode")

    def said(self) -> Path:
        """Return the recording of what was sent in the last call, as `heard`."""
        return self._recording("encode")

    def _recording(self, direction: str) -> Path:
        mark = f"sndfile: dumping {direction} audio to "
        for line in reversed(self.process.lines):
            if line.startswith(mark):
                return Path(line.removeprefix(mark))
        message = "the phone had no call with audio"
        raise LinkDownError(message)

    async def _registered(self) -> None:
        said = await self.process.line(_REGISTRATION)
        if said["trouble"]:
            message = f"{self.account.username} is not registered: {said['trouble']}"
            # A SIP status is an answer; a system's error text means there was none.
            refused = said["trouble"][0].isdigit()
            raise LinkRefusedError(message) if refused else LinkDownError(message)

    async def _more_events(self) -> None:
        if self._lost:
            message = "the phone has ended"
            raise LinkDownError(message)
        self._news.clear()
        await self._news.wait()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="baresip")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        decoder = Decoder()
        try:
            while chunk := await reader.read(_CHUNK):
                for payload in decoder.feed(chunk):
                    self._take(json.loads(payload))
        except (OSError, RemoteWireError, ValueError) as error:
            _log.warning("! the phone's control port: %s", error)
        finally:
            if self._writer is not None:
                self._writer.close()
            self._lose()

    def _lose(self) -> None:
        self._lost = True
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(LinkDownError("the phone has ended"))
        self._news.set()

    def _take(self, message: Mapping[str, Any]) -> None:
        if message.get("response"):
            self._take_answer(message)
        elif message.get("event"):
            self._take_event(message)

    def _take_answer(self, message: Mapping[str, Any]) -> None:
        answer = self._answers.get(str(message.get("token")))
        if answer is None or answer.done():
            return
        text = str(message.get("data", "")).strip()
        if message.get("ok"):
            answer.set_result(text)
        else:
            answer.set_exception(CommandError(text or "refused by the phone"))

    def _take_event(self, message: Mapping[str, Any]) -> None:
        event = PhoneEvent(
            type=str(message.get("type", "")),
            text=str(message.get("param", "")),
            call_id=str(message.get("id", "")),
            peer=str(message.get("peeruri", "")),
            peer_name=str(message.get("peerdisplayname", "")),
            time_s=asyncio.get_running_loop().time(),
        )
        _log.debug("< %s %s", event.type, event.text)
        self._events.append(event)
        self._news.set()
        if event.type == EventType.INCOMING:
            self._begin(self._react())

    async def _react(self) -> None:
        with suppress(LinkDownError, DeadlineError, CommandError):
            if self.incoming is Incoming.ANSWER:
                await asyncio.sleep(self.answer_after_s)
                await self.answer()
            elif self.incoming is Incoming.REJECT:
                await self.hang_up()

    def _write_configuration(self) -> None:
        private_folder(self.directory, self._user)
        recordings = private_folder(self.directory / "recordings", self._user)
        texts = {
            "config": _CONFIGURATION.format(
                host=HOST,
                sip_port=self.sip_port,
                rtp_first=self._rtp_ports.start,
                rtp_last=self._rtp_ports.stop - 1,
                source=self._source(),
                recordings=recordings,
                control_port=self._control_port,
                module_path=_module_path(),
            ),
            "accounts": self._account_line(),
            "contacts": "",
        }
        for name, text in texts.items():
            path = self.directory / name
            path.touch(mode=0o600)
            path.write_text(text)
            give(path, self._user)

    def _source(self) -> str:
        if self._plays is None:
            return "aubridge,ear"
        target = self.directory / "plays.wav"
        _repeat(self._plays, target, self._longest_call_s, self.account.rate_hz)
        give(target, self._user)
        return f"aufile,{target}"

    def _account_line(self) -> str:
        account = self.account
        address = f"<{account.address(account.username)};transport=udp>"
        login = f"auth_user={account.username};auth_pass={account.password}"
        codecs = ",".join(account.codecs)
        return f"{address};{login};answermode=manual;regint=60;audio_codecs={codecs}\n"


def _module_path() -> Path:
    # Debian 12 has it directly under lib, later ones under the architecture's name.
    places = [Path("/usr/lib/baresip/modules")]
    places += sorted(Path("/usr/lib").glob("*/baresip/modules"))
    return next((place for place in places if place.is_dir()), places[0])


def _repeat(source: Path, target: Path, seconds: int, rate_hz: int) -> None:
    """Write `source` over and over into `target`, at least `seconds` of it.

    baresip takes no other rate than the codec's: it would end each call.
    """
    with wave.open(str(source), "rb") as played:
        frames = played.readframes(played.getnframes())
        parameters = played.getparams()
    if parameters[:3] != (1, 2, rate_hz) or not frames:
        message = f"{source} must be mono, 16 bit, {rate_hz} Hz, and not empty"
        raise ConfigError(message)
    times = -(-seconds * rate_hz // parameters.nframes)
    with wave.open(str(target), "wb") as long:
        long.setparams(parameters)
        long.writeframes(frames * times)
