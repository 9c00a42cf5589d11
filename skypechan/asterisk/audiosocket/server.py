"""The door for Asterisk's audio: who connects, which call it is, and nobody else.

A connection must come from an allowed address and name in its first message, within
seconds, a UUID that is expected. It is then handed on as a raw non-blocking socket;
this module never sees audio. All else is closed and counted by reason.
"""

from __future__ import annotations

import asyncio
import dataclasses
import ipaddress
import logging
import math
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from skypechan.asterisk.audiosocket.wire import Decoder
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.audio.audiosocket import DIGIT
from skypechan.clock import Clock
from skypechan.errors import ConfigError, LinkDownError, RemoteWireError
from skypechan.settings import Endpoint

_log = logging.getLogger(__name__)

_ANYWHERE = ("0.0.0.0", "::")
_BACKLOG = 128
_MOST_UNIDENTIFIED = 64
_CHUNK_BYTES = 4096
_MOST_PILED_BYTES = 1 << 16
# After accept fails, e.g. for want of file descriptors, a loop without a pause would
# take the whole processor.
_ACCEPT_PAUSE_S = 0.1
# Whoever knocks without end shall not fill the log.
_WARN_EVERY_S = 10.0


class Rejection(StrEnum):
    """Why a connection was closed without becoming the audio of a call."""

    SOURCE = "source address not allowed"
    CROWD = "too many connections without a UUID"
    SILENCE = "no UUID in time"
    GONE = "closed before a UUID"
    WIRE = "no UUID in the first message"
    UNEXPECTED = "UUID not expected"
    LATE = "UUID expected earlier"


@dataclass(frozen=True, slots=True)
class Connection:
    """The audio connection of a call; whoever has it closes the socket.

    `pending` holds bytes that came behind the UUID. `rate_hz` is the sample rate
    agreed for the call, towards Asterisk.
    """

    socket: socket.socket
    uuid: UUID
    pending: bytes
    rate_hz: int = 8_000

    def without_backlog(self, *, keep_digits: bool) -> Connection:
        """Drop what piled up in the socket before anybody listened.

        It would be delay for the rest of the call. The cut is between messages.
        `keep_digits`: they are of the call itself, and AMI has told of them too.
        """
        decoder = Decoder()
        messages = decoder.feed(self.pending)
        while True:
            try:
                piece = self.socket.recv(_MOST_PILED_BYTES)
            except OSError:
                break  # that was all; or it is broken: whoever takes it sees that
            if not piece:
                break
            messages += decoder.feed(piece)
        digits = [one.wire for one in messages if keep_digits and one.kind == DIGIT]
        return dataclasses.replace(self, pending=b"".join(digits) + decoder.rest)


OnConnected = Callable[[Connection], None]


@dataclass(frozen=True, slots=True)
class _Expected:
    on_connected: OnConnected
    until_s: float | None  # None: for ever, and any number of times


