"""A line's screen: seen as it is, worked as by hand, watched; its loss is a state."""

from __future__ import annotations

import asyncio
import json
import signal
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from Xlib import XK, X
from Xlib.display import Display

from skypechan.desktop import view
from skypechan.desktop.screen import PrivateScreen
from skypechan.desktop.view import View
from skypechan.emulator.windows import NAME, PASSWORD, SIGN_IN
from skypechan.errors import LinkDownError, LocalWireError
from tests.doubles.clock import FakeClock
from tests.doubles.loop_lag import LoopLag
from tests.doubles.pictures import read_png
from tests.doubles.xbetween import between
from tests.doubles.xuser import ScreenUser
from tests.integration.test_emulator_windows import SIGN_IN_TITLE, client_on, sees
from tests.system.parts import eventually

RED, GREEN, BLUE = (255, 0, 0), (0, 128, 64), (16, 32, 255)
MASKS = struct.pack("=3L", 0xFF0000, 0xFF00, 0xFF)
SIZE = struct.pack("=2H", 65, 66)
DEADLINE_S = 20.0
NO_STALL_S = 2.0
"""What a loaded machine may cost; a wait for the server would take five seconds."""


class Watched:
    """A view that is attended to, by a clock that moves while somebody waits."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.shown: list[tuple[str, ...]] = []
        self.alarm = folder / "alarm.png"
        self.view = View("alice", folder, self.clock, self._changed)

    def _changed(self) -> None:
        self.shown.append(self.view.windows)

    async def until(self, look: Callable[[], object], what: str) -> None:
        async def later() -> object:
            await self.clock.advance(0.1)
            return look()

        await eventually(later, DEADLINE_S, lambda: f"{what}; windows {self.shown}")

    async def attached(self, but: str = "") -> None:
        """Raise LinkDownError for another reason than `but`."""

        async def is_attached() -> bool:
            await self.clock.advance(0.5)
            try:
                return bool(await self.view.picture())
            except LinkDownError as error:
                if but not in str(error):
                    raise
                return False

        await eventually(is_attached, DEADLINE_S, "picture")


@asynccontextmanager
async def attended(screen: PrivateScreen, folder: Path) -> AsyncIterator[Watched]:
    watched = Watched(folder)
    looking = watched.view.attend(screen.display, str(screen.xauthority))
    attending = asyncio.create_task(looking)
    try:
        await watched.attached()
        yield watched
    finally:
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)


@pytest.fixture
async def screen(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PrivateScreen]:
    size = getattr(request, "param", "640x480x24")
    async with PrivateScreen(tmp_path / "screen", screen=size) as screen:
        monkeypatch.setenv("XAUTHORITY", str(screen.xauthority))
        yield screen
        screen.process.signal(signal.SIGCONT)


class Program:
    """A program of somebody's on the display, as plain as can be."""

    def __init__(self, screen: PrivateScreen) -> None:
        self.display = Display(screen.display)
        self.root = self.display.screen().root

    def window(self, title: str = "", *, is_menu: bool = False, box=(10, 20, 90, 60)):
        black = self.display.screen().black_pixel
        window = self.root.create_window(
            *box,
            0,
            X.CopyFromParent,
            background_pixel=black,
            override_redirect=is_menu,
            event_mask=X.KeyPressMask | X.ButtonPressMask,
        )
        if title:
            window.set_wm_name(title)
        window.map()
        self.display.sync()
        return window

    def fill(self, window, box, colour) -> None:
        red, green, blue = (part * 257 for part in colour)
        asked = self.display.screen().default_colormap.alloc_color(red, green, blue)
        pen = window.create_gc(foreground=asked.pixel)
        window.fill_rectangle(pen, *box)
        self.display.sync()

    def typed(self) -> list[int]:
        """The keysyms of the keys that went down, as a toolkit finds them."""
        self.display.sync()
        found = []
        while self.display.pending_events():
            event = self.display.next_event()
            if event.type == X.MappingNotify:
                self.display.refresh_keyboard_mapping(event)
            elif event.type == X.KeyPress:
                column = int(bool(event.state & X.ShiftMask))
                found.append(self.display.keycode_to_keysym(event.detail, column))
        return [symbol for symbol in found if symbol != XK.XK_Shift_L]


@pytest.fixture
def program(screen: PrivateScreen):
    program = Program(screen)
    yield program
    program.display.close()


