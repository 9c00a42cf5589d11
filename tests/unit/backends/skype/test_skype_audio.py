"""The two sound ports of a call (transcript T11)."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import contextmanager

import pytest

from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.soundports import SoundPorts
from skypechan.call.causes import HangupCause
from skypechan.errors import CallError, DeadlineError
from tests.doubles.clock import settle

DEADLINE_S = 5.0
IN, OUT = "SET_INPUT", "SET_OUTPUT"


def port_in(command: str, verb: str) -> int:
    match = re.fullmatch(rf'ALTER CALL 178 {verb} PORT="(\d+)"', command)
    assert match, command
    return int(match[1])


@contextmanager
def dialled(port: int):
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as plug:
        yield plug


async def refused(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return True
    writer.close()
    return False


@pytest.fixture
async def call(bench):
    """A client, and a leg of it that is up."""
    client = await bench.ready()
    leg, events = await bench.place(client)
    await bench.say(client, "CALL 178 STATUS INPROGRESS")
    return client, leg, events


async def asked(client, verb: str) -> int:
    """The port of an audio command, which is then answered with its echo."""
    command = await client.hear(verb)
    port = port_in(command, verb)
    client.answer(command, command)
    return port


@pytest.mark.parametrize("order", [(IN, OUT), (OUT, IN)])
async def test_client_connects_both_ports_in_either_order(call, order):
    client, leg, _ = call
    opening = asyncio.create_task(leg.open_audio())
    ports = {IN: await asked(client, IN), OUT: await asked(client, OUT)}
    with dialled(ports[order[0]]) as first, dialled(ports[order[1]]) as second:
        port = await asyncio.wait_for(opening, DEADLINE_S)
        plugs = dict(zip(order, (first, second), strict=True))
        plugs[OUT].sendall(b"from")
        port.to_line.sendall(b"to")
        assert plugs[IN].recv(16) == b"to"
        loop = asyncio.get_running_loop()
        assert await loop.sock_recv(port.from_line, 16) == b"from"
        assert port.rate_hz == 16_000
        assert not port.to_line.getblocking()
        port.from_line.close()
        port.to_line.close()


async def test_ports_listen_before_the_client_is_told(call):
    client, leg, _ = call
    opening = asyncio.create_task(leg.open_audio())
    with dialled(port_in(await client.hear(IN), IN)):
        await asked(client, IN)
        with dialled(await asked(client, OUT)):
            port = await asyncio.wait_for(opening, DEADLINE_S)
            port.from_line.close()
            port.to_line.close()


async def test_ports_take_one_connection_and_no_more(call):
    client, leg, _ = call
    opening = asyncio.create_task(leg.open_audio())
    ports = [await asked(client, IN), await asked(client, OUT)]
    with dialled(ports[0]), dialled(ports[1]):
        port = await asyncio.wait_for(opening, DEADLINE_S)
        for number in ports:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", number), DEADLINE_S)
        port.from_line.close()
        port.to_line.close()


async def test_port_that_has_its_connection_takes_no_other_while_its_twin_waits():
    ports = SoundPorts.listen(0, 0)
    number = ports.to_line_port
    connecting = asyncio.create_task(ports.connected())
    with dialled(number):
        await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE_S):
            while not await refused(number):
                await settle()
        assert ports.hand_over() is None
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    ports.close()


async def test_who_is_not_the_client_is_hung_up_on_and_the_client_awaited():
    class Choosy:
        def __init__(self):
            self.answers = [False, True, True]

        def new_socket(self):
            return socket.socket()

        def is_client(self, _):
            return self.answers.pop(0)

    ports = SoundPorts.listen(0, 0, Choosy())
    connecting = asyncio.create_task(ports.connected())
    with dialled(ports.to_line_port) as stranger:
        stranger.setblocking(False)
        async with asyncio.timeout(DEADLINE_S):
            assert await asyncio.get_running_loop().sock_recv(stranger, 1) == b""
    with dialled(ports.to_line_port), dialled(ports.from_line_port):
        async with asyncio.timeout(DEADLINE_S):
            await connecting
        port = ports.hand_over()
        port.to_line.close()
        port.from_line.close()


async def test_port_can_be_listened_on_again_right_after_a_call():
    ports = SoundPorts.listen(0, 0)
    numbers = ports.to_line_port, ports.from_line_port
    with dialled(numbers[0]) as first, dialled(numbers[1]) as second:
        await ports.connected()
        port = ports.hand_over()
        # Who closes first keeps the port in TIME_WAIT: that is us.
        port.to_line.close()
        port.from_line.close()
        assert first.recv(1) == second.recv(1) == b""
    SoundPorts.listen(*numbers).close()


async def test_client_that_never_connects_is_a_deadline(bench, call):
    client, leg, _ = call
    opening = asyncio.create_task(leg.open_audio())
    ports = [await asked(client, IN), await asked(client, OUT)]
    with dialled(ports[0]):
        await bench.clock.advance(6)
        with pytest.raises(DeadlineError):
            await opening
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[1]), DEADLINE_S)


async def test_call_that_ends_before_its_sound_connects_is_an_error(call):
    client, leg, _ = call
    opening = asyncio.create_task(leg.open_audio())
    await asked(client, IN)
    await asked(client, OUT)
    await settle()
    client.say("CALL 178 STATUS FINISHED")
    with pytest.raises(CallError, match="ended"):
        await opening


async def test_refused_sound_port_raises_its_cause(call):
    client, leg, _ = call
    opening = asyncio.create_task(leg.open_audio())
    client.answer(await client.hear(IN), "ERROR 589 ALTER CALL: socket")
    with pytest.raises(CallError) as raised:
        await opening
    assert raised.value.cause is HangupCause.TEMPORARY_FAILURE


async def test_cancelled_opening_leaves_no_socket(call):
    client, leg, _ = call
    opening = asyncio.create_task(leg.open_audio())
    with dialled(await asked(client, IN)):
        await asked(client, OUT)
        await settle()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening


def test_configured_ports_are_used_and_a_taken_one_is_named():
    ports = SoundPorts.listen(0, 0)
    try:
        taken = ports.from_line_port
        with pytest.raises(CallError, match=str(taken)):
            SoundPorts.listen(0, taken)
    finally:
        ports.close()
    again = SoundPorts.listen(taken, 0)
    assert again.to_line_port == taken
    again.close()


async def test_ports_of_the_settings_go_to_their_direction(run_line):
    probe = SoundPorts.listen(0, 0)
    to_skype, from_skype = probe.to_line_port, probe.from_line_port
    probe.close()
    settings = SkypeSettings(
        sound_port_to_skype=to_skype, sound_port_from_skype=from_skype
    )
    async with run_line(settings) as bench:
        client = await bench.ready()
        leg, _ = await bench.place(client)
        opening = asyncio.create_task(leg.open_audio())
        assert await asked(client, IN) == to_skype
        assert await asked(client, OUT) == from_skype
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