class AudioSocketServer:
    """Takes audio connections for the UUIDs it was told to expect."""

    def __init__(self, settings: AsteriskSettings, clock: Clock) -> None:
        self.rejected: Counter[Rejection] = Counter()
        self.accepted = 0
        self._warned_s: dict[str, float] = {}
        self._settings = settings
        self._allowed = settings.allowed_networks()
        self._clock = clock
        self._expected: dict[UUID, _Expected] = {}
        self._unidentified = 0
        self._listener: socket.socket | None = None

    # Who is expected.

    def expect(self, uuid: UUID, seconds: float, on_connected: OnConnected) -> None:
        """Let one connection with this UUID in, if it comes in time."""
        until_s = self._clock.monotonic_s() + seconds
        self._expected[uuid] = _Expected(on_connected, until_s)

    def expect_always(self, uuid: UUID, on_connected: OnConnected) -> None:
        """Let every connection with this UUID in: the UUID of a contact."""
        self._expected[uuid] = _Expected(on_connected, None)

    def forget(self, uuid: UUID) -> None:
        """Expect a UUID no longer; harmless when it is not expected."""
        self._expected.pop(uuid, None)

    # The listening socket.

    def open(self) -> None:
        """Start to listen. Raises ConfigError when the address is taken or not ours."""
        endpoint = self._settings.listen_endpoint()
        if endpoint.host in _ANYWHERE and not self._settings.audiosocket_advertise:
            raise ConfigError(
                f"audiosocket_advertise: say what Asterisk shall dial, as {endpoint} "
                "names no address"
            )
        try:
            self._listener = _listen(endpoint)
        except OSError as error:
            raise ConfigError(
                f"audiosocket_listen: cannot listen on {endpoint}: {error.strerror}"
            ) from error

    @property
    def listening(self) -> Endpoint:
        """Where we listen, with the port that was picked."""
        if self._listener is None:
            raise LinkDownError("the AudioSocket server is not open")
        host, port = self._listener.getsockname()[:2]
        return Endpoint(host, port)

    @property
    def advertised(self) -> Endpoint:
        """What Asterisk dials."""
        text = self._settings.audiosocket_advertise
        return Endpoint.parse(text) if text else self.listening

    def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def run(self) -> None:
        """Take connections until cancelled, then stop listening."""
        if self._listener is None:
            self.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                await self._accept_for_ever(tasks)
        finally:
            self.close()

    async def _accept_for_ever(self, tasks: asyncio.TaskGroup) -> None:
        listener = self._listener
        loop = asyncio.get_running_loop()
        while listener is not None:
            try:
                connected, peer = await loop.sock_accept(listener)
            except OSError as error:
                self._warn("accept", "! audio connection not accepted: %s", error)
                await self._clock.sleep(_ACCEPT_PAUSE_S)
                continue
            connected.setblocking(False)
            refusal = self._refusal(str(peer[0]))
            if refusal is not None:
                self._reject(connected, peer, refusal)
                continue
            self._unidentified += 1
            tasks.create_task(
                self._identify(connected, peer), name=f"audio connection of {peer}"
            )

    # One connection.

    def _refusal(self, host: str) -> Rejection | None:
        address = ipaddress.ip_address(host)
        # A socket that listens for both families shows IPv4 callers this way.
        address = getattr(address, "ipv4_mapped", None) or address
        if not any(address in network for network in self._allowed):
            return Rejection.SOURCE
        if self._unidentified >= _MOST_UNIDENTIFIED:
            return Rejection.CROWD
        return None

    async def _identify(self, connected: socket.socket, peer: object) -> None:
        try:
            async with asyncio.timeout(self._settings.identify_seconds):
                uuid, pending = await _read_uuid(connected)
        except TimeoutError:
            self._reject(connected, peer, Rejection.SILENCE)
        except OSError:
            self._reject(connected, peer, Rejection.GONE)
        except RemoteWireError as error:
            self._reject(connected, peer, Rejection.WIRE, str(error))
        except asyncio.CancelledError:
            connected.close()
            raise
        else:
            self._hand_over(connected, peer, uuid, pending)
        finally:
            self._unidentified -= 1

    def _hand_over(
        self, connected: socket.socket, peer: object, uuid: UUID, pending: bytes
    ) -> None:
        expected = self._expected.get(uuid)
        if expected is None:
            self._reject(connected, peer, Rejection.UNEXPECTED, str(uuid))
            return
        if expected.until_s is not None:
            del self._expected[uuid]
            if self._clock.monotonic_s() > expected.until_s:
                self._reject(connected, peer, Rejection.LATE, str(uuid))
                return
        # Without this the kernel may hold a message back until the last one is
        # acknowledged: up to 40 ms.
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.accepted += 1
        _log.debug("< audio connection %s", uuid)
        expected.on_connected(Connection(connected, uuid, pending))

    def _reject(
        self, connected: socket.socket, peer: object, why: Rejection, detail: str = ""
    ) -> None:
        connected.close()
        self.rejected[why] += 1
        text = "! audio connection from %s closed: %s %s (%d so far)"
        self._warn(why, text, peer, why.value, detail, self.rejected[why])

    def _warn(self, what: str, text: str, *words: object) -> None:
        """Warn of what may come without end, but of each once in a while."""
        now_s = self._clock.monotonic_s()
        is_due = now_s - self._warned_s.get(what, -math.inf) >= _WARN_EVERY_S
        if is_due:
            self._warned_s[what] = now_s
        _log.log(logging.WARNING if is_due else logging.DEBUG, text, *words)


def _listen(endpoint: Endpoint) -> socket.socket:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((endpoint.host, endpoint.port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


async def _read_uuid(connected: socket.socket) -> tuple[UUID, bytes]:
    """Return the UUID of the first message and the bytes behind it.

    Raises RemoteWireError for another first message, OSError when the connection
    ends before.
    """
    loop = asyncio.get_running_loop()
    decoder = Decoder()
    while True:
        piece = await loop.sock_recv(connected, _CHUNK_BYTES)
        if not piece:
            raise ConnectionResetError("closed before a UUID")
        message = decoder.next(piece)
        if message is not None:
            return message.uuid, decoder.rest
        if len(decoder.rest) >= _CHUNK_BYTES:
            raise RemoteWireError("the first message is no UUID: too long")
