"""A gateway with a line over X11 and a line over D-Bus, and displays that fail.

The display is named as in the article, `localhost:N.0`; its server takes no TCP.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skypechan.demo.parts.asterisk import LocalAsterisk
from skypechan.demo.parts.emulated import Emulator, emulator
from skypechan.demo.parts.gateway import Gateway, config_head
from skypechan.demo.parts.ports import free_port
from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from tests.doubles.loop_thread import Contexts, LoopThread
from tests.doubles.sip_agent import SipAgent
from tests.doubles.sip_values import Behaviour, EndedBy
from tests.system import parts
from tests.system.figures import MEASURED
from tests.system.parts import eventually

LINES_AND_ROUTE = """
[lines.skypeclient]
account = "skypet123"
transport = "x11"
display = "localhost:{number}.0"
xauthority = "{xauthority}"
extension = "600"

[lines.otherclient]
account = "skypet456"
dbus_address = "{bus}"
extension = "600"

[[routes]]
caller = "to-phone*"
to = "555@from-skypechan"
"""

LONGEST_GAP_MS = 100
BACK_WITHIN_S = 2.0


@dataclass(slots=True)
class Desk:
    """The parts of these tests; the client on the display comes and goes."""

    house: LoopThread
    stack: Contexts
    folder: Path
    screen: PrivateScreen
    by_bus: Emulator
    by_display: Emulator
    gateway: Gateway

    def kill_screen(self) -> None:
        """End the X server as a crash would; its client goes with it."""
        self.screen.process.kill()
        self.house.run(self.screen.process.wait())
        self.house.run(self.by_display.process.wait())

    def restore(self) -> None:
        """Bring the display back, and the client, under the same names."""
        self.house.run(self.screen.start())
        self.by_display = self.stack.enter(client_on(self.screen, self.folder))

    async def ready(self) -> None:
        """Return once both lines are."""
        for line in ("skypeclient", "otherclient"):
            await self.reaches(line, "ready", 5)

    async def state(self, line: str) -> tuple[str, str]:
        lines = (await self.gateway.get("/api/lines")) or []
        return next((x["state"], x["reason"]) for x in lines if x["name"] == line)

    async def reaches(self, line: str, state: str, seconds: float) -> str:
        """The reason, once the line has that state."""

        async def reached() -> str | None:
            now, reason = await self.state(line)
            return (reason or "-") if now == state else None

        return await eventually(reached, seconds, lambda: f"{line} {state}")


def client_on(screen: PrivateScreen, folder: Path):
    return emulator(
        folder / "client-x11",
        ("--account", "skypet123", "--display", screen.display),
        environment={"XAUTHORITY": str(screen.xauthority)},
    )


@contextmanager
def _desk(house: LoopThread, folder: Path, asterisk: LocalAsterisk) -> Iterator[Desk]:
    web_port = free_port()
    with house.sub() as stack:
        bus = stack.enter(PrivateBus(folder / "bus"))
        screen = stack.enter(PrivateScreen(folder / "screen", screen="1024x768x8"))
        options = ("--account", "skypet456", "--dbus", bus.address)
        by_bus = stack.enter(emulator(folder / "client-dbus", options))
        by_display = stack.enter(client_on(screen, folder))
        config = config_head(asterisk.settings, web_port) + LINES_AND_ROUTE.format(
            number=screen.number,
            xauthority=screen.xauthority,
            bus=bus.address,
        )
        gateway = stack.enter(parts.gateway(config, web_port, folder / "gateway"))
        yield Desk(house, stack, folder, screen, by_bus, by_display, gateway)


@pytest.fixture
async def desk(
    house: LoopThread, place: Path, asterisk: LocalAsterisk
) -> AsyncIterator[Desk]:
    """Both lines ready before the test, no call left after it."""
    with _desk(house, place / "x11", asterisk) as desk:
        await desk.ready()
        yield desk
        await desk.gateway.idle()


async def test_display_that_refuses_tcp_is_used_by_its_socket_and_said_so(
    desk: Desk,
) -> None:
    said = "\n".join(desk.gateway.process.lines)
    assert f"by the local socket :{desk.screen.number} as TCP port" in said


def first_stamps(call: dict[str, Any]) -> dict[str, int]:
    """When the client first came into each status; it tells some twice."""
    return {status: at_ns for at_ns, status in reversed(call["timeline"])}


async def test_180_once_the_client_rings_and_200_once_it_answers(
    phone: SipAgent, desk: Desk
) -> None:
    call = phone.call("prepare-30-echo")
    answered = await call.response(200, 10)
    rang = await call.response(180, 1)
    number = await desk.by_display.newest()
    stamps = first_stamps(await desk.by_display.get(f"/calls/{number}"))
    ringing = (rang.at_ns - stamps["RINGING"]) / 1e6
    answer = (answered.at_ns - stamps["INPROGRESS"]) / 1e6
    await call.rtp.wait_for_audio(25, 5)
    await call.hang_up()
    await desk.by_display.call(number, "FINISHED")
    assert call.statuses == [100, 180, 200]
    MEASURED.add("X11: Skype RINGING to 180", ringing)
    MEASURED.add("X11: Skype INPROGRESS to 200", answer)
    assert 0 < ringing < 200
    assert 0 < answer < 500


async def test_caller_on_the_display_is_answered_only_after_the_phone(
    phone: SipAgent, desk: Desk
) -> None:
    phone.behaviour = Behaviour(ring_after_s=0.1, answer_after_s=0.5)
    number = await desk.by_display.ring("to-phone-x", display_name="Alice X.")
    call = await phone.next_call(5)
    await call.answered(5)
    stamps = first_stamps(await desk.by_display.call(number, "INPROGRESS"))
    assert stamps["INPROGRESS"] > call.answered_ns
    await call.hang_up()
    await desk.by_display.call(number, "FINISHED")


async def test_failure_over_the_display_has_the_true_cause(
    phone: SipAgent, desk: Desk
) -> None:
    for contact, status in (("busy", 486), ("nobody-of-this-name", 404)):
        call = phone.call(f"prepare-30-{contact}")
        assert (await call.final_response(10)).status == status
        await call.ended(5)


async def test_lines_over_bus_and_display_talk_at_the_same_time(
    phone: SipAgent, desk: Desk
) -> None:
    call = phone.call("prepare-30-echo")
    await call.answered(10)
    number = await desk.by_bus.ring("carol", voice="tone:500")
    await desk.by_bus.call(number, "INPROGRESS")
    lines = {live["line"] for live in await desk.gateway.calls()}
    assert lines == {"skypeclient", "otherclient"}
    await call.rtp.wait_for_audio(50, 5)
    assert (await desk.by_bus.sound(number, "heard")).samples.size > 0
    await desk.by_bus.hang_up(number)
    await call.hang_up()
    await call.ended(2)


def longest_gap_ms(call) -> float:
    stamps = np.array([packet.at_ns for packet in call.rtp.received], np.int64)
    return float(np.diff(stamps).max() / 1e6)


async def test_stopped_display_neither_ends_its_call_nor_disturbs_another(
    phone: SipAgent, desk: Desk
) -> None:
    other = await desk.by_bus.ring("to-phone-y")
    heard = await phone.next_call(5)
    await heard.answered(5)
    mine = await desk.by_display.ring("carol")
    await desk.by_display.call(mine, "INPROGRESS")
    await heard.rtp.wait_for_audio(10, 5)
    desk.screen.process.signal(signal.SIGSTOP)
    try:
        await heard.rtp.wait_for_audio(len(heard.rtp.received) + 150, 10)
        assert len(await desk.gateway.calls()) == 2
    finally:
        desk.screen.process.signal(signal.SIGCONT)
    gap_ms = longest_gap_ms(heard)
    MEASURED.add("X11: longest gap of another line's call, display stopped", gap_ms)
    assert gap_ms < LONGEST_GAP_MS
    await desk.by_display.hang_up(mine)
    await desk.by_bus.hang_up(other)
    await heard.ended(5)


async def test_call_ends_with_its_display_and_the_next_works_when_it_is_back(
    phone: SipAgent, desk: Desk
) -> None:
    call = phone.call("prepare-30-echo")
    await call.answered(10)
    await call.rtp.wait_for_audio(10, 5)
    desk.kill_screen()
    await call.ended(3)
    assert call.ended_by is EndedBy.THEM
    assert "display" in await desk.reaches("skypeclient", "waiting_for_client", 5)
    assert (await desk.state("otherclient"))[0] == "ready"
    desk.restore()
    await desk.reaches("skypeclient", "ready", BACK_WITHIN_S)
    again = phone.call("prepare-30-echo")
    await again.answered(10)
    await again.hang_up()
    await again.ended(2)


async def test_caller_who_waits_is_told_when_the_display_dies(
    phone: SipAgent, desk: Desk
) -> None:
    call = phone.call("prepare-30-noanswer")
    await call.response(180, 10)
    desk.kill_screen()
    final = await call.final_response(3)
    assert final.status >= 480
    record = await desk.gateway.record(line="skypeclient", answered=None)
    assert record["cause"] == 27
    desk.restore()
    await desk.reaches("skypeclient", "ready", BACK_WITHIN_S)
