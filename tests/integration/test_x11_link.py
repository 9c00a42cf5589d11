"""The X11 door against a real Xvfb, and against servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import struct
import time
from pathlib import Path

import pytest
from Xlib import Xatom
from Xlib.display import Display
from Xlib.protocol import event

from skypechan.desktop.screen import PrivateScreen
from skypechan.errors import (
    ConfigError,
    DeadlineError,
    LinkDownError,
    LinkRefusedError,
)
from skypechan.links.x11.link import X11Link
from tests.doubles.loop_lag import LoopLag
from tests.doubles.waiting import Changes
from tests.doubles.xbetween import between

PROPERTY, BEGIN, MORE = "_EXAMPLE_WINDOW", "EXAMPLE_BEGIN", "EXAMPLE_MORE"
ATOMS = (PROPERTY, BEGIN, MORE)
NO_STALL_S = 0.25
"""What a loaded machine may cost; a wait for the server would take seconds."""


@pytest.fixture
async def screen(tmp_path):
    """As small as can be, with 256 colours."""
    async with PrivateScreen(tmp_path / "screen", screen="320x200x8") as screen:
        yield screen
        screen.process.signal(signal.SIGCONT)


@contextlib.asynccontextmanager
async def linked(screen, **more):
    link = await X11Link.connect(screen.display, str(screen.xauthority), ATOMS, **more)
    try:
        yield link
    finally:
        link.close()
        await link.wait_lost()


@pytest.fixture
async def pair(screen):
    async with linked(screen) as one, linked(screen) as other:
        yield one, other


async def settled(*links):
    """Everything sent has been done, and what came of it was told."""
    for link in links * 2:
        await link.sync()


class Inbox(Changes):
    def __init__(self, link):
        super().__init__()
        self.messages = []
        link.on_message(self.take)

    def take(self, *message):
        self.messages.append(message)
        self.notify()

    async def holds(self, count, seconds=20):
        what = f"{count} messages"
        await self.until(lambda: len(self.messages) >= count, seconds, what)


def numbered(count, atom=MORE):
    return [(atom, number.to_bytes(20, "big")) for number in range(count)]


# Messages.


async def test_messages_arrive_whole_in_order_and_with_their_sender(pair):
    one, other = pair
    inbox = Inbox(other)
    content = bytes(range(20))
    one.send(other.window, [(BEGIN, content), *numbered(100)])
    await settled(one, other)
    assert inbox.messages == [
        (one.window, BEGIN, content),
        *((one.window, *message) for message in numbered(100)),
    ]


async def test_more_messages_than_there_are_serial_numbers_all_arrive(pair):
    one, other = pair
    inbox = Inbox(other)
    for _ in range(7):
        one.send(other.window, numbered(10_000))
        await one.sync()
    await inbox.holds(70_000)
    await settled(one, other)
    assert [int.from_bytes(content) for _, _, content in inbox.messages] == (
        list(range(10_000)) * 7
    )


async def test_flood_does_not_stall_the_loop_of_the_receiver(screen, pair):
    one, other = pair
    inbox = Inbox(other)
    one.send(other.window, numbered(20_000))
    async with LoopLag() as lag:
        await inbox.holds(20_000)
    assert lag.most_s < NO_STALL_S


async def test_messages_with_other_atoms_are_not_told(screen, pair, monkeypatch):
    _, other = pair
    inbox = Inbox(other)
    monkeypatch.setenv("XAUTHORITY", str(screen.xauthority))
    stranger = Display(screen.display)
    window = stranger.create_resource_object("window", other.window)
    for atom, form, content in (
        (stranger.intern_atom("ELSE"), 8, bytes(20)),
        (stranger.intern_atom(BEGIN), 32, [0] * 5),
    ):
        message = event.ClientMessage(
            window=other.window, client_type=atom, data=(form, content)
        )
        window.send_event(message)
    stranger.sync()
    await settled(other)
    stranger.close()
    assert inbox.messages == []


async def test_fault_of_who_is_told_does_not_end_the_link(pair, caplog):
    one, other = pair

    def fail(*_):
        raise ValueError("no")

    other.on_message(fail)
    one.send(other.window, numbered(1))
    await settled(one, other)
    assert "not taken" in caplog.text
    assert other.connected


# The root's property and foreign windows.


async def test_property_is_told_now_and_at_each_change(pair):
    one, other = pair
    told = []
    one.watch_root_property(PROPERTY, told.append)
    await settled(one)
    other.set_root_property(PROPERTY, other.window)
    await settled(other, one)
    other.delete_root_property(PROPERTY)
    await settled(other, one)
    assert told == [0, other.window, 0]
    assert await one.root_property(PROPERTY) == 0


async def test_property_that_is_there_already_is_told(pair):
    one, other = pair
    other.set_root_property(PROPERTY, other.window)
    await settled(other)
    told = []
    one.watch_root_property(PROPERTY, told.append)
    await settled(one)
    assert told == [other.window]


@pytest.mark.parametrize(
    ("kind", "form", "value"),
    [
        (Xatom.CARDINAL, 32, [7]),
        (Xatom.WINDOW, 32, []),
        (Xatom.WINDOW, 32, [1, 2]),
        (Xatom.WINDOW, 8, b"1234"),
        (Xatom.STRING, 8, b"x" * 1000),
    ],
)
async def test_property_that_holds_no_window_is_none(
    screen, pair, monkeypatch, kind, form, value
):
    monkeypatch.setenv("XAUTHORITY", str(screen.xauthority))
    stranger = Display(screen.display)
    atom = stranger.intern_atom(PROPERTY)
    stranger.screen().root.change_property(atom, kind, form, value)
    stranger.sync()
    stranger.close()
    assert await pair[0].root_property(PROPERTY) == 0


async def test_end_of_a_window_is_told_once(pair):
    one, other = pair
    gone = []
    one.watch_window(other.window, lambda: gone.append(1))
    await settled(one)
    assert gone == []
    other.destroy_window()
    await settled(other, one)
    one.send(other.window, numbered(3))
    await settled(one)
    assert gone == [1]


async def test_window_of_a_program_that_is_gone_is_told(screen, pair):
    one, other = pair
    gone = asyncio.Event()
    one.watch_window(other.window, gone.set)
    await settled(one)
    other.close()
    await asyncio.wait_for(gone.wait(), 5)


async def test_window_that_never_was_is_told(pair):
    one, _ = pair
    gone = []
    one.watch_window(0x7654321, lambda: gone.append(1))
    await one.sync()
    assert gone == [1]


async def test_window_that_is_no_longer_watched_is_not_told(pair):
    one, other = pair
    gone = []
    one.watch_window(other.window, lambda: gone.append(1))
    one.unwatch_window(other.window)
    other.destroy_window()
    await settled(other, one)
    assert gone == []


async def test_end_that_a_stranger_makes_up_is_not_told(screen, pair, monkeypatch):
    one, other = pair
    gone = []
    one.watch_window(other.window, lambda: gone.append(1))
    await settled(one)
    monkeypatch.setenv("XAUTHORITY", str(screen.xauthority))
    stranger = Display(screen.display)
    made_up = event.DestroyNotify(event=other.window, window=other.window)
    stranger.create_resource_object("window", one.window).send_event(made_up)
    stranger.sync()
    stranger.close()
    await settled(one)
    assert gone == []


async def test_number_of_a_dead_window_is_not_given_again(screen):
    """The server gives the range of the dead to the next, who starts elsewhere."""
    async with linked(screen) as other:
        dead = other.window
        await other.sync()
    async with linked(screen) as one, linked(screen) as third:
        assert one.is_ours(dead)
        assert not third.is_ours(dead)
        assert one.window != dead
        gone = []
        third.watch_window(dead, lambda: gone.append(1))
        await settled(one, third)
        assert gone == [1]


# Where the display is.


async def test_display_over_tcp_takes_the_cookie(tmp_path):
    async with PrivateScreen(tmp_path / "x", listen_tcp=True) as screen:
        for host in ("localhost", "127.0.0.1"):
            name = f"{host}:{screen.number}.0"
            link = await X11Link.connect(name, str(screen.xauthority), ATOMS)
            assert link.described.endswith(f"TCP port {6000 + screen.number}")
            await link.sync()
            link.close()


async def test_localhost_that_refuses_tcp_is_tried_by_its_socket(screen, caplog):
    caplog.set_level("INFO")
    name = f"localhost:{screen.number}.0"
    link = await X11Link.connect(name, str(screen.xauthority), ATOMS)
    await link.sync()
    link.close()
    words = f"by the local socket :{screen.number} as TCP port"
    assert words in link.described
    assert words in caplog.text


async def test_display_and_cookie_of_the_environment_are_the_defaults(
    screen, monkeypatch
):
    monkeypatch.setenv("DISPLAY", screen.display)
    monkeypatch.setenv("XAUTHORITY", str(screen.xauthority))
    link = await X11Link.connect()
    await link.sync()
    link.close()


async def test_without_its_cookie_the_display_refuses(screen, tmp_path, monkeypatch):
    monkeypatch.delenv("XAUTHORITY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(LinkRefusedError, match="refuses"):
        await X11Link.connect(screen.display)
    wrong = tmp_path / "wrong"
    cookie = screen.xauthority.read_bytes()[-16:]
    wrong.write_bytes(screen.xauthority.read_bytes().replace(cookie, bytes(16)))
    with pytest.raises(LinkRefusedError, match="refuses"):
        await X11Link.connect(screen.display, str(wrong))


async def test_absent_display_and_file_are_named(tmp_path, monkeypatch):
    with pytest.raises(LinkDownError, match=":59000"):
        await X11Link.connect(":59000")
    with pytest.raises(LinkDownError, match="65000 is refused; its local socket"):
        await X11Link.connect("localhost:59000")
    with pytest.raises(LinkDownError, match="nowhere"):
        await X11Link.connect(":59000", str(tmp_path / "nowhere"))
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(LinkDownError, match="DISPLAY"):
        await X11Link.connect()
    with pytest.raises(ConfigError, match="eleven"):
        await X11Link.connect("eleven")


# Servers that misbehave.


@contextlib.asynccontextmanager
async def fake_display(serve):
    """A TCP port that is no X server; its display name."""
    writers = []

    async def accept(reader, writer):
        writers.append(writer)
        await serve(reader, writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"127.0.0.1:{port - 6000}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        await server.wait_closed()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.0 400 Bad Request\r\n\r\n" + b"x" * 100,
        b"\x01\x00\x0b\x00\x00\x00\x02\x00" + bytes(8),
        b"\xff" * 400_000,
    ],
)
async def test_what_is_no_x_server_is_found_out(answer):
    async def serve(reader, writer):
        await reader.read(12)
        writer.write(answer)
        writer.close()

    async with fake_display(serve) as name:
        with pytest.raises((LinkDownError, LinkRefusedError)):
            await X11Link.connect(name, timeout_s=5)


async def test_server_that_says_nothing_does_not_hold_us():
    async def serve(reader, writer):
        await reader.read()

    async with fake_display(serve) as name, LoopLag() as lag:
        before = time.monotonic()
        with pytest.raises(DeadlineError):
            await X11Link.connect(name, timeout_s=0.3)
        assert time.monotonic() - before < 1.3
    assert lag.most_s < NO_STALL_S


async def test_connection_that_is_given_up_is_gone_at_once():
    async def serve(reader, writer):
        await reader.read()

    async with fake_display(serve) as name:
        connecting = asyncio.create_task(X11Link.connect(name, timeout_s=30))
        await asyncio.sleep(0.1)
        before = time.monotonic()
        connecting.cancel()
        await asyncio.wait([connecting])
        assert connecting.cancelled()
        assert time.monotonic() - before < 1


async def test_dead_server_is_told_and_ends_what_waits(screen, pair):
    one, _ = pair
    screen.process.signal(signal.SIGSTOP)
    waiting = asyncio.create_task(one.sync())
    await asyncio.sleep(0)
    screen.process.kill()
    await asyncio.wait_for(one.wait_lost(), 5)
    with pytest.raises(LinkDownError):
        await waiting
    for act in (
        lambda: one.send(one.window, numbered(1)),
        lambda: one.watch_window(1, list),
        lambda: one.set_root_property(PROPERTY, 1),
        one.destroy_window,
    ):
        with pytest.raises(LinkDownError, match="is lost"):
            act()
    one.unwatch_window(1)
    with pytest.raises(LinkDownError, match="is lost"):
        await one.sync()


async def test_stopped_server_neither_stalls_the_loop_nor_fills_the_memory(
    screen, pair
):
    one, other = pair
    screen.process.signal(signal.SIGSTOP)

    async def send_on():
        for _ in range(2_000):
            one.send(other.window, numbered(50))
            await asyncio.sleep(0)

    async with LoopLag() as lag:
        with pytest.raises(LinkDownError, match="stopped reading"):
            await send_on()
    assert lag.most_s < NO_STALL_S
    assert not one.connected


async def test_backlog_of_a_server_that_goes_on_is_sent(screen, pair):
    one, other = pair
    inbox = Inbox(other)
    screen.process.signal(signal.SIGSTOP)
    for _ in range(20):
        one.send(other.window, numbered(1_000))
    assert one._server.unsent_bytes > 0
    async with LoopLag() as lag:
        screen.process.signal(signal.SIGCONT)
        await inbox.holds(20_000)
    assert lag.most_s < NO_STALL_S


async def test_server_that_announces_a_reply_without_end_is_lost_at_once(
    screen, tmp_path
):
    async with between(tmp_path / "display", screen.display) as there:
        link = await X11Link.connect(there.display, str(screen.xauthority))
        await link.sync()
        there.say(struct.pack("=BxHL24x", 1, 0, 0xFFFF_FFFF))
        await asyncio.wait_for(link.wait_lost(), 2)
        assert link.reason == "a reply that is too large"


async def test_stopped_server_is_found_by_its_pulse(screen):
    async with linked(screen, pulse_s=0.1) as link:
        screen.process.signal(signal.SIGSTOP)
        async with LoopLag() as lag:
            await asyncio.wait_for(link.wait_lost(), 2)
        assert link.reason == "the X server does not answer"
        assert lag.most_s < NO_STALL_S


async def test_server_that_pauses_for_less_is_not_given_up(screen):
    async with linked(screen, pulse_s=0.3) as link:
        screen.process.signal(signal.SIGSTOP)
        with pytest.raises(DeadlineError, match="does not answer"):
            await link.sync(0.5)
        screen.process.signal(signal.SIGCONT)
        await link.sync()
        for _ in range(5):
            await asyncio.sleep(0.3)
            await link.sync()


async def test_stopped_server_is_not_connected_to(screen):
    screen.process.signal(signal.SIGSTOP)
    async with LoopLag() as lag:
        with pytest.raises(DeadlineError, match="says nothing"):
            async with linked(screen, timeout_s=0.5):
                pass
    assert lag.most_s < NO_STALL_S


async def test_display_works_on_sockets_of_any_number(screen):
    """The library's own select() ends at 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1200:
        pytest.skip(f"only {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1050)]
    try:
        async with linked(screen) as link:
            assert link._fd > 1023
            await link.sync()
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_idle_link_costs_no_time(screen):
    async with linked(screen) as link:
        await link.sync()
        before = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - before < 0.05


def test_local_socket_of_a_display_may_be_abstract(tmp_path):
    """As where /tmp belongs to another mount."""
    from skypechan.links.x11.display import DisplayName, open_way

    number = 59_123
    path = f"/tmp/.X11-unix/X{number}"  # noqa: S108
    assert not Path(path).exists()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{path}")
        server.listen()
        way = open_way(DisplayName("", number), "", 1)
        way.socket.close()
