"""The screen of a line's client: seen and worked by the operator, watched for windows.

Everything is asked of the display over a connection of its own, and nothing of it is
waited for but in coroutines; a display that is lost is a state until it is back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from skypechan.clock import Backoff, Clock
from skypechan.desktop.png import png
from skypechan.desktop.users import write_anew
from skypechan.errors import LinkDownError, LinkError, LocalWireError
from skypechan.links.x11.keyboard import CAPS_LOCK, KEYS, keysym_of
from skypechan.links.x11.link import X11Link
from skypechan.links.x11.viewer import Pixels
from skypechan.log import legible

_log = logging.getLogger(__name__)

_BAND_BYTES: Final = 65_536  # of a picture that are asked for at a time
_PAINTED_S: Final = 1.0  # until a new window has been painted
_LOOK_S: Final = 0.5  # between looks at the windows, which a client may flash
_ALARM_S: Final = 3.0  # between alarms: the windows until then make one
_MOST_PIXELS: Final = 1 << 24  # of a picture: its server may be anybody's
_BITS: Final = frozenset({8, 16, 24, 32})  # of a pixel as it is stored
_RETRY_MOST_S: Final = 2.0  # until a display that was away is looked for again
_MOST_WINDOWS: Final = 64  # that are looked at, from the highest down
_MOST_TITLE: Final = 60  # characters
_MOST_TOLD: Final = 8  # titles in an alarm
_MOST_TYPED: Final = 500
_UNTITLED: Final = "a window without a title"


class View:
    """Looks at one display for as long as `attend` runs. Implements `Screen`.

    `changed` is told when other windows are shown than before.
    """

    def __init__(
        self, line: str, folder: Path, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self._line = line
        self._alarm_path = folder / "alarm.png"
        self._clock = clock
        self._changed = changed
        self._link: X11Link | None = None
        self._reason = "its display has not been reached yet"
        self._stirred = asyncio.Event()
        self._looking = asyncio.Lock()
        self._fresh: asyncio.Queue[str] = asyncio.Queue()
        self.windows: tuple[str, ...] = ()

    async def attend(self, display: str, xauthority: str) -> None:
        """Look at a display until cancelled, and again when it was lost.

        Both are as in `X11Link.connect`.
        """
        backoff = Backoff(most_s=_RETRY_MOST_S)
        while True:
            try:
                await self._attend(display, xauthority, backoff)
            except LinkError as error:
                self._reason = str(error)
            except Exception:  # noqa: BLE001 - a fault of ours costs the view only
                _log.exception("! the screen of line %s", self._line)
                self._reason = "a fault; the log says which"
            await self._clock.sleep(backoff.next_s())

    async def picture(self) -> bytes:
        """Return what is on the screen, as PNG. Raises LinkError."""
        link = self._attached()
        async with self._looking:
            pixels = link.work(lambda viewer: viewer.pixels)
            _check(pixels)
            palette = await link.look(lambda viewer: viewer.ask_palette())
            bands = await _bands(link, pixels)
            return await asyncio.to_thread(
                lambda: png(b"".join(bands), pixels, palette)
            )

    async def click(self, x: int, y: int, button: int) -> None:
        """Press a button of the pointer there and let it go; 1 is the left one.

        Raises LocalWireError beyond the screen, LinkError.
        """
        link = self._attached()
        pixels = link.work(lambda viewer: viewer.pixels)
        if not (0 <= x < pixels.width and 0 <= y < pixels.height):
            size = f"{pixels.width}x{pixels.height}"
            raise LocalWireError(f"{x},{y} is not on the screen of {size}")
        link.work(lambda viewer: viewer.click(x, y, button))
        await link.sync()

    async def type(self, text: str) -> None:
        """Press the keys that write a text, without Caps Lock.

        Raises LocalWireError, LinkError.
        """
        if len(text) > _MOST_TYPED:
            raise LocalWireError(f"at most {_MOST_TYPED} characters at a time")
        symbols = [keysym_of(character) for character in text]
        if not all(symbols):
            raise LocalWireError("the text has a character that is on no key")
        link = self._attached()
        is_locked = await link.look(lambda viewer: viewer.ask_is_locked())
        await self._press(*((CAPS_LOCK,) if is_locked else ()), *symbols)

    async def press(self, key: str) -> None:
        """Press a key by its name, one of KEYS. Raises LocalWireError, LinkError."""
        if key not in KEYS:
            raise LocalWireError(f"no such key; there are {', '.join(KEYS)}")
        await self._press(KEYS[key])

    async def _press(self, *symbols: int) -> None:
        link = self._attached()
        await link.look(lambda viewer: viewer.keyboard.ask())  # it may be another now
        done = link.work(lambda viewer: [viewer.type(symbol) for symbol in symbols])
        if not all(done):
            raise LocalWireError("the client's keyboard has no key left for it")
        await link.sync()

    def _attached(self) -> X11Link:
        if self._link is None:
            raise LinkDownError(f"no screen of line {self._line}: {self._reason}")
        return self._link

    async def _attend(self, display: str, xauthority: str, backoff: Backoff) -> None:
        """Watch the windows until the display is lost, which raises LinkError."""
        link = await X11Link.connect(display, xauthority)
        self._fresh = asyncio.Queue()
        lost = asyncio.create_task(link.wait_lost())
        lost.add_done_callback(lambda _: self._stirred.set())
        alarms = asyncio.create_task(self._raise_alarms())
        try:
            if not await link.look(lambda viewer: viewer.ask_hands()):
                raise LinkDownError("the X server cannot be worked: it has no XTEST")
            await link.look(lambda viewer: viewer.ask_titles())
            self._link = link
            backoff.reset()
            await self._watch(link)
        finally:
            self._link = None
            self._show(())
            link.close()
            alarms.cancel()
            await asyncio.gather(lost, alarms, return_exceptions=True)

    async def _watch(self, link: X11Link) -> None:
        told: set[int] = set()
        while True:
            self._stirred.clear()
            link.watch_windows(self._stirred.set)
            shown = await _windows_on(link)
            self._show(tuple(shown.values()))
            for window, title in shown.items():
                if window not in told:
                    self._fresh.put_nowait(title)
            told = set(shown)
            await self._clock.sleep(_LOOK_S)
            await self._stirred.wait()

    def _show(self, windows: tuple[str, ...]) -> None:
        if windows != self.windows:
            self.windows = windows
            self._changed()

    async def _raise_alarms(self) -> None:
        """Have the operator look at new windows; those of a while are one alarm."""
        while True:
            titles = [await self._fresh.get()]
            await self._clock.sleep(_PAINTED_S)
            titles += [self._fresh.get_nowait() for _ in range(self._fresh.qsize())]
            shown = ", ".join(map(repr, titles[:_MOST_TOLD]))
            said = f"its client shows {shown}, {await self._kept_picture()}"
            _log.warning("! line %s: %s", self._line, said, extra={"line": self._line})
            await self._clock.sleep(_ALARM_S)

    async def _kept_picture(self) -> str:
        """Say where a picture of the screen is kept, or why there is none."""
        try:
            write_anew(self._alarm_path, await self.picture(), None)
        except (LinkError, OSError) as error:
            return f"of which there is no picture: {error}"
        except Exception:  # noqa: BLE001 - a fault of ours costs the picture only
            _log.exception("! no picture of the screen of line %s", self._line)
            return "of which there is no picture: a fault; the log says which"
        return f"as in {self._alarm_path}"


def _check(pixels: Pixels) -> None:
    """Raise LinkDownError for a screen of which there can be no picture."""
    size = f"{pixels.width}x{pixels.height}"
    if not 0 < pixels.width * pixels.height <= _MOST_PIXELS:
        raise LinkDownError(f"no picture of a screen of {size}")
    if pixels.bits not in _BITS or (pixels.masks and not all(pixels.masks)):
        raise LinkDownError(f"no picture of a screen that stores pixels as {pixels}")


async def _bands(link: X11Link, pixels: Pixels) -> list[bytes]:
    """Return the rows of the screen, of which few enough come at a time."""
    step = max(1, _BAND_BYTES // pixels.row_bytes)
    tops = range(0, pixels.height, step)
    counts = [min(step, pixels.height - top) for top in tops]
    bands = [await _rows(link, top, n) for top, n in zip(tops, counts, strict=True)]
    if sum(map(len, bands)) != pixels.row_bytes * pixels.height:
        raise LinkDownError("no picture of a screen of which the server sends a part")
    return bands


async def _rows(link: X11Link, top: int, count: int) -> bytes:
    return await link.look(lambda viewer: viewer.ask_rows(top, count))


async def _windows_on(link: X11Link) -> dict[int, str]:
    """Return the titles of what is on the screen, by window, the highest first."""
    windows = await link.look(lambda viewer: viewer.ask_windows(_MOST_WINDOWS))
    titles = {window: await _title(link, window) for window in windows}
    return {window: title for window, title in titles.items() if title}


async def _title(link: X11Link, window: int) -> str:
    """Return a window's title, nothing for one that is not shown."""
    if not await link.look(lambda viewer: viewer.ask_is_shown(window)):
        return ""
    title = await link.look(lambda viewer: viewer.ask_title(window))
    title = title or await link.look(
        lambda viewer: viewer.ask_title(window, plain=True)
    )
    return legible(title)[:_MOST_TITLE].strip() or _UNTITLED
