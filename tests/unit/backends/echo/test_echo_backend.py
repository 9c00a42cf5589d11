from __future__ import annotations

import asyncio

import pytest

from skypechan.backends.base import LineState, Pacing
from skypechan.backends.echo.backend import EchoBackend
from skypechan.call.events import LineAnswered, LineDigit, LineReleased, LineRinging
from skypechan.errors import CallError, LinkDownError
from tests.doubles.clock import settle
from tests.doubles.line_observer import Events, RecordingObserver


@pytest.fixture
async def line():
    backend, observer = EchoBackend(), RecordingObserver()
    task = asyncio.create_task(backend.run(observer))
    await observer.reach(LineState.READY)
    yield backend, observer
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_placed_call_rings_and_is_answered_at_once(line):
    backend, _ = line
    events = Events()
    await backend.place("anyone", events)
    assert events.all == [LineRinging(), LineAnswered()]


async def test_digits_come_back(line):
    backend, _ = line
    events = Events()
    leg = await backend.place("anyone", events)
    for digit in "1#":
        await leg.send_digit(digit)
    assert events.of(LineDigit) == [LineDigit("1"), LineDigit("#")]
    with pytest.raises(CallError):
        await leg.send_digit("A")


async def test_audio_comes_back_until_the_call_ends(line):
    backend, _ = line
    leg = await backend.place("anyone", Events())
    port = await leg.open_audio()
    loop = asyncio.get_running_loop()
    assert port.pacing is Pacing.RETURNED
    with port.to_line, port.from_line:
        await loop.sock_sendall(port.to_line, b"\1\2")
        assert await loop.sock_recv(port.from_line, 16) == b"\1\2"
        await leg.release()
        assert await asyncio.wait_for(loop.sock_recv(port.from_line, 16), 5) == b""


async def test_audio_of_a_call_that_ends_in_the_same_moment_leaks_nothing(line):
    backend, _ = line
    leg = await backend.place("anyone", Events())
    port = await leg.open_audio()
    await leg.release()
    await settle()
    port.close()


async def test_offered_call_is_answered_only_by_us(line):
    backend, observer = line
    leg = backend.call_in("bob", "Bob B.")
    (offered,) = observer.offers
    assert offered.offer.caller_name == "Bob B."
    assert offered.events.all == []
    await leg.answer()
    assert offered.events.all == [LineAnswered()]


async def test_ended_call_takes_nothing_any_more(line):
    backend, _ = line
    events = Events()
    leg = await backend.place("anyone", events)
    leg.hang_up()
    await leg.release()
    assert len(events.of(LineReleased)) == 1
    for action in (leg.answer(), leg.send_digit("1"), leg.open_audio()):
        with pytest.raises(CallError):
            await action


async def test_echo_that_does_not_run_takes_no_calls():
    with pytest.raises(LinkDownError):
        await EchoBackend().place("anyone", Events())
