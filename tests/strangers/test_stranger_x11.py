"""The emulator on an X server: its property, slices of lines, windows that are gone.

Written from the facts about the Skype API alone.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import workspace
from tests.strangers.application import Application
from tests.strangers.conftest import ACCOUNT, Join
from tests.strangers.x11_wire import Screen, X11Wire


def wire_of(app: Application) -> X11Wire:
    """The wire of an application that joined an X server."""
    assert isinstance(app.wire, X11Wire)
    return app.wire


@pytest.mark.parametrize("length", [1, 18, 19, 20, 21, 39, 40, 41, 59, 60, 1000])
async def test_a_line_of_any_length_is_understood_and_answered(
    over_x11: Join, length: int
) -> None:
    app = await over_x11()
    await app.attach("lengths")
    token = "#" + "x" * (length - 1)
    mark = app.say(f"{token} PING")
    await app.heard.line(f"{token} PONG", since=mark)
    handle = "u" * length
    reply = await app.ask(f"GET USER {handle} BUDDYSTATUS", token="#" + "t" * length)
    assert reply.startswith((f"USER {handle} ", "ERROR "))


async def test_characters_of_several_octets_may_be_cut_by_a_slice(
    over_x11: Join, skype: Emulator
) -> None:
    app = await over_x11()
    await app.attach("\u00e4\u2603\U0001f600 Fritz\u00e9")
    for shift in range(4):
        name = "x" * shift + "\u2603\U0001f600\u00e4" * 12
        number = await skype.ring("bob", display_name=name)
        reply = await app.ask(f"GET CALL {number} PARTNER_DISPNAME")
        assert reply == f"CALL {number} PARTNER_DISPNAME {name}"
        await app.ask(f"ALTER CALL {number} END HANGUP")


async def test_slices_of_two_applications_may_interleave(over_x11: Join) -> None:
    apps = [await over_x11(), await over_x11()]
    for number, app in enumerate(apps):
        await app.attach(f"weaver {number}")
    lines = [f"#{letter * 50} GET USERSTATUS" for letter in "ab"]
    wires = [wire_of(app) for app in apps]
    slices = [wire.screen.slices(line) for wire, line in zip(wires, lines, strict=True)]
    for pair in zip(*slices, strict=True):
        for wire, (kind, octets) in zip(wires, pair, strict=True):
            wire.screen.send_slice(wire.skype, kind, octets)
            wire.screen.errors()  # a round trip: it has arrived before the next one
    for app, letter in zip(apps, "ab", strict=True):
        await app.heard.line(f"#{letter * 50} USERSTATUS ONLINE")


async def test_slices_out_of_place_spoil_no_later_line(over_x11: Join) -> None:
    app = await over_x11()
    await app.attach("torn")
    wire = wire_of(app)
    (begin, first), (more, second) = wire.screen.slices("#1 GET CURRENTUSERHANDLE")[:2]
    wire.screen.send_slice(wire.skype, more, second)  # a rest without a beginning
    assert await app.ask("PING", token="#after-rest") == "PONG"
    wire.screen.send_slice(wire.skype, begin, first)  # a beginning without an end
    assert await app.ask("PING", token="#after-beginning") == "PONG"
    wire.screen.send_slice(wire.skype, begin, b"\xff\xfe\x80 not UTF-8\0".ljust(20))
    wire.screen.send_slice(wire.skype, begin, b"\0" * 20)
    assert await app.ask("PING", token="#after-noise") == "PONG"


async def test_an_application_without_a_window_any_more_harms_nobody(
    over_x11: Join, skype: Emulator
) -> None:
    gone, other = await over_x11(), await over_x11()
    await gone.attach("gone")
    await other.attach("stays")
    wire_of(gone).screen.destroy_window()
    wire_of(gone).screen.errors()
    number = await skype.ring("bob")
    await other.status(number, "RINGING")
    await other.ask(f"ALTER CALL {number} END HANGUP")
    await other.status(number, "REFUSED")
    assert await other.ask("PING") == "PONG"


async def test_applications_on_both_transports_hear_the_same_call(
    over_x11: Join, over_dbus: Join, skype: Emulator
) -> None:
    apps = [await over_x11(), await over_dbus()]
    for app in apps:
        await app.attach("one of two")
    number = await skype.ring("bob")
    for app in apps:
        await app.status(number, "RINGING")
    await apps[0].ask(f"ALTER CALL {number} ANSWER")
    await apps[1].status(number, "INPROGRESS")
    await apps[1].ask(f"ALTER CALL {number} HANGUP")
    for app in apps:
        await app.status(number, "FINISHED")
    assert apps[0].statuses(number) == apps[1].statuses(number)


async def test_skype_comes_and_goes_by_its_property_and_can_be_found_again() -> None:
    async with AsyncExitStack() as stack:
        place = stack.enter_context(workspace())
        server = await stack.enter_async_context(PrivateScreen(place / "screen"))
        screen = Screen(server.display, server.xauthority)
        stack.callback(screen.close)
        changed = asyncio.Event()
        screen.on_property = changed.set
        screen.watch_property()
        assert screen.instance() == 0
        options = ["--display", server.display, "--account", ACCOUNT]
        environment = {"XAUTHORITY": str(server.xauthority)}
        for number in range(2):
            changed.clear()
            async with emulator(
                place / str(number), options, environment=environment
            ) as skype:
                async with asyncio.timeout(5):
                    await changed.wait()
                app = Application(X11Wire(screen))
                await app.attach("finder")
                call = await skype.ring("bob")
                await app.status(call, "RINGING")
                if number == 0:
                    skype.process.kill()
                    await skype.process.wait()
                else:
                    await skype.process.stop()
            if number == 0:  # the property stays behind, of a window that is dead
                screen.send(screen.instance(), "PING")
                assert (3, 25) in screen.errors()  # BadWindow of SendEvent
            else:
                assert screen.instance() == 0
