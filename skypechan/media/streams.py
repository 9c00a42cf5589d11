"""The sockets of a call: raw PCM of the line, AudioSocket messages of Asterisk.

An AudioSocket message is a kind (1 byte), a length (2 bytes, big endian) and the
payload; samples are little endian. Asterisk sends audio, digits and, at the end,
0x00, each after the UUID message that the acceptor has already taken. It ends a
call when it gets anything but audio and 0x00, and when a payload comes more than
5 ms behind its header, so a message leaves in one send.

Every `receive` reads once, so that no socket takes more than its turn.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import functools
import socket
import termios
from collections.abc import Callable, Iterator

import numpy as np

from skypechan.audio.audiosocket import (
    HEADER_BYTES,
    KIND_OF_RATE_HZ,
    RATE_HZ_OF_KIND,
)
from skypechan.audio.chain import PBX_RATES_HZ
from skypechan.audio.pcm import PcmFormat
from skypechan.audio.resampler import NARROW_RATE_HZ
from skypechan.errors import RemoteWireError
from skypechan.media.payload import AMBIGUOUS_BYTES
from skypechan.media.values import EndReason, MediaStart

_MOST_DISCARDED = 5_000  # reads; a sender that is quicker still floods
_FIRST_AUDIO_HEADER = 0x10 << 16
_TERMINATE_MESSAGE = bytes(HEADER_BYTES)
_KERNEL_BUFFER_BYTES = 8192  # 256 ms at 16 kHz: what no one may queue without a limit
_TCP_RECEIVE_BYTES = 65_536


def prepare(sock: socket.socket, *, is_bursty: bool = False) -> None:
    """Make a socket fit for media: non-blocking, bounded buffers, no Nagle.

    What a bursty sender is ahead of time waits in the kernel, so its buffer is left.
    That of TCP is not small: once it has overflowed, the sender's retransmissions do
    not fit into a small one, and after a second in which nobody read the connection
    crawls for ten with 8 KB, for half a one with 16, not at all with 32 and more
    (Linux 6.18). Left alone it may grow to megabytes under overload, minutes of delay.
    """
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)
    receive_bytes = _KERNEL_BUFFER_BYTES
    if is_tcp(sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        receive_bytes = _TCP_RECEIVE_BYTES
    if not is_bursty:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)


def prepare_all(start: MediaStart) -> None:
    """Make the sockets of a call fit for media. Raises OSError."""
    prepare(start.pbx)
    for sock in {start.line_receive, start.line_send}:
        prepare(sock, is_bursty=start.line_is_bursty)


def acknowledgement(sock: socket.socket) -> Callable[[], None]:
    """Return what acknowledges at once all that was read; to be called each time.

    A sender that leaves Nagle's algorithm on, as Asterisk before 20.15 does, holds a
    frame back until the last one is acknowledged, which the kernel delays by up to 40
    ms where audio goes both ways: measured 10 ms at the median and 37 ms at most,
    against 0.08 ms with this. There it takes 4 us, otherwise less than one.
    """
    if not is_tcp(sock):
        return _nothing
    return functools.partial(
        sock.setsockopt, socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1
    )


def _nothing() -> None:
    """Local sockets have nothing to acknowledge."""


def is_tcp(sock: socket.socket) -> bool:
    """Whether it is a TCP socket and not a local one."""
    return sock.family in (socket.AF_INET, socket.AF_INET6)


def header_of(rate_hz: int, payload_bytes: int) -> int:
    """Return an audio header as a number: kind * 65536 + length."""
    return KIND_OF_RATE_HZ[rate_hz] << 16 | payload_bytes


PLAIN_HEADERS = [
    header
    for rate_hz in PBX_RATES_HZ
    for ptime_ms in (10, 20, 30, 40, 60)
    if (header := header_of(rate_hz, PcmFormat(rate_hz, ptime_ms).frame_bytes))
    not in [header_of(NARROW_RATE_HZ, size) for size in AMBIGUOUS_BYTES]
]
"""Of the messages that the engine takes as they lie in its table."""


def end_of(error: Exception) -> tuple[EndReason, str]:
    """Why a connection has ended, and in what words."""
    match error:
        case EOFError():
            return EndReason.CLOSED, ""
        case TimeoutError():
            return EndReason.STALLED, str(error)
        case ConnectionError():  # closed with audio of ours unread
            return EndReason.CLOSED, str(error)
        case RemoteWireError():
            return EndReason.PROTOCOL_ERROR, str(error)
        case _:
            return EndReason.BROKEN, str(error)


class MessageTable:
    """Messages of 20 ms that leave, one a row: header in place, samples to be written.

    `samples` is `[capacity, n]` of little-endian int16, `messages` the bytes of each
    row from its header on.
    """

    def __init__(self, capacity: int, rate_hz: int) -> None:
        size = PcmFormat(rate_hz).frame_bytes
        # A byte in front of the header, so that the samples lie on even addresses.
        table = np.zeros((capacity, 1 + HEADER_BYTES + size), np.uint8)
        header = header_of(rate_hz, size).to_bytes(HEADER_BYTES, "big")
        table[:, 1 : 1 + HEADER_BYTES] = np.frombuffer(header, np.uint8)
        self.samples = table.view("<i2")[:, (1 + HEADER_BYTES) // 2 :]
        self.messages = [row[1:].data for row in table]


class PcmInlet:
    """Raw PCM cut anywhere, gathered to frames in the call's row of a table."""

    def __init__(self, sock: socket.socket, frame: memoryview) -> None:
        self._receive_into = sock.recv_into
        self._acknowledge = acknowledgement(sock)
        self._frame = frame
        self._size = len(frame)
        self._fill = 0
        self._asked = 0

    def receive(self) -> bool:
        """Read once; True when the frame has become whole.

        Raises EOFError at the end, BlockingIOError and OSError as the socket does.
        """
        count = self._receive_into(self._frame[self._fill :])
        if not count:
            raise EOFError
        self._acknowledge()
        self._fill += count
        if self._fill < self._size:
            return False
        self._fill = 0
        return True

    def discard(self) -> bool:
        """Throw away what has come; whether there was anything.

        The end of the stream is left for `receive` to find.
        """
        before = self._fill
        with contextlib.suppress(OSError, EOFError):
            for _ in range(_MOST_DISCARDED):
                self.receive()
                before = -1
        found = self._fill != before
        self._fill &= 1  # half a sample stays: the other half is still to come
        return found

    def is_arriving(self) -> bool:
        """Whether more of a frame has come since this was last asked."""
        arriving = self._fill not in (0, self._asked)
        self._asked = self._fill
        return arriving

    def take_rest(self) -> bytes:
        """The whole samples of a frame that stopped coming; half a one stays."""
        whole = self._fill & ~1
        rest = bytes(self._frame[:whole])
        self._frame[: self._fill - whole] = self._frame[whole : self._fill]
        self._fill -= whole
        return rest


