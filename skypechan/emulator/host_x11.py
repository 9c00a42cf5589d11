"""The emulated client on an X display: `_SKYPE_INSTANCE` and messages of 20 bytes.

An application is known by the window that its messages name, which is also where it
is answered (Skype API: X11 transport). A clean end takes the property away; a client
that is killed leaves it behind, as the real one did.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Final

from skypechan.backends.skype.protocol.attachment import Outgoing
from skypechan.backends.skype.protocol.chunks import (
    BEGIN_ATOM,
    CONTINUE_ATOM,
    INSTANCE_PROPERTY,
    Chunk,
    Joiner,
    cut,
)
from skypechan.emulator.program import Program
from skypechan.errors import LinkDownError, LinkError, LinkRefusedError, LocalWireError
from skypechan.links.x11.link import X11Link

ATOMS: Final = (INSTANCE_PROPERTY, BEGIN_ATOM, CONTINUE_ATOM)

logger = logging.getLogger(__name__)


class X11Host:
    """Serves applications on one display; lives as its link does.

    `window_there` and `property_there` are what an application can find.
    """

    PREFIX: Final = "x11"

    def __init__(self, program: Program, link: X11Link) -> None:
        self._program = program
        self.link = link
        self._joiner = Joiner()
        self._known: set[int] = set()
        self.window_there = True
        self.property_there = False

    async def start(self) -> None:
        """Appear on the display; LinkRefusedError when another Skype is there."""
        if await self._taken():
            raise LinkRefusedError(f"another Skype is on the {self.link.described}")
        self._program.add_host(self.PREFIX, self)
        self.link.on_message(self._take)
        self.show(window=True, instance=True)
        await self.link.sync()

    async def stop(self) -> None:
        """Leave the display as a client that is quit does."""
        if not self.link.connected:
            return
        try:
            self.show(window=False, instance=False)
            await self.link.sync()
        except LinkError as error:
            logger.debug("! %s", error)

    @property
    def window(self) -> int:
        """Number of the window that the property names, there or not."""
        return self.link.window

    def show(self, *, window: bool, instance: bool) -> None:
        """Have the window and the property there, or not; LinkDownError.

        A property without its window is what a killed client leaves behind. A window
        that comes back is another one.
        """
        if self.window_there and not window:
            self.link.destroy_window()
            self._forget_all()
        elif window and not self.window_there:
            self.link.create_window()
        self.window_there = window
        if instance:
            self.link.set_root_property(INSTANCE_PROPERTY, self.link.window)
        elif self.property_there:
            self.link.delete_root_property(INSTANCE_PROPERTY)
        self.property_there = instance

    def send(self, key: str, outgoing: Outgoing) -> None:
        """Text for an application; replies and notifications go the same way."""
        window = int(key.removeprefix(f"{self.PREFIX} "), 16)
        try:
            chunks = list(cut(outgoing.text))
            if len(chunks) > 1 and self._program.swaps_slices():
                chunks[:2] = chunks[1::-1]
            self.link.send(window, map(_message, chunks))
        except (LinkDownError, LocalWireError) as error:
            logger.debug("! window 0x%x not reached: %s", window, error)

    async def _taken(self) -> bool:
        """True when the property names a window that is there, and not ours."""
        window = await self.link.root_property(INSTANCE_PROPERTY)
        if not window or self.link.is_ours(window):
            return False
        dead: list[int] = []
        self.link.watch_window(window, lambda: dead.append(window))
        await self.link.sync()
        self.link.unwatch_window(window)
        return not dead

    def _take(self, sender: int, atom: str, content: bytes) -> None:
        if atom == INSTANCE_PROPERTY or not self.window_there:
            return
        if sender not in self._known:
            self._known.add(sender)
            self.link.watch_window(sender, lambda: self._gone(sender))
        joined = self._joiner.take(sender, Chunk(atom == BEGIN_ATOM, content))
        if joined.trouble:
            logger.info("! from window 0x%x: %s", sender, joined.trouble)
        for text in joined.texts:
            self._program.serve(partial(self._serve, sender, text))

    def _serve(self, sender: int, text: str) -> None:
        if sender in self._known:
            self._program.receive(self._key(sender), text)
            self._program.settle()

    def _gone(self, sender: int) -> None:
        self._known.discard(sender)
        self._joiner.forget(sender)
        self._program.forget(self._key(sender))
        self._program.settle()

    def _forget_all(self) -> None:
        for sender in tuple(self._known):
            self.link.unwatch_window(sender)
            self._gone(sender)

    def _key(self, sender: int) -> str:
        return f"{self.PREFIX} 0x{sender:x}"


def _message(chunk: Chunk) -> tuple[str, bytes]:
    return BEGIN_ATOM if chunk.first else CONTINUE_ATOM, chunk.content