@pytest.mark.parametrize(
    "screen", ["322x200x8", "321x200x16", "320x200x24"], indirect=True
)
async def test_the_picture_is_what_the_screen_shows(
    screen: PrivateScreen, program: Program, tmp_path: Path
) -> None:
    async with attended(screen, tmp_path) as watched:
        window = program.window(box=(10, 20, 90, 60))
        for place, colour in enumerate((RED, GREEN, BLUE)):
            program.fill(window, (30 * place, 0, 30, 60), colour)
        picture = read_png(await watched.view.picture()).astype(int)
        assert picture.shape == (200, int(screen._screen.partition("x")[0]), 3)
        for place, colour in enumerate((RED, GREEN, BLUE)):
            seen = picture[20:80, 10 + 30 * place : 40 + 30 * place]
            assert abs(seen - np.array(colour)).max() < 8, (place, seen[0, 0])
        around = np.ones(picture.shape[:2], bool)
        around[20:80, 10:100] = False
        assert not picture[around].any()
        program.fill(window, (0, 0, 1, 1), BLUE)
        assert (read_png(await watched.view.picture()) != picture).any()


async def test_what_is_typed_arrives_whatever_is_on_the_keys(
    screen: PrivateScreen, program: Program, tmp_path: Path
) -> None:
    async with attended(screen, tmp_path) as watched:
        window = program.window("entry")
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        program.display.sync()
        text = "aZ 9!é€Яя漢a€"
        await watched.view.type(text)
        symbols = [ord(c) if ord(c) < 256 else 0x0100_0000 + ord(c) for c in text]
        assert program.typed() == symbols
        await watched.view.press("Enter")
        await watched.view.press("F5")
        assert program.typed() == [XK.XK_Return, XK.XK_F5]


async def test_what_is_typed_has_its_case_though_caps_lock_is_on(
    screen: PrivateScreen, program: Program, tmp_path: Path
) -> None:
    async with attended(screen, tmp_path) as watched:
        lock = program.display.keysym_to_keycode(XK.XK_Caps_Lock)
        for kind in (X.KeyPress, X.KeyRelease):
            program.display.xtest_fake_input(kind, lock)
        window = program.window("entry")
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        program.display.sync()
        assert program.root.query_pointer().mask & X.LockMask
        await watched.view.type("aZ")
        assert not program.root.query_pointer().mask & X.LockMask
        assert program.typed() == [XK.XK_Caps_Lock, ord("a"), ord("Z")]


async def test_what_no_hand_could_do_is_refused(
    screen: PrivateScreen, program: Program, tmp_path: Path
) -> None:
    async with attended(screen, tmp_path) as watched:
        window = program.window("entry")
        window.set_input_focus(X.RevertToParent, X.CurrentTime)
        acts: tuple[Callable[[], Awaitable[None]], ...] = (
            lambda: watched.view.click(640, 0, 1),
            lambda: watched.view.click(0, -1, 1),
            lambda: watched.view.type("a\x1b"),
            lambda: watched.view.type("a" * 501),
            lambda: watched.view.press("Hyper"),
        )
        for act in acts:
            with pytest.raises(LocalWireError):
                await act()
        assert program.typed() == []