class PbxInlet:
    """AudioSocket messages: the whole one in the table row, others by reassembly.

    The read is as long as the last message was, so that even a burst of equal ones
    is taken one by one and each lies in the row as the arithmetic wants it.
    """

    def __init__(self, sock: socket.socket, row: memoryview, pending: bytes) -> None:
        self.acknowledge = acknowledgement(sock)
        self._receive_into = sock.recv_into
        self._row = row
        self._pending = bytearray(pending)
        self._wanted = self._usual = len(row)

    def receive(self) -> int | None:
        """Read once; the header of the one message that is now in the row, or None.

        The header is a number, kind * 65536 + length. After None ask `messages`.
        Raises EOFError at the end, BlockingIOError and OSError as the socket does.
        """
        row = self._row
        count = self._receive_into(row, self._wanted)
        if not count:
            raise EOFError
        if not self._pending and count >= HEADER_BYTES:
            header = row[0] << 16 | row[1] << 8 | row[2]
            if count == HEADER_BYTES + (header & 0xFFFF):
                if header >= _FIRST_AUDIO_HEADER:
                    self._wanted = self._usual = count
                return header
        self._pending += row[:count]
        return None

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """Kind and payload of each message that is whole."""
        pending = self._pending
        missing = self._missing()
        while not missing:
            end = HEADER_BYTES + int.from_bytes(pending[1:HEADER_BYTES], "big")
            kind, payload = pending[0], bytes(pending[HEADER_BYTES:end])
            del pending[:end]
            if kind in RATE_HZ_OF_KIND:
                self._usual = min(end, len(self._row))
            yield kind, payload
            missing = self._missing()
        # Up to the end of the begun message: the next one then comes whole.
        self._wanted = min(missing, len(self._row)) if pending else self._usual

    def _missing(self) -> int:
        """Bytes until the first message is whole, or at least its header."""
        pending = self._pending
        if len(pending) < HEADER_BYTES:
            return HEADER_BYTES - len(pending)
        end = HEADER_BYTES + int.from_bytes(pending[1:HEADER_BYTES], "big")
        return max(end - len(pending), 0)


