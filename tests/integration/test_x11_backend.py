"""The Skype backend with the emulator on a real display: absence, loss, garbling."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import pytest

from skypechan.backends.base import LineState
from skypechan.backends.skype.protocol.chunks import INSTANCE_PROPERTY
from skypechan.backends.skype.settings import SkypeSettings
from skypechan.backends.skype.timing import Timing
from skypechan.call.causes import HangupCause
from skypechan.call.events import LineAnswered, LineReleased, LineRinging
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from skypechan.errors import CallError
from skypechan.links.x11.link import X11Link
from tests.doubles.loop_lag import LoopLag
from tests.doubles.skype_emulator import ACCOUNT, SkypeEmulator
from tests.doubles.skype_line import SkypeLine, running_line

BACK_WITHIN_S = 2.0
"""From the client's return to a ready line."""

NO_STALL_S = 0.25
IMPATIENT = Timing(command_s=0.5, ping_s=0.2, ping_answer_s=0.2)


@pytest.fixture
async def screen(tmp_path) -> AsyncIterator[PrivateScreen]:
    """The article's kind of screen, 8 bits deep."""
    async with PrivateScreen(tmp_path / "screen", screen="640x480x8") as screen:
        yield screen
        screen.process.signal(signal.SIGCONT)


@pytest.fixture
async def emulator(screen) -> AsyncIterator[SkypeEmulator]:
    """Not started yet."""
    emulator = SkypeEmulator(display=screen.display, xauthority=str(screen.xauthority))
    yield emulator
    await emulator.kill()


def running(
    screen: PrivateScreen, timing: Timing | None = None, display: str = ""
) -> AbstractAsyncContextManager[SkypeLine]:
    settings = SkypeSettings(
        account=ACCOUNT,
        transport="x11",
        display=display or screen.display,
        xauthority=str(screen.xauthority),
    )
    return running_line(settings, timing)


@pytest.fixture
async def line(screen, emulator) -> AsyncIterator[SkypeLine]:
    """A ready line with the emulator at its other end."""
    await emulator.start()
    async with running(screen) as line:
        await line.observer.reach(LineState.READY)
        yield line


async def applications(emulator) -> list[str]:
    account = await emulator.control("GET", "/account")
    return [item["application"] for item in account["applications"]]


async def kill_screen(screen: PrivateScreen) -> None:
    screen.process.kill()
    await screen.process.wait()


# Calls.


async def test_call_is_placed_rings_and_is_answered(line, emulator):
    leg, events = await line.talk()
    assert events.all == [LineRinging(), LineAnswered()]
    await leg.release()
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.NORMAL_CLEARING
    assert (await emulator.call(leg.leg_id))["ended"]


async def test_call_comes_in_and_is_answered(line, emulator):
    await emulator.control("POST", "/calls", **{"from": "carol"})
    offered = await line.observer.next_offer()
    assert offered.offer.caller == "carol"
    await offered.offer.leg.answer()
    await offered.events.first(LineAnswered)
    await emulator.control("POST", f"/calls/{offered.offer.leg.leg_id}/hang_up")
    await offered.events.first(LineReleased)


async def test_swapped_slices_of_an_error_are_mended(line, emulator):
    await emulator.control("POST", "/faults", swap_slices=1)
    with pytest.raises(CallError, match="unrecognised identity") as raised:
        await line.place("nobody.at.all")
    assert raised.value.cause is HangupCause.UNALLOCATED


async def test_call_goes_through_whatever_slices_are_swapped(line, emulator):
    await emulator.control("POST", "/faults", swap_slices=1000)
    leg, events = await line.talk()
    await leg.release()
    await events.first(LineReleased)
    assert events.all[:2] == [LineRinging(), LineAnswered()]


async def test_giant_name_of_a_caller_arrives_whole_and_stalls_nothing(line, emulator):
    name = "ü" * 100_000
    who = {"from": "carol", "display_name": name}
    async with LoopLag() as lag:
        await emulator.control("POST", "/calls", **who)
        offered = await line.observer.next_offer()
        await asyncio.sleep(0.5)
    assert lag.most_s < NO_STALL_S
    assert offered.offer.caller_name in {name, "carol"}
    await offered.offer.leg.release()
    await offered.events.first(LineReleased)


