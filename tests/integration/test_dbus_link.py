"""The D-Bus door against a real daemon, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket

import pytest

from skypechan.errors import (
    CommandError,
    DeadlineError,
    LinkDownError,
    LinkRefusedError,
    LocalWireError,
)
from skypechan.links.dbus import DbusLink, session_address

NAME = "com.example.Service"
PATH = "/com/example"
INTERFACE = "com.example.Service"
TARGET = (NAME, PATH, INTERFACE)


@contextlib.asynccontextmanager
async def linked(address):
    link = await DbusLink.connect(address)
    try:
        yield link
    finally:
        link.close()
        await link.wait_lost()


@pytest.fixture
async def pair(daemon):
    async with linked(daemon.address) as service, linked(daemon.address) as client:
        await service.own_name(NAME)
        yield service, client


async def round_trip(link):
    """Everything sent before has reached the daemon, and the link works."""
    daemon = "org.freedesktop.DBus"
    path = "/org/freedesktop/DBus"
    assert await link.call(daemon, path, daemon, "GetNameOwner", daemon, 5) == daemon


def collect(service, count):
    """The texts a service hears, and an event for when `count` of them came."""
    heard, complete = [], asyncio.Event()

    def handler(call):
        heard.append(call.text)
        if len(heard) == count:
            complete.set()
        return True

    service.on_call(handler)
    return heard, complete


async def test_call_is_answered_with_the_callers_text(pair):
    service, client = pair
    calls = []

    def handler(call):
        calls.append(call)
        call.answer(call.text.upper())
        return True

    service.on_call(handler)
    assert await client.call(*TARGET, "Invoke", "grüße 😀", 5) == "GRÜSSE 😀"
    assert calls[0].sender == client.unique_name
    assert (calls[0].path, calls[0].interface, calls[0].member) == (
        PATH,
        INTERFACE,
        "Invoke",
    )


async def test_messages_leave_nothing_that_only_a_collection_of_garbage_finds(pair):
    service, client = pair
    service.on_call(lambda call: call.answer(call.text) or True)
    await client.call(*TARGET, "Echo", "first", 5)
    gc.collect()
    gc.disable()
    try:
        for number in range(20):
            await client.call(*TARGET, "Echo", str(number), 5)
        assert gc.collect() < 20
    finally:
        gc.enable()


async def test_call_may_be_answered_later(pair):
    service, client = pair
    held = asyncio.Queue()
    service.on_call(lambda call: held.put_nowait(call) or True)
    async with asyncio.TaskGroup() as group:
        reply = group.create_task(client.call(*TARGET, "Invoke", "x", 5))
        call = await held.get()
        assert not reply.done()
        call.answer("now")
    assert reply.result() == "now"


async def test_burst_of_notifies_arrives_whole_and_in_order(pair):
    service, client = pair
    texts = [f"{number} " + "x" * 400 for number in range(5_000)]
    heard, complete = collect(service, len(texts))
    for text in texts:
        client.notify(*TARGET, "Notify", text)
    await asyncio.wait_for(complete.wait(), 20)
    assert heard == texts
    assert client.connected


async def test_burst_of_calls_is_answered(pair):
    service, client = pair
    service.on_call(lambda call: call.answer(call.text) or True)
    replies = await asyncio.gather(
        *(client.call(*TARGET, "Invoke", str(number), 20) for number in range(2_000))
    )
    assert replies == [str(number) for number in range(2_000)]


async def test_call_without_answer_meets_its_deadline_and_leaves_nothing(pair):
    service, client = pair
    service.on_call(lambda _call: True)
    with pytest.raises(DeadlineError):
        await client.call(*TARGET, "Invoke", "x", 0.05)
    assert client._bus._method_return_handlers == {}
    assert client.connected


async def test_answer_after_the_deadline_is_dropped(pair):
    service, client = pair
    held = []
    service.on_call(lambda call: held.append(call) or True)
    with pytest.raises(DeadlineError):
        await client.call(*TARGET, "Invoke", "x", 0.05)
    held[0].answer("late")
    service.on_call(lambda call: call.answer("x") or True)
    await round_trip(service)
    await round_trip(client)
    assert client.connected


async def test_absent_program_is_down(daemon):
    async with linked(daemon.address) as client:
        with pytest.raises(LinkDownError):
            await client.call(*TARGET, "Invoke", "x", 5)
        assert client.connected


async def test_program_that_goes_away_during_a_call_is_down(daemon):
    async with linked(daemon.address) as client, linked(daemon.address) as service:
        await service.own_name(NAME)
        asked = asyncio.Event()
        service.on_call(lambda _call: asked.set() or True)
        task = asyncio.create_task(client.call(*TARGET, "Invoke", "x", 5))
        await asked.wait()
        service.close()
        with pytest.raises(LinkDownError):
            await task
        assert client.connected


async def test_unknown_method_and_foreign_signature_are_refused(pair):
    service, client = pair
    service.on_call(lambda _call: False)
    with pytest.raises(CommandError, match="UnknownMethod"):
        await client.call(*TARGET, "Other", "x", 5)


async def test_refusal_carries_its_error_name(pair):
    service, client = pair
    service.on_call(lambda call: call.refuse("com.example.Error.No", "no") or True)
    with pytest.raises(CommandError, match=r"com\.example\.Error\.No: no"):
        await client.call(*TARGET, "Invoke", "x", 5)


async def test_fault_in_a_handler_shows_the_caller_no_traceback(pair, caplog):
    service, client = pair

    def handler(call):
        raise ZeroDivisionError("private")

    service.on_call(handler)
    with pytest.raises(CommandError) as raised:
        await client.call(*TARGET, "Invoke", "x", 5)
    assert "private" not in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert "ZeroDivisionError" in caplog.text


async def test_nul_is_refused_before_it_costs_us_the_bus(pair):
    _, client = pair
    with pytest.raises(LocalWireError):
        await client.call(*TARGET, "Invoke", "a\0b", 5)
    with pytest.raises(LocalWireError):
        client.notify(*TARGET, "Notify", "a\0b")
    with pytest.raises(LocalWireError):
        client.notify("no name", PATH, INTERFACE, "Notify", "x")
    await round_trip(client)
    assert client.connected


async def test_lone_surrogate_is_replaced(pair):
    service, client = pair
    service.on_call(lambda call: call.answer(call.text) or True)
    assert await client.call(*TARGET, "Invoke", "a\ud800b", 5) == "a?b"


async def test_daemon_killed_in_a_call_ends_the_call_and_the_link(daemon):
    async with linked(daemon.address) as client, linked(daemon.address) as service:
        await service.own_name(NAME)
        asked = asyncio.Event()
        service.on_call(lambda _call: asked.set() or True)
        task = asyncio.create_task(client.call(*TARGET, "Invoke", "x", 30))
        await asked.wait()
        await daemon.stop()
        with pytest.raises(LinkDownError):
            await task
        async with asyncio.timeout(5):
            await client.wait_lost()
            await service.wait_lost()


async def test_lost_bus_fails_calls_at_once(daemon):
    async with linked(daemon.address) as client:
        await daemon.stop()
        async with asyncio.timeout(5):
            await client.wait_lost()
            with pytest.raises(LinkDownError):
                await client.call(*TARGET, "Invoke", "x", 30)
        with pytest.raises(LinkDownError):
            client.notify(*TARGET, "Notify", "x")


async def test_closing_ends_pending_calls(pair):
    service, client = pair
    asked = asyncio.Event()
    service.on_call(lambda _call: asked.set() or True)
    task = asyncio.create_task(client.call(*TARGET, "Invoke", "x", 30))
    await asked.wait()
    client.close()
    with pytest.raises(LinkDownError):
        await task


async def test_name_has_one_owner(pair):
    service, client = pair
    with pytest.raises(LinkRefusedError):
        await client.own_name(NAME)
    await service.own_name(NAME)
    owners = asyncio.Queue()
    await client.watch_name_owner(NAME, owners.put_nowait)
    service.close()
    assert await asyncio.wait_for(owners.get(), 5) == ""
    await client.own_name(NAME)


async def test_owner_changes_are_told(daemon):
    async with linked(daemon.address) as client, linked(daemon.address) as service:
        owners = asyncio.Queue()
        assert await client.watch_name_owner(NAME, owners.put_nowait) == ""
        await service.own_name(NAME)
        async with asyncio.timeout(5):
            assert await owners.get() == service.unique_name
            assert await client.watch_name_owner(NAME, lambda _owner: None) == (
                service.unique_name
            )
            service.close()
            assert await owners.get() == ""


async def test_departures_of_any_name_are_told(daemon):
    async with linked(daemon.address) as client, linked(daemon.address) as service:
        gone = asyncio.Queue()
        await client.watch_departures(gone.put_nowait)
        await service.own_name(NAME)
        service.close()
        async with asyncio.timeout(5):
            names = {await gone.get(), await gone.get()}
        assert names == {NAME, service.unique_name}


async def test_introspection_is_answered_for_described_objects(pair, daemon):
    service, _ = pair
    service.describe(PATH, "<node><interface name='com.example.Service'/></node>")
    process = await asyncio.create_subprocess_exec(
        "gdbus",
        "introspect",
        "--address",
        daemon.address,
        "--dest",
        NAME,
        "--object-path",
        PATH,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 20)
    assert b"interface com.example.Service" in out


async def test_nobody_at_the_address_is_down(tmp_path):
    for address in (f"unix:path={tmp_path}/none", "nonsense", "unix:", "tcp:port=x"):
        with pytest.raises(LinkDownError):
            await DbusLink.connect(address)


def test_without_a_session_bus_none_is_started(monkeypatch):
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    with pytest.raises(LinkDownError):
        session_address()


@contextlib.asynccontextmanager
async def false_daemon(directory, behave):
    """A server on a D-Bus address that is no daemon."""

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            await behave(reader, writer)
        writer.close()

    path = directory / "false"
    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield f"unix:path={path}"


async def test_server_that_hangs_up_in_authentication_refuses(tmp_path):
    async def hang_up(reader, writer):
        await reader.readline()

    async with false_daemon(tmp_path, hang_up) as address:
        async with asyncio.timeout(5):
            with pytest.raises(LinkRefusedError):
                await DbusLink.connect(address)


async def test_server_that_says_nothing_meets_the_deadline(tmp_path):
    async def say_nothing(reader, writer):
        await reader.read()

    async with false_daemon(tmp_path, say_nothing) as address:
        with pytest.raises(DeadlineError):
            await DbusLink.connect(address, timeout_s=0.1)


async def test_server_that_rejects_us_refuses(tmp_path):
    async def reject(reader, writer):
        await reader.readline()
        writer.write(b"REJECTED KERBEROS_V4\r\n")
        await reader.read()

    async with false_daemon(tmp_path, reject) as address:
        with pytest.raises(LinkRefusedError):
            await DbusLink.connect(address)


async def test_server_that_dies_after_authentication_is_down(tmp_path):
    async def die(reader, writer):
        await reader.readline()
        writer.write(b"OK 0123456789abcdef0123456789abcdef\r\n")
        await reader.readline()

    async with false_daemon(tmp_path, die) as address:
        with pytest.raises((LinkDownError, LinkRefusedError)):
            await DbusLink.connect(address)


async def test_links_leave_no_socket_open(daemon):
    def sockets():
        gc.collect()
        found = 0
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):
                found += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
        return found

    before = sockets()
    for _ in range(20):
        async with linked(daemon.address) as link:
            await round_trip(link)
    assert sockets() == before


async def test_stopped_reader_does_not_lose_the_bus(pair):
    """The daemon's socket is small: what does not fit waits in this process."""
    service, client = pair
    client._bus._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    _, complete = collect(service, 50)
    for _ in range(50):
        client.notify(*TARGET, "Notify", "x" * 100_000)
    await asyncio.wait_for(complete.wait(), 20)
    assert client.connected
