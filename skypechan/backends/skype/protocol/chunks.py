"""Text in slices: how a line travels in X11 client messages of 20 bytes.

A line is its UTF-8 text and one NUL, cut into slices; the first goes with one atom,
the others with another. What follows the NUL in the last slice is left over from an
earlier one, so it means nothing. There is no length and no number of a slice: who
sends is told by the window that the message names (Skype API: X11 transport).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from skypechan.errors import LocalWireError

INSTANCE_PROPERTY: Final = "_SKYPE_INSTANCE"
"""Property of the root window: the window of the client that runs."""

BEGIN_ATOM: Final = "SKYPECONTROLAPI_MESSAGE_BEGIN"
CONTINUE_ATOM: Final = "SKYPECONTROLAPI_MESSAGE"

SLICE_BYTES: Final = 20
MOST_BYTES: Final = 512 * 1024
"""Longest line that is put together; clients were built for 17,000 bytes."""

MOST_SENDERS: Final = 256


@dataclass(frozen=True, slots=True)
class Chunk:
    """One slice; `first` tells which atom it goes with."""

    first: bool
    content: bytes


def cut(text: str) -> Iterator[Chunk]:
    """Cut a line into slices of 20 bytes, the last one filled with NUL.

    Raises LocalWireError for a text with NUL or over the longest length.
    """
    if "\0" in text:
        raise LocalWireError("NUL in a text for X11")
    content = text.encode("utf-8", "replace")
    if len(content) > MOST_BYTES:
        raise LocalWireError(f"a text of {len(content)} bytes is too long for X11")
    content += bytes(SLICE_BYTES - len(content) % SLICE_BYTES)
    return (
        Chunk(start == 0, content[start : start + SLICE_BYTES])
        for start in range(0, len(content), SLICE_BYTES)
    )


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of a slice: whole lines, and words on what went wrong."""

    texts: tuple[str, ...] = ()
    trouble: str = ""


_NOTHING: Final = Joined()


@dataclass(slots=True)
class _Sender:
    """What is there of one sender's line.

    `open` says that `content` has its beginning and waits for more; `orphans` came
    without a beginning.
    """

    content: bytearray = field(default_factory=bytearray)
    open: bool = False
    too_long: bool = False
    orphans: bytearray = field(default_factory=bytearray)


class Joiner:
    """Puts lines together again, each sender's by itself.

    The two halves of a line may come in the wrong order (seen with the ERROR 92 of
    real clients): a slice without a beginning is kept and joined to the beginning
    that follows, unless that is a whole line. So a lost beginning, which X does not
    know, would spoil lines until the next short one. A beginning ends an unfinished
    line, which is dropped: half a number would be a number.
    """

    def __init__(self) -> None:
        self._senders: dict[int, _Sender] = {}

    def take(self, sender: int, chunk: Chunk) -> Joined:
        """Take the next slice from a sender."""
        state = self._sender(sender)
        content, end, _ = chunk.content.partition(b"\0")
        if chunk.first:
            return _begin(state, content, finished=bool(end))
        return _go_on(state, content, finished=bool(end))

    def forget(self, sender: int) -> None:
        """A sender has gone; the next of the same number starts afresh."""
        self._senders.pop(sender, None)

    def _sender(self, sender: int) -> _Sender:
        state = self._senders.get(sender)
        if state is None:
            if len(self._senders) >= MOST_SENDERS:
                # Window numbers cost nothing to make up: the oldest has to go.
                del self._senders[next(iter(self._senders))]
            state = self._senders[sender] = _Sender()
        return state


def _begin(state: _Sender, content: bytes, *, finished: bool) -> Joined:
    trouble = ""
    if state.open:
        trouble = f"unfinished line dropped: {_text(state.content[:SLICE_BYTES])!r}..."
    orphans, state.orphans = state.orphans, bytearray()
    state.content, state.open = bytearray(content), True
    state.too_long = False
    if finished:
        return Joined((_close(state),), trouble)
    if not orphans:
        return Joined((), trouble) if trouble else _NOTHING
    rest, end, _ = orphans.partition(b"\0")
    state.content += rest
    trouble = trouble or "slices in the wrong order joined"
    return Joined((_close(state),) if end else (), trouble)


def _go_on(state: _Sender, content: bytes, *, finished: bool) -> Joined:
    if state.open:
        return _append(state, content, finished=finished)
    if state.too_long:
        state.too_long = not finished
        return _NOTHING
    if b"\0" in state.orphans or len(state.orphans) > MOST_BYTES:
        state.orphans.clear()
    state.orphans += content + b"\0" * finished
    return Joined((), "slice without a beginning kept")


def _append(state: _Sender, content: bytes, *, finished: bool) -> Joined:
    if len(state.content) + len(content) > MOST_BYTES:
        state.content, state.open = bytearray(), False
        state.too_long = not finished
        return Joined((), f"line over {MOST_BYTES} bytes dropped")
    state.content += content
    return Joined((_close(state),)) if finished else _NOTHING


def _close(state: _Sender) -> str:
    text = _text(state.content)
    state.content, state.open = bytearray(), False
    return text


def _text(content: bytes | bytearray) -> str:
    return content.decode("utf-8", "replace")
