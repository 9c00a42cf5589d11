"""The configuration of 2009: its skypiax.conf as it is, its dialplan converted.

A real Asterisk runs what `skypechan convert` made of the old extensions.conf, the
gateway runs with the old skypiax.conf, and the client stands on an X display that is
reached by TCP with a cookie, as one behind `ssh -X` is.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from skypechan.audio.probe import measured_tone, tone
from skypechan.config.convert import convert
from skypechan.demo.parts.asterisk import LocalAsterisk, installation
from skypechan.demo.parts.emulated import Emulator
from skypechan.demo.parts.gateway import Gateway
from skypechan.demo.parts.ports import HOST
from skypechan.desktop.process import Process, Program
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.users import private_folder
from tests.doubles.loop_thread import LoopThread
from tests.doubles.rtp import sound_of
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_messages import Credentials
from tests.system.article import article_gateway
from tests.system.parts import CHECKOUT

DATA = CHECKOUT / "tests/data"

# What the old file could not hold: it stands for the moment in which the article
# changes 600 into 555.
ROUTE = """
[[routes]]
caller = "to-phone*"
to = "555@default"
"""

pytestmark = pytest.mark.usefixtures("every_call_ends")


@pytest.fixture(scope="module")
def old_asterisk(house: LoopThread, place: Path) -> Iterator[LocalAsterisk]:
    """Asterisk with the converted dialplan and nothing else of its own."""
    dialplan = "#include skypechan.conf\n"
    for name in ("skypiax-extensions.conf", "skypiax-forms.conf"):
        converted, warnings = convert(DATA / name)
        assert warnings == ()
        dialplan += converted
    with house.sub() as running:
        yield running.enter(
            LocalAsterisk(
                installation(CHECKOUT, os.environ),
                place / "old-asterisk",
                CHECKOUT / "asterisk-conf",
                files={"extensions.conf": dialplan},
            )
        )


@pytest.fixture(scope="module")
def screen(house: LoopThread, place: Path) -> Iterator[PrivateScreen]:
    """The display of the client: 8 bits deep as it was then, and also on TCP."""
    with house.sub() as running:
        yield running.enter(
            PrivateScreen(place / "old-screen", screen="640x480x8", listen_tcp=True)
        )


@asynccontextmanager
async def client_on(screen: PrivateScreen, folder: Path) -> AsyncIterator[Emulator]:
    private_folder(folder)
    command = (sys.executable, "-m", "skypechan.cli", "emulator")
    options = ("--account", "skypet123", "--display", screen.display, "--control", "0")
    environment = {
        "PYTHONPATH": str(CHECKOUT),
        "XAUTHORITY": str(screen.xauthority),
    }
    program = Program("emulator", command + options, folder, environment=environment)
    async with await Process.start(program) as process:
        ready = json.loads((await process.line(r"^\{.*\}$")).group())
        yield Emulator(process, ready)


@pytest.fixture(scope="module")
def emulator(
    house: LoopThread, place: Path, screen: PrivateScreen
) -> Iterator[Emulator]:
    """The Skype client on that display."""
    with house.sub() as running:
        yield running.enter(client_on(screen, place / "old-client"))


@pytest.fixture(scope="module")
def gateway(
    house: LoopThread,
    place: Path,
    old_asterisk: LocalAsterisk,
    screen: PrivateScreen,
    emulator: Emulator,
) -> Iterator[Gateway]:
    """The gateway with the old file; display and ports alone are this machine's."""
    here = {"localhost:11.0": f"localhost:{screen.number}.0"}
    old = article_gateway(
        old_asterisk,
        place / "old-gateway",
        here,
        more=ROUTE,
        environment={"XAUTHORITY": str(screen.xauthority)},
    )
    with house.sub() as running:
        yield running.enter(old)


@pytest.fixture
async def phone(old_asterisk: LocalAsterisk) -> AsyncIterator[SipAgent]:
    """The article's softphone."""
    settings = old_asterisk.settings
    credentials = Credentials("sipphone", settings.sip_secret)
    async with SipAgent(HOST, (HOST, settings.sip_port), credentials) as agent:
        await agent.register()
        yield agent


async def test_the_slip_in_the_file_is_told_in_the_log(gateway: Gateway) -> None:
    text = "\n".join(gateway.process.lines)
    assert "skypiax.conf:7: extensions was never an option" in text


async def test_a_skype_user_hears_the_echo_of_600(
    emulator: Emulator, gateway: Gateway
) -> None:
    number = await emulator.ring("somebody", voice="tone:500")
    await emulator.call(number, "INPROGRESS")
    await emulator.heard(number, 16000 * 2, 10)
    heard = await emulator.sound(number, "heard")
    await emulator.post(f"/calls/{number}/hang_up")
    loud = measured_tone(heard.samples[-8000:], heard.rate_hz)
    assert loud.frequency_hz == pytest.approx(500, abs=1)
    record = await gateway.record(skype_call=str(number))
    assert (record["line"], record["status"]) == ("skypeclient", "ANSWER")


async def test_the_phone_hears_the_echo_of_600(phone: SipAgent) -> None:
    call = phone.call("600")
    await call.answered(5)
    await call.hang_up()


async def test_a_skype_user_reaches_the_phone_by_555(
    phone: SipAgent, emulator: Emulator
) -> None:
    number = await emulator.ring("to-phone")
    call = await phone.next_call(5)
    await call.answered(5)
    await emulator.call(number, "INPROGRESS")
    await call.hang_up()
    await emulator.call(number, "FINISHED")


@pytest.mark.parametrize(
    ("extension", "address"),
    [
        ("556", "echo123"),
        ("557", "drugdiler"),
        ("558", "advokat"),
        ("9echo", "echo"),
    ],
)
async def test_the_phone_reaches_skype_by_the_old_numbers(
    phone: SipAgent, gateway: Gateway, extension: str, address: str
) -> None:
    call = phone.call(extension)
    await call.answered(10)
    assert 180 in call.statuses
    (live,) = await gateway.calls()
    assert live["address"] == address
    await call.hang_up()


async def test_sound_of_the_phone_comes_back_from_an_echoing_contact(
    phone: SipAgent,
) -> None:
    call = phone.call("9echo")
    await call.answered(10)
    call.rtp.play(tone(1200, 1.5))
    await call.rtp.wait_for_audio(60, 5)
    samples = sound_of(call.rtp.received[-25:]).samples
    await call.hang_up()
    assert np.abs(samples).max() > 1000
    assert measured_tone(samples).frequency_hz == pytest.approx(1200, abs=1)


@pytest.mark.parametrize("extension", ["701", "702", "703", "704"])
async def test_each_form_of_dial_reaches_skype_after_conversion(
    phone: SipAgent, gateway: Gateway, extension: str
) -> None:
    call = phone.call(extension)
    await call.answered(10)
    (live,) = await gateway.calls()
    assert (live["line"], live["address"]) == ("skypeclient", "echo")
    await call.hang_up()


async def test_an_address_with_other_letters_arrives_as_it_was_written(
    phone: SipAgent, gateway: Gateway
) -> None:
    call = phone.call("705")
    final = await call.final_response(10)
    assert final.status >= 400
    record = await gateway.record(address="nobody@home")
    assert (record["line"], record["direction"]) == ("skypeclient", "to_line")


async def test_the_dialplan_goes_on_by_dialstatus_as_it_did_after_dial(
    phone: SipAgent,
) -> None:
    call = phone.call("706")
    final = await call.final_response(10)
    assert final.status == 486
