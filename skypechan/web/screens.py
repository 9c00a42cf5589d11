"""The screens of lines' clients: seen, and worked with pointer and keyboard.

All of it needs the token, the picture too: it may show what the account's user alone
is to see. That a key was pressed is noted, but not which: it may be of a password.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPMethod, HTTPStatus

from aiohttp import hdrs, web

from skypechan.gateway.screens import Screen
from skypechan.gateway.snapshot import as_json
from skypechan.web.audit import note
from skypechan.web.fields import Field, Kind
from skypechan.web.operations import Asked, Operation, json_response
from skypechan.web.view import GatewayView

_PNG = "image/png"
_MOST_PLACE = 32_767  # X11: positions have 16 bits with a sign
_CLICK = (
    Field("x", Kind.WHOLE, "pixels from the left", True, least=0, most=_MOST_PLACE),
    Field("y", Kind.WHOLE, "pixels from the top", True, least=0, most=_MOST_PLACE),
    Field(
        "button",
        Kind.WHOLE,
        "1 left (default), 2 middle, 3 right, 4 and 5 the wheel up and down",
        least=1,
        most=5,
    ),
)
_TYPE = (Field("text", Kind.TEXT, "what the keys are to write", needed=True),)
_PRESS = (
    Field("key", Kind.TEXT, "a key by its name in browsers, as Enter", needed=True),
)


@dataclass(frozen=True, slots=True)
class Worked:
    """The line whose client's screen was worked."""

    line: str


class ScreenApi:
    """Shows and works the screens of one gateway's lines."""

    def __init__(self, view: GatewayView) -> None:
        self._view = view

    def operations(self) -> Iterator[Operation]:
        """Yield what can be done."""
        get, post = HTTPMethod.GET, HTTPMethod.POST
        line = "/api/lines/{name}"
        yield Operation(
            get, f"{line}/screen", self._picture, kind=_PNG, is_private=True
        )
        yield Operation(post, f"{line}/click", self._click, Worked, body=_CLICK)
        yield Operation(post, f"{line}/type", self._type, Worked, body=_TYPE)
        yield Operation(post, f"{line}/press", self._press, Worked, body=_PRESS)

    async def _picture(self, asked: Asked) -> web.Response:
        """Return what is on the screen of a line's client.

        With `If-None-Match` only if it is another picture than that of the tag.
        """
        picture = await self._screen(asked).picture()
        tag = f'"{hashlib.blake2b(picture, digest_size=16).hexdigest()}"'
        if asked.request.headers.get(hdrs.IF_NONE_MATCH) == tag:
            return web.Response(
                status=HTTPStatus.NOT_MODIFIED, headers={hdrs.ETAG: tag}
            )
        return web.Response(body=picture, content_type=_PNG, headers={hdrs.ETAG: tag})

    async def _click(self, asked: Asked) -> web.Response:
        """Press a button of the pointer on the screen of a line's client."""
        x, y, button = asked["x"], asked["y"], asked.get("button", 1)
        screen = self._to_work(asked, f"clicks at {x},{y}, button {button}, on")
        await screen.click(x, y, button)
        return _worked(asked)

    async def _type(self, asked: Asked) -> web.Response:
        """Type a text where the keyboard of a line's client leads to."""
        await self._to_work(asked, "types on").type(asked["text"])
        return _worked(asked)

    async def _press(self, asked: Asked) -> web.Response:
        """Press a key that writes nothing, such as Enter or Tab."""
        await self._to_work(asked, "presses a key on").press(asked["key"])
        return _worked(asked)

    def _screen(self, asked: Asked) -> Screen:
        return self._view.screen(asked["name"])

    def _to_work(self, asked: Asked, what: str) -> Screen:
        """Return a screen for something that is noted first, whatever comes of it."""
        screen = self._screen(asked)
        about = f"{what} the screen of line"
        note(self._view.feed, asked, about, line=asked["name"])
        return screen


def _worked(asked: Asked) -> web.Response:
    return json_response(as_json(Worked(asked["name"])))
