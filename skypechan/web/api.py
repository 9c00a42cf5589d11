"""The API: what is read, what is done, what happens, and the description of it all."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPMethod
from typing import Any

from aiohttp import web

from skypechan.web.acts import Acts
from skypechan.web.events import EventsApi
from skypechan.web.operations import (
    Asked,
    Operation,
    document,
    json_text,
    text_response,
)
from skypechan.web.screens import ScreenApi
from skypechan.web.status import StatusApi
from skypechan.web.view import GatewayView


class Api:
    """Everything that can be asked of one gateway."""

    def __init__(self, view: GatewayView) -> None:
        self._events = EventsApi(view)
        self._parts = (StatusApi(view), Acts(view), ScreenApi(view), self._events)
        # Made once: it takes some 4 ms, in which the audio of calls would have to wait.
        self._description = json_text(document(self.operations()))

    def operations(self) -> Iterator[Operation]:
        """Yield all of it, also the description of itself."""
        for part in self._parts:
            yield from part.operations()
        yield Operation(
            HTTPMethod.GET, "/api/openapi.json", self._openapi, dict[str, Any]
        )

    def private_paths(self) -> frozenset[str]:
        """Return the paths that nobody reads without the token."""
        return frozenset(one.path for one in self.operations() if one.is_private)

    def add_to(self, app: web.Application) -> None:
        """Serve all of it as long as the application is."""
        app.add_routes(operation.route() for operation in self.operations())
        app.on_shutdown.append(self._events.close)

    async def _openapi(self, _: Asked) -> web.Response:
        """Return this description of the API, in the terms of OpenAPI 3.1."""
        return text_response(self._description)