async def test_two_gateways_on_one_client_hear_each_their_own_lines(
    line, emulator, screen
):
    async with running(screen) as other:
        await other.observer.reach(LineState.READY)
        assert len(set(await applications(emulator))) == 2
        leg, events = await line.talk()
        await leg.release()
        await events.first(LineReleased)
        for each in (line, other):
            with pytest.raises(CallError):
                await each.place("nobody.at.all")
        both = await asyncio.gather(
            *(each.place("busy") for each in (line, other)), return_exceptions=True
        )
        for result in both:
            if isinstance(result, tuple):
                await result[1].first(LineReleased)
    await forgotten(emulator, 1)


async def forgotten(emulator, left: int) -> None:
    """Return once the client knows no more applications than that."""
    async with asyncio.timeout(5):
        for pause_s in itertools.repeat(0.02):
            if len(await applications(emulator)) <= left:
                return
            await asyncio.sleep(pause_s)


# Absence and return.


async def test_gateway_display_and_client_start_in_any_order(tmp_path):
    screen = PrivateScreen(tmp_path / "screen", screen="640x480x8")
    async with screen:
        pass  # gives it its number
    async with running(screen) as line:
        await line.waits_for("no display")
        await screen.start()
        await line.waits_for("does not run")
        emulator = SkypeEmulator(
            display=screen.display, xauthority=str(screen.xauthority)
        )
        await emulator.start()
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)
        await emulator.kill()
    await screen.stop()


async def test_client_that_quits_and_comes_back_is_ready_in_time(line, emulator):
    emulator.send_signal(signal.SIGTERM)
    await line.waits_for("does not run")
    await emulator.kill()
    await emulator.start()
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_client_that_is_killed_and_comes_back_is_ready_in_time(line, emulator):
    await emulator.kill()
    await line.waits_for("does not run")
    await emulator.start()
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_display_that_is_killed_and_comes_back_is_ready_in_time(
    line, emulator, screen
):
    await kill_screen(screen)
    await line.waits_for("no display")
    await emulator.kill()
    await screen.start()
    await emulator.start()
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


@pytest.mark.parametrize("others", [0, 1])
async def test_property_of_a_dead_client_is_no_client(screen, emulator, others):
    """Whoever comes next to the display is given the range of the dead."""
    await emulator.start()
    await emulator.kill()
    async with AsyncExitStack() as stack:
        for _ in range(others):
            link = await X11Link.connect(
                screen.display, str(screen.xauthority), (INSTANCE_PROPERTY,)
            )
            stack.callback(link.close)
            left = await link.root_property(INSTANCE_PROPERTY)
            assert link.is_ours(left)
        line = await stack.enter_async_context(running(screen))
        await line.waits_for("does not run")
        await asyncio.sleep(0.3)
        assert [state for state, _, _ in line.observer.states] == (
            [LineState.WAITING_FOR_CLIENT]
        )
        await emulator.start()
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_window_that_ends_under_its_property_is_noticed(line, emulator):
    await emulator.control("POST", "/display", window=False, property=True)
    await line.waits_for("does not run")
    await emulator.control("POST", "/display", window=True, property=True)
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_property_that_goes_and_comes_back_is_noticed(line, emulator):
    await emulator.control("POST", "/display", property=False)
    await line.waits_for("does not run")
    await emulator.control("POST", "/display", property=True)
    await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_client_that_appears_before_it_is_signed_in_is_asked_again(
    screen, emulator
):
    """Attached at once, a client says CONNSTATUS OFFLINE for about a second."""
    await emulator.start()
    await emulator.control("POST", "/display", property=False)
    await emulator.control("POST", "/account", signed_in=False)
    async with running(screen) as line:
        await line.waits_for("does not run")
        await emulator.control("POST", "/display", property=True)
        await line.observer.reach(LineState.SIGNED_OUT)
        await emulator.control("POST", "/account", signed_in=True)
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)


