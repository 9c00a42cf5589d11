"""The control socket: the same API for whoever may write to a Unix socket.

The file's mode is the whole protection: 0660, so the gateway's user and group. No
token is asked for, and no Host, since no browser can reach it.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

from skypechan.errors import ConfigError
from skypechan.web.server import application, serving
from skypechan.web.settings import ControlSettings, control_socket
from skypechan.web.view import GatewayView

_log = logging.getLogger(__name__)

_OTHERS = 0o117  # all but reading and writing by user and group
_KNOCK_S = 1.0


@asynccontextmanager
async def serve_control(
    view: GatewayView, settings: ControlSettings, configuration: Path
) -> AsyncIterator[Path | None]:
    """Serve the API on the control socket while the context lasts.

    Gives its path, or None where the usual place cannot be had: calls go on without
    it. Raises ConfigError when another gateway has it, or a configured place fails.
    """
    path = control_socket(settings, configuration).absolute()
    try:
        listener = _listener(path)
    except OSError as error:
        why = f"{path}: {error.strerror or error}"
        if settings.socket:
            raise ConfigError(f"[control] socket: {why}") from error
        _log.warning("! no control socket, set [control] socket: %s", why)
        yield None
        return
    with closing(listener):
        mark = path.stat().st_ino
        try:
            async with serving(application(view), listener):
                _log.info("= control socket %s", path)
                yield path
        finally:
            _remove(path, mark)


def _listener(path: Path) -> socket.socket:
    """Return a socket that listens at `path`, where a dead one may have lain."""
    if path.is_socket():
        if _answers(path):
            raise ConfigError(
                f"another gateway runs: {path} answers; stop it, or give this one its"
                " own [control] socket"
            )
        path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(_OTHERS)
    try:
        listener.bind(str(path))
        listener.listen()
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


def _answers(path: Path) -> bool:
    """Tell whether somebody listens; when in doubt, somebody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(_KNOCK_S)
        try:
            knocking.connect(str(path))
        except OSError as error:
            return error.errno not in (errno.ECONNREFUSED, errno.ENOENT)
    return True


def _remove(path: Path, mark: int) -> None:
    """Take our socket away, but not one that a successor has put there."""
    with suppress(OSError):
        if path.stat().st_ino == mark:
            path.unlink()
