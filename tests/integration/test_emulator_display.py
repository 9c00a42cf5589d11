"""The emulator on a display, and an application that speaks plain slices to it."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import asynccontextmanager

import pytest

from skypechan.desktop.bus import PrivateBus
from skypechan.desktop.screen import PrivateScreen
from skypechan.errors import LinkDownError
from skypechan.links.x11.link import X11Link
from tests.doubles.emulated import application_at, emulator_at
from tests.doubles.waiting import Changes

PROPERTY = "_SKYPE_INSTANCE"
BEGIN, MORE = "SKYPECONTROLAPI_MESSAGE_BEGIN", "SKYPECONTROLAPI_MESSAGE"
READY_S = 10


@pytest.fixture
async def screen(tmp_path, monkeypatch):
    async with PrivateScreen(tmp_path / "screen", screen="320x200x8") as screen:
        monkeypatch.setenv("XAUTHORITY", str(screen.xauthority))
        yield screen


@pytest.fixture
async def emulator(screen):
    async with emulator_at("", "--display", screen.display) as emulator:
        yield emulator


class Application(Changes):
    """Cuts and joins by itself: it shares nothing with the emulator but the display."""

    def __init__(self, link):
        super().__init__()
        self.link = link
        self.heard = []
        self._line = b""
        link.on_message(self._take)

    async def find(self):
        return await self.link.root_property(PROPERTY)

    def slices(self, text):
        content = text.encode() + b"\0"
        kinds = [BEGIN] + [MORE] * (len(content) // 20)
        return [
            (kind, content[at * 20 : at * 20 + 20].ljust(20, b"?"))
            for at, kind in enumerate(kinds)
            if content[at * 20 :]
        ]

    async def say(self, *texts):
        target = await self.find()
        for text in texts:
            self.link.send(target, self.slices(text))

    async def hears(self, *lines, seconds=10.0):
        """Wait for these lines, in this order, among others."""

        def all_there():
            rest = iter(self.heard)
            return all(line in rest for line in lines)

        await self.until(all_there, seconds, f"{lines} in {self.heard}")

    async def attach(self):
        await self.say("#1 NAME test")
        await self.hears("#1 OK")
        await self.say("#2 PROTOCOL 8")
        await self.hears("#2 PROTOCOL 8", "USERSTATUS ONLINE")

    def _take(self, sender, atom, content):
        text, end, _ = content.partition(b"\0")
        self._line = text if atom == BEGIN else self._line + text
        if end:
            self.heard.append(self._line.decode())
            self._line = b""
            self.notify()


@asynccontextmanager
async def application_on(screen):
    link = await X11Link.connect(
        screen.display, str(screen.xauthority), (PROPERTY, BEGIN, MORE)
    )
    try:
        yield Application(link)
    finally:
        link.close()


@pytest.fixture
async def application(screen, emulator):
    async with application_on(screen) as application:
        await application.attach()
        yield application


async def known(emulator, count):
    """Return the applications once there are as many."""
    found = None
    async with asyncio.timeout(5):
        while found is None or len(found) != count:
            await asyncio.sleep(0.02)
            found = (await emulator.get("/account"))["applications"]
    return found


async def test_ready_line_names_the_display_alone_and_comes_in_two_seconds(
    emulator, screen
):
    assert emulator.ready["display"] == screen.display
    assert emulator.ready["dbus"] is None
    assert emulator.ready_after_s < 2


async def test_allowed_application_is_told_who_is_signed_in(application):
    assert application.heard == [
        "#1 OK",
        "#2 PROTOCOL 8",
        "CONNSTATUS ONLINE",
        "CURRENTUSERHANDLE skypet123",
        "USERSTATUS ONLINE",
    ]


async def test_application_calls_and_hangs_up(application):
    await application.say("#call CALL echo")
    reply = r"#call CALL "
    await application.until(
        lambda: any(line.startswith(reply) for line in application.heard), 5, reply
    )
    number = next(x for x in application.heard if x.startswith(reply)).split()[2]
    await application.hears(f"CALL {number} STATUS INPROGRESS")
    await application.say(f"ALTER CALL {number} HANGUP")
    await application.hears(f"CALL {number} STATUS FINISHED")


async def test_slices_of_two_applications_interleave(application, screen, emulator):
    async with application_on(screen) as other:
        await other.attach()
        target = await other.find()
        texts = ["#a SEARCH ACTIVECALLS, if you please", "#b GET USER echo123 FULLNAME"]
        for pair in zip(*map(application.slices, texts), strict=True):
            for who, message in zip((application, other), pair, strict=True):
                who.link.send(target, [message])
                await who.link.sync()
        for who, token in ((application, "#a "), (other, "#b ")):
            await who.until(
                lambda who=who, token=token: any(
                    x.startswith(token) for x in who.heard
                ),
                5,
                token,
            )
        assert not any(line.startswith("#b") for line in application.heard)


async def test_answers_that_are_swapped_arrive_so(application, emulator):
    """This application knows nothing of it, so the second half is a line to it."""
    await emulator.post("/faults", swap_slices=1)
    await application.say("#9 CALL nobody.at.all")
    await application.hears("recognised identity")
    assert application._line == b"#9 ERROR 92 CALL: Un"
    assert (await emulator.get("/faults"))["swap_slices"] == 0


async def test_giant_line_arrives_whole(application, emulator):
    name = "x" * 200_000
    await emulator.put("/contacts/giant", full_name=name)
    await application.say("#g GET USER giant FULLNAME")
    await application.hears(f"#g USER giant FULLNAME {name}", seconds=20)


async def test_application_that_is_gone_is_forgotten(emulator, screen):
    async with application_on(screen) as application:
        await application.attach()
        (known_one,) = await known(emulator, 1)
        assert known_one["application"] == f"x11 0x{application.link.window:x}"
    await known(emulator, 0)


async def test_slices_of_nobody_do_no_harm(application, emulator, screen):
    target = await application.find()
    application.link.send(target, [(MORE, b"x" * 20), (PROPERTY, bytes(20))] * 100)
    await application.say("#1 PING")
    await application.hears("#1 PONG")


async def test_quit_takes_the_property_away(emulator, screen):
    async with application_on(screen) as application:
        assert await application.find()
        assert await emulator.terminate() == 0
        assert await application.find() == 0


async def test_kill_leaves_the_property_and_the_next_takes_its_place(screen):
    async with application_on(screen) as application:
        async with emulator_at("", "--display", screen.display) as first:
            left = await application.find()
            await first.terminate(signal.SIGKILL)
        assert await application.find() == left
        async with emulator_at("", "--display", screen.display):
            assert await application.find() != left
            await application.attach()


async def test_stale_and_absent_property_on_request(application, emulator):
    gone = asyncio.Event()
    window = await application.find()
    application.link.watch_window(window, gone.set)
    answer = await emulator.post("/display", window=False)
    assert answer == {"window": False, "property": True, "number": window}
    await asyncio.wait_for(gone.wait(), 5)
    assert await application.find() == window
    await emulator.post("/display", property=False)
    assert await application.find() == 0
    answer = await emulator.post("/display", window=True, property=True)
    assert await application.find() == answer["number"] != window
    await application.attach()


async def test_client_on_a_bus_has_no_display_to_show(daemon):
    async with emulator_at(daemon.address) as emulator:
        assert await emulator.refused("/display", window=False) == 404


async def test_lost_display_ends_the_process_with_status_1(emulator, screen):
    screen.process.kill()
    assert await asyncio.wait_for(emulator.process.wait(), READY_S) == 1


async def test_second_emulator_on_a_display_is_refused(emulator, screen):
    status, said = await ended("--display", screen.display)
    assert status == 2
    assert "another Skype" in said


async def test_bus_and_display_of_the_session_are_the_defaults(
    screen, tmp_path, monkeypatch
):
    daemon = PrivateBus(tmp_path)
    await daemon.start()
    monkeypatch.setenv("DISPLAY", screen.display)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", daemon.address)
    try:
        async with (
            emulator_at("") as emulator,
            application_on(screen) as one,
            application_at(daemon.address) as other,
        ):
            assert emulator.ready["display"] == screen.display
            assert emulator.ready["dbus"] == daemon.address
            await one.attach()
            await other.attach()
            number = await other.place("noanswer")
            await one.hears(f"CALL {number} STATUS RINGING")
    finally:
        await daemon.stop()


async def test_one_of_the_sessions_two_will_do(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen.display)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    async with emulator_at("") as emulator:
        assert emulator.ready["display"] == screen.display
        assert emulator.ready["dbus"] is None


async def ended(*options):
    """Status and complaint of an emulator that does not start."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "skypechan.emulator", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), READY_S)
    assert out == b""
    return process.returncode, err.decode()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--display", "eleven"), "no X display"),
        (("--display", ":59000"), "no display at :59000"),
        ((), "DISPLAY is not set"),
    ],
)
async def test_misuse_is_explained_with_status_2(monkeypatch, options, said):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    status, complaint = await ended(*options)
    assert status == 2
    assert said in complaint


async def test_application_whose_display_is_lost_is_told(screen, emulator):
    async with application_on(screen) as application:
        screen.process.kill()
        await asyncio.wait_for(application.link.wait_lost(), 5)
        with pytest.raises(LinkDownError):
            await application.find()