async def test_display_over_tcp_and_by_its_socket_instead(tmp_path):
    for listen_tcp in (True, False):
        async with PrivateScreen(
            tmp_path / f"x{listen_tcp}", screen="640x480x8", listen_tcp=listen_tcp
        ) as screen:
            emulator = SkypeEmulator(
                display=screen.display, xauthority=str(screen.xauthority)
            )
            await emulator.start()
            async with running(screen, display=f"localhost:{screen.number}.0") as line:
                await line.observer.reach(LineState.READY)
                await line.talk()
            await emulator.kill()


# Trouble during a call.


async def test_client_that_is_killed_during_a_call_releases_it_once(line, emulator):
    leg, events = await line.talk()
    await emulator.kill()
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.DESTINATION_OUT_OF_ORDER
    await leg.release()
    assert events.released is released


async def test_display_that_is_killed_during_a_call_releases_it_once(line, screen):
    leg, events = await line.talk()
    await kill_screen(screen)
    released = await events.first(LineReleased)
    assert released.cause is HangupCause.DESTINATION_OUT_OF_ORDER
    await leg.release()
    assert events.released is released


async def test_call_of_a_dead_gateway_is_ended_by_the_next_one(screen, emulator):
    await emulator.start()
    left = await emulator.control("POST", "/place", to="echo")
    await emulator.call(left["call"], until="INPROGRESS")
    async with running(screen) as line:
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)
        assert (await emulator.call(left["call"]))["ended"]


async def test_stopped_client_degrades_the_line_until_it_wakes(screen, emulator):
    await emulator.start()
    async with running(screen, IMPATIENT) as line:
        await line.observer.reach(LineState.READY)
        emulator.send_signal(signal.SIGSTOP)
        await line.observer.reach(LineState.DEGRADED)
        emulator.send_signal(signal.SIGCONT)
        await line.observer.reach(LineState.READY)


async def test_stopped_display_degrades_the_line_keeps_the_call_and_stalls_nothing(
    screen, emulator
):
    await emulator.start()
    async with running(screen, IMPATIENT) as line:
        await line.observer.reach(LineState.READY)
        _, events = await line.talk()
        screen.process.signal(signal.SIGSTOP)
        async with LoopLag() as lag:
            await line.observer.reach(LineState.DEGRADED)
            await asyncio.sleep(0.5)
        assert lag.most_s < NO_STALL_S
        screen.process.signal(signal.SIGCONT)
        await line.observer.reach(LineState.READY)
        assert events.of(LineReleased) == []


async def test_display_that_is_stopped_from_the_start_is_waited_for(screen, emulator):
    await emulator.start()
    screen.process.signal(signal.SIGSTOP)
    async with running(screen) as line, LoopLag() as lag:
        await line.waits_for("says nothing", 7)
        screen.process.signal(signal.SIGCONT)
        await line.observer.reach(LineState.READY, BACK_WITHIN_S)
    assert lag.most_s < NO_STALL_S


async def test_waiting_on_a_display_costs_no_time(screen):
    async with running(screen) as line:
        await line.waits_for("does not run")
        before_s = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - before_s < 0.1


# Bus and display at once.


async def test_client_on_bus_and_display_serves_both_at_once(screen, tmp_path):
    async with PrivateBus(tmp_path) as bus, AsyncExitStack() as stack:
        emulator = SkypeEmulator(bus.address, screen.display, str(screen.xauthority))
        stack.push_async_callback(emulator.kill)
        await emulator.start()
        settings = SkypeSettings(account=ACCOUNT, dbus_address=bus.address)
        async with running_line(settings) as by_bus, running(screen) as by_display:
            for line in (by_bus, by_display):
                await line.observer.reach(LineState.READY)
            assert sorted(key.split()[0] for key in await applications(emulator)) == [
                "dbus",
                "x11",
            ]
            for line in (by_bus, by_display):
                leg, events = await line.talk()
                await leg.release()
                await events.first(LineReleased)
