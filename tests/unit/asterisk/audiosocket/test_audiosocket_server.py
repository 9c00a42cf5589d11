from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from skypechan.asterisk.audiosocket.server import (
    AudioSocketServer,
    Connection,
    Rejection,
)
from skypechan.asterisk.settings import AsteriskSettings
from skypechan.clock import SystemClock
from skypechan.errors import ConfigError, LinkDownError
from tests.doubles.clock import FakeClock

CALL = UUID("12345678-9abc-def0-1234-56789abcdef0")
IDENTITY = b"\x01\x00\x10" + CALL.bytes


class Guests:
    """Connections handed over by a server."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Connection] = asyncio.Queue()

    def __call__(self, connection: Connection) -> None:
        self.queue.put_nowait(connection)

    async def next(self) -> Connection:
        async with asyncio.timeout(3):
            return await self.queue.get()


@contextlib.asynccontextmanager
async def serving(
    clock: SystemClock | FakeClock | None = None, **settings: object
) -> AsyncIterator[AudioSocketServer]:
    values: dict[str, object] = {"audiosocket_listen": "127.0.0.1:0"}
    chosen = AsteriskSettings(**(values | settings))  # type: ignore[arg-type]
    server = AudioSocketServer(chosen, clock or SystemClock())
    server.open()
    task = asyncio.create_task(server.run())
    try:
        yield server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        server.close()  # where `run` never began


class Caller:
    """A client of the server, as Asterisk would be."""

    def __init__(self, server: AudioSocketServer) -> None:
        endpoint = server.listening
        self.socket = socket.create_connection((endpoint.host, endpoint.port))
        self.socket.setblocking(False)

    def send(self, piece: bytes) -> None:
        self.socket.send(piece)

    async def closed(self) -> None:
        """Wait until the server has closed the connection."""
        async with asyncio.timeout(3):
            try:
                piece = await asyncio.get_running_loop().sock_recv(self.socket, 100)
            except ConnectionResetError:
                piece = b""
        assert piece == b""

    def close(self) -> None:
        self.socket.close()


async def test_an_expected_uuid_brings_a_raw_socket_with_what_followed() -> None:
    async with serving() as server:
        guests = Guests()
        server.expect(CALL, 5, guests)
        caller = Caller(server)
        caller.send(IDENTITY + b"\x10\x00\x02ab\x10\x00")
        connection = await guests.next()
        assert connection.uuid == CALL
        assert connection.pending == b"\x10\x00\x02ab\x10\x00"
        assert connection.socket.getblocking() is False
        assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        caller.send(b"more")
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(connection.socket, 10) == b"more"
        assert server.accepted == 1
        connection.socket.close()
        caller.close()


@pytest.mark.parametrize(
    ("keep_digits", "left"),
    [(True, b"\x03\x00\x015\x03\x00\x016\x10\x00\x04x"), (False, b"\x10\x00\x04x")],
)
def test_of_what_piled_up_digits_are_kept_where_they_are_wanted(
    keep_digits: bool, left: bytes
) -> None:
    near, far = socket.socketpair()
    with near, far:
        near.setblocking(False)
        far.sendall(b"\x10\x00\x02cd\x03\x00\x016\x10\x00\x04x")
        piled_up = Connection(near, CALL, b"\x10\x00\x02ab\x03\x00\x015")
        fresh = piled_up.without_backlog(keep_digits=keep_digits)
    assert fresh.pending == left


async def test_a_uuid_in_pieces_is_understood() -> None:
    async with serving() as server:
        guests = Guests()
        server.expect(CALL, 5, guests)
        caller = Caller(server)
        for byte in IDENTITY:
            caller.send(bytes([byte]))
            await asyncio.sleep(0.001)
        connection = await guests.next()
        assert (connection.uuid, connection.pending) == (CALL, b"")
        connection.socket.close()
        caller.close()


async def test_a_uuid_lets_one_connection_in() -> None:
    async with serving() as server:
        guests = Guests()
        server.expect(CALL, 5, guests)
        first, second = Caller(server), Caller(server)
        first.send(IDENTITY)
        connection = await guests.next()
        second.send(IDENTITY)
        await second.closed()
        assert server.rejected == {Rejection.UNEXPECTED: 1}
        connection.socket.close()
        first.close()
        second.close()


async def test_a_contacts_uuid_lets_many_in() -> None:
    async with serving() as server:
        guests = Guests()
        server.expect_always(CALL, guests)
        callers = [Caller(server) for _ in range(3)]
        for caller in callers:
            caller.send(IDENTITY)
        for caller in callers:
            (await guests.next()).socket.close()
            caller.close()
        assert server.accepted == 3


async def test_a_uuid_that_comes_too_late_is_closed() -> None:
    clock = FakeClock()
    async with serving(clock) as server:
        server.expect(CALL, 5, Guests())
        await clock.advance(5.1)
        caller = Caller(server)
        caller.send(IDENTITY)
        await caller.closed()
        assert server.rejected == {Rejection.LATE: 1}
        caller.close()


async def test_a_forgotten_uuid_is_not_expected() -> None:
    async with serving() as server:
        server.expect(CALL, 5, Guests())
        server.forget(CALL)
        server.forget(uuid4())
        caller = Caller(server)
        caller.send(IDENTITY)
        await caller.closed()
        assert server.rejected == {Rejection.UNEXPECTED: 1}
        caller.close()


@pytest.mark.parametrize(
    "first",
    [
        b"\x00\x00\x00",
        b"\x10\x01\x40" + bytes(320),
        b"\x01\x00\x0f" + bytes(15),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(20_000),
        b"\x01\xff\xff" + bytes(5_000),
    ],
    ids=["hangup", "audio", "short", "http", "endless"],
)
async def test_another_first_message_is_closed(first: bytes) -> None:
    async with serving() as server:
        caller = Caller(server)
        caller.send(first)
        await caller.closed()
        assert server.rejected == {Rejection.WIRE: 1}
        caller.close()


async def test_silence_is_closed_after_its_time() -> None:
    async with serving(identify_seconds=0.1) as server:
        silent, slow = Caller(server), Caller(server)
        slow.send(IDENTITY[:5])
        await silent.closed()
        await slow.closed()
        assert server.rejected == {Rejection.SILENCE: 2}
        silent.close()
        slow.close()


async def test_a_connection_that_goes_at_once_is_counted() -> None:
    async with serving(identify_seconds=0.1) as server:
        caller = Caller(server)
        caller.close()
        silent = Caller(server)  # taken after the first one
        await silent.closed()
        assert server.rejected == {Rejection.GONE: 1, Rejection.SILENCE: 1}
        silent.close()


async def test_another_source_address_is_closed_unread() -> None:
    async with serving(audiosocket_allow=("10.0.0.0/8",)) as server:
        server.expect(CALL, 5, Guests())
        caller = Caller(server)
        await caller.closed()
        assert server.rejected == {Rejection.SOURCE: 1}
        caller.close()


async def test_an_ipv4_address_is_one_also_on_an_ipv6_socket() -> None:
    settings = AsteriskSettings(audiosocket_allow=("127.0.0.0/8", "::1/128"))
    server = AudioSocketServer(settings, SystemClock())
    assert server._refusal("::ffff:127.0.0.1") is None
    assert server._refusal("::1") is None
    assert server._refusal("::ffff:10.0.0.1") is Rejection.SOURCE


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0"])
def test_an_address_to_dial_is_needed_where_none_is_listened_on(listen: str) -> None:
    server = AudioSocketServer(
        AsteriskSettings(audiosocket_listen=listen), SystemClock()
    )
    with pytest.raises(ConfigError, match="audiosocket_advertise"):
        server.open()


async def test_a_crowd_without_uuids_keeps_nobody_else_waiting() -> None:
    async with serving(identify_seconds=0.3) as server:
        guests = Guests()
        crowd = [Caller(server) for _ in range(70)]
        for caller in crowd[64:]:
            await caller.closed()
        assert server.rejected == {Rejection.CROWD: 6}
        for caller in crowd[:64]:
            await caller.closed()
        server.expect(CALL, 5, guests)
        late = Caller(server)
        late.send(IDENTITY)
        (await guests.next()).socket.close()
        for caller in [*crowd, late]:
            caller.close()


async def test_who_knocks_without_end_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = FakeClock()

    async def knock(first: bytes, times: int) -> None:
        for _ in range(times):
            caller = Caller(server)
            caller.send(first)
            await caller.closed()
            caller.close()

    async with serving(clock) as server:
        await knock(IDENTITY, 3)
        await knock(b"\x00\x00\x00", 2)
        await clock.advance(10)
        await knock(IDENTITY, 2)
    warned = [one.split(" closed: ")[1] for one in caplog.messages]
    assert warned == [
        f"UUID not expected {CALL} (1 so far)",
        "no UUID in the first message not a UUID: kind 0x00, 0 bytes (1 so far)",
        f"UUID not expected {CALL} (4 so far)",
    ]


async def test_a_taken_port_is_a_fault_of_the_configuration() -> None:
    async with serving() as server:
        settings = AsteriskSettings(audiosocket_listen=str(server.listening))
        with pytest.raises(ConfigError, match="cannot listen on 127"):
            AudioSocketServer(settings, SystemClock()).open()


async def test_what_asterisk_dials_is_as_listened_or_as_told() -> None:
    async with serving() as server:
        assert server.advertised == server.listening
        assert server.listening.port > 0
    async with serving(audiosocket_advertise="192.0.2.1:9092") as server:
        assert str(server.advertised) == "192.0.2.1:9092"
    with pytest.raises(LinkDownError):
        _ = server.listening


@pytest.mark.parametrize("text", ["127.0.0.1/33", "here", "10.0.0.1/8"])
def test_networks_that_are_none_are_named(text: str) -> None:
    settings = AsteriskSettings(audiosocket_allow=(text,))
    with pytest.raises(ConfigError, match="is no network"):
        settings.allowed_networks()