async def test_a_new_window_raises_an_alarm_and_a_menu_does_not(
    screen: PrivateScreen,
    program: Program,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with attended(screen, tmp_path) as watched:
        program.window("menu", is_menu=True, box=(300, 0, 10, 10))
        dialog = program.window("Sure\x1b[2J?")
        program.fill(dialog, (0, 0, 90, 60), GREEN)
        await watched.until(watched.alarm.exists, "alarm")
        assert watched.shown == [("Sure?[2J?",)]
        assert (read_png(watched.alarm.read_bytes())[50, 50] == GREEN).all()
        (said,) = [one for one in caplog.records if one.levelname == "WARNING"]
        assert said.getMessage().startswith(
            "! line alice: its client shows 'Sure?[2J?', as in "
        )
        assert said.line == "alice"
        untitled = program.window()
        await watched.until(lambda: len(caplog.messages) > 1, "second alarm")
        assert "'a window without a title'" in caplog.messages[-1]
        dialog.destroy()
        untitled.unmap()
        program.display.sync()
        await watched.until(lambda: watched.view.windows == (), "end of windows")


async def test_alarms_go_on_without_a_picture(
    screen: PrivateScreen,
    program: Program,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_: object) -> bytes:
        raise ValueError("a fault of ours")

    def alarms() -> list[str]:
        records = [one for one in caplog.records if one.levelname == "WARNING"]
        return [one.getMessage() for one in records]

    async with attended(screen, tmp_path) as watched:
        monkeypatch.setattr(view, "png", fails)
        program.window("one")
        await watched.until(lambda: len(alarms()) == 1, "alarm")
        program.window("two")
        await watched.until(lambda: len(alarms()) == 2, "second alarm")
    assert all("a fault; the log says which" in alarm for alarm in alarms())
    assert "ValueError: a fault of ours" in caplog.text


@pytest.mark.parametrize(
    ("screen", "said", "instead", "reason"),
    [
        ("64x64x24", b"\x18\x20\x20", b"\x18\xff\x20", "bits=255"),
        ("64x64x24", MASKS, bytes(12), "masks=.0, 0, 0."),
        ("64x64x8", b"\x08\x08\x20", b"\x08\x20\x20", "sends a part"),
        ("65x66x8", SIZE, b"\xff\xff\xff\xff", "screen of 65535x65535"),
    ],
    indirect=["screen"],
)
async def test_a_screen_that_cannot_be_is_a_state_too(
    screen: PrivateScreen, tmp_path: Path, said: bytes, instead: bytes, reason: str
) -> None:
    def lie(words: bytes) -> bytes:
        return words.replace(said, instead)

    watched = Watched(tmp_path)
    async with between(tmp_path / "display", screen.display, lie) as there:
        looking = watched.view.attend(there.display, str(screen.xauthority))
        attending = asyncio.create_task(looking)
        with pytest.raises(LinkDownError, match=reason):
            await watched.attached(but="not been reached yet")
        attending.cancel()
        await asyncio.gather(attending, return_exceptions=True)


async def test_a_display_that_is_lost_is_a_state_until_it_is_back(
    screen: PrivateScreen, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with attended(screen, tmp_path) as watched:
        screen.process.kill()
        await screen.process.wait()
        for act in (
            lambda: watched.view.picture(),
            lambda: watched.view.click(1, 1, 1),
            lambda: watched.view.type("a"),
        ):
            with pytest.raises(LinkDownError):
                await act()
        await screen.start()
        await watched.attached()
    assert "Traceback" not in caplog.text


async def test_a_display_that_hangs_holds_nobody_up(
    screen: PrivateScreen, tmp_path: Path
) -> None:
    async with attended(screen, tmp_path) as watched:
        screen.process.signal(signal.SIGSTOP)
        async with LoopLag() as lag:
            for act in (watched.view.picture(), watched.view.click(1, 1, 1)):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await act
        assert lag.most_s < NO_STALL_S
        screen.process.signal(signal.SIGCONT)
        assert await watched.view.picture()


async def test_windows_that_come_and_go_without_end_hold_nobody_up(
    screen: PrivateScreen, program: Program, tmp_path: Path
) -> None:
    def flap() -> None:
        window = program.window("flap")
        for _ in range(5_000):
            window.unmap()
            window.map()
        for _ in range(2_000):
            program.root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
        program.display.sync()

    async with attended(screen, tmp_path) as watched, LoopLag() as lag:
        before = watched.clock.monotonic_s()
        await asyncio.to_thread(flap)
        program.window("last")
        await watched.until(lambda: "last" in watched.view.windows, "last window")
    assert lag.most_s < NO_STALL_S
    looked_s = watched.clock.monotonic_s() - before
    assert len(watched.shown) <= 2 + looked_s / view._LOOK_S


async def test_who_signs_in_has_any_alphabet(
    screen: PrivateScreen, tmp_path: Path
) -> None:
    password = "pä55wörd € Я"
    profile = tmp_path / ".Skype"
    profile.mkdir()
    (profile / "emulator.json").write_text(json.dumps({"password": password}))
    with ScreenUser(screen.display) as user:
        async with (
            client_on(screen, tmp_path, login="alice guess") as client,
            attended(screen, tmp_path) as watched,
        ):
            window = await sees(user, SIGN_IN_TITLE)
            for box in (NAME, PASSWORD, SIGN_IN):
                across, down = box.middle
                await watched.view.click(window.x + across, window.y + down, 1)
                if box is PASSWORD:
                    await watched.view.type(password)

            async def is_signed_in() -> bool:
                return bool((await client.get("/account"))["signed_in"])

            await eventually(is_signed_in, DEADLINE_S, "account that is signed in")