OnBlocked = Callable[[socket.socket, bool], None]


class Outlet:
    """Frames to one receiver, each whole or not at all.

    A frame that finds no room is dropped and counted. Of one that went out in part
    the rest goes first; `on_blocked(socket, True)` asks for `flush` to be called
    when there is room again. With `queue_limit_bytes` what waits in TCP is bounded too.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_blocked: OnBlocked,
        stall_s: float,
        queue_limit_bytes: int = 0,
    ) -> None:
        self.dropped = 0
        self.is_open = True
        """Nothing is sent any more when this is false."""
        self.socket = sock
        self._on_blocked = on_blocked
        self._stall_s = stall_s
        self._is_tcp = is_tcp(sock)
        self._queue_limit_bytes = queue_limit_bytes if self._is_tcp else 0
        self._most_queued = 0  # what waited when we last looked, and all since
        self._queue = array.array("i", [0])
        self._rest = b""
        self._blocked_since_s: float | None = None

    def moved_to(self, sock: socket.socket) -> Outlet:
        """Return the outlet of another socket that goes on in this one's place."""
        moved = Outlet(sock, self._on_blocked, self._stall_s, self._queue_limit_bytes)
        moved.dropped = self.dropped
        return moved

    def send(self, frame: memoryview, now_s: float) -> None:
        """Send one frame. Raises TimeoutError after a stall, OSError when broken."""
        if not self.is_open:
            return
        if self._rest:
            self.flush()
        if self._rest or (self._queue_limit_bytes and self._is_full(len(frame))):
            self._drop(now_s)
            return
        try:
            count = self.socket.send(frame)
        except BlockingIOError:
            self._drop(now_s)
            return
        self._blocked_since_s = None
        if count < len(frame):
            self._rest = bytes(frame[count:])
            self._on_blocked(self.socket, True)

    def flush(self) -> None:
        """Send the rest of a frame. Raises OSError when broken."""
        if not self._rest:
            return
        with contextlib.suppress(BlockingIOError):
            self._rest = self._rest[self.socket.send(self._rest) :]
        if not self._rest:
            self._on_blocked(self.socket, False)

    def terminate(self) -> None:
        """Send the hang-up message, unless closed or half a message is under way."""
        with contextlib.suppress(OSError):
            self.flush()
            if not self._rest:
                self.socket.send(_TERMINATE_MESSAGE)

    def queued_bytes(self) -> int:
        """What waits in TCP, unsent or unacknowledged; other sockets do not tell."""
        if not self._is_tcp:
            return 0
        fcntl.ioctl(self.socket, termios.TIOCOUTQ, self._queue)
        return self._queue[0]

    def queue_ms(self, rate_hz: int) -> float:
        """What waits in TCP as time; of a socket that is closed nothing does."""
        is_open = self.socket.fileno() >= 0
        return PcmFormat(rate_hz).milliseconds(self.queued_bytes() if is_open else 0)

    def _is_full(self, more: int) -> bool:
        """Whether there is no room; the kernel is asked only where there may be none.

        So it is one frame in ten, and a look costs 1.5 us.
        """
        self._most_queued += more
        if self._most_queued <= self._queue_limit_bytes:
            return False
        self._most_queued = self.queued_bytes() + more
        if self._most_queued <= self._queue_limit_bytes:
            return False
        self._most_queued -= more
        return True

    def _drop(self, now_s: float) -> None:
        self.dropped += 1
        if self._blocked_since_s is None:
            self._blocked_since_s = now_s
        elif now_s - self._blocked_since_s > self._stall_s:
            raise TimeoutError(f"no audio was taken for {self._stall_s:g} s")
