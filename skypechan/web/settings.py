"""What the operator says about the web side: the tables `[web]` and `[control]`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from skypechan.settings import Endpoint, setting

RUN_FOLDER = Path("/run/skypechan")
SOCKET_NAME = "control.sock"


@dataclass(frozen=True, slots=True)
class WebSettings:
    """Where the page and the API are served, under which names, and to whom."""

    listen: Endpoint = setting(
        Endpoint("127.0.0.1", 8087),
        "where the page and the API are served, HOST:PORT; port 0 picks a free one",
    )
    allow_hosts: tuple[str, ...] = setting(
        (),
        "further names that browsers may call us by, NAME or NAME:PORT, such as"
        " that of a reverse proxy; who comes through one on this machine reads without"
        " the token, as from here: the proxy has to ask him who he is",
    )
    token: str = setting(
        "",
        "the word that lets a request operate calls, or read from another machine;"
        " who has it may ring any extension in any context of the dialplan; without it"
        " nobody can; better in a file: token_file",
        secret=True,
    )


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """Where the commands of the operator reach the running gateway."""

    socket: str = setting(
        "",
        "Unix socket for `skypechan status`, `call` and the other commands; who may"
        f" write to it may operate; empty is {RUN_FOLDER}/{SOCKET_NAME} or, where that"
        f" folder is not ours, {SOCKET_NAME} beside this file",
    )


def control_socket(settings: ControlSettings, configuration: Path) -> Path:
    """Return where the gateway that runs with a configuration is to be reached."""
    if settings.socket:
        return configuration.parent / settings.socket
    ours = RUN_FOLDER.is_dir() and os.access(RUN_FOLDER, os.W_OK | os.X_OK)
    return (RUN_FOLDER if ours else configuration.parent) / SOCKET_NAME
