"""The web server: what every request passes, and the socket it comes through."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from skypechan.call.causes import HangupCause
from skypechan.errors import (
    CallError,
    ConfigError,
    LinkError,
    SkypechanError,
    WireError,
)
from skypechan.log import legible
from skypechan.settings import Endpoint
from skypechan.web import page
from skypechan.web.api import Api
from skypechan.web.auth import Hosts, Refusal, Token
from skypechan.web.connections import Connections
from skypechan.web.operations import Handler, json_response
from skypechan.web.settings import WebSettings
from skypechan.web.view import GatewayView

_log = logging.getLogger(__name__)
_http_log = logging.getLogger(f"{__name__}.http")

_MOST_BODY_BYTES = 65_536
_SHUTDOWN_S = 0.25  # aiohttp waits this long twice for a request that hangs
_MOST_SHOWN = 200  # characters of a request
_KEEPALIVE_S = 30.0
_LINGER_S = 1.0  # for what is left of a body that nobody wants

_READERS = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_CLOSED_PATHS = ("/api/", "/metrics")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Server": "skypechan",
}


@asynccontextmanager
async def serve(view: GatewayView, settings: WebSettings) -> AsyncIterator[Endpoint]:
    """Serve a gateway's page and API while the context lasts.

    Gives the address, with the port that was picked where 0 was asked for. Raises
    ConfigError when the address cannot be had.
    """
    with closing(await _listener(settings.listen)) as listener:
        address = Endpoint(settings.listen.host, listener.getsockname()[1])
        hosts = Hosts(address, settings.allow_hosts)
        private = Api(view).private_paths()
        app = application(view, _checks(hosts, Token(settings.token), private))
        app.add_routes(page.routes())
        app.on_response_prepare.append(_add_security_headers)
        async with serving(app, listener):
            _log.info("= web page and API on http://%s/", address)
            yield address


def application(view: GatewayView, *checks: Middleware) -> web.Application:
    """Return the API, with what a request must pass before it."""
    app = web.Application(
        middlewares=[_faults_in_json, *checks], client_max_size=_MOST_BODY_BYTES
    )
    Api(view).add_to(app)
    return app


@asynccontextmanager
async def serving(app: web.Application, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application on a listening socket while the context lasts."""
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_http_log,
        shutdown_timeout=_SHUTDOWN_S,
        keepalive_timeout=_KEEPALIVE_S,
        lingering_time=_LINGER_S,
    )
    connections = Connections()
    app.middlewares.insert(0, connections.watch())
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp has set up no server")
    try:
        accepting = await connections.listen(runner.server, listener)
        try:
            yield
        finally:
            accepting.close()
    finally:
        await runner.cleanup()


async def _listener(listen: Endpoint) -> socket.socket:
    """Return a listening socket, or raise ConfigError naming the setting."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, *_, address = found[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        raise ConfigError(f"[web] listen = {str(listen)!r}: {_why(error)}") from error


def _why(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "another program has this port: stop it or choose another port"
        case errno.EADDRNOTAVAIL | socket.EAI_NONAME:
            return "this machine has no such address: choose one that it has"
        case errno.EACCES:
            return "this user may not open this port: choose one above 1023"
    return error.strerror or str(error)


@web.middleware
async def _faults_in_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every fault into its status and one sentence."""
    try:
        return await handler(request)
    except SkypechanError as error:
        return _fault(_status_of(error), str(error))
    except web.HTTPException as fault:
        answer = _fault(fault.status, fault.text or fault.reason)
        if allow := fault.headers.get(hdrs.ALLOW):
            answer.headers[hdrs.ALLOW] = allow
    except Exception:  # noqa: BLE001 - one bad answer never ends the server
        _log.exception("! %s failed", _shown(request))
        answer = _fault(500, "a fault in the gateway; its log says which")
    return answer


def _status_of(error: SkypechanError) -> HTTPStatus:
    """Return what a refusal of the gateway is called in HTTP."""
    match error:
        case CallError(cause=HangupCause.NO_ROUTE):
            return HTTPStatus.NOT_FOUND
        case ConfigError() | WireError():
            return HTTPStatus.BAD_REQUEST
        case LinkError():
            return HTTPStatus.SERVICE_UNAVAILABLE
    return HTTPStatus.CONFLICT


def _fault(status: int, sentence: str) -> web.Response:
    return json_response({"error": sentence}, status)


def _checks(hosts: Hosts, token: Token, private: frozenset[str]) -> Middleware:
    """Return what lets a request through, or answers why not."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = _refusal_of_place(request, hosts) or _refusal_of_person(
            request, token, private
        )
        if refusal is None:
            return await handler(request)
        _log.info("! refused %s: %s", _shown(request), refusal.sentence)
        answer = _fault(refusal.status, refusal.sentence)
        if refusal.status is HTTPStatus.UNAUTHORIZED:
            answer.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
        return answer

    return check


def _shown(request: web.Request) -> str:
    """Return what was asked for, for the log: strangers write it."""
    return legible(f"{request.method} {request.path}"[:_MOST_SHOWN])


def _refusal_of_place(request: web.Request, hosts: Hosts) -> Refusal | None:
    """Judge the name we are called by, the page that asks, and the size."""
    names = request.headers.getall(hdrs.HOST, [])
    if len(names) != 1 or not hosts.allows_host(names[0]):
        return Refusal(
            HTTPStatus.MISDIRECTED_REQUEST,
            "this server is not called so: add the name of the Host header to"
            " [web] allow_hosts if it is",
        )
    origin = request.headers.get(hdrs.ORIGIN)
    acts = request.method not in _READERS
    if acts and origin is not None and not hosts.allows_origin(origin):
        return Refusal(
            HTTPStatus.FORBIDDEN, "a page of another origin may not operate the gateway"
        )
    if (request.content_length or 0) > _MOST_BODY_BYTES:
        return Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a body may have {_MOST_BODY_BYTES} bytes at most",
        )
    return None


def _refusal_of_person(
    request: web.Request, token: Token, private: frozenset[str]
) -> Refusal | None:
    """Judge the token where one is needed."""
    is_served = request.match_info.http_exception is None
    if not is_served or not request.path.startswith(_CLOSED_PATHS):
        return None
    resource = request.match_info.route.resource
    is_private = resource is not None and resource.canonical in private
    return token.refusal(
        acts=is_private or request.method not in _READERS,
        remote=request.remote or "",
        authorization=request.headers.get(hdrs.AUTHORIZATION, ""),
    )


async def _add_security_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Tell our own faults from requests that are not HTTP, which anyone may send."""
    fault = record.exc_info[1] if record.exc_info else None
    return not isinstance(fault, HttpProcessingError)


_http_log.addFilter(_is_our_fault)
